"""Normalisations, and the scores' softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from ferviz.engines.backend import tensorflow
from ferviz.engines.onnx.onnx_node import OnnxNode, known, require, sizes_of
from ferviz.engines.onnx.operators.table import (
    as_image,
    as_plain,
    as_value,
    image_layout,
    normal_axes,
    operator,
    run_shape,
)
from ferviz.engines.onnx.values import IMAGE, LAST, PLAIN, Operand, Value


@operator("BatchNormalization")
def _batch(node: OnnxNode, x: Operand, scale: Operand, bias: Operand, mean: Operand, variance: Operand) -> Value:
    require(not node.integer("training_mode"), "it normalises by the pictures at hand, as in training")
    numbers = [known(operand, "weights").astype(np.float64).ravel() for operand in (scale, bias, mean, variance)]
    require(len({array.size for array in numbers}) == 1, "its weights have different sizes")
    gamma, beta, average, spread = numbers
    with np.errstate(invalid="ignore", over="ignore"):
        factor = gamma / np.sqrt(spread + node.number("epsilon", 1e-5))
        offset = beta - average * factor
    value = as_value(x)
    require(value.rank >= 2 and sizes_of(value)[1] == factor.size, "its weights do not fit its input")
    shape = [1] * value.rank
    shape[value.axis(1)] = factor.size
    tensor = value.tensor * factor.astype(np.float32).reshape(shape) + offset.astype(np.float32).reshape(shape)
    return image_layout(value, tensor)


@operator("InstanceNormalization")
def _instance(node: OnnxNode, x: Operand, scale: Operand, bias: Operand) -> Value:
    image = as_image(x, node.kind)
    return Value(_standardised(image.tensor, (1, 2), node, known(scale, "scale"), known(bias, "bias")), LAST)


@operator("LayerNormalization")
def _layer(node: OnnxNode, x: Operand, scale: Operand, bias: Operand | None = None) -> Value:
    require(len(node.outputs) == 1 or not any(node.outputs[1:]), "its mean or deviation is used")
    value = as_plain(x)
    (axis,) = normal_axes([node.integer("axis", -1)], value.rank)
    offset = None if bias is None else known(bias, "bias")
    tensor = _standardised(value.tensor, tuple(range(axis, value.rank)), node, known(scale, "scale"), offset)
    return Value(tensor, value.layout if axis == value.rank - 1 else PLAIN)


@operator("GroupNormalization")
def _group(node: OnnxNode, x: Operand, scale: Operand, bias: Operand) -> Value:
    tf, image = tensorflow(), as_image(x, node.kind)
    batch, channels, height, width = sizes_of(image)
    groups = node.integer("num_groups", 1)
    require(groups > 0 and channels % groups == 0, "its groups do not fit its input")
    inside = (batch, height, width, groups, channels // groups)
    gamma, beta = known(scale, "scale"), known(bias, "bias")
    if gamma.size == groups != channels:  # before version 21 each group had one
        gamma, beta = (np.repeat(array, channels // groups) for array in (gamma, beta))
    tensor = tf.reshape(image.tensor, run_shape(node, inside, reshape=True))
    tensor = _standardised(tensor, (1, 2, 4), node, gamma.reshape(inside[3:]), beta.reshape(inside[3:]))
    return Value(tf.reshape(tensor, run_shape(node, (batch, height, width, channels), reshape=True)), LAST)


def _standardised(
    tensor: Any, axes: tuple[int, ...], node: OnnxNode, scale: np.ndarray, bias: np.ndarray | None
) -> Any:
    tf = tensorflow()
    centred = tensor - tf.reduce_mean(tensor, axes, keepdims=True)
    deviation = tf.sqrt(tf.reduce_mean(tf.square(centred), axes, keepdims=True) + node.number("epsilon", 1e-5))
    result = centred / deviation * scale
    return result if bias is None else result + bias


@operator("LRN")
def _local_response(node: OnnxNode, x: Operand) -> Value:
    image, size = as_image(x, node.kind), node.integer("size", 1)
    require(size % 2 == 1 and 1 <= size <= 1025, f"its size is {size}")
    alpha, beta, bias = node.number("alpha", 1e-4), node.number("beta", 0.75), node.number("bias", 1.0)
    return Value(tensorflow().nn.local_response_normalization(image.tensor, size // 2, bias, alpha / size, beta), LAST)


@operator("LpNormalization")
def _norm(node: OnnxNode, x: Operand) -> Value:
    tf, value, p = tensorflow(), as_plain(x), node.integer("p", 2)
    require(p in (1, 2), f"its p is {p}")
    (axis,) = normal_axes([node.integer("axis", -1)], value.rank)
    size = tf.abs(value.tensor) if p == 1 else tf.square(value.tensor)
    length = tf.reduce_sum(size, axis, keepdims=True)
    return image_layout(value, value.tensor / (length if p == 1 else tf.sqrt(length)))


@operator("Softmax", "LogSoftmax")
def _softmax(node: OnnxNode, x: Operand) -> Value:
    tf, value = tensorflow(), as_value(x)
    function = tf.nn.softmax if node.kind == "Softmax" else tf.nn.log_softmax
    (axis,) = normal_axes([node.integer("axis", -1 if node.opset >= 13 else 1)], value.rank)
    if node.opset >= 13 or axis == value.rank - 1:
        return image_layout(value, function(value.tensor, axis=value.axis(axis)))
    # Before version 13 all axes from this one on were one.
    sizes, value = sizes_of(value), as_plain(x)
    rows = (int(np.prod(sizes[:axis])), int(np.prod(sizes[axis:])))
    tensor = function(tf.reshape(value.tensor, run_shape(node, rows, reshape=True)))
    return Value(tf.reshape(tensor, run_shape(node, sizes, reshape=True)), IMAGE if value.layout == IMAGE else PLAIN)
