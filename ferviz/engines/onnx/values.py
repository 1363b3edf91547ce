"""What lies between the operators of an ONNX network while it is traced: arrays where a value is known, tensors where it is not.

ONNX keeps the channels before height and width; TensorFlow's kernels on processors want them last. So a tensor also says how it is stored:
the operators of images ask for the channels last, what works on each number alone does not care, and only what mixes axes asks for the
order that the file speaks of. A network that came from Keras with a transposition around every layer loses them all that way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ferviz.engines.backend import tensorflow

PLAIN, LAST, IMAGE = "plain", "last", "image"
"""Stored as the file says; stored (N, h, w, c) where the file says (N, c, h, w); stored as the file says, which is (N, h, w, c)."""

BATCH = 7919
"""Stands for the number of pictures where sizes are computed: a prime that no size of a network is a multiple of."""

TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


@dataclass(frozen=True)
class Value:
    """A tensor that depends on the picture, or on the number of pictures.

    Attributes:
        tensor: TensorFlow's.
        layout: PLAIN, LAST or IMAGE.
        sizes: the file's shape, BATCH for the number of pictures; None for an axis whose size only a run tells.
    """

    tensor: Any
    layout: str = PLAIN
    sizes: tuple[int | None, ...] = ()

    @property
    def rank(self) -> int:
        """The number of axes."""
        return int(self.tensor.shape.rank)

    def axis(self, axis: int) -> int:
        """Return where one of the file's axes is stored.

        Args:
            axis: its number in the file, negative ones from behind.
        """
        axis %= self.rank
        return (0, 3, 1, 2)[axis] if self.layout == LAST else axis


Operand = Value | np.ndarray


def static_sizes(tensor: Any, layout: str) -> tuple[int | None, ...]:
    """Return the file's shape of a tensor whose number of pictures is BATCH.

    Args:
        tensor: TensorFlow's.
        layout: how it is stored.
    """
    sizes = tuple(tensor.shape.as_list())
    return tuple(sizes[axis] for axis in TO_FIRST) if layout == LAST else sizes


def plain(value: Value) -> Value:
    """Return a value in the order of axes that the file speaks of.

    Args:
        value: in any layout.
    """
    if value.layout != LAST:
        return value
    return Value(tensorflow().transpose(value.tensor, TO_FIRST), PLAIN, value.sizes)


def channels_last(value: Value) -> Value:
    """Return a value (N, c, h, w) stored with its channels last.

    Args:
        value: with four axes, in any layout.
    """
    if value.layout == LAST:
        return value
    return Value(tensorflow().transpose(value.tensor, TO_LAST), LAST, value.sizes)


def like(value: Value, tensor: Any) -> Value:
    """Return a tensor as a value stored as another one.

    Args:
        value: says how.
        tensor: TensorFlow's.
    """
    return Value(tensor, value.layout if tensor.shape.rank == value.rank else PLAIN)


def aligned(operands: Sequence[Operand]) -> tuple[list[Any], str]:
    """Bring operands that are broadcast against each other into one layout.

    Args:
        operands: arrays and values.

    Returns:
        Tensors and arrays, and the layout of what is computed from them.
    """
    values = [operand for operand in operands if isinstance(operand, Value)]
    rank = max((np.ndim(o) if isinstance(o, np.ndarray) else o.rank for o in operands), default=0)
    if any(value.layout == LAST for value in values) and rank == 4:
        return [_stored_last(operand) for operand in operands], LAST
    tensors = [plain(operand).tensor if isinstance(operand, Value) else operand for operand in operands]
    is_image = rank == 4 and any(value.layout == IMAGE for value in values)
    return tensors, IMAGE if is_image else PLAIN


def _stored_last(operand: Operand) -> Any:
    if isinstance(operand, np.ndarray):
        if operand.ndim == 0 or operand.size == 1:
            return operand.reshape(())
        return operand.reshape((1,) * (4 - operand.ndim) + operand.shape).transpose(TO_LAST)
    if operand.rank == 4:
        return channels_last(operand).tensor
    tf, tensor = tensorflow(), operand.tensor
    for _ in range(4 - operand.rank):
        tensor = tf.expand_dims(tensor, 0)
    return tf.transpose(tensor, TO_LAST) if operand.rank else tensor


def named(value: Value, tensor: Any) -> Value:
    """Return a value with another tensor of the same shape in its place.

    Args:
        value: the value.
        tensor: TensorFlow's.
    """
    return replace(value, tensor=tensor)
