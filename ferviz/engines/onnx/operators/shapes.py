"""Operators that speak of shapes: what is computed from them is known before a picture is seen, but for the number of pictures."""

from __future__ import annotations

import math

import numpy as np

from ferviz.engines.backend import tensorflow
from ferviz.engines.onnx.onnx_node import OnnxNode, integers, known, require, sizes_of
from ferviz.engines.onnx.operators.table import as_array, as_plain, as_value, check_size, operator, run_shape, set_sizes
from ferviz.engines.onnx.values import BATCH, IMAGE, LAST, PLAIN, Operand, Value


@operator("Constant")
def _constant(node: OnnxNode) -> np.ndarray:
    if node.has("value"):
        return node.tensor("value")
    if node.has("value_float"):
        return np.array(node.number("value_float", 0.0), np.float32)
    if node.has("value_int"):
        return np.array(node.integer("value_int"), np.int64)
    floats, counts = node.numbers("value_floats"), node.integers("value_ints")
    if floats is not None:
        return np.array(floats, np.float32)
    require(counts is not None, "it holds no numbers")
    return as_array(counts or [])


@operator("Shape")
def _shape(node: OnnxNode, x: Operand) -> np.ndarray:
    sizes = sizes_of(x)
    start, end = node.integer("start", 0), node.integer("end", len(sizes))
    return as_array(sizes[start:end])


@operator("Size")
def _size(node: OnnxNode, x: Operand) -> np.ndarray:
    return np.array(math.prod(sizes_of(x)), np.int64)


@operator("Range")
def _range(node: OnnxNode, start: Operand, limit: Operand, delta: Operand) -> np.ndarray:
    first, last, step = (known(operand, "bounds").reshape(()) for operand in (start, limit, delta))
    require(step != 0 and np.isfinite([float(first), float(last), float(step)]).all(), "its bounds make no sense")
    check_size([max(math.ceil((float(last) - float(first)) / float(step)), 0)])
    return np.asarray(np.arange(first.item(), last.item(), step.item()), first.dtype)


@operator("ConstantOfShape")
def _constant_of_shape(node: OnnxNode, shape: Operand) -> Value:
    sizes = integers(shape, "shape")
    value = node.tensor("value").reshape(-1)[:1] if node.has("value") else np.zeros(1, np.float32)
    require(value.size == 1, "it has no value")
    return Value(set_sizes(tensorflow().fill(run_shape(node, sizes), value[0]), sizes), PLAIN)


@operator("Expand")
def _expand(node: OnnxNode, x: Operand, shape: Operand) -> Operand:
    wanted, own = integers(shape, "shape"), sizes_of(x)
    sizes = _broadcast(own, tuple(wanted))
    if sizes == own:
        return x
    return Value(set_sizes(tensorflow().broadcast_to(as_plain(x).tensor, run_shape(node, sizes)), sizes), PLAIN)


def _broadcast(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    rank = max(len(first), len(second))
    both = [(1,) * (rank - len(sizes)) + sizes for sizes in (first, second)]
    require(all(a == b or 1 in (a, b) for a, b in zip(*both, strict=True)), f"{first} and {second} do not fit")
    return tuple(b if a == 1 else a for a, b in zip(*both, strict=True))


@operator("Tile")
def _tile(node: OnnxNode, x: Operand, repeats: Operand) -> Value:
    times, own = integers(repeats, "repeats"), sizes_of(x)
    require(len(times) == len(own) and all(time >= 0 for time in times), "its repeats do not fit its input")
    sizes = [size * time for size, time in zip(own, times, strict=True)]
    check_size(sizes)
    counts = [node.batch if time and time % BATCH == 0 else time for time in times]
    is_counted = any(time and time % BATCH == 0 for time in times)
    tf = tensorflow()
    return Value(set_sizes(tf.tile(as_plain(x).tensor, tf.stack(counts) if is_counted else counts), sizes), PLAIN)


@operator("Reshape")
def _reshape(node: OnnxNode, x: Operand, shape: Operand | None = None) -> Operand:
    own = sizes_of(x)
    wanted = node.integers("shape") if shape is None else integers(shape, "shape")
    require(wanted is not None, "it has no shape")
    return reshaped(node, x, _resolved(node, own, list(wanted or [])))


def _resolved(node: OnnxNode, own: tuple[int, ...], wanted: list[int]) -> list[int]:
    """-> the shape with its 0 and -1 replaced; a file that was written for a number of pictures is freed of it."""
    if not node.integer("allowzero"):
        require(all(size or axis < len(own) for axis, size in enumerate(wanted)), "its shape does not fit its input")
        wanted = [own[axis] if size == 0 else size for axis, size in enumerate(wanted)]
    require(wanted.count(-1) <= 1 and all(size >= -1 for size in wanted), "its shape makes no sense")
    total = math.prod(own)
    of_batch = bool(own) and own[0] == BATCH
    if (
        of_batch
        and wanted
        and wanted[0] == node.declared_batch
        and not any(size % BATCH == 0 for size in wanted if size > 0)
    ):
        rest = math.prod(size for size in wanted[1:] if size != -1)
        if -1 in wanted[1:] or rest == total // BATCH:
            wanted = [BATCH, *wanted[1:]]
    if -1 in wanted:
        rest = math.prod(size for size in wanted if size != -1)
        require(rest and total % rest == 0, "its shape does not fit its input")
        wanted[wanted.index(-1)] = total // rest
    require(math.prod(wanted) == total, f"{own} cannot become {tuple(wanted)}")
    return wanted


def reshaped(node: OnnxNode, x: Operand, sizes: list[int]) -> Operand:
    """Return an operand in another shape.

    Args:
        node: the node that asks for it.
        x: an array or a value.
        sizes: the file's shape, BATCH for the number of pictures.
    """
    tf, own = tensorflow(), sizes_of(x)
    if isinstance(x, np.ndarray):
        return x.reshape(sizes)
    if tuple(sizes) == own:
        return x
    if x.rank == len(sizes) == 4 and x.layout != PLAIN:  # a grey picture's one channel may stand before or behind
        first, last = (own[0], 1, *own[1:3]), (own[0], *own[2:4], 1)
        if x.layout == IMAGE and own[3] == 1 and tuple(sizes) == first:
            return Value(x.tensor, LAST)
        if x.layout == LAST and own[1] == 1 and tuple(sizes) == last:
            return Value(x.tensor, IMAGE)
    flat = [size for size in own[1:] if size != 1]
    if x.layout == LAST and len(flat) <= 1:  # of a row it does not matter where the ones are
        x = Value(x.tensor, PLAIN, own)
    elif x.layout == LAST:
        x = as_plain(x)
    if len(sizes) == 4 and sizes[2] == sizes[3] == 1 and len(flat) <= 1:
        stored = (sizes[0], 1, 1, sizes[1])
        return Value(tf.reshape(x.tensor, run_shape(node, stored, reshape=True)), LAST)
    return Value(set_sizes(tf.reshape(x.tensor, run_shape(node, sizes, reshape=True)), sizes), PLAIN)


@operator("Flatten")
def _flatten(node: OnnxNode, x: Operand) -> Operand:
    own, axis = sizes_of(x), node.integer("axis", 1)
    require(-len(own) <= axis <= len(own), "its axis does not fit its input")
    axis = axis + len(own) if axis < 0 else axis
    return reshaped(node, x, [math.prod(own[:axis]), math.prod(own[axis:])])


@operator("Squeeze")
def _squeeze(node: OnnxNode, x: Operand, axes: Operand | None = None) -> Operand:
    own = sizes_of(x)
    listed = node.integers("axes") if axes is None else integers(axes, "axes")
    require(all(-len(own) <= axis < len(own) for axis in listed or []), "its axes do not fit its input")
    chosen = [axis % len(own) for axis in listed] if listed else [axis for axis, size in enumerate(own) if size == 1]
    require(all(own[axis] == 1 for axis in chosen), "it drops an axis that is not 1")
    return reshaped(node, x, [size for axis, size in enumerate(own) if axis not in chosen])


@operator("Unsqueeze")
def _unsqueeze(node: OnnxNode, x: Operand, axes: Operand | None = None) -> Operand:
    own = list(sizes_of(x))
    listed = (node.integers("axes") or []) if axes is None else integers(axes, "axes")
    rank = len(own) + len(listed)
    require(listed and rank <= 8 and all(-rank <= axis < rank for axis in listed), "its axes do not fit its input")
    for axis in sorted(axis % rank for axis in listed):
        own.insert(axis, 1)
    require(len(own) == rank, "it names an axis twice")
    return reshaped(node, x, own)


@operator("Transpose")
def _transpose(node: OnnxNode, x: Operand) -> Operand:
    value = as_value(x)
    order = tuple(node.integers("perm") or range(value.rank)[::-1])
    require(sorted(order) == list(range(value.rank)), "its order of axes makes no sense")
    if order == tuple(range(value.rank)):
        return x
    if value.layout == LAST and order == (0, 2, 3, 1):
        return Value(value.tensor, IMAGE)
    if value.layout in (IMAGE, PLAIN) and order == (0, 3, 1, 2) and isinstance(x, Value):
        return Value(value.tensor, LAST)
    return Value(tensorflow().transpose(as_plain(x).tensor, order), PLAIN)
