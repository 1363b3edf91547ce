"""What a method is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from ferviz.attribution.targets import resolve
from ferviz.engines.base import Array, Engine, GuidedGradients, PredictedTargets, require, supports
from ferviz.errors import UsageError

BASELINES = ("black", "mean", "zero", "blur")
"""What takes the place of the part of a picture that is hidden (see `MethodInput.baseline`)."""


@dataclass(frozen=True)
class MethodInput:
    """Some pictures, and what about them is to be explained.

    engine: executes the network. batch: (N, h, w, c) float32, as the network wants it. layer: its address, "input" for the picture.
    weights: (N, T, K + 1), the targets; the last column is the weight of the predicted class. chunk: pictures in one pass through
    the network, which bounds the memory. black: (h, w, c) float32, what a black picture is to the network. seed: for methods that
    draw random numbers.
    """

    engine: Engine
    batch: Array = field(repr=False)
    layer: str
    weights: Array = field(repr=False)
    chunk: int = 64
    black: Array | None = field(default=None, repr=False)
    seed: int = 0

    def __len__(self) -> int:
        return len(self.batch)

    def gradients(self, layer: str | None = None, guided: bool = False) -> tuple[Array, Array, Array]:
        """Return activation (N, h, w, C), gradient (N, T, h, w, C) and logits (N, K), all targets in one pass.

        Args:
            layer: where the gradient is taken; None = the method's layer.
            guided: every ReLU on the way back also stops negative gradients.

        Raises:
            ModelError: for an engine without guided gradients, where they are wanted.
        """
        compute = (
            require(self.engine, GuidedGradients, "guided-backprop").guided_gradients
            if guided
            else self.engine.gradients
        )
        weights = self.weights
        if not supports(self.engine, PredictedTargets):
            # Only where some target speaks of the predicted class must one know it beforehand.
            weights = self.resolved(self.engine.logits(self.batch)) if weights[..., -1].any() else weights[..., :-1]
        return compute(self.batch, layer or self.layer, weights)

    def resolved(self, logits: Array) -> Array:
        """-> (N, T, K), the targets with the predicted class named."""
        return resolve(self.weights, logits)

    def scores(self, pictures: Array, owners: np.ndarray, weights: Array) -> Array:
        """Return the targets' values S for changed pictures.

        pictures: (M, h, w, c). owners: (M,), which of the N pictures each was made of. weights: (N, T, K). -> (M, T).
        """
        logits = self.engine.logits(pictures)
        scores: Array = np.einsum("mk,mtk->mt", logits, weights[owners], optimize=True)
        return scores

    def baseline(self, kind: str | float) -> Array:
        """Return what stands for "nothing there", (N, h, w, c).

        kind: "black"; "mean", each picture's own mean colour; "zero", the network's zero (which is mid-grey for a network fed -1..1);
        "blur", the picture blurred until its features are gone; or a number in the network's own units. Raises UsageError.
        """
        batch = self.batch
        if isinstance(kind, int | float) and not isinstance(kind, bool):
            return np.full_like(batch, kind)
        if kind == "zero" or (kind == "black" and self.black is None):
            return np.zeros_like(batch)
        if kind == "black":
            return np.broadcast_to(self.black, batch.shape).astype(np.float32)  # type: ignore[arg-type]
        if kind == "mean":
            return np.broadcast_to(batch.mean((1, 2), keepdims=True), batch.shape).astype(np.float32)
        if kind == "blur":
            sigma = batch.shape[1] / 8
            return np.stack([cv2.GaussianBlur(one, (0, 0), sigma).reshape(one.shape) for one in batch])
        raise UsageError(f"baseline {kind!r} is not known; use one of {', '.join(BASELINES)}, or a number")

    def parts(self) -> Iterator[MethodInput]:
        """Yield the question for each picture alone."""
        for i in range(len(self)):
            yield replace(self, batch=self.batch[i : i + 1], weights=self.weights[i : i + 1])


@dataclass(frozen=True)
class MethodOutput:
    """What a method found.

    raw: (N, T, h, w) float32, the map at the method's own size, never normalised. logits: (N, K). details: further results by name,
    each (N, ...). heatmaps: (N, T, H, W) where the method itself says how its map is brought to picture size.
    """

    raw: Array
    logits: Array
    details: dict[str, Array] = field(default_factory=dict)
    heatmaps: Array | None = None
