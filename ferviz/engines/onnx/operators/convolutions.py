"""Convolutions: plain, dilated, grouped, depthwise and transposed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ferviz.engines.backend import tensorflow
from ferviz.engines.onnx.onnx_node import OnnxNode, known, require, sizes_of
from ferviz.engines.onnx.operators.table import as_image, check_size, operator, run_shape
from ferviz.engines.onnx.values import BATCH, LAST, Operand, Value

MAX_GROUPS = 512
Margins = tuple[tuple[int, int], tuple[int, int]]


def margins(
    node: OnnxNode, sizes: Sequence[int], window: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> Margins:
    """Return how much an operator that moves a window adds around its input: ((top, bottom), (left, right)).

    Args:
        node: says so by `pads` or `auto_pad`.
        sizes: (h, w) of the input.
        window, strides, dilations: of the operator, for height and width.
    """
    kind = node.text("auto_pad", "NOTSET")
    if kind in ("SAME_UPPER", "SAME_LOWER"):
        added = same_margins(sizes, window, strides, dilations)
        return added if kind == "SAME_UPPER" else ((added[0][1], added[0][0]), (added[1][1], added[1][0]))
    require(kind in ("NOTSET", "VALID", ""), f"its auto_pad is {kind!r:.40}")
    top, left, bottom, right = node.steps("pads", 4, 0, least=0) if kind != "VALID" else (0, 0, 0, 0)
    return ((top, bottom), (left, right))


def same_margins(
    sizes: Sequence[int], window: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> Margins:
    """Return the margins that TensorFlow calls SAME.

    Args:
        sizes: (h, w) of the input.
        window, strides, dilations: of the operator, for height and width.
    """
    both = []
    for size, length, stride, dilation in zip(sizes, window, strides, dilations, strict=True):
        total = max((-(-size // stride) - 1) * stride + (length - 1) * dilation + 1 - size, 0)
        both.append((total // 2, total - total // 2))
    return both[0], both[1]


def padded(tensor: Any, added: Margins, value: float = 0.0) -> Any:
    """Return a tensor (N, h, w, c) with margins around it.

    Args:
        tensor: TensorFlow's.
        added: ((top, bottom), (left, right)).
        value: what stands in the margins.
    """
    if not any(map(any, added)):
        return tensor
    return tensorflow().pad(tensor, ((0, 0), *added, (0, 0)), constant_values=value)


@operator("Conv")
def _convolution(node: OnnxNode, x: Operand, kernel: Operand, bias: Operand | None = None) -> Value:
    image, weights = as_image(x, "Conv"), known(kernel, "kernel")
    require(weights.ndim == 4, "its kernel has not four axes")
    channels, (height, width) = sizes_of(image)[1], sizes_of(image)[2:]
    outputs, inputs, *window = weights.shape
    groups = node.integer("group", 1)
    require(groups >= 1 and inputs * groups == channels and outputs % groups == 0, "its kernel does not fit its input")
    strides, dilations = node.steps("strides", 2), node.steps("dilations", 2)
    added = margins(node, (height, width), window, strides, dilations)
    reach = [(length - 1) * dilation + 1 for length, dilation in zip(window, dilations, strict=True)]
    fits = all(size + sum(edge) >= far for size, edge, far in zip((height, width), added, reach, strict=True))
    require(fits and min(window) > 0, "its kernel is larger than its input")
    is_same = added == same_margins((height, width), window, strides, dilations)
    tensor, padding = (image.tensor, "SAME") if is_same else (padded(image.tensor, added), "VALID")
    result = _grouped(tensor, weights, groups, strides, dilations, padding)
    if bias is not None:
        result = tensorflow().nn.bias_add(result, known(bias, "bias").reshape(outputs))
    return Value(result, LAST)


def _grouped(
    tensor: Any, weights: np.ndarray, groups: int, strides: list[int], dilations: list[int], padding: str
) -> Any:
    tf = tensorflow()
    kernel = weights.transpose(2, 3, 1, 0)
    plain_steps = strides[0] == strides[1] and (max(dilations) == 1 or max(strides) == 1)
    if groups > 1 and kernel.shape[2] == 1 and plain_steps:
        multiplier = weights.shape[0] // groups
        by_channel = kernel[:, :, 0].reshape(*kernel.shape[:2], groups, multiplier)
        return tf.nn.depthwise_conv2d(tensor, by_channel, [1, *strides, 1], padding, dilations=dilations)
    if groups == 1:
        return tf.nn.conv2d(tensor, kernel, strides, padding, dilations=dilations)
    require(groups <= MAX_GROUPS, f"it has {groups} groups; the most are {MAX_GROUPS}")
    width = kernel.shape[2]
    kernels = np.split(kernel, groups, axis=3)
    parts = [
        tf.nn.conv2d(tensor[..., i * width : (i + 1) * width], part, strides, padding, dilations=dilations)
        for i, part in enumerate(kernels)
    ]
    return tf.concat(parts, -1)


@operator("ConvTranspose")
def _transposed(node: OnnxNode, x: Operand, kernel: Operand, bias: Operand | None = None) -> Value:
    tf = tensorflow()
    image, weights = as_image(x, "ConvTranspose"), known(kernel, "kernel")
    require(weights.ndim == 4, "its kernel has not four axes")
    batch, channels, *sizes = sizes_of(image)
    inputs, outputs, *window = weights.shape
    groups = node.integer("group", 1)
    require(groups == 1 and inputs == channels, "its groups or its kernel do not fit its input")
    strides, dilations = node.steps("strides", 2), node.steps("dilations", 2)
    require(max(dilations) == 1, "it is dilated")
    extra = node.steps("output_padding", 2, 0, least=0)
    full = [(size - 1) * stride + length for size, stride, length in zip(sizes, strides, window, strict=True)]
    wanted = node.integers("output_shape")
    if wanted or node.text("auto_pad", "NOTSET") != "NOTSET":
        wanted = wanted[-2:] if wanted else [size * stride for size, stride in zip(sizes, strides, strict=True)]
        total = [long + more - short for long, more, short in zip(full, extra, wanted, strict=True)]
        require(min(total) >= 0, "its output_shape is larger than its output")
        lower = node.text("auto_pad", "NOTSET") != "SAME_UPPER"
        begin = [edge - edge // 2 if lower else edge // 2 for edge in total]
        end = [edge - start for edge, start in zip(total, begin, strict=True)]
    else:
        top, left, bottom, right = node.steps("pads", 4, 0, least=0)
        begin, end = [top, left], [bottom, right]
    length = [long + more for long, more in zip(full, extra, strict=True)]
    check_size((*length, outputs))
    shape = run_shape(node, (batch, *full, outputs)) if batch % BATCH == 0 else [batch, *full, outputs]
    result = tf.nn.conv2d_transpose(image.tensor, weights.transpose(2, 3, 1, 0), shape, strides, "VALID")
    result.set_shape([None if batch % BATCH == 0 and result.shape[0] is None else batch, *full, outputs])
    result = padded(result, ((0, extra[0]), (0, extra[1])))
    stop = [far - edge for far, edge in zip(length, end, strict=True)]
    require(all(a < b for a, b in zip(begin, stop, strict=True)), "nothing of its output is left")
    result = result[:, begin[0] : stop[0], begin[1] : stop[1], :]
    if bias is not None:
        result = tf.nn.bias_add(result, known(bias, "bias").reshape(outputs))
    return Value(result, LAST)
