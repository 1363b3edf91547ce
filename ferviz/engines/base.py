"""The seam between frameworks and mathematics: an Engine executes a network, and knows nothing of what it is used for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

INPUT = "input"
"""The layer name that stands for the picture itself."""


@dataclass(frozen=True)
class LayerInfo:
    """One layer of a network.

    name: its address; a layer inside a nested network is "backbone/conv3". kind: the class name, e.g. "Conv2D".
    shape: (h, w, C) for a spatial layer whatever the network's order of axes, else the output's shape without the batch;
    None where a size is free. spatial: the output is a map with h * w > 1 (or free), so that a heatmap can be made of it.
    parameters: number of weights.
    """

    name: str
    kind: str
    shape: tuple[int | None, ...]
    spatial: bool
    parameters: int = 0


@runtime_checkable
class Engine(Protocol):
    """What executes a network. Batches and activations have the channels last, whatever the network's own order.

    name: "keras" or "litert". classes: K, the number of outputs. layers: every addressable layer, in order of execution.
    """

    name: str

    @property
    def classes(self) -> int: ...

    @property
    def layers(self) -> Sequence[LayerInfo]: ...

    def logits(self, batch: Array) -> Array:
        """batch (N, h, w, c) float32, as the network's input spec wants it -> (N, K), before softmax."""
        ...

    def activations(self, batch: Array, layers: Sequence[str]) -> list[Array]:
        """-> for each named layer its output, (N, h, w, C) for a spatial layer, (N, ...) otherwise."""
        ...

    def gradients(self, batch: Array, layer: str, weights: Array) -> tuple[Array, Array, Array]:
        """weights (N, T, K): for each of T targets the gradient of sum_k weights[n,t,k] * logits[n,k] at `layer`.

        -> activation (N, h, w, C), gradient (N, T, h, w, C), logits (N, K). `layer` may be INPUT, the picture itself.
        """
        ...
