"""What operators that compute with numbers need of their tensors and options: elementwise ones, reductions, changes of type."""

from __future__ import annotations

from collections.abc import Callable

from ferviz.engines.tflite.operator_node import (
    FLOATS,
    INDICES,
    NUMBERS,
    QUANTISED,
    Node,
    broadcast,
    fit,
    require,
)

Check = Callable[[Node], None]


def unary(*types: str, rank: int = 6, lowest: int = 0, activation: int | None = None, scaled: bool = True) -> Check:
    """Return the check of an operator that maps one tensor to another of its type and shape.

    Args:
        types: those that it takes.
        rank, lowest: how many axes it takes at most and at least.
        activation: the number of the option that is one, None = there is none.
        scaled: quantised tensors need their scale.
    """

    def check(node: Node) -> None:
        values = node.input(0)
        node.same_type(values, node.output)
        require(values.dtype in types, f"it does not take {values.dtype}")
        node.rank(values, lowest, rank)
        if scaled:
            node.quantised(values, node.output)
        if activation is not None:
            node.activation(activation, largest=0)
        if values.shape:
            node.output_shape(values.shape)

    return check


def elementwise(*types: str, output: str = "", activation: int | None = None, rank: int = 6) -> Check:
    """Return the check of an operator that combines tensors element by element, with broadcasting.

    Args:
        types: those that it takes.
        output: the type of what it gives, "" = that of its inputs.
        activation: the number of the option that is one, None = there is none.
        rank: how many axes it takes at most.
    """

    def check(node: Node) -> None:
        operands = [node.input(index) for index in range(len(node.inputs))]
        node.same_type(*operands)
        require(operands[0].dtype in types, f"it does not take {operands[0].dtype}")
        require(node.output.dtype == (output or operands[0].dtype), f"it does not give {node.output.dtype}")
        node.quantised(*operands)
        if not output:
            node.quantised(node.output)
        if activation is not None:
            node.activation(activation)
        for operand in operands:
            node.rank(operand, 0, rank)
        shape = broadcast(*(operand.shape for operand in operands))
        if all(operand.shape or operand.data is not None for operand in operands):
            node.output_shape(shape)

    return check


def reduction(*types: str) -> Check:
    """Return the check of an operator that reduces axes.

    Args:
        types: those that it takes.
    """

    def check(node: Node) -> None:
        values = node.input(0)
        node.same_type(values, node.output)
        require(values.dtype in types, f"it does not take {values.dtype}")
        node.rank(values, 1, 5)
        node.quantised(values, node.output)
        axes = {node.axis(axis, len(values.shape)) for axis in node.constant(1)}
        if values.shape:
            keeps = node.option(0, "<b")
            sizes = (n if i not in axes else 1 for i, n in enumerate(values.shape) if keeps or i not in axes)
            node.output_shape(tuple(sizes))

    return check


def selection(node: Node) -> None:
    """Check an operator that selects from two tensors by a third.

    Args:
        node: the operator.
    """
    condition, a, b = node.input(0), node.input(1), node.input(2)
    require(condition.dtype == "bool", "its condition is not of type bool")
    node.same_type(a, b, node.output)
    for tensor in (condition, a, b):
        node.rank(tensor, 0, 4)
    broadcast(condition.shape, a.shape, b.shape)


def arg_extreme(node: Node) -> None:
    """Check an operator that finds the place of an extreme value.

    Args:
        node: the operator.
    """
    require(node.input(0).dtype in NUMBERS, f"it does not take {node.input(0).dtype}")
    node.rank(node.input(0), 1, 5)
    (axis,) = node.constant(1, 1)
    node.axis(axis, len(node.input(0).shape))
    require(node.output.dtype in INDICES, "it gives no places")


def cast(node: Node) -> None:
    """Check a change of type.

    Args:
        node: the operator.
    """
    kinds = {node.input(0).dtype, node.output.dtype}
    require(kinds <= {*FLOATS, *INDICES, "int8", "uint8", "int16", "bool", "float64", "float16"}, "its types cannot be")
    if node.input(0).shape:
        node.output_shape(node.input(0).shape)


def quantise(node: Node) -> None:
    """Check a step into whole numbers.

    Args:
        node: the operator.
    """
    require(node.input(0).dtype in (*FLOATS, *QUANTISED) and node.output.dtype in QUANTISED, "its types cannot be")
    node.quantised(node.input(0), node.output)
    require(node.output.scales == 1, "its output has a scale for each channel")
    if node.input(0).shape:
        node.output_shape(node.input(0).shape)


def dequantise(node: Node) -> None:
    """Check a step out of whole numbers.

    Args:
        node: the operator.
    """
    require(node.input(0).dtype in ("float16", *QUANTISED) and node.output.dtype in FLOATS, "its types cannot be")
    node.quantised(node.input(0))
    if node.input(0).shape:
        node.output_shape(node.input(0).shape)


def parametric_relu(node: Node) -> None:
    """Check a ReLU with slopes of its own.

    Args:
        node: the operator.
    """
    values, slopes = node.input(0), node.input(1)
    node.same_type(values, slopes, node.output)
    require(values.dtype in (*FLOATS, "int8", "uint8"), f"it does not take {values.dtype}")
    node.quantised(values, slopes, node.output)
    node.rank(values, 1, 4)
    shape = broadcast(values.shape, slopes.shape)
    require(not values.shape or fit(values.shape, shape), "its slopes do not fit its input")


def cumulative(node: Node) -> None:
    """Check a cumulative sum.

    Args:
        node: the operator.
    """
    node.same_type(node.input(0), node.output)
    require(node.input(0).dtype in (*FLOATS, *INDICES), f"it does not take {node.input(0).dtype}")
    node.rank(node.input(0), 1, 5)
    (axis,) = node.constant(1, 1)
    node.axis(axis, len(node.input(0).shape))
