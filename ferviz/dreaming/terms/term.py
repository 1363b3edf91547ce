"""The single ideas that objectives are made of: a term reads one tensor of the network and gives it a score.

Each term is written twice: `value` in TensorFlow's operations, for the compiled ascent, and `value_and_gradient` in NumPy with the
gradient derived by hand, for the ascent on any other engine.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ferviz.errors import ModelError, UsageError

Scores = tuple[np.ndarray, np.ndarray]
"""The values (N,) of a term and their gradients at its tensor, (N, ...)."""


@dataclass(frozen=True)
class Term:
    """One idea of what to make large. Subclasses give `value`, and `parameter` where they depend on an index or a vector.

    Attributes:
        layer: the tensor that the term reads: a layer's address or LOGITS.
        joint: the term compares the pictures of one objective with each other, and gets its tensor as (pictures, samples, ...) instead
            of (N, ...).
        margin: cells along each border of the layer's map that do not count, because the picture's padding reaches them (see
            `ferviz.dreaming.ascent.border`); a term that means a place or a vector ignores it.
    """

    layer: str
    joint: ClassVar[bool] = False
    margin: int = field(default=0, kw_only=True)

    @property
    def name(self) -> str:
        """What captions and manifests call this term."""
        return f"{type(self).__name__.lower()} {self.layer}"

    @property
    def key(self) -> Hashable:
        """What two terms must share to run in the same compiled loop: by default everything.

        A term whose `value` reads only its arguments may return (type(self), self.layer), so that 256 channels compile once.
        """
        return self

    def parameter(self, shape: Sequence[int | None], labels: Sequence[str]) -> np.ndarray:
        """Compute the numbers that `value` gets back as a tensor, the same shape for every term with the same `key`.

        Args:
            shape: of the layer's output without the batch, (h, w, C) or (C,).
            labels: the network's class names.

        Returns:
            A float32 array of any shape.

        Raises:
            UsageError: where the term makes no sense for this layer.
        """
        return np.zeros(0, np.float32)

    def value(self, tensor: Any, parameter: Any) -> Any:
        """Compute the score of each picture, in TensorFlow's operations.

        Args:
            tensor: (N, ...) float32, the layer's output for N pictures.
            parameter: the result of `parameter`, as a tensor.

        Returns:
            (N,) tensor; more is better.
        """
        raise NotImplementedError

    def value_and_gradient(self, tensor: np.ndarray, parameter: np.ndarray) -> Scores:
        """Compute the score of each picture and its gradient in NumPy, for engines that TensorFlow cannot differentiate.

        Args:
            tensor: (N, ...) float32, as for `value`.
            parameter: the result of `parameter`.

        Returns:
            The values (N,) and the gradient of each value at the tensor, (N, ...). For a joint term: the values (pictures,) and the
            gradient of their sum.

        Raises:
            ModelError: where the term has no gradient in NumPy.
        """
        raise ModelError(
            f"the term {self.name!r} has no value_and_gradient, so only a network with a graph can be dreamt with it; "
            f"write {type(self).__name__}.value_and_gradient in NumPy for other engines"
        )


def one_hot(index: int, size: int | None, what: str) -> np.ndarray:
    """Make a vector with a single 1.

    Args:
        index: its place; negative ones count from the end.
        size: length of the vector.
        what: the subject of the message, such as "layer 'conv3'".

    Returns:
        (size,) float32.

    Raises:
        UsageError: for an index outside of the vector.
    """
    if size is None or not -size <= index < size:
        raise UsageError(f"{what} has {size} channels, numbered from 0; there is no channel {index}")
    return np.eye(size, dtype=np.float32)[index]
