"""One operator with its tensors, and the questions that the rules of operators ask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ferviz.engines.tflite.flatbuffer_tables import FlatbufferError
from ferviz.engines.tflite.tflite_graph import Operator, Tensor

Shape = tuple[int | None, ...]

FLOATS = ("float32",)
QUANTISED = ("int8", "uint8", "int16")
INDICES = ("int32", "int64")
NUMBERS = (*FLOATS, *QUANTISED, *INDICES)
ANY = (*NUMBERS, "bool", "float16", "float64", "uint32", "uint16", "uint64")

MAX_STEP = 1 << 15
"""Largest stride, dilation and window; what is larger overflows the runtime's products of them."""


def require(condition: object, problem: str) -> None:
    """Raise FlatbufferError unless a condition holds.

    Args:
        condition: is tested for truth.
        problem: what is wrong otherwise.
    """
    if not condition:
        raise FlatbufferError(problem)


class Node:
    """An operator and the tensors that it reads and writes.

    Args:
        operator: the operator.
        tensors: those of its graph; the operator's indices are in range.
        options: the number of the type of options that such an operator has, 0 = none are read.
    """

    def __init__(self, operator: Operator, tensors: Sequence[Tensor], options: int) -> None:
        self.inputs = [None if index < 0 else tensors[index] for index in operator.inputs]
        self.outputs = [tensors[index] for index in operator.outputs]
        require(operator.options_type in (0, options), "its options are those of another operator")
        self._options = operator.options if operator.options_type else None
        self.has_options = self._options is not None

    def input(self, index: int) -> Tensor:
        """Return an input that must be there.

        Args:
            index: its place.
        """
        tensor = self.inputs[index]
        if tensor is None:
            raise FlatbufferError(f"input {index} is left out")
        return tensor

    def optional(self, index: int) -> Tensor | None:
        """Return an input that may be left out.

        Args:
            index: its place.
        """
        return self.inputs[index] if index < len(self.inputs) else None

    @property
    def output(self) -> Tensor:
        """The first output."""
        return self.outputs[0]

    def option(self, field: int, form: str = "<i", default: int = 0) -> int:
        """Return an option that is a number.

        Args:
            field: its number in the schema.
            form: as in `struct`.
            default: where it is absent.
        """
        return default if self._options is None else self._options.number(field, form, default)

    def numbers(self, field: int) -> list[int]:
        """Return an option that is a list of int32.

        Args:
            field: its number in the schema.
        """
        values = None if self._options is None else self._options.numbers(field, "<i4")
        require(values is None or values.size <= 8, "a list among its options is too long")
        return [] if values is None else values.tolist()

    def integers(self, index: int, length: int | None = None) -> list[int] | None:
        """Return an input that is a short list of integers, None where it is known only when the graph runs.

        Args:
            index: the input's place.
            length: how many there must be, None = any number up to 64.
        """
        tensor = self.input(index)
        require(tensor.dtype in INDICES, f"input {index} is {tensor.dtype} instead of integers")
        require(len(tensor.shape) <= 2, f"input {index} is no list")
        count = elements(tensor.shape)
        if length is not None and (tensor.shape or tensor.data is not None):
            require(count in (None, length), f"input {index} has {count} numbers instead of {length}")
        values = tensor.values
        if values is None:
            return None
        require(values.size <= 64, f"input {index} is too long")
        return [int(value) for value in values.ravel()]

    def constant(self, index: int, length: int | None = None) -> list[int]:
        """Return an input that is a short list of integers and must be a constant.

        Args:
            index: the input's place.
            length: as in `integers`.
        """
        values = self.integers(index, length)
        if values is None:
            raise FlatbufferError(f"input {index} is not a constant")
        return values

    def activation(self, field: int, largest: int = 4) -> None:
        """Check an option that is an activation function.

        Args:
            field: its number in the schema.
            largest: the largest number that is allowed; 0 = none at all.
        """
        require(0 <= self.option(field, "<b") <= largest, "its activation is not known")

    def steps(self, **fields: tuple[int, int]) -> list[int]:
        """Return options that are strides, dilations or sizes of windows: whole numbers above zero.

        Args:
            fields: name = (number in the schema, default).
        """
        values = [self.option(field, "<i", default) for field, default in fields.values()]
        for name, value in zip(fields, values, strict=True):
            require(1 <= value <= MAX_STEP, f"its {name} is {value}")
        return values

    def same_type(self, *tensors: Tensor) -> None:
        """Check that tensors have one type.

        Args:
            tensors: the tensors.
        """
        kinds = sorted({tensor.dtype for tensor in tensors})
        require(len(kinds) == 1, f"it mixes {' and '.join(kinds)}")

    def rank(self, tensor: Tensor, lowest: int, highest: int) -> None:
        """Check the number of axes of a tensor; one that is computed and declares none may have any.

        Args:
            tensor: the tensor.
            lowest, highest: the bounds.
        """
        known = tensor.shape or tensor.data is not None
        require(not known or lowest <= len(tensor.shape) <= highest, f"a tensor has {len(tensor.shape)} axes")

    def axis(self, value: int, rank: int, extra: int = 0) -> int:
        """Return an axis counted from the front.

        Args:
            value: the axis, negative from the end.
            rank: the number of axes, 0 = not known.
            extra: how many axes more there may be.
        """
        require(rank == 0 or -rank - extra <= value < rank + extra, f"its axis is {value}")
        return value + rank + extra if value < 0 else value

    def output_shape(self, expected: Shape, index: int = 0) -> None:
        """Check the declared shape of an output.

        Args:
            expected: the shape that follows from the inputs, None = a size that is not known.
            index: the output's place.
        """
        shape = self.outputs[index].shape
        require(
            not shape or (len(shape) == len(expected) and all(map(agree, shape, expected))),
            "its output has another shape than its inputs give",
        )

    def quantised(self, *tensors: Tensor | None) -> None:
        """Check that tensors of a quantised type have scales.

        Args:
            tensors: the tensors; None is left out.
        """
        for tensor in tensors:
            if tensor is not None and tensor.dtype in QUANTISED:
                require(tensor.scales, "a tensor of whole numbers lacks its scale")


def elements(shape: Shape) -> int | None:
    """Return the number of elements, None where it is not known.

    Args:
        shape: the shape.
    """
    if None in shape:
        return None
    return int(np.prod([n or 0 for n in shape], dtype=object)) if shape else 1


def agree(a: int | None, b: int | None) -> bool:
    """Return whether two sizes can be equal.

    Args:
        a, b: the sizes, None = not known.
    """
    return a is None or b is None or a == b


def fit(a: Shape, b: Shape) -> bool:
    """Return whether two shapes can be equal.

    Args:
        a, b: the shapes, None for a size that is not known.
    """
    return len(a) == len(b) and all(map(agree, a, b))


def broadcast(*shapes: Shape) -> Shape:
    """Return the shape that NumPy's rule of broadcasting gives.

    Args:
        shapes: of the operands.
    """
    rank = max(map(len, shapes))
    sizes: list[int | None] = []
    for place in range(rank):
        column = [shape[place - rank + len(shape)] for shape in shapes if place - rank + len(shape) >= 0]
        known = {n for n in column if n not in (None, 1)}
        require(len(known) <= 1, "its operands do not fit each other")
        sizes.append(known.pop() if known else (None if None in column else 1))
    return tuple(sizes)
