"""Gradient rules of layers: products with weights, and what slides a window over a map, convolutions and poolings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ferviz.engines.backend import tensorflow
from ferviz.engines.compiler.gradient_rules.rule import UnsupportedOpError, constant, rule

LOWEST = -3e38


@dataclass(frozen=True)
class Window:
    """A window's geometry, each value as (vertical, horizontal).

    Attributes:
        size: positions of the input.
        out: positions of the output.
        reach: pixels that the window covers, dilation included.
        before: padding above and left.
        stride, dilation: as in the layer.
    """

    size: tuple[int, int]
    out: tuple[int, int]
    reach: tuple[int, int]
    before: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]


def window(op: Any, kernel: Sequence[int]) -> Window:
    """Read the geometry of a convolution or pooling.

    Args:
        op: its node in the graph.
        kernel: (rows, columns) that its kernel covers.
    """
    x, y = op.inputs[0], op.outputs[0]
    stride = tuple(int(s) for s in op.get_attr("strides")[1:3])
    dilation = (1, 1)
    if "dilations" in op.node_def.attr:
        dilation = tuple(int(d) for d in op.get_attr("dilations")[1:3])  # type: ignore[assignment]
    size, out = tuple(x.shape[1:3]), tuple(y.shape[1:3])
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    padding = op.get_attr("padding").decode()
    if padding == "EXPLICIT":
        explicit = op.get_attr("explicit_paddings")
        before = (int(explicit[2]), int(explicit[4]))
    elif padding == "SAME":
        # TensorFlow's rule: what is missing is added half before and half after, the odd one after.
        missing = [max((o - 1) * s + r - n, 0) for n, o, s, r in zip(size, out, stride, reach, strict=True)]
        before = (missing[0] // 2, missing[1] // 2)
    else:
        before = (0, 0)
    return Window(size, out, reach, before, stride, dilation)  # type: ignore[arg-type]


def spread(g: Any, stride: Sequence[int]) -> Any:
    """Insert zeros so that neighbours come to lie a stride apart.

    Args:
        g: (N, h, w, C).
        stride: (vertical, horizontal).

    Returns:
        (N, h * stride, w * stride, C).
    """
    tf = tensorflow()
    down, right = stride
    if down == right == 1:
        return g
    _, height, width, channels = g.shape
    # Rank 4 and static sizes all the way: what LiteRT's fast kernels take.
    if right > 1:
        g = tf.pad(tf.reshape(g, [-1, width, 1, channels]), [[0, 0], [0, 0], [0, right - 1], [0, 0]])
    if down > 1:
        g = tf.pad(tf.reshape(g, [-1, 1, width * right, channels]), [[0, 0], [0, down - 1], [0, 0], [0, 0]])
    return tf.reshape(g, [-1, height * down, width * right, channels])


def fit(g: Any, before: Sequence[int], sizes: Sequence[int]) -> Any:
    """Move a map and give it another size: zeros come in, what lies outside is cut.

    Args:
        g: (N, h, w, C).
        before: (rows, columns) that it is moved by, down and right.
        sizes: (rows, columns) of the result.
    """
    tf = tensorflow()
    amounts = [(b, n - have - b) for b, n, have in zip(before, sizes, g.shape[1:3], strict=True)]
    add = [[max(v, 0) for v in pair] for pair in amounts]
    if any(map(any, add)):
        g = tf.pad(g, [[0, 0], *add, [0, 0]])
    if any(v < 0 for pair in amounts for v in pair):
        start = [0, *(max(-pair[0], 0) for pair in amounts), 0]
        g = tf.slice(g, start, [-1, *sizes, -1])
    return g


def spread_and_fit(g: Any, w: Window) -> Any:
    """Lay a gradient out so that a plain convolution with the turned kernel gives the gradient at the input.

    Args:
        g: the gradient at the output, (N, h, w, C).
        w: the window's geometry.
    """
    before = [r - 1 - b for r, b in zip(w.reach, w.before, strict=True)]
    return fit(spread(g, w.stride), before, [n + r - 1 for n, r in zip(w.size, w.reach, strict=True)])


def convolution(op: Any, g: Any, kernel: np.ndarray | None) -> Any:
    """Return a convolution's gradient: a convolution of the spread-out gradient with the kernel turned by 180 degrees.

    Args:
        op: the convolution's node.
        g: the gradient at its output, (N, h, w, C).
        kernel: (rows, columns, c, C), for a depthwise convolution (rows, columns, c, times); None where it is not a constant.

    Raises:
        UnsupportedOpError: for a computed kernel, or a convolution in groups.
    """
    tf = tensorflow()
    if kernel is None:
        raise UnsupportedOpError("a convolution whose kernel is computed")
    if kernel.shape[2] != op.inputs[0].shape[3]:
        raise UnsupportedOpError("a convolution in groups")
    w = window(op, kernel.shape[:2])
    turned = kernel[::-1, ::-1]
    g = spread_and_fit(g, w)
    if op.type == "Conv2D":
        turned = np.ascontiguousarray(turned.transpose(0, 1, 3, 2))
        return tf.nn.conv2d(g, turned, 1, "VALID", dilations=w.dilation)
    rows, columns, channels, times = kernel.shape
    flat = np.ascontiguousarray(turned).reshape(rows, columns, channels * times, 1)
    y = tf.nn.depthwise_conv2d(g, flat, [1, 1, 1, 1], "VALID", dilations=w.dilation)
    if times > 1:
        height, width = y.shape[1:3]
        y = tf.reduce_sum(tf.reshape(y, [-1, width, channels, times]), axis=3)
        y = tf.reshape(y, [-1, height, width, channels])
    return y


def max_pool(op: Any, g: Any) -> Any:
    """Return max pooling's gradient, which goes to the first maximum of each window, also where windows overlap.

    For each place in the window: 1 where the maximum lies there and at no earlier place, times the gradient, laid out there.

    Args:
        op: the pooling's node.
        g: the gradient at its output, (N, h, w, C).
    """
    tf = tensorflow()
    x, y = op.inputs[0], op.outputs[0]
    kernel = [int(k) for k in op.get_attr("ksize")[1:3]]
    w = window(op, kernel)
    covered = [
        max((o - 1) * s + k, n + b) for o, s, k, n, b in zip(w.out, w.stride, kernel, w.size, w.before, strict=True)
    ]
    after = [t - n - b for t, n, b in zip(covered, w.size, w.before, strict=True)]
    padded = x
    if any((*w.before, *after)):
        amounts = [[0, 0], [w.before[0], after[0]], [w.before[1], after[1]], [0, 0]]
        padded = tf.pad(x, amounts, constant_values=LOWEST)
    left, total = None, None
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            end = [row + (w.out[0] - 1) * w.stride[0] + 1, column + (w.out[1] - 1) * w.stride[1] + 1]
            here = tf.strided_slice(
                padded, [0, row, column, 0], [0, *end, 0], [1, *w.stride, 1], begin_mask=0b1001, end_mask=0b1001
            )
            is_first = 1.0 - tf.minimum((y - here) * 3e38, 1.0)
            if left is None:
                left = 1.0 - is_first
            else:
                is_first = is_first * left
                left = left - is_first
            part = fit(spread(g * is_first, w.stride), (row, column), covered)
            total = part if total is None else total + part
    return fit(total, [-b for b in w.before], w.size)


def average_pool(op: Any, g: Any) -> Any:
    """Return average pooling's gradient: each output's share (padding does not count) goes to every pixel of its window.

    Args:
        op: the pooling's node.
        g: the gradient at its output, (N, h, w, C).
    """
    tf = tensorflow()
    kernel = [int(k) for k in op.get_attr("ksize")[1:3]]
    w = window(op, kernel)
    counts = []
    for n, o, s, k, b in zip(w.size, w.out, w.stride, kernel, w.before, strict=True):
        starts = np.arange(o) * s - b
        counts.append(np.minimum(starts + k, n) - np.maximum(starts, 0))
    share = (1.0 / np.outer(*counts)).astype(np.float32)[None, :, :, None]
    ones = np.ones((*kernel, g.shape[3], 1), np.float32)
    return tf.nn.depthwise_conv2d(spread_and_fit(g * share, w), ones, [1, 1, 1, 1], "VALID")


@rule("MatMul", "BatchMatMulV2")
def _matmul(op: Any, g: Any) -> list[Any]:
    names = ("transpose_a", "transpose_b") if op.type == "MatMul" else ("adj_x", "adj_y")
    first, second = (op.get_attr(name) for name in names)
    if first or constant(op.inputs[1]) is None:
        raise UnsupportedOpError("a product of two activations")
    return [tensorflow().matmul(g, op.inputs[1], transpose_b=not second), None]


@rule("Conv2D", "DepthwiseConv2dNative")
def _convolution(op: Any, g: Any) -> list[Any]:
    return [convolution(op, g, constant(op.inputs[1])), None]


@rule("MaxPool")
def _max_pool(op: Any, g: Any) -> list[Any]:
    return [max_pool(op, g)]


@rule("AvgPool")
def _average_pool(op: Any, g: Any) -> list[Any]:
    return [average_pool(op, g)]
