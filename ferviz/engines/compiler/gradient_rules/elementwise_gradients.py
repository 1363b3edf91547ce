"""Gradient rules of what works number by number: arithmetic and activations."""

from __future__ import annotations

from typing import Any

import numpy as np

from ferviz.engines.backend import tensorflow
from ferviz.engines.compiler.gradient_rules.rule import UnsupportedOpError, constant, is_positive, like, rule

# -- arithmetic ----------------------------------------------------------------------------------------------------------


@rule("Add", "AddV2")
def _add(op: Any, g: Any) -> list[Any]:
    return [like(g, x) for x in op.inputs]


@rule("AddN")
def _add_n(op: Any, g: Any) -> list[Any]:
    return [g for _ in op.inputs]


@rule("BiasAdd")
def _bias(op: Any, g: Any) -> list[Any]:
    return [g, None]


@rule("Sub")
def _subtract(op: Any, g: Any) -> list[Any]:
    a, b = op.inputs
    return [like(g, a), None if constant(b) is not None else like(-g, b)]


@rule("Mul")
def _multiply(op: Any, g: Any) -> list[Any]:
    a, b = op.inputs
    return [None if constant(x) is not None else like(g * other, x) for x, other in ((a, b), (b, a))]


@rule("RealDiv")
def _divide(op: Any, g: Any) -> list[Any]:
    a, b = op.inputs
    by_b = None if constant(b) is not None else like(-g * op.outputs[0] / b, b)
    return [None if constant(a) is not None else like(g / b, a), by_b]


@rule("Maximum", "Minimum")
def _larger(op: Any, g: Any) -> list[Any]:
    a, b = op.inputs
    sign = 1.0 if op.type == "Maximum" else -1.0
    # Where both are equal the first one has the gradient, as in TensorFlow.
    second = is_positive(tensorflow().nn.relu(sign * (b - a)))
    return [
        None if constant(a) is not None else like(g * (1.0 - second), a),
        None if constant(b) is not None else like(g * second, b),
    ]


@rule("Neg")
def _negate(op: Any, g: Any) -> list[Any]:
    return [-g]


@rule("Square")
def _square(op: Any, g: Any) -> list[Any]:
    return [g * 2.0 * op.inputs[0]]


@rule("Sqrt")
def _root(op: Any, g: Any) -> list[Any]:
    return [g * 0.5 / op.outputs[0]]


@rule("Rsqrt")
def _inverse_root(op: Any, g: Any) -> list[Any]:
    y = op.outputs[0]
    return [g * -0.5 * y * y * y]


@rule("Exp")
def _exp(op: Any, g: Any) -> list[Any]:
    return [g * op.outputs[0]]


@rule("Log")
def _log(op: Any, g: Any) -> list[Any]:
    return [g / op.inputs[0]]


@rule("Identity", "PreventGradient")
def _identity(op: Any, g: Any) -> list[Any]:
    return [g]


@rule("Cast")
def _cast(op: Any, g: Any) -> list[Any]:
    source = op.inputs[0].dtype
    return [tensorflow().cast(g, source) if source.is_floating else None]


# -- activations ---------------------------------------------------------------------------------------------------------


@rule("Relu")
def _relu(op: Any, g: Any) -> list[Any]:
    return [g * is_positive(op.outputs[0])]


def guided_relu(op: Any, g: Any) -> list[Any]:
    """Return ReLU's gradient in guided backpropagation, where negative gradients stop too.

    Args:
        op: the ReLU's node.
        g: the gradient at its output.
    """
    return [tensorflow().nn.relu(g) * is_positive(op.outputs[0])]


@rule("Relu6")
def _relu6(op: Any, g: Any) -> list[Any]:
    y = op.outputs[0]
    return [g * is_positive(y) * is_positive(tensorflow().nn.relu(6.0 - y))]


@rule("LeakyRelu")
def _leaky_relu(op: Any, g: Any) -> list[Any]:
    slope = op.get_attr("alpha")
    above = is_positive(tensorflow().nn.relu(op.inputs[0]))
    return [g * (above * (1.0 - slope) + slope)]


@rule("Elu")
def _elu(op: Any, g: Any) -> list[Any]:
    return [g * (tensorflow().minimum(op.outputs[0], 0.0) + 1.0)]


@rule("Selu")
def _selu(op: Any, g: Any) -> list[Any]:
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    y = op.outputs[0]
    above = is_positive(tensorflow().nn.relu(y))
    return [g * (above * scale + (1.0 - above) * (y + scale * alpha))]


@rule("Sigmoid")
def _sigmoid(op: Any, g: Any) -> list[Any]:
    y = op.outputs[0]
    return [g * y * (1.0 - y)]


@rule("Tanh")
def _tanh(op: Any, g: Any) -> list[Any]:
    y = op.outputs[0]
    return [g * (1.0 - y * y)]


@rule("Erf", "Erfc")
def _error_function(op: Any, g: Any) -> list[Any]:
    tf, factor = tensorflow(), np.float32(2 / np.sqrt(np.pi))
    return [g * tf.exp(-tf.square(op.inputs[0])) * (factor if op.type == "Erf" else -factor)]


@rule("Pow")
def _power(op: Any, g: Any) -> list[Any]:
    x, exponent = op.inputs
    power = constant(exponent)
    if power is None:
        raise UnsupportedOpError("a power that depends on the picture")
    return [like(g * power * tensorflow().pow(x, power - 1), x), None]


@rule("Softplus")
def _softplus(op: Any, g: Any) -> list[Any]:
    return [g * tensorflow().sigmoid(op.inputs[0])]


@rule("Softmax")
def _softmax(op: Any, g: Any) -> list[Any]:
    y = op.outputs[0]
    return [(g - tensorflow().reduce_sum(g * y, axis=-1, keepdims=True)) * y]
