"""A TensorFlow Lite network that has learned nothing: the same file with other numbers in its kernels."""

from __future__ import annotations

import numpy as np

from ferviz.engines.tflite.tflite_graph import Operator, Subgraph, Tensor, read_graphs
from ferviz.errors import ModelError
from ferviz.numerics import glorot_uniform

_CONV, _DEPTHWISE, _DENSE, _TRANSPOSED, _PRODUCT = 3, 4, 9, 67, 126
_OPERANDS = {_CONV: (1, 2), _DEPTHWISE: (1, 2), _DENSE: (1, 2), _TRANSPOSED: (1, 3), _PRODUCT: (1, -1)}
"""Operators with a kernel or a matrix: which operand that is, and which one the offset."""

_ADD, _MULTIPLY, _DEQUANTIZE = 0, 18, 6
_BEGIN = {_ADD: 0.0, _MULTIPLY: 1.0}
"""A normalisation that is written out behind a kernel: what its offset and its scale begin as."""

_INTEGERS = ("int8", "uint8", "int16")


def drawn_anew(content: bytes, seed: int, where: str) -> bytes:
    """Return a file whose kernels have learned nothing.

    Kernels of floats are drawn as Glorot and Bengio draw them, and offsets begin as 0. Quantised kernels are shuffled within each of their
    outputs instead, because the file's scales were measured for numbers of that size.

    Args:
        content: the file, which was verified.
        seed: of the numbers.
        where: what the file is called.

    Raises:
        ModelError: it has no kernels.
    """
    changed, rng = bytearray(content), np.random.default_rng(seed)
    known: set[int] = set()  # where kernels lie that were drawn; operators may share one
    for graph in read_graphs(changed).subgraphs:
        makers = {operator.outputs[0]: operator for operator in graph.operators if operator.outputs}
        for operator in graph.operators:
            if operator.code in _OPERANDS:
                kernel, offset = (_constant(graph, makers, operator, place) for place in _OPERANDS[operator.code])
                if kernel is not None and kernel.data is not None and len(kernel.shape) > 1:
                    at = kernel.data.ctypes.data
                    if at not in known and _draw(kernel, operator.code, rng):
                        known.add(at)
                    _fill(offset, 0.0)
            elif operator.code in _BEGIN and _follows_kernel(operator, makers):
                for place in range(len(operator.inputs)):
                    _fill(_constant(graph, makers, operator, place), _BEGIN[operator.code])
    if not known:
        raise ModelError(f"{where} has no kernels and matrices that could be drawn anew")
    return bytes(changed)


def _constant(graph: Subgraph, makers: dict[int, Operator], operator: Operator, place: int) -> Tensor | None:
    """-> an operand that is a constant, or one that is only unpacked before; None for others."""
    if not 0 <= place < len(operator.inputs) or operator.inputs[place] < 0:
        return None
    index = operator.inputs[place]
    maker = makers.get(index)
    if maker is not None and maker.code == _DEQUANTIZE:
        index = maker.inputs[0]
    tensor = graph.tensors[index]
    return tensor if tensor.data is not None else None


def _draw(kernel: Tensor, code: int, rng: np.random.Generator) -> bool:
    """Write other numbers into a kernel; False where its numbers cannot be told apart."""
    values = kernel.values
    if values is None:
        return False
    if kernel.dtype in _INTEGERS:
        rows = np.moveaxis(values, 3 if code == _DEPTHWISE else 0, 0)
        rows[:] = rng.permuted(rows.reshape(len(rows), -1), axis=1).reshape(rows.shape)
        return True
    if kernel.dtype not in ("float32", "float16"):
        return False
    if code == _DEPTHWISE:  # (1, h, w, C): each channel is a convolution of one picture into one
        shape, channels = (*values.shape[1:3], 1, 1), values.shape[3]
        drawn = np.concatenate([glorot_uniform(rng, shape) for _ in range(channels)], axis=-1)
        values[:] = drawn.reshape(values.shape)
    elif code == _PRODUCT:
        values[:] = glorot_uniform(rng, values.shape)
    else:  # (out, h, w, in), or (out, in)
        values[:] = np.moveaxis(glorot_uniform(rng, (*values.shape[1:], values.shape[0])), -1, 0)
    return True


def _fill(tensor: Tensor | None, number: float) -> None:
    """Fill an offset or a scale; quantised ones but for zeros of an offset stay as they are."""
    values = None if tensor is None else tensor.values
    if tensor is None or values is None:
        return
    if tensor.dtype in ("float32", "float16") or (number == 0 and tensor.dtype in ("int32", "int64")):
        values[...] = number


def _follows_kernel(operator: Operator, makers: dict[int, Operator]) -> bool:
    """Whether an addition or a product stands behind a kernel, or behind one that does."""
    for _ in range(3):
        before = [makers[index] for index in operator.inputs if index in makers]
        if len(before) != 1:
            return False
        operator = before[0]
        if operator.code in _OPERANDS:
            return True
        if operator.code not in _BEGIN:
            return False
    return False
