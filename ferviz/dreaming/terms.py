"""The single ideas that objectives are made of: one term looks at one tensor of the network and says how good it is."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ferviz.emotions import canonical
from ferviz.errors import UnknownNameError, UsageError

LOGITS = "logits"
"""The tensor name that stands for the network's outputs before softmax, (N, K)."""


@dataclass(frozen=True)
class Term:
    """One idea of what to make large; subclasses give `value`, and `parameter` where they depend on an index or a vector.

    layer: the tensor it looks at, a layer's address or LOGITS. joint: the term compares the pictures of one objective with
    each other, and gets its tensor as (pictures, samples, ...) instead of (N, ...).
    """

    layer: str
    joint: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """How captions and manifests call this term."""
        return f"{type(self).__name__.lower()} {self.layer}"

    @property
    def key(self) -> Hashable:
        """What two terms must share to run in the same compiled loop: by default everything.

        A term whose `value` reads nothing but its arguments may return (type(self), self.layer), so that 256 channels compile once.
        """
        return self

    def parameter(self, shape: Sequence[int | None], labels: Sequence[str]) -> np.ndarray:
        """Return the numbers that `value` is given back as a tensor: float32 of any shape, the same for every member of a kind.

        shape: of the layer's output without the batch, (h, w, C) or (C,). labels: the network's class names.
        Raises UsageError where the term makes no sense for this layer.
        """
        return np.zeros(0, np.float32)

    def value(self, tensor: Any, parameter: Any) -> Any:
        """tensor: (N, ...) float32, what the layer gives for N pictures; parameter: as above -> (N,), more is better."""
        raise NotImplementedError


def one_hot(index: int, size: int | None, what: str) -> np.ndarray:
    """Return (size,) float32 with a one at `index` (negative ones count from the end). Raises UsageError outside of it."""
    if size is None or not -size <= index < size:
        raise UsageError(f"{what} has {size} channels, numbered from 0; there is no channel {index}")
    return np.eye(size, dtype=np.float32)[index]


@dataclass(frozen=True)
class Logit(Term):
    """The class's output before softmax."""

    layer: str = LOGITS
    target: str | int = 0

    @property
    def key(self) -> Hashable:
        return type(self), self.layer

    @property
    def name(self) -> str:
        return str(self.target)

    def parameter(self, shape: Sequence[int | None], labels: Sequence[str]) -> np.ndarray:
        return one_hot(_class_index(self.target, labels), len(labels), "the network's output")

    def value(self, tensor: Any, parameter: Any) -> Any:
        return _tf().linalg.matvec(tensor, parameter)


@dataclass(frozen=True)
class LogProbability(Logit):
    """The logarithm of the class's probability: the logit minus the logsumexp of all."""

    def value(self, tensor: Any, parameter: Any) -> Any:
        return _tf().linalg.matvec(_tf().nn.log_softmax(tensor), parameter)


@dataclass(frozen=True)
class LogOdds(Logit):
    """The logarithm of the class's odds, p / (1 - p): the logit minus the logsumexp of all other logits; it never saturates."""

    def value(self, tensor: Any, parameter: Any) -> Any:
        tf = _tf()
        others = tf.reduce_logsumexp(tensor - 1e9 * parameter, 1)
        return tf.linalg.matvec(tensor, parameter) - others


@dataclass(frozen=True)
class Layer(Term):
    """DeepDream's objective: the mean of the squared activation, whatever the layer sees is made more of."""

    @property
    def name(self) -> str:
        return self.layer

    def value(self, tensor: Any, parameter: Any) -> Any:
        tf = _tf()
        return tf.reduce_mean(tf.square(tensor), list(range(1, len(tensor.shape))))


@dataclass(frozen=True)
class Direction(Term):
    """The mean over the map of the activation's component along one vector; a channel is the simplest one."""

    vector: tuple[float, ...] = ()
    title: str = ""

    @property
    def key(self) -> Hashable:
        return type(self), self.layer

    @property
    def name(self) -> str:
        return self.title or f"direction in {self.layer}"

    def parameter(self, shape: Sequence[int | None], labels: Sequence[str]) -> np.ndarray:
        if len(self.vector) != shape[-1]:
            raise UsageError(f"{self.layer} has {shape[-1]} channels, and the direction has {len(self.vector)} numbers")
        return np.asarray(self.vector, np.float32)

    def value(self, tensor: Any, parameter: Any) -> Any:
        tf = _tf()
        between = list(range(1, len(tensor.shape) - 1))
        return tf.linalg.matvec(tf.reduce_mean(tensor, between) if between else tensor, parameter)


@dataclass(frozen=True)
class Channel(Direction):
    """The mean of one channel over its map."""

    index: int = 0

    @property
    def name(self) -> str:
        return f"{self.layer} {self.index}"

    def parameter(self, shape: Sequence[int | None], labels: Sequence[str]) -> np.ndarray:
        return one_hot(self.index, shape[-1], f"layer {self.layer!r}")


@dataclass(frozen=True)
class Neuron(Channel):
    """One channel at one place of its map; position None = the middle."""

    position: tuple[int, int] | None = None

    @property
    def key(self) -> Hashable:
        return type(self), self.layer, self.position

    @property
    def name(self) -> str:
        where = "middle" if self.position is None else f"({self.position[0]}, {self.position[1]})"
        return f"{self.layer} {self.index} at {where}"

    def parameter(self, shape: Sequence[int | None], labels: Sequence[str]) -> np.ndarray:
        if len(shape) != 3:
            raise UsageError(
                f"layer {self.layer!r} is no map, so it has channels but no places; use channel instead of neuron"
            )
        if self.position is not None:
            for at, size in zip(self.position, shape, strict=False):
                if at < 0 or (size is not None and at >= size):
                    raise UsageError(
                        f"layer {self.layer!r} is {shape[0]} x {shape[1]}; there is no place {self.position}"
                    )
        return super().parameter(shape, labels)

    def value(self, tensor: Any, parameter: Any) -> Any:
        shape = _tf().shape(tensor)
        row, column = (shape[1] // 2, shape[2] // 2) if self.position is None else self.position
        return _tf().linalg.matvec(tensor[:, row, column, :], parameter)


@dataclass(frozen=True)
class Diversity(Term):
    """How unlike one another the pictures of one objective are: minus the mean cosine of their Gram matrices.

    A Gram matrix says which channels fire together, wherever in the map (Gatys et al. 2015; as an objective: Lucid). The
    activations' own mean over the pictures is taken away first, so that what they share does not count. One picture alone: 0.
    """

    joint: ClassVar[bool] = True

    def value(self, tensor: Any, parameter: Any) -> Any:
        tf = _tf()
        pictures, samples, channels = tensor.shape[0], tensor.shape[1], tensor.shape[-1]
        if pictures == 1:
            return tf.zeros(1) * tf.reduce_sum(tensor)
        flat = tf.reshape(tensor, (pictures, samples, -1, channels))
        flat = flat - tf.reduce_mean(flat, [0, 1, 2], keepdims=True)
        gram = tf.reshape(tf.einsum("fspc,fspd->fcd", flat, flat), (pictures, -1))
        gram = gram / (tf.norm(gram, axis=1, keepdims=True) + 1e-8)
        cosine = tf.matmul(gram, gram, transpose_b=True)
        return -(tf.reduce_sum(cosine, 1) - tf.linalg.diag_part(cosine)) / (pictures - 1)


def _class_index(target: str | int, labels: Sequence[str]) -> int:
    if isinstance(target, int):
        return target
    names = [canonical(name) for name in labels]
    if canonical(target) not in names:
        raise UnknownNameError("class", target, labels, "this model")
    return names.index(canonical(target))


def _tf() -> Any:
    from ferviz.engines.backend import tensorflow

    return tensorflow()
