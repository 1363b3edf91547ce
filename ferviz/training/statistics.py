"""Batch statistics for averaged weights.

The moving means and variances of batch normalisation belong to the weights that training just had, not to their average over
many steps; with them the averaged network may answer far worse than either. So they are measured anew for the averaged
weights on some training faces, as stochastic weight averaging does (Izmailov et al. 2018).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ferviz.models.architectures.layers import load_keras

CHUNK = 256


class Statistics:
    """Measures what `network`'s normalisation layers see. network: a functional keras.Model.

    Where such a layer sits inside a nested network there is nothing to measure at (`layers` is empty) and `refresh` does nothing.
    """

    def __init__(self, network: Any) -> None:
        keras = load_keras()
        kind = keras.layers.BatchNormalization
        everywhere = [layer for layer in network._flatten_layers() if isinstance(layer, kind)]
        direct = [layer for layer in network.layers if isinstance(layer, kind)]
        usable = len(direct) == len(everywhere) and all(layer.axis in (-1, layer.input.ndim - 1) for layer in direct)
        self.layers = [layer for layer in direct if layer.trainable] if usable else []
        if self.layers:
            self._seeing = _in_training(keras, network, [layer.input for layer in self.layers])

    def refresh(self, pixels: np.ndarray) -> None:
        """Set the layers' moving statistics to those over `pixels` (N, h, w, c) float32, of which whole chunks are used."""
        if not self.layers:
            return
        size = min(CHUNK, len(pixels))
        sums: list[np.ndarray] = []
        chunks = range(0, len(pixels) - size + 1, size)
        for start in chunks:
            found = [
                np.asarray(a, np.float64).mean(0) for a in self._seeing.predict_on_batch(pixels[start : start + size])
            ]
            sums = [a + b for a, b in zip(sums, found, strict=True)] if sums else found
        for layer, mean, square in zip(self.layers, sums[::2], sums[1::2], strict=True):
            mean, square = mean / len(chunks), square / len(chunks)
            layer.moving_mean.assign(mean.astype(np.float32))
            layer.moving_variance.assign(np.maximum(square - mean**2, 0).astype(np.float32))


def _in_training(keras: Any, network: Any, tensors: list[Any]) -> Any:
    """Return a network pixels -> mean and mean square, (N, C) each, of `tensors` as they are in training."""

    class Seeing(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.inner = keras.Model(
                network.inputs[0], tensors
            )  # an attribute: JAX would bake in weights it is not told of

        def call(self, pixels: Any) -> list[Any]:
            out = []
            for x in self.inner(pixels, training=True):
                x = keras.ops.cast(x, "float32")
                axes = tuple(range(1, len(x.shape) - 1))
                out += [keras.ops.mean(x, axes), keras.ops.mean(x * x, axes)] if axes else [x, x * x]
            return out

    return Seeing()
