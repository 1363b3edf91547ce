"""Strided 1x1 convolutions, computed without the kernel that corrupts memory.

On processors with AVX-512, oneDNN's filter gradient of a strided 1x1 convolution writes outside its memory (TensorFlow
2.18 to 2.21), so that training mini_XCEPTION or a ResNet there ends in a crash. Such a convolution reads only every second pixel;
selecting these first and convolving without a stride gives the same numbers from another kernel.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ferviz.models.architectures.layers import load_keras


@contextlib.contextmanager
def safe_convolutions(network: Any) -> Iterator[int]:
    """Within the block, a network's strided 1x1 Conv2D layers slice first; yields how many there are.

    Layers, weights and file stay the same.

    Args:
        network: a keras.Model; nested networks are included.
    """
    keras = load_keras()
    swapped = [
        layer
        for layer in network._flatten_layers()
        if type(layer) is keras.layers.Conv2D and layer.kernel_size == (1, 1) and max(layer.strides) > 1
    ]
    for layer in swapped:
        layer.call = _sliced_call(layer, keras)
    try:
        yield len(swapped)
    finally:
        for layer in swapped:
            del layer.call


def _sliced_call(layer: Any, keras: Any) -> Any:
    down, across = layer.strides
    first = layer.data_format == "channels_first"

    def call(inputs: Any) -> Any:
        part = inputs[:, :, ::down, ::across] if first else inputs[:, ::down, ::across]
        outputs = keras.ops.conv(part, layer.kernel, strides=1, padding="valid", data_format=layer.data_format)
        if layer.use_bias:
            outputs = outputs + keras.ops.reshape(layer.bias, (1, -1, 1, 1) if first else (1, 1, 1, -1))
        return outputs if layer.activation is None else layer.activation(outputs)

    return call
