"""Every gradient rule against TensorFlow's own gradient, and against its own limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ferviz.engines.backend import tensorflow
from ferviz.engines.compiler.convert import Unsupported, vjp
from ferviz.engines.compiler.gradient_rules import RULES

KERNEL = np.random.default_rng(0).normal(size=(3, 3, 3, 4)).astype("float32")
DEEP = np.random.default_rng(1).normal(size=(3, 2, 3, 2)).astype("float32")
OTHER = np.random.default_rng(2).normal(size=(1, 7, 6, 3)).astype("float32")
SQUARE = np.random.default_rng(3).normal(size=(3, 5)).astype("float32")


def _convolution(stride: int, padding: Any, dilation: int = 1) -> Callable[[Any, Any], Any]:
    return lambda tf, x: tf.nn.conv2d(x, KERNEL, stride, padding, dilations=dilation)


def _depthwise(stride: int, padding: str, dilation: int = 1) -> Callable[[Any, Any], Any]:
    return lambda tf, x: tf.nn.depthwise_conv2d(x, DEEP, [1, stride, stride, 1], padding, dilations=[dilation] * 2)


def _pool(kind: str, size: Any, stride: Any, padding: str) -> Callable[[Any, Any], Any]:
    return lambda tf, x: getattr(tf.nn, kind)(x, size, stride, padding)


CASES: dict[str, Callable[[Any, Any], Any]] = {
    "convolution": _convolution(1, "SAME"),
    "convolution, no padding": _convolution(1, "VALID"),
    "convolution, stride 2": _convolution(2, "SAME"),
    "convolution, stride 2, no padding": _convolution(2, "VALID"),
    "convolution, stride 3": _convolution(3, "SAME"),
    "convolution, stride wider than the kernel": lambda tf, x: tf.nn.conv2d(x, KERNEL[:1, :1], 2, "VALID"),
    "convolution, dilated": _convolution(1, "SAME", 2),
    "convolution, own padding": _convolution(2, [[0, 0], [2, 1], [0, 3], [0, 0]]),
    "depthwise": _depthwise(1, "SAME"),
    "depthwise, stride 2": _depthwise(2, "SAME"),
    "depthwise, stride 2, no padding": _depthwise(2, "VALID"),
    "depthwise, dilated": _depthwise(1, "VALID", 2),
    "max pooling": _pool("max_pool2d", 2, 2, "VALID"),
    "max pooling, overlapping": _pool("max_pool2d", 3, 2, "SAME"),
    "max pooling, odd": _pool("max_pool2d", (2, 3), (3, 1), "SAME"),
    "max pooling, some pixels in no window": _pool("max_pool2d", 2, 3, "VALID"),
    "average pooling": _pool("avg_pool2d", 2, 2, "VALID"),
    "average pooling, overlapping": _pool("avg_pool2d", 3, 2, "SAME"),
    "relu": lambda tf, x: tf.nn.relu(x),
    "relu6": lambda tf, x: tf.nn.relu6(x * 6),
    "leaky relu": lambda tf, x: tf.nn.leaky_relu(x, 0.3),
    "elu": lambda tf, x: tf.nn.elu(x),
    "selu": lambda tf, x: tf.nn.selu(x),
    "sigmoid": lambda tf, x: tf.sigmoid(x),
    "tanh": lambda tf, x: tf.tanh(x),
    "softplus": lambda tf, x: tf.nn.softplus(x),
    "softmax": lambda tf, x: tf.nn.softmax(x),
    "square": lambda tf, x: tf.square(x),
    "roots": lambda tf, x: tf.sqrt(x * x + 1.0) + tf.math.rsqrt(x * x + 2.0),
    "error function": lambda tf, x: tf.math.erf(x) * OTHER - tf.math.erfc(x * x),
    "power": lambda tf, x: tf.pow(x, 3.0) + tf.pow(tf.square(x) + 1.0, -0.5),
    "exp and log": lambda tf, x: tf.math.log(tf.exp(x) + 1.5),
    "negative": lambda tf, x: -x,
    "sum of both": lambda tf, x: x + tf.tanh(x) - OTHER,
    "difference": lambda tf, x: OTHER - tf.reduce_mean(x, [1, 2], keepdims=True),
    "product": lambda tf, x: x * tf.sigmoid(x) * OTHER,
    "product with a gate": lambda tf, x: x * tf.sigmoid(tf.reduce_mean(x, [1, 2], keepdims=True)),
    "quotient": lambda tf, x: x / (tf.square(x) + 1.0),
    "sum of many": lambda tf, x: tf.add_n([x, tf.tanh(x), x * x]),
    "bias": lambda tf, x: tf.nn.bias_add(x, [1.0, 2.0, 3.0]),
    "larger": lambda tf, x: tf.maximum(x, OTHER),
    "larger of two": lambda tf, x: tf.maximum(x, tf.square(x)) - tf.minimum(x, 0.2),
    "mean": lambda tf, x: tf.reduce_mean(x, [1, 2]),
    "mean over channels": lambda tf, x: tf.reduce_mean(x, 3, keepdims=True),
    "sum": lambda tf, x: tf.reduce_sum(x, [1]),
    "largest": lambda tf, x: tf.reduce_max(x, [1, 2]),
    "flatten and dense": lambda tf, x: tf.matmul(tf.reshape(x, [-1, 3]), SQUARE),
    "dense, turned": lambda tf, x: tf.matmul(tf.reshape(x, [-1, 3]), SQUARE.T.copy(), transpose_b=True),
    "squeeze": lambda tf, x: tf.squeeze(tf.reduce_mean(x, 1, keepdims=True), 1),
    "transpose": lambda tf, x: tf.transpose(x, [0, 3, 1, 2]),
    "padding": lambda tf, x: tf.pad(x, [[0, 0], [1, 2], [0, 3], [0, 0]]),
    "cropping": lambda tf, x: x[:, 1:-2, 2:, :],
    "cropping, both": lambda tf, x: tf.slice(x, [0, 1, 0, 1], [-1, 3, -1, 2]),
    "concatenation": lambda tf, x: tf.concat([x, tf.tanh(x), OTHER + 0.0 * x], 3),
}


WITHOUT_KERNEL = {"convolution, dilated": (126, 7, 6, 3)}
"""Linear operations whose gradient TensorFlow computes on processors with certain instructions only, and a basis of their input."""


@pytest.mark.parametrize("name", CASES)
def test_a_rule_gives_what_tensorflows_gradient_gives(name: str) -> None:
    tf = tensorflow()
    rng = np.random.default_rng(7)
    value = rng.normal(size=(2, 7, 6, 3)).astype("float32")

    @tf.function(input_signature=[tf.TensorSpec([None, 7, 6, 3], tf.float32)], autograph=False)
    def both(x: Any) -> Any:
        y = CASES[name](tf, x)
        seed = tf.sin(tf.range(1000000, dtype=tf.float32))[: tf.size(y)]
        seed = tf.reshape(seed, tf.shape(y))
        seed.set_shape(y.shape)
        ours = vjp(y, seed, [x])[0]
        assert not isinstance(ours, Unsupported), ours
        return ours, seed if name in WITHOUT_KERNEL else tf.gradients(y, x, grad_ys=seed)[0]

    ours, theirs = both(value)
    if name in WITHOUT_KERNEL:  # the gradient of a linear operation is its transposed matrix
        basis = np.eye(126, dtype=np.float32).reshape(WITHOUT_KERNEL[name])
        matrix = np.asarray(CASES[name](tf, basis)).reshape(126, -1)
        theirs = (np.asarray(theirs).reshape(2, -1) @ matrix.T).reshape(value.shape)
    np.testing.assert_allclose(ours, theirs, atol=2e-5, rtol=2e-5)


def test_ties_in_a_pooling_window_go_to_the_first_place() -> None:
    tf = tensorflow()

    @tf.function(input_signature=[tf.TensorSpec([None, 4, 4, 1], tf.float32)], autograph=False)
    def both(x: Any) -> Any:
        y = tf.nn.max_pool2d(x, 3, 1, "SAME")
        return vjp(y, tf.ones_like(y), [x])[0], tf.gradients(y, x)[0]

    ours, theirs = both(np.zeros((1, 4, 4, 1), "float32"))
    np.testing.assert_array_equal(ours, theirs)
    assert float(tf.reduce_sum(ours)) == 16


def test_every_rule_is_tested() -> None:
    tf, seen = tensorflow(), set()
    for function in CASES.values():
        with tf.Graph().as_default() as graph:
            function(tf, tf.compat.v1.placeholder(tf.float32, [None, 7, 6, 3]))
            seen |= {op.type for op in graph.get_operations()}
    # These do nothing or only appear after a network was frozen.
    assert set(RULES) - seen <= {"Identity", "PreventGradient", "Cast", "PadV2", "BatchMatMulV2", "Add", "ExpandDims"}


def test_what_has_no_rule_is_an_obstacle_with_a_reason_only_for_what_lies_before_it() -> None:
    tf = tensorflow()
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, 4])
        before = tf.tanh(x)
        after = tf.cumsum(before, axis=1)
        y = tf.square(after)
        found = vjp(y, tf.ones_like(y), [x, before, after])
    assert isinstance(found[0], Unsupported)
    assert "Cumsum" in found[0].reason
    assert isinstance(found[1], Unsupported)
    assert not isinstance(found[2], Unsupported)


def test_what_the_output_does_not_depend_on_has_no_gradient() -> None:
    tf = tensorflow()
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, 4])
        aside = tf.exp(x)
        y = tf.square(x)
        assert vjp(y, tf.ones_like(y), [aside]) == [None]


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda tf, x: tf.nn.conv2d(x, tf.ones([3, 3, 1, 6]), 1, "SAME"), "groups"),
        (lambda tf, x: x[:, ::2], "steps"),
        (lambda tf, x: tf.reduce_mean(x, 0), "reduction"),
        (lambda tf, x: tf.matmul(tf.reshape(x, [-1, 7, 18]), tf.reshape(x, [-1, 18, 7])), "two activations"),
    ],
)
def test_a_variant_that_a_rule_does_not_cover_says_so(make: Any, word: str) -> None:
    tf = tensorflow()
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, 7, 6, 3])
        y = make(tf, x)
        (found,) = vjp(y, tf.ones_like(y), [x])
    assert isinstance(found, Unsupported)
    assert word in found.reason
