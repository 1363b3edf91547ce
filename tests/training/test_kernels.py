"""The faster and the safer kernels compute what Keras and NumPy compute, and leave no trace."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest

from ferviz.models.architectures.layers import load_keras
from ferviz.training.batchnorm import fused_normalisation
from ferviz.training.kernels import safe_convolutions
from ferviz.training.network import dtype_policy, resolve_precision


def small(momentum: float = 0.9, center: bool = True, scale: bool = True) -> Any:
    keras = load_keras()
    start = keras.Input((10, 8, 2))
    x = keras.layers.Conv2D(
        5, 3, padding="same", use_bias=False, kernel_initializer=keras.initializers.HeNormal(seed=1), name="conv"
    )(start)
    x = keras.layers.BatchNormalization(momentum=momentum, epsilon=0.01, center=center, scale=scale, name="norm")(x)
    x = keras.layers.Activation("relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(start, keras.layers.Dense(3, kernel_initializer=keras.initializers.HeNormal(seed=2))(x))


def step(network: Any, pixels: np.ndarray, block: Any) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """-> outputs in training, gradients of their squares' sum, all weights afterwards."""
    import tensorflow as tf

    with block:

        @tf.function
        def run(x: Any) -> Any:
            with tf.GradientTape() as tape:
                y = network(x, training=True)
                loss = tf.reduce_sum(y**2)
            return y, tape.gradient(loss, [v.value for v in network.trainable_variables])

        y, gradients = run(pixels)
    return np.asarray(y), [np.asarray(g) for g in gradients], network.get_weights()


@pytest.mark.parametrize(("center", "scale"), [(True, True), (False, True), (True, False)])
def test_fused_normalisation_is_keras_normalisation(center: bool, scale: bool) -> None:
    pixels = np.random.default_rng(0).normal(2, 3, (6, 10, 8, 2)).astype(np.float32)
    network = small(center=center, scale=scale)
    rng = np.random.default_rng(1)
    weights = [w + rng.uniform(0, 0.3, w.shape) for w in network.get_weights()]
    network.set_weights(weights)
    expected = step(network, pixels, contextlib.nullcontext())
    network.set_weights(weights)
    found = step(network, pixels, fused_normalisation(network))
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-4, atol=1e-5)
    for a, b in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3 * np.abs(b).max())
    for a, b in zip(found[2], expected[2], strict=True):  # the moving statistics are among them
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    at = [v.name for v in network.weights].index("moving_mean")
    assert np.abs(found[2][at] - weights[at]).max() > 1e-3


def test_fused_normalisation_counts_restores_and_keeps_inference() -> None:
    network = small()
    layer = network.get_layer("norm")
    pixels = np.random.default_rng(0).normal(2, 3, (4, 10, 8, 2)).astype(np.float32)
    before = np.asarray(network(pixels, training=False))
    with fused_normalisation(network) as count:
        assert count == 1
        np.testing.assert_array_equal(np.asarray(network(pixels, training=False)), before)
        assert "call" in vars(layer)
    assert "call" not in vars(layer)


def test_frozen_and_inexpressible_layers_keep_keras_call() -> None:
    keras = load_keras()
    start = keras.Input((6, 6, 2))
    x = keras.layers.BatchNormalization(axis=1)(start)
    x = keras.layers.Flatten()(x)
    network = keras.Model(start, keras.layers.BatchNormalization()(x))
    with fused_normalisation(network) as count:
        assert count == 0
    frozen = small()
    frozen.get_layer("norm").trainable = False
    weights = frozen.get_layer("norm").get_weights()
    with fused_normalisation(frozen):
        frozen(np.ones((2, 10, 8, 2), np.float32), training=True)
    for a, b in zip(frozen.get_layer("norm").get_weights(), weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("height", "strides", "bias"), [(9, 2, True), (8, 2, False), (10, 3, True)])
def test_strided_1x1_convolution_against_numpy(height: int, strides: int, bias: bool) -> None:
    import tensorflow as tf

    keras = load_keras()
    start = keras.Input((height, height, 3))
    layer = keras.layers.Conv2D(4, 1, strides=strides, padding="same", use_bias=bias, activation="tanh")
    network = keras.Model(start, layer(start))
    rng = np.random.default_rng(0)
    pixels = rng.normal(size=(2, height, height, 3)).astype(np.float32)
    with safe_convolutions(network) as count:
        assert count == 1
        with tf.GradientTape() as tape:
            y = network(pixels)
            loss = tf.reduce_sum(y)
        gradient = np.asarray(tape.gradient(loss, layer.kernel.value))
    part = pixels[:, ::strides, ::strides]
    expected = np.tanh(part @ layer.get_weights()[0][0, 0] + (layer.get_weights()[1] if bias else 0))
    np.testing.assert_allclose(np.asarray(y), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gradient[0, 0], np.einsum("nijc,nijk->ck", part, 1 - expected**2), rtol=1e-3, atol=1e-4)
    assert "call" not in vars(layer)
    np.testing.assert_allclose(np.asarray(network(pixels)), expected, rtol=1e-4, atol=1e-5)


def test_policy_is_given_back_even_after_an_error() -> None:
    keras = load_keras()
    before = keras.config.dtype_policy().name
    with pytest.raises(RuntimeError, match="stop"), dtype_policy("bfloat16"):
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        raise RuntimeError("stop")
    assert keras.config.dtype_policy().name == before
    assert resolve_precision("float32") == "float32"
    assert resolve_precision("auto") in ("float32", "bfloat16")
