"""The kernels of convolutions, with their axes in one order whatever the layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from ferviz.engines.backend import keras as get_keras
from ferviz.engines.base import Array

DEPTHWISE, POINTWISE, KERNEL = "depthwise", "pointwise", "kernel"


def kernels(engine: Any, layer: str) -> dict[str, Array]:
    """Return the kernels of one layer.

    engine: a KerasEngine. layer: one of its layers. -> {"kernel": (h, w, inputs, outputs)} for convolutions, also transposed
    and grouped ones (whose inputs are those of one group); {"depthwise": (h, w, channels, multiplier)} for depthwise ones, which
    give each channel kernels of its own; separable ones have "depthwise" and "pointwise" (1, 1, inputs, outputs). All float32.
    Empty for a layer of any other kind.
    """
    t, layers = engine.traced, get_keras().layers
    found = t.calls[t.aliases.get(layer, layer)].layer
    if isinstance(found, layers.SeparableConv2D):
        return {DEPTHWISE: _array(found.depthwise_kernel), POINTWISE: _array(found.pointwise_kernel)}
    if isinstance(found, layers.DepthwiseConv2D):
        return {DEPTHWISE: _array(found.kernel)}
    if isinstance(found, layers.Conv2DTranspose):
        return {KERNEL: _array(found.kernel).swapaxes(2, 3)}  # Keras keeps its outputs before its inputs
    return {KERNEL: _array(found.kernel)} if isinstance(found, layers.Conv2D) else {}


def _array(kernel: Any) -> Array:
    return np.asarray(kernel, np.float32)
