"""The ascent itself: one compiled loop for all pictures, all of their views and all steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ferviz.dreaming.objectives import Objective
from ferviz.dreaming.parameterization import SLOPE, Parameterization
from ferviz.dreaming.regularizers import Regularizers
from ferviz.dreaming.transforms import Transforms, blurred
from ferviz.engines.precision import computing

Forward = Callable[[Any, Sequence[str]], dict[str, Any]]
"""(pictures (N, h, w, c) tensor in 0..1, layer names) -> their tensors by name."""


@dataclass(frozen=True)
class Schedule:
    """How the ascent walks.

    steps: of gradient ascent, at least 1. rate: Adam's step in units of the variables, or with `normalized` the step in units of the
    picture. samples: views per step that the gradient is averaged over. settle: the last fraction of the steps in which the rate
    falls to nothing (half a cosine), so that the picture comes to rest. normalized: instead of Adam each picture's gradient
    divided by its own root mean square, DeepDream's rule. smooth: standard deviation, in pixels at a height of 48, of a Gaussian
    that the picture's gradient is blurred with at the first step; it falls to nothing at the last. precision: "half" or "single", of
    the network's convolutions (see `ferviz.engines.precision`).
    """

    steps: int = 256
    rate: float = 0.05
    samples: int = 8
    settle: float = 0.5
    normalized: bool = False
    smooth: float = 0.0
    precision: str = "single"


@dataclass(frozen=True)
class State:
    """Where an ascent stands: variables and Adam's two moments, each (F, D), and the steps done."""

    variables: Any
    first: Any
    second: Any
    done: int = 0


class Ascent:
    """A compiled ascent for pictures of one size and objectives of one structure; indices and weights are data.

    forward: the network. groups: the objectives that are dreamt side by side, each with `copies` pictures, so that there are
    F = len(groups) * copies pictures in the order objective by objective. size: (h, w, c).
    """

    def __init__(
        self,
        forward: Forward,
        groups: Sequence[Objective],
        size: Sequence[int],
        parameterization: Parameterization,
        transforms: Transforms,
        penalties: Regularizers,
        schedule: Schedule,
        copies: int = 1,
    ) -> None:
        from ferviz.engines.backend import tensorflow

        self.groups, self.size, self.copies = tuple(groups), tuple(size), copies
        self.parameterization, self.transforms = parameterization, transforms
        self.penalties, self.schedule, self.forward = penalties, schedule, forward
        self.layers = tuple(dict.fromkeys(name for o in self.groups for name in o.layers))
        # One trace for every chunk of steps and of objectives: everything that varies is an argument. Nothing here branches on values,
        # so AutoGraph, which would read these sources again, stays out.
        self._run = tensorflow().function(self._chunk, autograph=False)
        self._draw = tensorflow().function(self.pictures, autograph=False)

    @property
    def count(self) -> int:
        """F, the number of pictures."""
        return len(self.groups) * self.copies

    def start(self, seeds: Sequence[int]) -> State:
        """Return the state to begin with; seeds: one a copy, so that every objective begins with the same noise."""
        from ferviz.engines.backend import tensorflow

        tf = tensorflow()
        each = [self.parameterization.start(self.size, np.random.default_rng(seed)) for seed in seeds]
        variables = tf.constant(np.tile(np.stack(each), (len(self.groups), 1)))
        return State(variables, tf.zeros_like(variables), tf.zeros_like(variables))

    def pictures(self, variables: Any, starts: Any) -> Any:
        """variables: (F, D); starts: (F, h, w, c) in 0..1, what zero variables show -> (F, h, w, c) in 0..1."""
        from ferviz.engines.backend import tensorflow

        tf = tensorflow()
        odds = tf.math.log(starts / (1.0 - starts))
        return tf.sigmoid(odds + SLOPE * self.parameterization.offset(variables, self.size))

    def draw(self, state: State, starts: np.ndarray) -> np.ndarray:
        """Return the pictures of a state, (F, h, w, c) float32 in 0..1."""
        return self._draw(state.variables, _inner(starts)).numpy()

    def ascend(
        self,
        state: State,
        starts: np.ndarray,
        bound: Sequence[Sequence[np.ndarray]],
        weights: Sequence[Sequence[float]],
        seed: int,
        steps: int,
    ) -> tuple[State, np.ndarray]:
        """Walk on from a state.

        starts: (F, h, w, c) in 0..1. bound, weights: each objective's parameters (`objectives.bind`) and its terms' weights, for
        objectives with the same terms as those the ascent was made for. steps: how many now.
        -> the new state, and the objective before each step, without penalties: (steps, F) float32.
        """
        from ferviz.engines.backend import tensorflow

        tf = tensorflow()
        with computing(self.schedule.precision):
            variables, first, second, trace = self._run(
                state.variables, state.first, state.second, _inner(starts), [list(map(tf.constant, b)) for b in bound],
                [tf.constant(w, tf.float32) for w in weights], tf.constant(seed), tf.constant(state.done), tf.constant(steps),
            )  # fmt: skip
        return State(variables, first, second, state.done + steps), trace.numpy()

    def _chunk(
        self,
        variables: Any,
        first: Any,
        second: Any,
        starts: Any,
        bound: Any,
        weights: Any,
        seed: Any,
        done: Any,
        steps: Any,
    ) -> Any:
        from ferviz.engines.backend import tensorflow

        tf = tensorflow()
        trace = tf.TensorArray(tf.float32, steps, element_shape=(self.count,))

        def body(i: Any, variables: Any, first: Any, second: Any, trace: Any) -> Any:
            step = done + i
            values, cost = self._values(variables, starts, bound, weights, tf.stack([seed, step]))
            gradient = tf.gradients(tf.reduce_sum(values - cost), variables)[0]
            rate = self._rate(tf, step)
            if self.schedule.normalized:
                size = tf.sqrt(tf.reduce_mean(tf.square(gradient), 1, keepdims=True)) + 1e-12
                variables = variables + rate * gradient / size
            else:
                first = 0.9 * first + 0.1 * gradient
                second = 0.999 * second + 0.001 * tf.square(gradient)
                t = tf.cast(step + 1, tf.float32)
                move = (first / (1.0 - 0.9**t)) / (tf.sqrt(second / (1.0 - 0.999**t)) + 1e-8)
                variables = variables + rate * move
            return i + 1, variables, first, second, trace.write(i, values)

        _, variables, first, second, trace = tf.while_loop(
            lambda i, *_: i < steps, body, (tf.constant(0), variables, first, second, trace), parallel_iterations=1
        )
        return variables, first, second, trace.stack()

    def _values(self, variables: Any, starts: Any, bound: Any, weights: Any, seed: Any) -> Any:
        """-> the objectives (F,) and the costs (F,)."""
        from ferviz.engines.backend import tensorflow

        tf = tensorflow()
        pictures = self.pictures(variables, starts)
        pictures.set_shape((self.count, *self.size))
        felt = self._smoothed(tf, pictures, seed[1]) if self.schedule.smooth else pictures
        views = self.transforms.apply(felt, self.schedule.samples, seed)
        tensors = self.forward(views, self.layers)
        # Splitting once is cheap both ways; slicing would pad a full-size gradient for each objective.
        parts = {
            name: tf.split(_grouped(tf, tensor, self.count, self.schedule.samples), len(self.groups))
            for name, tensor in tensors.items()
        }
        values = [
            objective.value({name: parts[name][g] for name in objective.layers}, bound[g], weights[g])
            for g, objective in enumerate(self.groups)
        ]
        reached = tf.concat(values, 0)
        cost = self.penalties.cost(pictures, starts, reached) + self.parameterization.penalty(variables, self.size)
        return reached, cost

    def _smoothed(self, tf: Any, pictures: Any, step: Any) -> Any:
        """Return the pictures as they are; what flows back through them is blurred."""
        left = 1.0 - tf.cast(step, tf.float32) / self.schedule.steps
        deviation = tf.fill((self.count,), left * self.schedule.smooth * self.size[0] / 48.0)

        @tf.custom_gradient
        def same(x: Any) -> Any:
            return tf.identity(x), lambda upstream: blurred(upstream, deviation)

        return same(pictures)

    def _rate(self, tf: Any, step: Any) -> Any:
        schedule = self.schedule
        if schedule.settle <= 0:
            return schedule.rate
        left = (1.0 - tf.cast(step, tf.float32) / schedule.steps) / schedule.settle
        return schedule.rate * 0.5 * (1.0 - tf.cos(np.pi * tf.clip_by_value(left, 0.02, 1.0)))


def _grouped(tf: Any, tensor: Any, count: int, samples: int) -> Any:
    shape = [count, samples, *tensor.shape[1:]]
    grouped = tf.reshape(tensor, tf.concat([[count, samples], tf.shape(tensor)[1:]], 0))
    grouped.set_shape(shape)
    return grouped


def _inner(starts: np.ndarray) -> np.ndarray:
    """Keep the start away from 0 and 1, where the logarithmic odds are infinite and nothing would move."""
    return np.clip(np.asarray(starts, np.float32), 0.02, 0.98)
