"""The small network that is taught: from what two or three layers of a frozen network see to a map of Shapley values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ferviz.engines.base import LayerInfo
from ferviz.errors import ModelError
from ferviz.models.architectures.layers import load_keras
from ferviz.training.explainer.coalitions import CELLS

WIDTH = 48
"""Channels of the taught network, unless another number is asked for."""

SMALLEST = 3
"""Rows and columns of the smallest map that is looked at: below, a cell sees the whole face."""

_BLOCKS = 3


def choose_taps(layers: Sequence[LayerInfo]) -> tuple[str, ...]:
    """Return the layers that an explainer looks at: of the two or three last sizes of map, the last of each.

    Args:
        layers: of the network, in order of execution.

    Returns:
        Two or three names where the network has as many sizes of map, the finest first.

    Raises:
        ModelError: no layer has a map of at least SMALLEST x SMALLEST.
    """
    last: dict[int, str] = {}
    for info in layers:
        side = min(info.shape[:2], key=lambda n: n or 0) if info.spatial and len(info.shape) == 3 else 0
        if side and side >= SMALLEST and (info.shape[-1] or 0) > 3:
            last[side] = info.name
    if not last:
        raise ModelError(
            f"no layer has a map of {SMALLEST} x {SMALLEST} or more, so an explainer has nothing to look at; use --method regions"
        )
    sizes = sorted(last)
    # Maps of about the explainer's own size tell places apart best; what is far finer has seen little of the face.
    near = sorted(sizes, key=lambda side: abs(np.log(side / CELLS)))[:3]
    return tuple(last[side] for side in sorted(near, reverse=True))


def build_explainer(channels: Sequence[int], outputs: int, seed: int = 0, width: int = WIDTH) -> Any:
    """Return the network to be taught.

    Args:
        channels: of each layer that it looks at; its inputs are (N, CELLS, CELLS, channels), standardised.
        outputs: how many scores it explains.
        seed: of its first weights.
        width: its channels.

    Returns:
        A keras.Model; its output (N, CELLS^2 + 1, outputs) is the maps, and in the last row the logarithm of the variance that the
        scores of hidden faces have around them.
    """
    keras = load_keras()
    layers, rng = keras.layers, np.random.default_rng(seed)

    def start(scale: float = 1.0) -> Any:
        return keras.initializers.VarianceScaling(scale * 2, "fan_in", "normal", seed=int(rng.integers(1 << 31)))

    inputs = [layers.Input((CELLS, CELLS, count)) for count in channels]
    parts = [
        layers.Conv2D(width, 1, kernel_initializer=start(1 / len(channels)), name=f"tap{number}")(tensor)
        for number, tensor in enumerate(inputs)
    ]
    x = layers.Add(name="taps")(parts) if len(parts) > 1 else parts[0]
    x = _place(keras)(name="place")(x)
    x = layers.ReLU(name="relu")(x)
    for number in range(_BLOCKS):
        around = layers.Dense(width, kernel_initializer=start(0.1), name=f"context{number}")(
            layers.GlobalAveragePooling2D(keepdims=True, name=f"mean{number}")(x)
        )
        step = layers.Conv2D(width, 3, padding="same", kernel_initializer=start(0.25), name=f"conv{number}")(x)
        x = layers.Add(name=f"add{number}")(
            [x, layers.ReLU(name=f"relu{number}")(layers.Add(name=f"sum{number}")([step, around]))]
        )
    # The last layers compute in float32 under every policy: what they say is compared with sums of many cells.
    maps = layers.Conv2D(outputs, 1, kernel_initializer=start(0.01), dtype="float32", name="maps")(x)
    pooled = layers.GlobalAveragePooling2D(name="pooled")(x)
    seen = layers.Dense(32, activation="relu", kernel_initializer=start(), name="doubt0")(
        _stop(keras)(name="stop")(pooled)
    )
    doubt = layers.Dense(outputs, kernel_initializer=start(0.01), dtype="float32", name="doubt")(seen)
    flat = layers.Reshape((CELLS**2, outputs), dtype="float32", name="flat")(maps)
    below = layers.Reshape((1, outputs), dtype="float32")(doubt)
    return keras.Model(inputs, layers.Concatenate(axis=1, dtype="float32", name="outputs")([flat, below]))


def _stop(keras: Any) -> Any:
    class Stop(keras.layers.Layer):  # type: ignore[misc]
        """Passes its input on, and no gradient back: the doubt must not bend the maps."""

        def call(self, inputs: Any) -> Any:
            return keras.ops.stop_gradient(inputs)

    return Stop


def _place(keras: Any) -> Any:
    class Place(keras.layers.Layer):  # type: ignore[misc]
        """Adds weights of its own to every cell, so that the network knows where in the face it is."""

        def build(self, shape: Any) -> None:
            self.offset = self.add_weight(name="offset", shape=tuple(shape[1:]), initializer="zeros")

        def call(self, inputs: Any) -> Any:
            return inputs + self.offset

    return Place
