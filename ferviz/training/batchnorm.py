"""Batch normalisation with TensorFlow's fused kernel while a network trains.

Keras spells batch normalisation out in a dozen element-wise operations, which on a processor cost more than the
convolutions. The fused kernel computes the same numbers in one pass. Only the call of the layers changes, only while the
block runs and only for training steps; the network and its file stay what they were.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ferviz.models.architectures.layers import load_keras


@contextlib.contextmanager
def fused_normalisation(network: Any) -> Iterator[int]:
    """Within the block, let `network`'s BatchNormalization layers train through the fused kernel; yields how many do.

    network: a keras.Model, nested ones included. Layers that the kernel cannot express (renorm, synchronized, another axis
    than the last, inputs that are not maps) keep Keras' own call, as does everything on another backend than TensorFlow.
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
