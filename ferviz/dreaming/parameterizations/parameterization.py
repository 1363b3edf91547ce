"""The variables that the ascent changes: numbers from which a picture follows, arranged so that smooth changes come before rough ones.

A parameterization turns flat variables (F, D) into an offset (F, h, w, c) that is added to the start picture before both are
squashed into 0..1. It changes no optimum, but which of the many is reached first: with Fourier coefficients divided by their
frequency all scales of a picture move together, with single pixels the noise moves first (Olah et al., "Feature Visualization", 2017).
`offset` and `penalty` are TensorFlow graphs for the compiled ascent; `offset_vjp` and `penalty_gradient` are the same with gradients
by hand, in NumPy, for the ascent on any other engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ferviz.engines.backend import tensorflow
from ferviz.errors import ModelError

Size = Sequence[int]
Vjp = Callable[[np.ndarray], np.ndarray]
"""From the gradient at a function's result to the gradient at its argument."""

SLOPE = 4.0
"""The squashing is sigmoid(SLOPE * x): its slope at mid-grey is 1, so an offset of .1 changes a grey pixel by .1."""


class Parameterization:
    """From variables to pictures; a size is (h, w, c)."""

    def start(self, size: Size, random: np.random.Generator) -> np.ndarray:
        """Draw the variables of one picture before the first step.

        Args:
            size: (h, w, c).
            random: the source of the noise.

        Returns:
            (D,) float32.
        """
        raise NotImplementedError

    def offset(self, variables: Any, size: Size) -> Any:
        """Compute the offsets, in TensorFlow's operations.

        Args:
            variables: (F, D) tensor.
            size: (h, w, c).

        Returns:
            (F, h, w, c) tensor, added to the start picture's logarithmic odds / SLOPE.
        """
        raise NotImplementedError

    def penalty(self, variables: Any, size: Size) -> Any:
        """Compute the cost of variables, in TensorFlow's operations; zero unless a parameterization defines one.

        Args:
            variables: (F, D) tensor.
            size: (h, w, c).

        Returns:
            (F,) tensor, subtracted from the objective.
        """
        return tensorflow().zeros_like(variables[:, 0])

    def offset_vjp(self, variables: np.ndarray, size: Size) -> tuple[np.ndarray, Vjp]:
        """Compute the offsets in NumPy, and how a gradient flows back through them.

        Args:
            variables: (F, D) float32.
            size: (h, w, c).

        Returns:
            The offsets (F, h, w, c), and a function from the gradient at the offsets (F, h, w, c) to that at the variables (F, D).

        Raises:
            ModelError: where the parameterization has no gradient in NumPy.
        """
        raise ModelError(
            f"the parameterization {type(self).__name__} has no offset_vjp, so only a network with a graph can be dreamt with it; "
            "write offset_vjp in NumPy for other engines"
        )

    def penalty_gradient(self, variables: np.ndarray, size: Size) -> np.ndarray:
        """Compute the gradient of the cost of variables, in NumPy.

        Args:
            variables: (F, D) float32.
            size: (h, w, c).

        Returns:
            (F, D) float32.
        """
        return np.zeros_like(variables)


@dataclass(frozen=True)
class Sum(Parameterization):
    """Several parameterizations at once, their offsets added.

    Attributes:
        parts: the parameterizations.
    """

    parts: tuple[Parameterization, ...]

    def start(self, size: Size, random: np.random.Generator) -> np.ndarray:
        """Draw the variables of all parts, one after another; see `Parameterization.start`.

        Args:
            size: (h, w, c).
            random: the source of the noise.
        """
        return np.concatenate([part.start(size, random) for part in self.parts])

    def offset(self, variables: Any, size: Size) -> Any:
        """Add up the offsets of the parts; see `Parameterization.offset`.

        Args:
            variables: (F, D) tensor.
            size: (h, w, c).
        """
        pieces = tensorflow().split(variables, self._lengths(size), axis=1)
        return sum(part.offset(piece, size) for part, piece in zip(self.parts, pieces, strict=True))

    def penalty(self, variables: Any, size: Size) -> Any:
        """Add up the costs of the parts; see `Parameterization.penalty`.

        Args:
            variables: (F, D) tensor.
            size: (h, w, c).
        """
        pieces = tensorflow().split(variables, self._lengths(size), axis=1)
        return sum(part.penalty(piece, size) for part, piece in zip(self.parts, pieces, strict=True))

    def offset_vjp(self, variables: np.ndarray, size: Size) -> tuple[np.ndarray, Vjp]:
        """Add up the offsets of the parts; see `Parameterization.offset_vjp`.

        Args:
            variables: (F, D).
            size: (h, w, c).
        """
        each = [part.offset_vjp(piece, size) for part, piece in self._pieces(variables, size)]
        offset = np.asarray(sum(offset for offset, _ in each))
        return offset, lambda gradient: np.concatenate([vjp(gradient) for _, vjp in each], 1)

    def penalty_gradient(self, variables: np.ndarray, size: Size) -> np.ndarray:
        """Compute the gradients of the costs of the parts; see `Parameterization.penalty_gradient`.

        Args:
            variables: (F, D).
            size: (h, w, c).
        """
        return np.concatenate([part.penalty_gradient(piece, size) for part, piece in self._pieces(variables, size)], 1)

    def _pieces(self, variables: np.ndarray, size: Size) -> list[tuple[Parameterization, np.ndarray]]:
        return list(zip(self.parts, np.split(variables, np.cumsum(self._lengths(size))[:-1], axis=1), strict=True))

    def _lengths(self, size: Size) -> list[int]:
        return [len(part.start(size, np.random.default_rng(0))) for part in self.parts]
