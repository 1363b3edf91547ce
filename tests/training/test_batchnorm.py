"""The fused kernel computes Keras' batch normalisation; the statistics are those of the faces."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest

from ferviz.models import architectures
from ferviz.models.architectures.layers import load_keras
from ferviz.training.batchnorm import BatchStatistics, fused_normalisation
from ferviz.training.checkpoint import variable_values


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


def test_statistics_are_those_of_the_pixels() -> None:
    network = architectures.build(
        "residual", 7, height=12, width=12, widths=[6], blocks=[2], stem=4, logits=True, seed=3
    )
    pixels = np.random.default_rng(0).uniform(0, 255, (16, 12, 12, 1)).astype(np.float32)
    keras = load_keras()
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    BatchStatistics(network).refresh(pixels)
    seen = keras.Model(network.inputs[0], [layer.input for layer in layers])(pixels, training=True)
    for layer, x in zip(
        layers[:1], seen[:1], strict=True
    ):  # what comes before the first layer does not depend on any statistics
        np.testing.assert_allclose(
            variable_values([layer.moving_mean])[0], np.asarray(x).mean((0, 1, 2)), rtol=1e-3, atol=1e-4
        )
        np.testing.assert_allclose(variable_values([layer.moving_variance])[0], np.asarray(x).var((0, 1, 2)), rtol=1e-3)
    # With the statistics of exactly these pixels, answering is the same as in training (no dropout before the logits).
    plain = architectures.build(
        "residual", 7, height=12, width=12, widths=[6], blocks=[2], stem=4, logits=True, seed=3, dropout=0.0
    )
    BatchStatistics(plain).refresh(pixels)
    np.testing.assert_allclose(
        np.asarray(plain(pixels, training=False)), np.asarray(plain(pixels, training=True)), rtol=1e-2, atol=1e-3
    )
