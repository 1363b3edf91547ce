"""The graphs of a taught explainer, which answers from the maps of some layers what hiding parts of a face would tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ferviz.engines.backend import tensorflow
from ferviz.engines.base import Array


@dataclass(frozen=True, eq=False)
class ExplainerWeights:
    """A taught explainer: the layers that it looks at, and its weights.

    Attributes:
        layers: names of the layers, in the order of its inputs.
        arrays: "tap0/kernel" (C, W) and "tap0/bias" (W,), and so on for each layer; "place" (cells, cells, W); for each block
            "context0/kernel" (W, W), "context0/bias", "conv0/kernel" (3, 3, W, W), "conv0/bias"; "maps/kernel" (W, outputs), "maps/bias";
            and "doubt0/kernel" (W, D), "doubt0/bias", "doubt/kernel" (D, outputs), "doubt/bias", for the logarithm of the error.
    """

    layers: tuple[str, ...]
    arrays: Mapping[str, Array] = field(repr=False)

    @property
    def cells(self) -> int:
        """Rows and columns of its maps."""
        return int(self.arrays["place"].shape[0])

    @property
    def outputs(self) -> int:
        """How many scores it explains: 2 K for a network with K classes."""
        return int(self.arrays["maps/bias"].shape[0])

    def answer(self, taps: Sequence[Any]) -> dict[str, Any]:
        """Build its computation.

        Args:
            taps: a tensor (N, h, w, C) for each layer.

        Returns:
            values (N, cells, cells, outputs) and error (N, outputs).
        """
        tf = tensorflow()
        parts = [self._pointwise(_cells(tap, self.cells), f"tap{i}") for i, tap in enumerate(taps)]
        x = tf.nn.relu(tf.add_n(parts) + self._weight("place"))
        block = 0
        while f"conv{block}/kernel" in self.arrays:
            around = tf.reduce_mean(x, [1, 2], keepdims=True) @ self._weight(f"context{block}/kernel")
            step = tf.nn.conv2d(x, self._weight(f"conv{block}/kernel"), 1, "SAME") + self._weight(f"conv{block}/bias")
            x = x + tf.nn.relu(step + around + self._weight(f"context{block}/bias"))
            block += 1
        pooled = tf.reduce_mean(x, [1, 2])
        doubt = tf.nn.relu(pooled @ self._weight("doubt0/kernel") + self._weight("doubt0/bias"))
        error = tf.exp(doubt @ self._weight("doubt/kernel") + self._weight("doubt/bias"))
        return {"values": self._pointwise(x, "maps"), "error": error}

    def _pointwise(self, x: Any, name: str) -> Any:
        kernel = self._weight(f"{name}/kernel")
        return tensorflow().nn.conv2d(x, kernel[None, None], 1, "SAME") + self._weight(f"{name}/bias")

    def _weight(self, name: str) -> Any:
        return tensorflow().constant(np.asarray(self.arrays[name], np.float32))


def explain_graph(
    explainer: ExplainerWeights, outputs_of: Callable[[Any], tuple[Any, dict[str, Any]]]
) -> Callable[..., dict[str, Any]]:
    """Return picture -> logits, values, error.

    Args:
        explainer: what was taught.
        outputs_of: picture -> the logits, and the named layers' activations.
    """

    def explain(picture: Any) -> dict[str, Any]:
        logits, taps = outputs_of(picture)
        return {"logits": logits, **explainer.answer([taps[name] for name in explainer.layers])}

    return explain


def head_graph(explainer: ExplainerWeights) -> Callable[..., dict[str, Any]]:
    """Return the activations of its layers -> values, error.

    Args:
        explainer: what was taught.
    """

    def explain_head(*taps: Any) -> dict[str, Any]:
        return explainer.answer(taps)

    return explain_head


def _cells(maps: Any, cells: int) -> Any:
    """Means of 2 x 2 while the maps are at least twice as large, then linear interpolation with half-pixel centres."""
    tf = tensorflow()
    while min(maps.shape[1:3]) >= 2 * cells:
        maps = tf.nn.avg_pool2d(maps, 2, 2, "VALID")
    if tuple(maps.shape[1:3]) == (cells, cells):
        return maps
    return tf.raw_ops.ResizeBilinear(images=maps, size=[cells, cells], half_pixel_centers=True)
