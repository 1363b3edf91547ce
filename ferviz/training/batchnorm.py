"""Batch normalisation in training: a fused kernel, and the statistics that belong to averaged weights.

Keras computes batch normalisation in a dozen element-wise operations, which on a processor cost more than the convolutions.
TensorFlow's fused kernel computes the same numbers in one pass. Only the call of the layers changes, only while the block runs and
only for training steps; the network and its file stay the same.

The moving means and variances belong to the current weights, not to the average of the weights over many steps; with them the
averaged network may be far less accurate than either. So they are measured again for the averaged weights, on training
faces, as stochastic weight averaging does (Izmailov et al. 2018).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ferviz.models.architectures.layers import load_keras

CHUNK = 256
"""Faces in one pass of `BatchStatistics.refresh`."""


@contextlib.contextmanager
def fused_normalisation(network: Any) -> Iterator[int]:
    """Within the block, train a network's BatchNormalization layers through the fused kernel; yields how many use it.

    Layers that the kernel cannot express (renorm, synchronized, another axis than the last, inputs that are not maps) keep Keras'
    own call, and so do all layers on another backend than TensorFlow.

    Args:
        network: a keras.Model; nested networks are included.
    """
    keras = load_keras()
    swapped = []
    if keras.config.backend() == "tensorflow":
        for layer in network._flatten_layers():
            if type(layer) is keras.layers.BatchNormalization and _expressible(layer):
                layer.call = _fused_call(layer)  # an instance attribute hides the class's method until it is deleted
                swapped.append(layer)
    try:
        yield len(swapped)
    finally:
        for layer in swapped:
            del layer.call


def _expressible(layer: Any) -> bool:
    rank = len(layer._reduction_axes or ()) + 1
    return rank == 4 and layer.axis in (-1, 3) and not layer.renorm and not layer.synchronized


def _fused_call(layer: Any) -> Any:
    import tensorflow as tf

    plain = type(layer).call
    momentum = layer.momentum

    def call(inputs: Any, training: Any = None, mask: Any = None) -> Any:
        if not training or not layer.trainable or mask is not None:
            return plain(layer, inputs, training=training, mask=mask)
        channels = inputs.shape[-1]
        scale = layer.gamma.value if layer.scale else tf.ones([channels])
        offset = layer.beta.value if layer.center else tf.zeros([channels])
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, scale, offset, epsilon=layer.epsilon, data_format="NHWC", is_training=True
        )
        # The kernel reports the unbiased variance (n - 1 below the line), Keras keeps the biased one.
        n = tf.cast(tf.size(inputs) // channels, tf.float32)
        variance = variance * ((n - 1) / n)
        layer.moving_mean.assign(layer.moving_mean * momentum + mean * (1 - momentum))
        layer.moving_variance.assign(layer.moving_variance * momentum + variance * (1 - momentum))
        return outputs

    return call


class BatchStatistics:
    """Measures the mean and variance at the inputs of a network's normalisation layers.

    Args:
        network: a functional keras.Model.

    Attributes:
        layers: the layers that are measured; empty where one of them is inside a nested network, and then `refresh` does nothing.
    """

    def __init__(self, network: Any) -> None:
        keras = load_keras()
        kind = keras.layers.BatchNormalization
        everywhere = [layer for layer in network._flatten_layers() if isinstance(layer, kind)]
        direct = [layer for layer in network.layers if isinstance(layer, kind)]
        usable = len(direct) == len(everywhere) and all(layer.axis in (-1, layer.input.ndim - 1) for layer in direct)
        self.layers = [layer for layer in direct if layer.trainable] if usable else []
        if self.layers:
            self._moments = _training_moments(keras, network, [layer.input for layer in self.layers])

    def refresh(self, pixels: np.ndarray) -> None:
        """Set the layers' moving statistics to those over some faces.

        Args:
            pixels: (N, h, w, c) float32; an incomplete last chunk is left out.
        """
        if not self.layers:
            return
        size = min(CHUNK, len(pixels))
        sums: list[np.ndarray] = []
        chunks = range(0, len(pixels) - size + 1, size)
        for start in chunks:
            moments = [
                np.asarray(a, np.float64).mean(0) for a in self._moments.predict_on_batch(pixels[start : start + size])
            ]
            sums = [a + b for a, b in zip(sums, moments, strict=True)] if sums else moments
        for layer, mean, square in zip(self.layers, sums[::2], sums[1::2], strict=True):
            mean, square = mean / len(chunks), square / len(chunks)
            layer.moving_mean.assign(mean.astype(np.float32))
            layer.moving_variance.assign(np.maximum(square - mean**2, 0).astype(np.float32))


def _training_moments(keras: Any, network: Any, tensors: list[Any]) -> Any:
    """Return a network from pixels to the mean and mean square, (N, C) each, of `tensors` as they are in training."""

    class Moments(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.inner = keras.Model(
                network.inputs[0], tensors
            )  # as an attribute, because JAX would compile other weights in as constants

        def call(self, pixels: Any) -> list[Any]:
            out = []
            inputs = self.inner(pixels, training=True)
            for x in inputs if isinstance(inputs, list | tuple) else [inputs]:  # one layer's come without a list
                x = keras.ops.cast(x, "float32")
                axes = tuple(range(1, len(x.shape) - 1))
                out += [keras.ops.mean(x, axes), keras.ops.mean(x * x, axes)] if axes else [x, x * x]
            return out

    return Moments()
