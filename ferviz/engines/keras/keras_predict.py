"""A Keras network on any backend as an engine that only predicts, which is all that training needs of a teacher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ferviz.engines.backend import running
from ferviz.engines.base import LOGITS, Array, LayerInfo, PictureShape
from ferviz.engines.keras.keras_trace import wants_channels_first
from ferviz.errors import ModelError

_TINY = np.finfo(np.float32).tiny


class KerasPredictEngine:
    """Executes a Keras network on the backend that Keras runs on here; its layers and gradients need TensorFlow.

    Args:
        network: a functional or Sequential `keras.Model` that takes one picture and returns one score a class; it is never changed.
        channels_first: whether it takes (N, c, h, w); None finds out from the network. Batches are (N, h, w, c) either way.
    """

    name = "keras-predict"
    layers: Sequence[LayerInfo] = ()

    def __init__(self, network: Any, channels_first: bool | None = None) -> None:
        self.network = network
        self.channels_first = wants_channels_first(network) if channels_first is None else channels_first
        self.classes = int(np.prod(network.outputs[0].shape[1:]))
        self.head = head(network)
        shape = tuple(network.inputs[0].shape[1:])
        self.input_shape: PictureShape = (*shape[1:], shape[0]) if self.channels_first else shape

    def keras_engine(self) -> KerasPredictEngine:
        """Return this engine: it executes the Keras network itself."""
        return self

    def logits(self, batch: Array) -> Array:
        """Compute the class scores before softmax or sigmoid; behind a softmax up to a constant a face.

        Args:
            batch: (N, h, w, c) float32.

        Returns:
            (N, K) float32.
        """
        batch = np.ascontiguousarray(np.moveaxis(batch, 3, 1) if self.channels_first else batch, np.float32)
        if not len(batch):
            return np.zeros((0, self.classes), np.float32)
        outputs = np.asarray(self.network.predict_on_batch(batch), np.float32).reshape(len(batch), self.classes)
        if self.head == "linear":
            return outputs
        logits = np.log(np.maximum(outputs, _TINY))
        if self.head == "sigmoid":
            logits -= np.log(np.maximum(1 - outputs, _TINY))
        return logits

    @property
    def no_gradients(self) -> str:
        """Why layers and gradients cannot be reached."""
        return (
            f"Keras runs on {running().config.backend()} here, where a network predicts but its layers cannot be reached; "
            "start a new process with KERAS_BACKEND=tensorflow for this"
        )

    def activations(self, batch: Array, layers: Sequence[str]) -> list[Array]:
        """Raise an error, for layers are reached on TensorFlow only.

        Args:
            batch: (N, h, w, c) float32.
            layers: names of layers.

        Raises:
            ModelError: always.
        """
        raise ModelError(self.no_gradients)

    def gradients(self, batch: Array, layer: str, weights: Array, of: str = LOGITS) -> tuple[Array, Array, Array]:
        """Raise an error, for layers are reached on TensorFlow only.

        Args:
            batch: (N, h, w, c) float32.
            layer, weights, of: as for any engine.

        Raises:
            ModelError: always.
        """
        raise ModelError(self.no_gradients)


def head(network: Any) -> str:
    """Return what a network does to its logits at its end: "softmax", "sigmoid" or "linear" (nothing that is known).

    Args:
        network: a `keras.Model`.
    """
    keras = running()
    last = network
    while getattr(last, "layers", None):
        last = last.layers[-1]
    if isinstance(last, keras.layers.Softmax):
        return "softmax"
    name = getattr(getattr(last, "activation", None), "__name__", "")
    return name if name in ("softmax", "sigmoid") else "linear"
