"""A TensorFlow Lite network that has learned nothing: the same file with other numbers in its kernels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ferviz.engines.tflite.tflite_graph import Operator, Subgraph, Tensor, read_graphs
from ferviz.errors import ModelError
from ferviz.numerics import cascade_start, glorot_uniform

_CONV, _DEPTHWISE, _DENSE, _TRANSPOSED, _PRODUCT = 3, 4, 9, 67, 126
_OPERANDS = {_CONV: (1, 2), _DEPTHWISE: (1, 2), _DENSE: (1, 2), _TRANSPOSED: (1, 3), _PRODUCT: (1, -1)}
"""Operators with a kernel or a matrix: which operand that is, and which one the offset."""

_ADD, _MULTIPLY, _DEQUANTIZE = 0, 18, 6
_BEGIN = {_ADD: 0.0, _MULTIPLY: 1.0}
"""A normalisation that is written out behind a kernel: what its offset and its scale begin as."""

_INTEGERS = ("int8", "uint8", "int16")
_FLOATS = ("float32", "float16")


def drawn_anew(content: bytes, seed: int, where: str, share: float = 1.0) -> bytes:
    """Return a file whose kernels have learned nothing.

    Kernels of floats are drawn as Glorot and Bengio draw them, and offsets begin as 0. Quantised kernels are shuffled within each of their
    outputs instead, because the file's scales were measured for numbers of that size.

    Args:
        content: the file, which was verified.
        seed: of the numbers.
        where: what the file is called.
        share: of the operators with kernels, counted from the output, that is drawn; 0 draws the last one.

    Raises:
        ModelError: it has no kernels.
    """
    changed, rng = bytearray(content), np.random.default_rng(seed)
    steps = [_Step(graph, makers, operator) for graph, makers in _graphs(changed) for operator in graph.operators]
    kernels = {place: step.kernel for place, step in enumerate(steps)}
    places = [place for place, kernel in kernels.items() if kernel is not None]
    if not places:
        raise ModelError(f"{where} has no kernels and matrices that could be drawn anew")
    known: set[int] = set()  # where kernels lie that were drawn; operators may share one
    for place in range(len(steps) - 1, cascade_start(places, share) - 1, -1):
        step, kernel = steps[place], kernels[place]
        if step.operator.code in _OPERANDS and step.has_matrix:
            if kernel is not None and (at := kernel.data.ctypes.data) not in known:  # type: ignore[union-attr]
                _draw(kernel, step.operator.code, rng)
                known.add(at)
            _fill(step.constant(_OPERANDS[step.operator.code][1]), 0.0)
        elif step.operator.code in _BEGIN and _follows_kernel(step.operator, step.makers):
            for operand in range(len(step.operator.inputs)):
                _fill(step.constant(operand), _BEGIN[step.operator.code])
    return bytes(changed)


def _graphs(content: bytearray) -> Iterator[tuple[Subgraph, dict[int, Operator]]]:
    """Yield each graph with the operator that makes each of its tensors."""
    for graph in read_graphs(content).subgraphs:
        yield graph, {operator.outputs[0]: operator for operator in graph.operators if operator.outputs}


@dataclass(frozen=True)
class _Step:
    """An operator in its graph."""

    graph: Subgraph
    makers: dict[int, Operator]
    operator: Operator

    def constant(self, operand: int) -> Tensor | None:
        """-> an operand that is a constant, or None."""
        return _constant(self.graph, self.makers, self.operator, operand)

    @property
    def _operand(self) -> Tensor | None:
        code = self.operator.code
        return self.constant(_OPERANDS[code][0]) if code in _OPERANDS else None

    @property
    def has_matrix(self) -> bool:
        """Whether it has a kernel or a matrix."""
        operand = self._operand
        return operand is not None and operand.data is not None and len(operand.shape) > 1

    @property
    def kernel(self) -> Tensor | None:
        """Its kernel, where its numbers can be told apart."""
        operand = self._operand
        drawable = operand is not None and operand.values is not None and operand.dtype in (*_INTEGERS, *_FLOATS)
        return operand if drawable and self.has_matrix else None


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


def _draw(kernel: Tensor, code: int, rng: np.random.Generator) -> None:
    """Write other numbers into a kernel whose numbers can be told apart."""
    values = kernel.values
    assert values is not None
    if kernel.dtype in _INTEGERS:
        rows = np.moveaxis(values, 3 if code == _DEPTHWISE else 0, 0)
        rows[:] = rng.permuted(rows.reshape(len(rows), -1), axis=1).reshape(rows.shape)
    elif code == _DEPTHWISE:  # (1, h, w, C): each channel is a convolution of one picture into one
        shape, channels = (*values.shape[1:3], 1, 1), values.shape[3]
        drawn = np.concatenate([glorot_uniform(rng, shape) for _ in range(channels)], axis=-1)
        values[:] = drawn.reshape(values.shape)
    elif code == _PRODUCT:
        values[:] = glorot_uniform(rng, values.shape)
    else:  # (out, h, w, in), or (out, in)
        values[:] = np.moveaxis(glorot_uniform(rng, (*values.shape[1:], values.shape[0])), -1, 0)


def _fill(tensor: Tensor | None, number: float) -> None:
    """Fill an offset or a scale; quantised ones but for zeros of an offset stay as they are."""
    values = None if tensor is None else tensor.values
    if tensor is None or values is None:
        return
    if tensor.dtype in _FLOATS or (number == 0 and tensor.dtype in ("int32", "int64")):
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
