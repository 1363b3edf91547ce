"""Strided 1x1 convolutions without the broken kernel compute what NumPy computes."""

from __future__ import annotations

import numpy as np
import pytest

from ferviz.models.architectures.layers import load_keras
from ferviz.training.kernels import safe_convolutions


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
