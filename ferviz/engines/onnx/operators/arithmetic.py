"""Operators that work on each number alone, or on numbers at the same place."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from ferviz.engines.backend import tensorflow
from ferviz.engines.onnx.onnx_node import OnnxNode, known, require
from ferviz.engines.onnx.operators.table import OPERATORS, as_value, elementwise, image_layout, operator
from ferviz.engines.onnx.values import Operand, Value

_DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float32", 11: "float32",
    12: "uint32", 13: "uint64", 16: "float32",
}  # fmt: skip
"""ONNX' numbers of types; all floating ones are computed in single precision."""


def _of_each(name: str, function: Callable[[Any, Any], Any]) -> None:
    def rule(node: OnnxNode, x: Operand) -> Value:
        return elementwise(lambda t: function(tensorflow(), t), x)

    OPERATORS[name] = rule


def _of_two(name: str, function: Callable[[Any, Any, Any], Any]) -> None:
    def rule(node: OnnxNode, a: Operand, b: Operand) -> Value:
        return elementwise(lambda x, y: function(tensorflow(), x, y), a, b)

    OPERATORS[name] = rule


def _of_many(name: str, function: Callable[[Any, Any, Any], Any]) -> None:
    def rule(node: OnnxNode, *operands: Operand) -> Operand:
        require(operands, "it has no input")
        return reduce(lambda a, b: elementwise(lambda x, y: function(tensorflow(), x, y), a, b), operands)

    OPERATORS[name] = rule


for _name, _each in {
    "Abs": lambda tf, x: tf.abs(x),
    "Ceil": lambda tf, x: tf.math.ceil(x),
    "Cos": lambda tf, x: tf.cos(x),
    "Erf": lambda tf, x: tf.math.erf(x),
    "Exp": lambda tf, x: tf.exp(x),
    "Floor": lambda tf, x: tf.floor(x),
    "Identity": lambda tf, x: tf.convert_to_tensor(x),
    "Log": lambda tf, x: tf.math.log(x),
    "Mish": lambda tf, x: x * tf.tanh(tf.math.softplus(x)),
    "Neg": lambda tf, x: -tf.convert_to_tensor(x),
    "Not": lambda tf, x: tf.logical_not(x),
    "Reciprocal": lambda tf, x: 1.0 / tf.convert_to_tensor(x),
    "Relu": lambda tf, x: tf.nn.relu(x),
    "Round": lambda tf, x: tf.round(x),
    "Sigmoid": lambda tf, x: tf.sigmoid(x),
    "Sign": lambda tf, x: tf.sign(x),
    "Sin": lambda tf, x: tf.sin(x),
    "Softplus": lambda tf, x: tf.math.softplus(x),
    "Softsign": lambda tf, x: x / (1.0 + tf.abs(x)),
    "Sqrt": lambda tf, x: tf.sqrt(x),
    "Tanh": lambda tf, x: tf.tanh(x),
    "HardSwish": lambda tf, x: x * (tf.nn.relu6(x + 3.0) * (1.0 / 6.0)),
}.items():
    _of_each(_name, _each)

for _name, _two in {
    "Add": lambda tf, x, y: tf.add(x, y),
    "And": lambda tf, x, y: tf.logical_and(x, y),
    "Equal": lambda tf, x, y: tf.equal(x, y),
    "Greater": lambda tf, x, y: tf.greater(x, y),
    "GreaterOrEqual": lambda tf, x, y: tf.greater_equal(x, y),
    "Less": lambda tf, x, y: tf.less(x, y),
    "LessOrEqual": lambda tf, x, y: tf.less_equal(x, y),
    "Mul": lambda tf, x, y: tf.multiply(x, y),
    "Or": lambda tf, x, y: tf.logical_or(x, y),
    "Sub": lambda tf, x, y: tf.subtract(x, y),
    "Xor": lambda tf, x, y: tf.math.logical_xor(x, y),
}.items():
    _of_two(_name, _two)

for _name, _many in {
    "Max": lambda tf, x, y: tf.maximum(x, y),
    "Min": lambda tf, x, y: tf.minimum(x, y),
    "Sum": lambda tf, x, y: tf.add(x, y),
}.items():
    _of_many(_name, _many)


@operator("Mean")
def _mean(node: OnnxNode, *operands: Operand) -> Value:
    total = OPERATORS["Sum"](node, *operands)
    return elementwise(lambda x: x * (1.0 / len(operands)), total)


@operator("Div")
def _divide(node: OnnxNode, a: Operand, b: Operand) -> Value:
    def divide(x: Any, y: Any) -> Any:
        tf = tensorflow()
        x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
        # Whole numbers are divided as in C, towards zero.
        return tf.truncatediv(x, y) if x.dtype.is_integer else x / y

    if isinstance(b, np.ndarray) and b.dtype.kind in "iu":
        require((b != 0).all(), "it divides by zero")
    return elementwise(divide, a, b)


@operator("Mod")
def _modulo(node: OnnxNode, a: Operand, b: Operand) -> Value:
    tf = tensorflow()
    if isinstance(b, np.ndarray) and b.dtype.kind in "iu":
        require((b != 0).all(), "it divides by zero")
    return elementwise(tf.math.floormod if not node.integer("fmod") else tf.truncatemod, a, b)


@operator("Pow")
def _power(node: OnnxNode, a: Operand, b: Operand) -> Value:
    tf = tensorflow()
    if isinstance(b, np.ndarray) and b.size == 1 and isinstance(a, Value):
        exponent = float(b.reshape(()))
        if exponent == 2:
            return elementwise(tf.square, a)
        if exponent == 0.5:
            return elementwise(tf.sqrt, a)
        if exponent == -0.5:
            return elementwise(tf.math.rsqrt, a)

    def power(x: Any, y: Any) -> Any:
        x = tf.convert_to_tensor(x)
        return tf.pow(x, tf.cast(y, x.dtype))

    return elementwise(power, a, b)


@operator("Where")
def _where(node: OnnxNode, condition: Operand, a: Operand, b: Operand) -> Value:
    return elementwise(tensorflow().where, condition, a, b)


@operator("Cast")
def _cast(node: OnnxNode, x: Operand) -> Value:
    kind = node.integer("to")
    require(kind in _DTYPES, f"it makes numbers of ONNX's type {kind}")
    value = as_value(x)
    return image_layout(value, tensorflow().cast(value.tensor, _DTYPES[kind]))


@operator("CastLike")
def _cast_like(node: OnnxNode, x: Operand, other: Operand) -> Value:
    value = as_value(x)
    return image_layout(value, tensorflow().cast(value.tensor, as_value(other).tensor.dtype))


@operator("Dropout")
def _dropout(node: OnnxNode, x: Operand, ratio: Any = None, training: Any = None) -> Operand:
    require(training is None or not known(training, "training_mode").any(), "it drops out at random when it predicts")
    require(len(node.outputs) == 1 or not any(node.outputs[1:]), "its mask is used")
    return x


def _bound(node: OnnxNode, name: str, operand: Operand | None) -> np.ndarray | None:
    if operand is None:
        return np.array(node.number(name, 0.0), np.float32) if node.has(name) else None
    return known(operand, name).reshape(())


@operator("Clip")
def _clip(node: OnnxNode, x: Operand, low: Operand | None = None, high: Operand | None = None) -> Value:
    tf = tensorflow()
    least, most = _bound(node, "min", low), _bound(node, "max", high)
    value = as_value(x)
    if least is not None and most is not None and (least, most) == (0, 6):
        return image_layout(value, tf.nn.relu6(value.tensor))
    tensor = value.tensor
    if least is not None:
        tensor = tf.nn.relu(tensor) if least == 0 else tf.maximum(tensor, least)
    if most is not None:
        tensor = tf.minimum(tensor, most)
    return image_layout(value, tensor)


@operator("LeakyRelu")
def _leaky(node: OnnxNode, x: Operand) -> Value:
    return elementwise(lambda t: tensorflow().nn.leaky_relu(t, alpha=node.number("alpha", 0.01)), x)


@operator("PRelu")
def _prelu(node: OnnxNode, x: Operand, slope: Operand) -> Value:
    tf = tensorflow()
    return elementwise(lambda t, s: tf.nn.relu(t) - tf.nn.relu(-t) * s, x, slope)


@operator("ThresholdedRelu")
def _thresholded(node: OnnxNode, x: Operand) -> Value:
    tf, alpha = tensorflow(), node.number("alpha", 1.0)
    return elementwise(lambda t: t * tf.cast(t > alpha, tf.float32), x)


@operator("Elu")
def _elu(node: OnnxNode, x: Operand) -> Value:
    tf, alpha = tensorflow(), node.number("alpha", 1.0)
    if alpha == 1:
        return elementwise(tf.nn.elu, x)
    return elementwise(lambda t: tf.nn.relu(t) + alpha * (tf.exp(tf.minimum(t, 0.0)) - 1.0), x)


@operator("Celu")
def _celu(node: OnnxNode, x: Operand) -> Value:
    tf, alpha = tensorflow(), node.number("alpha", 1.0)
    require(alpha != 0, "its alpha is zero")
    return elementwise(lambda t: tf.nn.relu(t) + alpha * (tf.exp(tf.minimum(t, 0.0) / alpha) - 1.0), x)


@operator("Selu")
def _selu(node: OnnxNode, x: Operand) -> Value:
    tf = tensorflow()
    alpha, gamma = node.number("alpha", 1.67326319217681884765625), node.number("gamma", 1.05070102214813232421875)
    return elementwise(lambda t: gamma * (tf.nn.relu(t) + alpha * (tf.exp(tf.minimum(t, 0.0)) - 1.0)), x)


@operator("HardSigmoid")
def _hard_sigmoid(node: OnnxNode, x: Operand) -> Value:
    tf, alpha, beta = tensorflow(), node.number("alpha", 0.2), node.number("beta", 0.5)
    return elementwise(lambda t: tf.minimum(tf.nn.relu(alpha * t + beta), 1.0), x)


@operator("Gelu")
def _gelu(node: OnnxNode, x: Operand) -> Value:
    tf, kind = tensorflow(), node.text("approximate", "none")
    require(kind in ("none", "tanh"), f"its approximation {kind!r:.40} is not known")
    return elementwise(lambda t: tf.nn.gelu(t, approximate=kind == "tanh"), x)
