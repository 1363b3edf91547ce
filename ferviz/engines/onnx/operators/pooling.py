"""Pooling: the greatest number or the mean of a window that moves, or of all."""

from __future__ import annotations

import numpy as np

from ferviz.engines.backend import tensorflow
from ferviz.engines.onnx.onnx_node import OnnxNode, require, sizes_of
from ferviz.engines.onnx.operators.convolutions import Margins, margins, padded, same_margins
from ferviz.engines.onnx.operators.table import as_image, operator
from ferviz.engines.onnx.values import LAST, Operand, Value

_LEAST = -1e30
"""Stands in the margins of a greatest number: infinity would not do, for gradients multiply it by zero."""


@operator("MaxPool")
def _max_pool(node: OnnxNode, x: Operand) -> Value:
    require(len(node.outputs) == 1 or not any(node.outputs[1:]), "its indices are used")
    tf, image = tensorflow(), as_image(x, "MaxPool")
    window, strides, added, is_same = _window(node, image)
    tensor = image.tensor if is_same else padded(image.tensor, added, _LEAST)
    return Value(tf.nn.max_pool2d(tensor, window, strides, "SAME" if is_same else "VALID"), LAST)


@operator("AveragePool")
def _average_pool(node: OnnxNode, x: Operand) -> Value:
    tf, image = tensorflow(), as_image(x, "AveragePool")
    window, strides, added, is_same = _window(node, image)
    sizes = sizes_of(image)[2:]
    if is_same and not node.integer("count_include_pad"):
        return Value(tf.nn.avg_pool2d(image.tensor, window, strides, "SAME"), LAST)
    counted = _counts(node, sizes, window, strides, added)
    mean = tf.nn.avg_pool2d(padded(image.tensor, added), window, strides, "VALID")
    factors = (window[0] * window[1] / np.maximum(counted, 1)).astype(np.float32)
    return Value(mean if (factors == 1).all() else mean * factors[None, :, :, None], LAST)


@operator("GlobalAveragePool")
def _global_mean(node: OnnxNode, x: Operand) -> Value:
    return Value(tensorflow().reduce_mean(as_image(x, node.kind).tensor, (1, 2), keepdims=True), LAST)


@operator("GlobalMaxPool")
def _global_max(node: OnnxNode, x: Operand) -> Value:
    return Value(tensorflow().reduce_max(as_image(x, node.kind).tensor, (1, 2), keepdims=True), LAST)


def _window(node: OnnxNode, image: Value) -> tuple[list[int], list[int], Margins, bool]:
    """-> (window, strides, margins, whether these are TensorFlow's SAME)."""
    sizes = sizes_of(image)[2:]
    require(node.integers("kernel_shape"), "it has no kernel_shape")
    window, strides = node.steps("kernel_shape", 2), node.steps("strides", 2)
    require(max(node.steps("dilations", 2)) == 1, "it is dilated")
    added = margins(node, sizes, window, strides, (1, 1))
    if node.integer("ceil_mode") and node.text("auto_pad", "NOTSET") in ("NOTSET", ""):
        height, width = (_rounded_up(*numbers) for numbers in zip(sizes, window, strides, added, strict=True))
        added = (height, width)
    for size, edge, length, stride in zip(sizes, added, window, strides, strict=True):
        require(size + sum(edge) >= length, "its window is larger than its input")
        require(edge[0] < length and edge[1] < length + stride, "its margins are larger than its window")
    return window, strides, added, added == same_margins(sizes, window, strides, (1, 1))


def _rounded_up(size: int, window: int, stride: int, added: tuple[int, int]) -> tuple[int, int]:
    """-> the margins with which the last window, which begins inside, is whole."""
    before, after = added
    steps = -(-(size + before + after - window) // stride) + 1
    if (steps - 1) * stride >= size + before:
        steps -= 1
    return before, max((steps - 1) * stride + window - size - before, after)


def _counts(
    node: OnnxNode, sizes: tuple[int, ...], window: list[int], strides: list[int], added: Margins
) -> np.ndarray:
    """-> how many cells each window's mean is of; margins that the file asks for may count, those of rounding up never."""
    asked = margins(node, sizes, window, strides, (1, 1)) if node.integer("count_include_pad") else ((0, 0), (0, 0))
    counts = []
    for size, length, stride, (before, after), (first, last) in zip(sizes, window, strides, added, asked, strict=True):
        counted = np.zeros(before + size + after)
        counted[before - first : before + size + last] = 1
        steps = (counted.size - length) // stride + 1
        counts.append([counted[i * stride : i * stride + length].sum() for i in range(steps)])
    return np.outer(counts[0], counts[1])
