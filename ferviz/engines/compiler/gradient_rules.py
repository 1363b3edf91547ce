"""One gradient rule per operation, written only in operations that LiteRT has.

TensorFlow's own gradients use operations of their own (ReluGrad, MaxPoolGrad, depthwise back-propagation, shapes computed
while it runs) that no LiteRT runtime knows. The rules here say the same with products, paddings, slices and plain
convolutions, for any number of pictures at once; constants (weights) never get a gradient. `Operation` is a node of a
frozen TensorFlow graph, `upstream` the gradient at its output; a rule returns one gradient per input, None for constants.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ferviz.engines.backend import tensorflow
from ferviz.engines.compiler.conv_gradients import UnsupportedOpError, average_pool, convolution, max_pool

Rule = Callable[[Any, Any], list[Any]]
RULES: dict[str, Rule] = {}

STEEP = 3e38
"""Multiplies a non-negative number so that min(x * STEEP, 1) is 0 where x is 0 and 1 elsewhere."""


def rule(*types: str) -> Callable[[Rule], Rule]:
    """Register the decorated function as the gradient rule of TensorFlow operations.

    Args:
        *types: names of the operations.
    """

    def add(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(types, function))
        return function

    return add


def constant(tensor: Any) -> Any:
    """Return a tensor's value as an array where it is a constant of the graph, else None.

    Args:
        tensor: of the graph.
    """
    return tensorflow().get_static_value(tensor)


def is_positive(tensor: Any) -> Any:
    """Return 1.0 where a tensor is above zero, else 0.0; exact, and one pass in LiteRT's fast kernels.

    Args:
        tensor: of any shape, nowhere negative.
    """
    return tensorflow().minimum(tensor * STEEP, 1.0)


def like(gradient: Any, tensor: Any) -> Any:
    """Sum a gradient over the axes that broadcasting stretched; None for constants.

    Args:
        gradient: of the broadcast tensor.
        tensor: gives the shape of the result.
    """
    tf = tensorflow()
    if constant(tensor) is not None:
        return None
    if tensor.shape.rank == 0:
        return tf.reduce_sum(gradient)
    extra = gradient.shape.rank - tensor.shape.rank
    if extra:
        gradient = tf.reduce_sum(gradient, axis=list(range(extra)))
    shape = zip(tensor.shape.as_list(), gradient.shape.as_list(), strict=True)
    stretched = [i for i, (own, other) in enumerate(shape) if own == 1 and other != 1]
    return tf.reduce_sum(gradient, axis=stretched, keepdims=True) if stretched else gradient


def shaped(gradient: Any, tensor: Any) -> Any:
    """Reshape a gradient as another tensor is, the number of pictures left open.

    Args:
        gradient: to be reshaped.
        tensor: gives the shape.

    Raises:
        UnsupportedOpError: where its sizes are not known.
    """
    sizes = tensor.shape.as_list()
    if sizes.count(None) > 1 or (None in sizes and sizes[0] is not None):
        raise UnsupportedOpError("a reshape whose sizes are not known")
    return tensorflow().reshape(gradient, [-1 if n is None else n for n in sizes])


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


# -- shapes --------------------------------------------------------------------------------------------------------------


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


# -- layers --------------------------------------------------------------------------------------------------------------


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
