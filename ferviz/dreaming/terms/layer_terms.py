"""The terms about layers: a layer, a direction among its channels, a channel, a neuron, and how unlike several pictures are there."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ferviz.dreaming.terms.term import Scores, Term, one_hot
from ferviz.engines.backend import tensorflow
from ferviz.errors import UsageError


def window(shape: Sequence[int | None], margin: int) -> np.ndarray:
    """Return how much each cell of a map counts in its mean.

    Args:
        shape: of a tensor (N, h, w, C); of any other all cells count alike.
        margin: cells along each border that do not count, at most so many that the middle third is left; the next ones count the less
            the nearer they are, so that no edge of what counts can be exploited either.

    Returns:
        (1, h, w, 1) float32 that sums to 1; (1, ..., 1) where it is no map, 1 / cells everywhere.
    """
    sides = [int(side or 1) for side in shape[1:-1]]
    if not margin or len(shape) != 4:
        return np.full((1, *sides, 1), 1.0 / np.prod(sides), np.float32)
    rows, columns = (_ramp(side, min(margin, (side - 1) // 3)) for side in sides)
    counted = np.outer(rows, columns)
    return (counted / counted.sum())[None, :, :, None].astype(np.float32)


def _ramp(side: int, margin: int) -> np.ndarray:
    inner = side - 2 * margin
    soft = min(margin, inner // 3)
    rise = (1.0 - np.cos(np.pi * (np.arange(soft) + 1) / (soft + 1))) / 2
    middle = np.concatenate([rise, np.ones(inner - 2 * soft), rise[::-1]])
    return np.pad(middle, margin)


@dataclass(frozen=True)
class Layer(Term):
    """DeepDream's objective, the mean of the squared activation: everything that the layer responds to is amplified."""

    @property
    def name(self) -> str:
        """The layer."""
        return self.layer

    def value(self, tensor: Any, parameter: Any) -> Any:
        """Compute the mean square; see `Term.value`.

        Args:
            tensor: (N, ...).
            parameter: not used.
        """
        tf = tensorflow()
        if not self.margin:
            return tf.reduce_mean(tf.square(tensor), list(range(1, len(tensor.shape))))
        counted = window(tensor.shape, self.margin)
        return tf.reduce_sum(counted * tf.reduce_mean(tf.square(tensor), -1, keepdims=True), [1, 2, 3])

    def value_and_gradient(self, tensor: np.ndarray, parameter: np.ndarray) -> Scores:
        """Compute the mean square and its gradient; see `Term.value_and_gradient`.

        Args:
            tensor: (N, ...).
            parameter: not used.
        """
        counted = window(tensor.shape, self.margin) / np.float32(tensor.shape[-1])
        values = (counted * np.square(tensor)).reshape(len(tensor), -1).sum(1)
        return values, np.float32(2.0) * counted * tensor


@dataclass(frozen=True)
class Direction(Term):
    """The mean over the map of the activation's component along a vector; a channel is the simplest case.

    Attributes:
        vector: one number per channel.
        title: the name in captions; "" = made from the layer's.
    """

    vector: tuple[float, ...] = ()
    title: str = ""

    @property
    def key(self) -> Hashable:
        """The kind of term, the layer, and what of it counts."""
        return type(self), self.layer, self.margin

    @property
    def name(self) -> str:
        """The title, or the layer."""
        return self.title or f"direction in {self.layer}"

    def parameter(self, shape: Sequence[int | None], labels: Sequence[str]) -> np.ndarray:
        """Return the vector (C,); see `Term.parameter`.

        Args:
            shape: of the layer's output, whose last axis has as many numbers as the vector.
            labels: not used.
        """
        if len(self.vector) != shape[-1]:
            raise UsageError(f"{self.layer} has {shape[-1]} channels, and the direction has {len(self.vector)} numbers")
        return np.asarray(self.vector, np.float32)

    def value(self, tensor: Any, parameter: Any) -> Any:
        """Compute the mean component; see `Term.value`.

        Args:
            tensor: (N, ..., C).
            parameter: (C,).
        """
        tf = tensorflow()
        between = list(range(1, len(tensor.shape) - 1))
        if not self.margin:
            return tf.linalg.matvec(tf.reduce_mean(tensor, between) if between else tensor, parameter)
        return tf.linalg.matvec(tf.reduce_sum(window(tensor.shape, self.margin) * tensor, between), parameter)

    def value_and_gradient(self, tensor: np.ndarray, parameter: np.ndarray) -> Scores:
        """Compute the mean component and its gradient; see `Term.value_and_gradient`.

        Args:
            tensor: (N, ..., C).
            parameter: (C,).
        """
        counted = window(tensor.shape, self.margin)
        means = (counted * tensor).reshape(len(tensor), -1, tensor.shape[-1]).sum(1)
        return means @ parameter, np.broadcast_to(counted * parameter, tensor.shape)


@dataclass(frozen=True)
class Channel(Direction):
    """The mean of one channel over its map.

    Attributes:
        index: from 0; negative ones count from the end.
    """

    index: int = 0

    @property
    def name(self) -> str:
        """The layer and the index."""
        return f"{self.layer} {self.index}"

    def parameter(self, shape: Sequence[int | None], labels: Sequence[str]) -> np.ndarray:
        """Return the channel as a one-hot vector (C,); see `Term.parameter`.

        Args:
            shape: of the layer's output.
            labels: not used.
        """
        return one_hot(self.index, shape[-1], f"layer {self.layer!r}")


@dataclass(frozen=True)
class Neuron(Channel):
    """One channel at one place of its map.

    Attributes:
        position: (row, column); None = the middle.
    """

    position: tuple[int, int] | None = None

    @property
    def key(self) -> Hashable:
        """The kind of term, the layer and the place."""
        return type(self), self.layer, self.position

    @property
    def name(self) -> str:
        """The layer, the index and the place."""
        where = "middle" if self.position is None else f"({self.position[0]}, {self.position[1]})"
        return f"{self.layer} {self.index} at {where}"

    def parameter(self, shape: Sequence[int | None], labels: Sequence[str]) -> np.ndarray:
        """Return the channel as a one-hot vector (C,); see `Term.parameter`.

        Args:
            shape: of the layer's output, which has to be a map (h, w, C).
            labels: not used.
        """
        if len(shape) != 3:
            raise UsageError(
                f"layer {self.layer!r} is not a map: it has channels but no places; use channel instead of neuron"
            )
        if self.position is not None:
            for at, size in zip(self.position, shape, strict=False):
                if at < 0 or (size is not None and at >= size):
                    raise UsageError(
                        f"layer {self.layer!r} is {shape[0]} x {shape[1]}; there is no place {self.position}"
                    )
        return super().parameter(shape, labels)

    def value(self, tensor: Any, parameter: Any) -> Any:
        """Compute the activation at the place; see `Term.value`.

        Args:
            tensor: (N, h, w, C).
            parameter: (C,).
        """
        row, column = self._place(tensorflow().shape(tensor))
        return tensorflow().linalg.matvec(tensor[:, row, column, :], parameter)

    def value_and_gradient(self, tensor: np.ndarray, parameter: np.ndarray) -> Scores:
        """Compute the activation at the place and its gradient; see `Term.value_and_gradient`.

        Args:
            tensor: (N, h, w, C).
            parameter: (C,).
        """
        row, column = self._place(tensor.shape)
        gradient = np.zeros_like(tensor)
        gradient[:, row, column] = parameter
        return tensor[:, row, column] @ parameter, gradient

    def _place(self, shape: Any) -> tuple[Any, Any]:
        return (shape[1] // 2, shape[2] // 2) if self.position is None else self.position


@dataclass(frozen=True)
class Diversity(Term):
    """How unlike one another the pictures of one objective are: minus the mean cosine of their Gram matrices.

    A Gram matrix holds which channels are active together, wherever in the map (Gatys et al. 2015; as an objective: Lucid). The
    activations' own mean over the pictures is subtracted first, so that what they share does not count. For a single picture: 0.
    """

    joint: ClassVar[bool] = True

    def value(self, tensor: Any, parameter: Any) -> Any:
        """Compute minus the mean cosine with the other pictures; see `Term.value`.

        Args:
            tensor: (pictures, samples, ..., C).
            parameter: not used.
        """
        tf = tensorflow()
        pictures, samples, channels = tensor.shape[0], tensor.shape[1], tensor.shape[-1]
        if pictures == 1:
            return tf.zeros(1) * tf.reduce_sum(tensor)
        flat = tf.reshape(tensor, (pictures, samples, -1, channels))
        flat = flat - tf.reduce_mean(flat, [0, 1, 2], keepdims=True)
        gram = tf.reshape(tf.einsum("fspc,fspd->fcd", flat, flat), (pictures, -1))
        gram = gram / (tf.norm(gram, axis=1, keepdims=True) + 1e-8)
        cosine = tf.matmul(gram, gram, transpose_b=True)
        return -(tf.reduce_sum(cosine, 1) - tf.linalg.diag_part(cosine)) / (pictures - 1)

    def value_and_gradient(self, tensor: np.ndarray, parameter: np.ndarray) -> Scores:
        """Compute minus the mean cosine with the other pictures, and the gradient of the sum; see `Term.value_and_gradient`.

        Args:
            tensor: (pictures, samples, ..., C).
            parameter: not used.
        """
        pictures, channels = len(tensor), tensor.shape[-1]
        if pictures == 1:
            return np.zeros(1, np.float32), np.zeros_like(tensor)
        flat = tensor.reshape(pictures, -1, channels).astype(np.float64)
        flat -= flat.mean((0, 1))
        gram = (flat.transpose(0, 2, 1) @ flat).reshape(pictures, -1)
        norm = np.linalg.norm(gram, axis=1, keepdims=True)
        unit = gram / (norm + 1e-8)
        cosine = unit @ unit.T
        values = -(cosine.sum(1) - np.diag(cosine)) / (pictures - 1)
        at_unit = -2.0 * (unit.sum(0) - unit) / (pictures - 1)
        along = (at_unit * unit).sum(1, keepdims=True) * gram / np.maximum(norm, 1e-30)
        at_gram = ((at_unit - along) / (norm + 1e-8)).reshape(pictures, channels, channels)
        at_flat = flat @ (at_gram + at_gram.transpose(0, 2, 1))
        at_flat -= at_flat.mean((0, 1))
        return values, at_flat.reshape(tensor.shape).astype(np.float32)
