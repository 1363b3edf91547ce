"""Products of matrices."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ferviz.engines.backend import tensorflow
from ferviz.engines.onnx.onnx_node import OnnxNode, require, sizes_of
from ferviz.engines.onnx.operators.table import as_plain, check_size, operator
from ferviz.engines.onnx.values import IMAGE, PLAIN, Operand, Value


@operator("Gemm")
def _gemm(node: OnnxNode, a: Operand, b: Operand, c: Operand | None = None) -> Value:
    tf = tensorflow()
    x, y = as_plain(a), as_plain(b)
    require(x.rank == y.rank == 2, "it multiplies what are no matrices")
    alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
    result = tf.matmul(
        x.tensor, y.tensor, transpose_a=bool(node.integer("transA")), transpose_b=bool(node.integer("transB"))
    )
    if alpha != 1:
        result = result * alpha
    if c is not None and beta != 0:
        offset = as_plain(c).tensor if beta == 1 else as_plain(c).tensor * beta
        result = result + offset
    return Value(result)


@operator("MatMul")
def _matmul(node: OnnxNode, a: Operand, b: Operand) -> Value:
    tf, x, y = tensorflow(), as_plain(a), as_plain(b)
    require(x.rank and y.rank, "it multiplies single numbers")
    first, second = x.tensor, y.tensor
    if x.rank == 1:
        first = first[None]
    if y.rank == 1:
        second = second[:, None]
    result = tf.matmul(first, second)
    if x.rank == 1:
        result = tf.squeeze(result, -2)
    if y.rank == 1:
        result = tf.squeeze(result, -1)
    stays = x.layout == IMAGE and isinstance(b, np.ndarray) and y.rank == 2
    return Value(result, IMAGE if stays else PLAIN)


@operator("Einsum")
def _einsum(node: OnnxNode, *operands: Operand) -> Value:
    equation = node.text("equation", "").replace(" ", "")
    require(re.fullmatch(r"[A-Za-z,]{1,64}->[A-Za-z]{0,16}", equation), "its equation is not read")
    terms, output = equation.split("->")
    values: list[Any] = [as_plain(operand) for operand in operands]
    letters = terms.split(",")
    require(len(letters) == len(values) <= 4, "its equation has another number of inputs")
    lengths: dict[str, int] = {}
    for term, value in zip(letters, values, strict=True):
        require(len(term) == value.rank, "its equation does not fit its inputs")
        for letter, size in zip(term, sizes_of(value), strict=True):
            require(lengths.setdefault(letter, size) == size, "its equation does not fit its inputs")
    require(all(letter in lengths for letter in output), "its equation names an axis that no input has")
    check_size([lengths[letter] for letter in output])
    return Value(tensorflow().einsum(equation, *(value.tensor for value in values)))
