"""Gradient rules of what reorders, cuts, joins and reduces."""

from __future__ import annotations

from typing import Any

import numpy as np

from ferviz.engines.backend import tensorflow
from ferviz.engines.compiler.gradient_rules.rule import UnsupportedOpError, constant, is_positive, rule, shaped


@rule("Reshape", "Squeeze", "ExpandDims")
def _reshape(op: Any, g: Any) -> list[Any]:
    return [shaped(g, op.inputs[0]), *[None] * (len(op.inputs) - 1)]


@rule("Transpose")
def _transpose(op: Any, g: Any) -> list[Any]:
    return [tensorflow().transpose(g, np.argsort(constant(op.inputs[1]))), None]


@rule("Pad", "PadV2")
def _pad(op: Any, g: Any) -> list[Any]:
    x, amounts = op.inputs[0], constant(op.inputs[1])
    sizes = [-1 if before == after == 0 else n for n, (before, after) in zip(x.shape.as_list(), amounts, strict=True)]
    return [tensorflow().slice(g, amounts[:, 0].tolist(), sizes), *[None] * (len(op.inputs) - 1)]


@rule("StridedSlice", "Slice")
def _slice(op: Any, g: Any) -> list[Any]:
    x, rest = op.inputs[0], [None] * (len(op.inputs) - 1)
    begin = constant(op.inputs[1])
    if op.type == "StridedSlice":
        masks = [op.get_attr(name) for name in ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask")]
        if any(masks) or (constant(op.inputs[3]) != 1).any():
            raise UnsupportedOpError("a slice with steps or dropped axes")
        begin = [0 if op.get_attr("begin_mask") >> i & 1 else int(b) for i, b in enumerate(begin)]
    amounts = [[0, 0] for _ in x.shape]
    for i, start in enumerate(begin):
        size, kept = x.shape[i], g.shape[i]
        if size is None or kept is None:
            continue
        start = int(start) % size if start < 0 else int(start)
        amounts[i] = [start, size - start - kept]
    return [tensorflow().pad(g, amounts), *rest]


@rule("ConcatV2")
def _concatenate(op: Any, g: Any) -> list[Any]:
    parts, axis = list(op.inputs)[:-1], int(constant(op.inputs[-1]))
    return [*tensorflow().split(g, [x.shape[axis] for x in parts], axis=axis), None]


@rule("SpaceToBatchND")
def _space_to_batch(op: Any, g: Any) -> list[Any]:
    """Dilated depthwise convolutions are written so; either operation undoes the other."""
    tf = tensorflow()
    back = tf.batch_to_space(g, constant(op.inputs[1]), constant(op.inputs[2]))
    back.set_shape(op.inputs[0].shape)
    return [back, None, None]


@rule("BatchToSpaceND")
def _batch_to_space(op: Any, g: Any) -> list[Any]:
    tf = tensorflow()
    back = tf.space_to_batch(g, constant(op.inputs[1]), constant(op.inputs[2]))
    back.set_shape(op.inputs[0].shape)
    return [back, None, None]


def _with_axes(op: Any, g: Any) -> tuple[Any, list[int]]:
    """Give a reduction's gradient (or output) the reduced axes back, as ones."""
    x = op.inputs[0]
    axes = sorted(int(a) % x.shape.rank for a in np.atleast_1d(constant(op.inputs[1])))
    if 0 in axes or any(x.shape[a] is None for a in axes):
        raise UnsupportedOpError("a reduction over an axis whose size is not known")
    sizes = [-1 if n is None else 1 if i in axes else n for i, n in enumerate(x.shape.as_list())]
    return tensorflow().reshape(g, sizes), axes


@rule("Mean", "Sum")
def _mean(op: Any, g: Any) -> list[Any]:
    g, axes = _with_axes(op, g)
    sizes = [op.inputs[0].shape[i] if i in axes else 1 for i in range(op.inputs[0].shape.rank)]
    count = np.prod(sizes) if op.type == "Mean" else 1
    return [g * np.full(sizes, 1.0 / count, np.float32), None]


@rule("Max")
def _max(op: Any, g: Any) -> list[Any]:
    g, axes = _with_axes(op, g)
    y, _ = _with_axes(op, op.outputs[0])
    at = 1.0 - is_positive(y - op.inputs[0])
    # Several equal maxima share the gradient, as in TensorFlow.
    return [g * at / tensorflow().reduce_sum(at, axis=axes, keepdims=True), None]
