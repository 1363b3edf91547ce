"""What an ascent changes and how it walks, for the compiled loop and for the one in NumPy alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ferviz.dreaming.parameterizations.parameterization import Parameterization
from ferviz.dreaming.regularizers import Regularizers
from ferviz.dreaming.transforms import Transforms

FIRST_DECAY, SECOND_DECAY, EPSILON = 0.9, 0.999, 1e-8
"""Adam's constants, those of its paper (Kingma and Ba, ICLR 2015)."""

TINY = 1e-12
"""Added to a root mean square before the division by it."""

LAST_RATE = 0.02
"""Where the cosine of a falling learning rate ends, as a fraction of its course: the last step still moves a little."""

MARGIN = 0.02
"""Start pixels keep this distance from 0 and 1, where the logarithmic odds are infinite and nothing would move."""


@dataclass(frozen=True)
class AscentConfig:
    """What an ascent changes and how it walks.

    Attributes:
        parameterization: the variables from which a picture follows.
        transforms: the random views that a picture is seen through.
        regularizers: the costs that are subtracted from the objective.
        steps: number of steps of gradient ascent, at least 1.
        learning_rate: Adam's step in units of the variables, or with `normalized` the step in units of the picture.
        samples: views per step over which the gradient is averaged.
        settle: the last fraction of the steps, in which the learning rate falls to nearly zero (half a cosine), so that the picture
            comes to rest.
        normalized: instead of Adam, divide each picture's gradient by its own root mean square (DeepDream's rule).
        smooth: standard deviation, in pixels at a height of 48, of a Gaussian that blurs the picture's gradient at the first step;
            it falls to zero at the last.
        precision: "half" or "single", of the network's convolutions; only TensorFlow computes in half precision.
    """

    parameterization: Parameterization
    transforms: Transforms
    regularizers: Regularizers
    steps: int = 256
    learning_rate: float = 0.05
    samples: int = 8
    settle: float = 0.5
    normalized: bool = False
    smooth: float = 0.0
    precision: str = "single"


@dataclass(frozen=True)
class State:
    """Where an ascent stands.

    Attributes:
        variables: (F, D) float32, a tensor or an array.
        first, second: Adam's two moments, each (F, D).
        done: the number of steps done.
    """

    variables: Any
    first: Any
    second: Any
    done: int = 0


class Ascent(Protocol):
    """An ascent of F pictures of one size, whoever computes it."""

    config: AscentConfig

    def start(self, seeds: Sequence[int]) -> State:
        """Make the state before the first step.

        Args:
            seeds: one for each copy, so that every objective begins with the same noise.

        Returns:
            The state.
        """
        ...

    def draw(self, state: State, starts: np.ndarray) -> np.ndarray:
        """Compute the pictures of a state.

        Args:
            state: where the ascent stands.
            starts: (F, h, w, c) in 0..1.

        Returns:
            (F, h, w, c) float32 in 0..1.
        """
        ...

    def ascend(
        self,
        state: State,
        starts: np.ndarray,
        bound: Sequence[Sequence[np.ndarray]],
        weights: Sequence[Sequence[float]],
        seed: int,
        steps: int,
    ) -> tuple[State, np.ndarray]:
        """Continue from a state.

        Args:
            state: where the ascent stands.
            starts: (F, h, w, c) in 0..1, the pictures of zero variables.
            bound: the parameters of each objective's terms, from `objectives.bind`.
            weights: the weights of each objective's terms.
            seed: of the random views.
            steps: how many steps to do now.

        Returns:
            The new state, and the objective before each step, without regularizers: (steps, F) float32.
        """
        ...


def inside(starts: np.ndarray) -> npt.NDArray[np.float32]:
    """Keep start pictures away from 0 and 1.

    Args:
        starts: (F, h, w, c) in 0..1.

    Returns:
        The same as float32, at least MARGIN away from both ends.
    """
    return np.clip(np.asarray(starts, np.float32), MARGIN, 1.0 - MARGIN)
