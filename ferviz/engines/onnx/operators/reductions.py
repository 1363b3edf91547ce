"""Operators that reduce axes to one number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ferviz.engines.backend import tensorflow
from ferviz.engines.onnx.onnx_node import OnnxNode, integers, require
from ferviz.engines.onnx.operators.table import OPERATORS, as_value, image_layout, normal_axes, operator
from ferviz.engines.onnx.values import PLAIN, Operand, Value, plain


def _reduction(name: str, function: Callable[[Any, Any, list[int], bool], Any]) -> None:
    def rule(node: OnnxNode, x: Operand, axes: Operand | None = None) -> Operand:
        value, keep = as_value(x), bool(node.integer("keepdims", 1))
        listed = node.integers("axes") if axes is None else integers(axes, "axes")
        if not listed and node.integer("noop_with_empty_axes"):
            return x
        chosen = sorted(normal_axes(listed, value.rank)) if listed else list(range(value.rank))
        require(len(set(chosen)) == len(chosen), "it names an axis twice")
        if not keep:
            left = [value.axis(axis) for axis in range(value.rank) if axis not in chosen]
            value = value if left == sorted(left) else plain(value)
        tensor = function(tensorflow(), value.tensor, [value.axis(axis) for axis in chosen], keep)
        return image_layout(value, tensor) if keep else Value(tensor, PLAIN)

    OPERATORS[name] = rule


for _name, _function in {
    "ReduceL1": lambda tf, x, axes, keep: tf.reduce_sum(tf.abs(x), axes, keep),
    "ReduceL2": lambda tf, x, axes, keep: tf.sqrt(tf.reduce_sum(tf.square(x), axes, keep)),
    "ReduceLogSumExp": lambda tf, x, axes, keep: tf.reduce_logsumexp(x, axes, keep),
    "ReduceMax": lambda tf, x, axes, keep: tf.reduce_max(x, axes, keep),
    "ReduceMean": lambda tf, x, axes, keep: tf.reduce_mean(x, axes, keep),
    "ReduceMin": lambda tf, x, axes, keep: tf.reduce_min(x, axes, keep),
    "ReduceProd": lambda tf, x, axes, keep: tf.reduce_prod(x, axes, keep),
    "ReduceSum": lambda tf, x, axes, keep: tf.reduce_sum(x, axes, keep),
    "ReduceSumSquare": lambda tf, x, axes, keep: tf.reduce_sum(tf.square(x), axes, keep),
}.items():
    _reduction(_name, _function)


@operator("ArgMax")
def _argmax(node: OnnxNode, x: Operand) -> Value:
    tf, value = tensorflow(), plain(as_value(x))
    (axis,) = normal_axes([node.integer("axis", 0)], value.rank)
    place = tf.argmax(value.tensor, axis)
    return Value(tf.expand_dims(place, axis) if node.integer("keepdims", 1) else place)
