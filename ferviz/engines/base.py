"""The seam between frameworks and mathematics: an Engine executes a network, and knows nothing of what it is used for.

`Engine` is what every engine has; what some engines have besides are the protocols of `ferviz.engines.protocols`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
PictureShape = tuple[int | None, int | None, int]

INPUT = "input"
"""The layer name that stands for the picture itself."""

LOGITS = "logits"
"""The name that stands for the class scores before softmax or sigmoid, for `of=` in `Engine.gradients`."""


@dataclass(frozen=True)
class LayerInfo:
    """One layer of a network.

    Attributes:
        name: its address; a layer inside a nested network is "backbone/conv3".
        kind: the class name, e.g. "Conv2D".
        shape: (h, w, C) for a spatial layer whatever the network's order of axes, else the output's shape without the batch; None
            where a size is free.
        spatial: the output is a map with h * w > 1 (or free), so that a heatmap can be made of it.
        parameters: number of weights.
        container: it holds other layers, which are listed too, and its output is that of one of them.
    """

    name: str
    kind: str
    shape: tuple[int | None, ...]
    spatial: bool
    parameters: int = 0
    container: bool = False


@dataclass(frozen=True)
class NetworkFacts:
    """What a network's own file says about what it takes and gives; the caller and a sidecar know better.

    Attributes:
        labels: class names in the order of the outputs, None where it does not say.
        settings: fields of an InputSpec ("scaling", "order", "mean", "std" ...).
        rescaling: (factor, offset, name) of arithmetic on the pixels before the first layer, None where there is none.
    """

    labels: tuple[str, ...] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    rescaling: tuple[float, float, str] | None = None


@runtime_checkable
class Engine(Protocol):
    """What executes a network. Batches and activations have the channels last, whatever the network's own order."""

    @property
    def name(self) -> str:
        """ "keras", "keras-predict", "savedmodel", "onnx", "tflite", "litert", "torch", or the name of an engine from elsewhere."""
        ...

    @property
    def classes(self) -> int:
        """K, the number of outputs."""
        ...

    @property
    def layers(self) -> Sequence[LayerInfo]:
        """Every addressable layer, in order of execution; empty where layers cannot be reached."""
        ...

    @property
    def head(self) -> str:
        """What the network does to its logits at the end: "softmax", "sigmoid" or "linear" (nothing)."""
        ...

    @property
    def input_shape(self) -> PictureShape:
        """(h, w, c) of the pictures that it takes; None where a size is free."""
        ...

    @property
    def channels_first(self) -> bool:
        """Whether what is executed takes (N, c, h, w); the engine transposes, its batches are (N, h, w, c) either way."""
        ...

    def logits(self, batch: Array) -> Array:
        """Compute the class scores before softmax or sigmoid.

        Args:
            batch: (N, h, w, c) float32, as the network's input spec wants it.

        Returns:
            (N, K) float32.
        """
        ...

    def activations(self, batch: Array, layers: Sequence[str]) -> list[Array]:
        """Compute the outputs of layers.

        Args:
            batch: (N, h, w, c) float32.
            layers: names of layers; INPUT is the picture.

        Returns:
            For each named layer its output, float32: (N, h, w, C) for a spatial layer, (N, ...) otherwise.

        Raises:
            UnknownNameError: for a layer that the network does not have.
            ModelError: where the engine cannot reach the layer.
        """
        ...

    def gradients(self, batch: Array, layer: str, weights: Array, of: str = LOGITS) -> tuple[Array, Array, Array]:
        """Compute for each of T targets the gradient of `sum(weights[n, t] * tensor[n])` at `layer`.

        Args:
            batch: (N, h, w, c) float32.
            layer: where the gradient is taken; INPUT is the picture.
            weights: (N, T, K) for the logits, `(N, T, *shape)` for a layer whose activation is `(N, *shape)`, channels last.
            of: the tensor that is differentiated: LOGITS or the name of a layer.

        Returns:
            The activation at `layer` (N, h, w, C), the gradient there (N, T, h, w, C) and the value of `of`, (N, K) for the logits
            and `(N, *shape)` for a layer; all float32. The gradient may be a read-only view.

        Raises:
            UnknownNameError: for a layer that the network does not have.
            UsageError: for weights of another shape.
            ModelError: where the engine cannot reach the layer, or `of` does not depend on it in a differentiable way.
        """
        ...
