"""The Keras engine: a graph engine that traces a Keras network, without touching the network."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from ferviz.engines.backend import keras as get_keras
from ferviz.engines.base import PictureShape
from ferviz.engines.graph import GraphEngine
from ferviz.engines.graph.graph_trace import Trace
from ferviz.engines.keras.keras_resize import free_size
from ferviz.engines.keras.keras_trace import input_shape, trace, wants_channels_first
from ferviz.errors import ModelError


class KerasEngine(GraphEngine):
    """Executes a Keras network and computes its gradients, on TensorFlow, without changing it.

    Args:
        network: any `keras.Model` that takes one picture and returns one score a class.
        channels_first: whether it takes (N, c, h, w); None finds out from the network. Batches are (N, h, w, c) either way.
        shape: (h, w, c) of its pictures where the network does not know (a subclassed network that was never called).

    Raises:
        ModelError: for a network with several inputs or outputs, or whose input is not a picture.
    """

    name = "keras"

    def __init__(self, network: Any, channels_first: bool | None = None, shape: PictureShape | None = None) -> None:
        self.network = network
        known = input_shape(network)
        first = wants_channels_first(network) if channels_first is None else channels_first
        if shape is None:
            if known is None:
                raise ModelError(
                    "the network was never built; call it on a picture once, or pass the shape of its pictures"
                )
            if len(known) != 4:
                raise ModelError(f"the network takes {known}; ferviz needs one picture, (N, height, width, channels)")
            height, width, channels = known[1:] if not first else (known[2], known[3], known[1])
            if channels is None:
                raise ModelError(f"the network takes {known}; the number of its picture's channels has to be fixed")
            shape = (height, width, channels)
        super().__init__(f"the network {network.name!r}", shape, first)

    def keras_engine(self) -> KerasEngine:
        """Return this engine: it executes the Keras network itself."""
        return self

    def trace_at(self, shape: PictureShape, guided: bool = False, separate: bool = False) -> Trace:
        """Trace the network for any number of pictures; the network is left exactly as it was.

        Args:
            shape: (h, w, c) of the pictures, None = any, among those that the network takes.
            guided: every ReLU's gradient also drops negative gradients (guided backpropagation).
            separate: every call returns a tensor of its own, also a layer that returns its own input (Dropout).

        Raises:
            ModelError: where the network does not return one vector of class scores a picture.
        """
        return trace(self.network, shape, self.channels_first, guided, separate)

    def trace_resized(self, shape: PictureShape) -> Trace | None:
        """Trace a copy of the network whose input was freed for pictures of another size.

        Args:
            shape: (h, w, c) of the pictures.

        Returns:
            The trace, or None where the network is tied to its size.
        """
        return free_size(self.network, shape, self.channels_first)

    @cached_property
    def has_own_code(self) -> bool:  # type: ignore[override]
        """Whether the network, or one inside it, runs a `call` of its own or operations that are no layers."""
        return has_own_code(self.network)


def has_own_code(network: Any) -> bool:
    """Return whether a network, or one inside it, runs a `call` of its own or operations that are no layers.

    Args:
        network: a keras.Model.
    """
    keras = get_keras()
    plain = type(network).__name__ in ("Functional", "Sequential")
    steps = getattr(network, "operations", []) if plain else []
    if not plain or any(not isinstance(step, keras.layers.Layer) for step in steps):
        return True
    return any(has_own_code(layer) for layer in network.layers if isinstance(layer, keras.Model))
