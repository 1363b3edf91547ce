"""The table of operators, and what their functions share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ferviz.engines.backend import tensorflow
from ferviz.engines.onnx.onnx_node import MAX_NUMBERS, OnnxNode, require
from ferviz.engines.onnx.values import BATCH, IMAGE, LAST, PLAIN, Operand, Value, aligned, channels_last, plain

Rule = Callable[..., Any]

OPERATORS: dict[str, Rule] = {}
"""{operator: function}; it takes the node and its operands (None = left out), and returns a Value or an array, or a list of them."""


def operator(*names: str) -> Callable[[Rule], Rule]:
    """Register the decorated function for operators.

    Args:
        *names: ONNX' names of them.
    """

    def add(function: Rule) -> Rule:
        OPERATORS.update(dict.fromkeys(names, function))
        return function

    return add


def as_value(operand: Operand) -> Value:
    """Return an operand as a Value; an array becomes a constant of the graph.

    Args:
        operand: an array or a value.
    """
    if isinstance(operand, Value):
        return operand
    return Value(tensorflow().constant(operand), PLAIN, operand.shape)


def as_plain(operand: Operand) -> Value:
    """Return an operand as a Value in the order of axes that the file speaks of.

    Args:
        operand: an array or a value.
    """
    return plain(as_value(operand))


def as_image(operand: Operand, kind: str) -> Value:
    """Return an operand as a Value (N, c, h, w) that is stored with its channels last.

    Args:
        operand: an array or a value.
        kind: the operator that works on images, for the message.
    """
    value = as_value(operand)
    require(value.rank == 4, f"{kind} over {value.rank - 2} axes is read for images only, which have two")
    return channels_last(value)


def elementwise(compute: Callable[..., Any], *operands: Operand) -> Value:
    """Compute something for each number alone, whatever the layout.

    Args:
        compute: takes the tensors, broadcast against each other.
        *operands: arrays and values.
    """
    tensors, layout = aligned(operands)
    tensor = compute(*tensors)
    return Value(tensor, layout if tensor.shape.rank == 4 else PLAIN)


def check_size(sizes: Sequence[int]) -> None:
    """Check that a tensor is not larger than any of a network for faces.

    Args:
        sizes: its shape, with BATCH for the number of pictures.
    """
    count = 1.0
    for size in sizes:
        require(size >= 0, f"a size of {size} makes no sense")
        count *= size // BATCH if size and size % BATCH == 0 else size
    require(count <= MAX_NUMBERS, f"it makes {count:.3g} numbers a face; the most are {MAX_NUMBERS:,}")


def has_batch(sizes: Sequence[int]) -> bool:
    """Return whether a shape has the number of pictures in it.

    Args:
        sizes: a shape, with BATCH for the number of pictures.
    """
    return any(size and size % BATCH == 0 for size in sizes)


def run_shape(node: OnnxNode, sizes: Sequence[int], reshape: bool = False) -> Any:
    """Return a shape as TensorFlow takes it, with the number of pictures that there will be.

    Args:
        node: the node that it is for.
        sizes: the shape, with BATCH for the number of pictures.
        reshape: it is for a reshape, in which one size may be -1.
    """
    check_size(sizes)
    of_batch = [bool(size) and size % BATCH == 0 for size in sizes]
    if not any(of_batch):
        return list(sizes)
    if reshape and sum(of_batch) == 1 and 0 not in sizes:
        return [-1 if free else size for size, free in zip(sizes, of_batch, strict=True)]
    counted = [node.batch * (size // BATCH) if free else size for size, free in zip(sizes, of_batch, strict=True)]
    return tensorflow().stack(counted)


def set_sizes(tensor: Any, sizes: Sequence[int]) -> Any:
    """Tell TensorFlow the sizes that it could not infer.

    Args:
        tensor: TensorFlow's, stored as the file says.
        sizes: its shape, with BATCH for the number of pictures.
    """
    tensor.set_shape(
        [None if size and size % BATCH == 0 and tensor.shape[axis] is None else size for axis, size in enumerate(sizes)]
    )
    return tensor


def normal_axes(axes: Sequence[int], rank: int) -> list[int]:
    """Return axes counted from the front.

    Args:
        axes: of a tensor, negative ones from behind.
        rank: the number of its axes.
    """
    require(
        all(-rank <= axis < rank for axis in axes), f"it names the axes {list(axes)[:8]} of a tensor that has {rank}"
    )
    return [axis % rank for axis in axes]


def image_layout(value: Value, tensor: Any) -> Value:
    """Return a tensor as a Value that is stored as another one, where it still has four axes.

    Args:
        value: says how.
        tensor: TensorFlow's.
    """
    return Value(tensor, value.layout if tensor.shape.rank == 4 and value.layout in (LAST, IMAGE) else PLAIN)


def as_array(values: Sequence[int]) -> np.ndarray:
    """Return whole numbers as ONNX keeps them.

    Args:
        values: the numbers.
    """
    return np.array(values, np.int64)
