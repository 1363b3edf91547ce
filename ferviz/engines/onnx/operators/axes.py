"""Operators that join, part, pick and pad along axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ferviz.engines.backend import tensorflow
from ferviz.engines.onnx.onnx_node import MAX_STEP, OnnxNode, integers, known, require, sizes_of
from ferviz.engines.onnx.operators.shapes import reshaped
from ferviz.engines.onnx.operators.table import (
    as_image,
    as_plain,
    as_value,
    check_size,
    image_layout,
    normal_axes,
    operator,
    run_shape,
)
from ferviz.engines.onnx.values import BATCH, LAST, Operand, Value, aligned

_END = 1 << 31


@operator("Concat")
def _concat(node: OnnxNode, *operands: Operand) -> Value:
    values = [as_value(operand) for operand in operands]
    require(values and len({value.rank for value in values}) == 1, "its inputs have different numbers of axes")
    (axis,) = normal_axes([node.integer("axis", 0)], values[0].rank)
    tensors, layout = aligned([Value(v.tensor, v.layout, v.sizes) for v in values])
    result = tensorflow().concat(tensors, (0, 3, 1, 2)[axis] if layout == LAST else axis)
    return Value(result, layout)


@operator("Split")
def _split(node: OnnxNode, x: Operand, split: Operand | None = None) -> list[Value]:
    value, sizes = as_value(x), sizes_of(x)
    (axis,) = normal_axes([node.integer("axis", 0)], value.rank)
    parts = node.integers("split") if split is None else integers(split, "split")
    count = len(node.outputs)
    if not parts:
        length = -(-sizes[axis] // count)
        parts = [length] * (count - 1) + [sizes[axis] - length * (count - 1)]
    require(len(parts) == count and min(parts) >= 0 and sum(parts) == sizes[axis], "its parts do not fit its input")
    starts = np.cumsum([0, *parts])
    return [
        image_layout(value, _cut(value, {axis: (int(start), int(start) + length, 1)}))
        for start, length in zip(starts, parts, strict=False)
    ]


def _cut(value: Value, ranges: dict[int, tuple[int | None, int | None, int]]) -> Any:
    """-> the tensor with only some places along some of the file's axes."""
    places: list[Any] = [slice(None)] * value.rank
    for axis, (start, stop, step) in ranges.items():
        places[value.axis(axis)] = slice(start, stop, step)
    return value.tensor[tuple(places)]


@operator("Slice")
def _slice(
    node: OnnxNode,
    x: Operand,
    starts: Operand | None = None,
    ends: Operand | None = None,
    axes: Operand | None = None,
    steps: Operand | None = None,
) -> Operand:
    value, sizes = as_value(x), sizes_of(x)
    first = (node.integers("starts") or []) if starts is None else integers(starts, "starts")
    last = (node.integers("ends") or []) if ends is None else integers(ends, "ends")
    listed = node.integers("axes") if axes is None else integers(axes, "axes")
    chosen = normal_axes(listed if listed is not None else list(range(len(first))), value.rank)
    strides = [1] * len(first) if steps is None else integers(steps, "steps")
    require(
        len(first) == len(last) == len(chosen) == len(strides) == len(set(chosen)), "its starts and ends do not fit"
    )
    require(all(stride and abs(stride) < _END for stride in strides), "its steps make no sense")
    ranges: dict[int, tuple[int | None, int | None, int]] = {}
    for axis, start, stop, step in zip(chosen, first, last, strides, strict=True):
        size = sizes[axis]
        low, high, step = slice(start, stop, step).indices(size) if step > 0 else _backwards(start, stop, step, size)
        if (low, high, step) == (0, size, 1):
            continue
        require(size % BATCH or not size, "it takes some of the pictures and not all")
        ranges[axis] = (low, None if step < 0 and high < 0 else high, step)
    return image_layout(value, _cut(value, ranges)) if ranges else x


def _backwards(start: int, stop: int, step: int, size: int) -> tuple[int, int, int]:
    start = min(start + size if start < 0 else start, size - 1)
    stop = max(stop + size if stop < 0 else stop, -1)
    return max(start, 0), stop, step


@operator("Gather")
def _gather(node: OnnxNode, x: Operand, indices: Operand) -> Operand:
    value, sizes = as_plain(x), sizes_of(x)
    (axis,) = normal_axes([node.integer("axis", 0)], value.rank)
    places, size = known(indices, "indices"), sizes[axis]
    require(places.dtype.kind in "iu" and places.size, "its indices are no whole numbers")
    require(((places >= -size) & (places < size)).all(), "an index lies outside of its input")
    if value.rank == 1 and places.size == size and np.array_equal(places.ravel(), np.arange(size)):
        return reshaped(
            node, x, list(places.shape)
        )  # how PyTorch's newer exporter writes a channels-last tensor's new strides
    require(size % BATCH or not size, "it takes some of the pictures and not all")
    check_size([*sizes[:axis], *places.shape, *sizes[axis + 1 :]])
    places = np.where(places < 0, places + size, places).astype(np.int64)
    if places.ndim == 0:
        picked: list[Any] = [slice(None)] * value.rank
        picked[axis] = int(places)
        return Value(value.tensor[tuple(picked)])
    if places.ndim == 1 and (np.diff(places) == 1).all():
        return image_layout(value, _cut(value, {axis: (int(places[0]), int(places[-1]) + 1, 1)}))
    return image_layout(value, tensorflow().gather(value.tensor, places, axis=axis))


@operator("GatherND")
def _gather_nd(node: OnnxNode, x: Operand, indices: Operand) -> Value:
    value, sizes = as_plain(x), sizes_of(x)
    require(node.integer("batch_dims", 0) == 0, "its batch_dims are not 0")
    places = known(indices, "indices")
    require(places.dtype.kind in "iu" and places.ndim and places.size, "its indices are no whole numbers")
    depth = places.shape[-1]
    require(depth <= value.rank, "its indices have more axes than its input")
    limits = np.array(sizes[:depth])
    require(((places >= -limits) & (places < limits)).all(), "an index lies outside of its input")
    require(all(size % BATCH or not size for size in limits.tolist()), "it takes some of the pictures and not all")
    check_size([*places.shape[:-1], *sizes[depth:]])
    return Value(tensorflow().gather_nd(value.tensor, np.where(places < 0, places + limits, places).astype(np.int64)))


@operator("Pad")
def _pad(
    node: OnnxNode,
    x: Operand,
    pads: Operand | None = None,
    constant: Operand | None = None,
    axes: Operand | None = None,
) -> Operand:
    tf, value, sizes = tensorflow(), as_value(x), sizes_of(x)
    amounts = (node.integers("pads") or []) if pads is None else integers(pads, "pads")
    chosen = normal_axes(list(range(value.rank)) if axes is None else integers(axes, "axes"), value.rank)
    require(len(amounts) == 2 * len(chosen), "its pads do not fit its input")
    require(all(abs(amount) <= MAX_STEP for amount in amounts), "its pads make no sense")
    fill = float(node.number("value", 0.0)) if constant is None else float(known(constant, "value").reshape(-1)[0])
    mode = node.text("mode", "constant")
    around = [[0, 0] for _ in range(value.rank)]
    cut: dict[int, tuple[int | None, int | None, int]] = {}
    for position, axis in enumerate(chosen):
        before, after = amounts[position], amounts[position + len(chosen)]
        require(sizes[axis] % BATCH or not (before or after), "it adds pictures")
        around[value.axis(axis)] = [max(before, 0), max(after, 0)]
        if min(before, after) < 0:
            cut[axis] = (max(-before, 0), sizes[axis] + min(after, 0), 1)
    check_size([size + sum(around[value.axis(axis)]) for axis, size in enumerate(sizes)])
    tensor = _cut(value, cut) if cut else value.tensor
    if any(map(any, around)):
        tensor = _padded(tf, tensor, around, mode, fill)
    return x if tensor is value.tensor else image_layout(value, tensor)


def _padded(tf: Any, tensor: Any, around: list[list[int]], mode: str, fill: float) -> Any:
    if mode == "constant":
        return tf.pad(tensor, around, constant_values=tf.cast(fill, tensor.dtype))
    if mode == "reflect":
        return tf.pad(tensor, around, "REFLECT")
    require(mode == "edge", f"its mode {mode!r:.40} is not read")
    while any(map(any, around)):  # a mirror with the edge in it, one place at a time, repeats the edge
        tensor = tf.pad(tensor, [[min(before, 1), min(after, 1)] for before, after in around], "SYMMETRIC")
        around = [[max(before - 1, 0), max(after - 1, 0)] for before, after in around]
    return tensor


@operator("DepthToSpace")
def _depth_to_space(node: OnnxNode, x: Operand) -> Value:
    tf, image, side = tensorflow(), as_image(x, node.kind), node.integer("blocksize")
    batch, channels, height, width = sizes_of(image)
    require(0 < side <= 64 and channels % (side * side) == 0, "its blocks do not fit its input")
    depth = channels // (side * side)
    by_row = node.text("mode", "DCR") == "DCR"
    inside = (batch, height, width, side, side, depth) if by_row else (batch, height, width, depth, side, side)
    tensor = tf.reshape(image.tensor, run_shape(node, inside, reshape=True))
    tensor = tf.transpose(tensor, (0, 1, 3, 2, 4, 5) if by_row else (0, 1, 4, 2, 5, 3))
    return Value(tf.reshape(tensor, run_shape(node, (batch, height * side, width * side, depth), reshape=True)), LAST)


@operator("SpaceToDepth")
def _space_to_depth(node: OnnxNode, x: Operand) -> Value:
    tf, image, side = tensorflow(), as_image(x, node.kind), node.integer("blocksize")
    batch, channels, height, width = sizes_of(image)
    require(0 < side <= 64 and height % side == 0 == width % side, "its blocks do not fit its input")
    tensor = tf.reshape(
        image.tensor, run_shape(node, (batch, height // side, side, width // side, side, channels), reshape=True)
    )
    tensor = tf.transpose(tensor, (0, 1, 3, 2, 4, 5))
    return Value(
        tf.reshape(
            tensor, run_shape(node, (batch, height // side, width // side, channels * side * side), reshape=True)
        ),
        LAST,
    )
