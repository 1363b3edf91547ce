"""What an attribution method is given (`MethodInput`) and what it returns (`MethodOutput`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ferviz import fills
from ferviz.attribution.targets import resolve
from ferviz.engines.base import Array, Engine
from ferviz.engines.protocols import GuidedGradients, LayerInterventions, PredictedTargets, require, supports
from ferviz.errors import ModelError, NoFaceError, UsageError
from ferviz.faces.regions import FaceRegions
from ferviz.models.compiled.explainer import TaughtExplainer
from ferviz.models.input_spec import InputSpec

BASELINES = ("black", "mean", "zero", "blur")
"""Where a path of pictures can start (see `MethodInput.baseline`)."""


@dataclass(frozen=True)
class LazyMasks:
    """Masks that are computed chunk by chunk, because all of them together would not fit into memory.

    Attributes:
        used: (N, P) bool, which of the P masks each of the N pictures is seen through.
        compute: (sample index (M,), mask index (M,)) -> the masks of these M pairs, (M, h, w) float32 in 0..1.
    """

    used: np.ndarray
    compute: Callable[[np.ndarray, np.ndarray], Array]


@dataclass(frozen=True)
class MethodInput:
    """Some pictures, the network, and what about its answers is to be explained.

    Attributes:
        engine: executes the network.
        batch: (N, h, w, c) float32, preprocessed for the network.
        layer: the layer's name, "input" for the picture.
        weights: (N, T, K + 1) float32, the targets as weights of the K logits; the last column is the weight of the predicted class.
        batch_size: pictures in one pass through the network, which bounds the memory.
        seed: for methods that draw random numbers.
        pictures: (N, h, w, c), 0..255, what the batch was made from by `spec.scaled`; None = the batch is such pictures.
        spec: the network's input spec; None = its values are those of the pictures.
        regions: where the eyes, the mouth and so on are in each picture, for methods that need it; None = not known.
        explainer: what the network was taught to tell about itself, for methods that need it; None = nothing.
    """

    engine: Engine
    batch: Array = field(repr=False)
    layer: str
    weights: Array = field(repr=False)
    batch_size: int = 64
    seed: int = 0
    pictures: np.ndarray | None = field(default=None, repr=False)
    spec: InputSpec | None = None
    regions: FaceRegions | None = field(default=None, repr=False)
    explainer: TaughtExplainer | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.batch)

    @cached_property
    def logits(self) -> Array:
        """(N, K) float32, the network's logits for the unchanged pictures; computed once."""
        return self.engine.logits(self.batch)

    @cached_property
    def logit_weights(self) -> Array:
        """(N, T, K) float32, the targets with the weight of the predicted class moved to that class."""
        return resolve(self.weights, self.logits)

    @cached_property
    def full_scores(self) -> Array:
        """(N, T), the targets' values for the unchanged pictures."""
        scores: Array = np.einsum("nk,ntk->nt", self.logits, self.logit_weights, optimize=True)
        return scores

    def gradients(self, layer: str | None = None) -> tuple[Array, Array, Array]:
        """Return activation and gradients at a layer, all targets in one pass.

        Args:
            layer: the layer's name; None = `self.layer`.

        Returns:
            activation (N, h, w, C), gradient (N, T, h, w, C) and logits (N, K).
        """
        return self.engine.gradients(self.batch, layer or self.layer, self.gradient_weights())

    def activation_map(self) -> Array:
        """Return the activation of `self.layer`, which any engine with layers has.

        Returns:
            (N, h, w, C) float32.

        Raises:
            ModelError: the layer's output is not a map.
        """
        (activation,) = self.engine.activations(self.batch, [self.layer])
        return self.checked_map(activation)

    def checked_map(self, activation: Array) -> Array:
        """Return an activation of `self.layer` that is a map.

        Args:
            activation: what the layer put out.

        Raises:
            ModelError: it has other axes than (N, h, w, C).
        """
        if activation.ndim != 4:
            raise ModelError(
                f"the output of layer {self.layer!r} is not a map; choose a layer that `ferviz layers` marks as one"
            )
        return activation

    def guided_gradients(self, layer: str) -> tuple[Array, Array, Array]:
        """Return what `gradients` returns, where every ReLU on the way back also stops negative gradients.

        Args:
            layer: the layer's name.

        Raises:
            ModelError: the engine has no guided gradients.
        """
        engine = require(self.engine, GuidedGradients, "guided backpropagation")
        return engine.guided_gradients(self.batch, layer, self.gradient_weights())

    def logits_from(self, sample_index: np.ndarray, activation: Array) -> Array:
        """Return the logits of the network when `self.layer` puts out another activation.

        Args:
            sample_index: (M,), which of the N pictures each activation belongs to.
            activation: (M, h, w, C).

        Returns:
            (M, K).

        Raises:
            ModelError: the engine cannot change a layer's output.
        """
        engine = require(self.engine, LayerInterventions, "changing a layer")
        return engine.logits_from(self.batch[sample_index], self.layer, activation)

    def gradient_weights(self) -> Array:
        """Return the targets as the engine's gradient functions take them.

        Returns:
            (N, T, K + 1) for an engine that finds the predicted class itself, else (N, T, K): then the logits are computed
            beforehand, if any target names the predicted class.
        """
        if supports(self.engine, PredictedTargets):
            return self.weights
        return self.logit_weights if self.weights[..., -1].any() else self.weights[..., :-1]

    def scores(self, pictures: Array, sample_index: np.ndarray | None = None) -> Array:
        """Return the targets' values for changed pictures.

        Args:
            pictures: (M, h, w, c) float32, M at most `batch_size`.
            sample_index: (M,), which of the N pictures each was made from; None = each from its own (M = N).

        Returns:
            (M, T).
        """
        weights = self.logit_weights if sample_index is None else self.logit_weights[sample_index]
        scores: Array = np.einsum("mk,mtk->mt", self.engine.logits(pictures), weights, optimize=True)
        return scores

    def masked_scores(self, masks: Array | LazyMasks, fill: str | float) -> Array:
        """Return the targets' values for pictures seen through masks, with memory for `batch_size` pictures.

        Args:
            masks: float32 in 0..1, 1 where the picture is seen and 0 where it is hidden: (P, h, w) for all pictures, (N, P, h, w)
                with masks for each, or `LazyMasks`.
            fill: what stands where a picture is hidden: one of `ferviz.fills.FILLS`, or a grey level 0..255.

        Returns:
            (N, T, P) float32; NaN for masks that `LazyMasks.used` leaves out.

        Raises:
            UsageError: the fill is unknown.
        """
        fills.check_fill(fill)
        lazy = masks if isinstance(masks, LazyMasks) else self._lazy(masks)

        def logits(sample: np.ndarray, mask: np.ndarray) -> Array:
            return self.engine.logits(self.masked_batch(sample, lazy.compute(sample, mask), fill))

        return self.changed_scores(lazy.used, logits)

    def masked_logits(self, masks: LazyMasks, fill: str | float) -> Array:
        """Return the logits of all classes for pictures seen through masks, with memory for `batch_size` pictures.

        Args:
            masks: 1 where the picture is seen.
            fill: as for `masked_scores`.

        Returns:
            (N, P, K) float32; NaN for masks that are not used.
        """
        fills.check_fill(fill)
        result = np.full((*masks.used.shape, self.logits.shape[1]), np.nan, np.float32)
        samples, indices = np.nonzero(masks.used)
        for start in range(0, len(samples), self.batch_size):
            sample, mask = (values[start : start + self.batch_size] for values in (samples, indices))
            result[sample, mask] = self.engine.logits(self.masked_batch(sample, masks.compute(sample, mask), fill))
        return result

    def masked_batch(self, sample_index: np.ndarray, masks: Array, fill: str | float) -> Array:
        """Return pictures seen through masks, as the network takes them.

        A picture is filled before the network's scaling, and then scaled as any picture is; one that is standardised by its own mean
        and deviation, by those of the filled picture.

        Args:
            sample_index: (M,), which of the N pictures each mask is for.
            masks: (M, h, w) float32, as for `masked_scores`.
            fill: as there.

        Returns:
            (M, h, w, c) float32.
        """
        if fill == "harmonic":
            return self._scaled(fills.fill(self._pictures[sample_index], 1 - masks, fill, self.seed))
        seen = masks[..., None]
        # Exact at both ends: a picture under a mask of ones is the picture itself.
        return self._scaled(self._pictures[sample_index] * seen + self._plain_filler(fill)[sample_index] * (1 - seen))

    def face_regions(self, template: bool = False) -> FaceRegions:
        """Return where the parts of the faces are.

        Args:
            template: give pictures that show no face a typical face's regions instead of refusing them.

        Raises:
            ModelError: nothing is known about them, because the method is not registered with `needs_regions=True`.
            NoFaceError: a picture shows no face.
        """
        if self.regions is None:
            raise ModelError("the faces' regions are not known; register the method with needs_regions=True")
        if self.regions.faceless and not template:
            name, others = self.regions.faceless[0], len(self.regions.faceless) - 1
            more = f" (nor do {others} more)" if others else ""
            raise NoFaceError(
                f"{name} shows no face{more}, so it has no regions; leave it out, or give it a typical face's "
                "(template=True; on the command line -O template=true)"
            )
        return self.regions

    def changed_scores(self, used: np.ndarray, logits: Callable[[np.ndarray, np.ndarray], Array]) -> Array:
        """Return the targets' values under P changes of each picture, `batch_size` changed pictures at a time.

        Args:
            used: (N, P) bool, which changes are tried.
            logits: (sample index (M,), change index (M,)) -> the logits (M, K) of these pictures, each under its change.

        Returns:
            (N, T, P) float32; NaN where a change is not tried.
        """
        weights = self.logit_weights
        scores = np.full((len(self), weights.shape[1], used.shape[1]), np.nan, np.float32)
        samples, changes = np.nonzero(used)
        for start in range(0, len(samples), self.batch_size):
            sample = samples[start : start + self.batch_size]
            change = changes[start : start + self.batch_size]
            values = np.einsum("mk,mtk->mt", logits(sample, change), weights[sample], optimize=True)
            scores[sample, :, change] = values
        return scores

    def baseline(self, kind: str | float) -> Array:
        """Return pictures without information, for a path of pictures to start at.

        Args:
            kind: "black"; "mean", each picture's own mean colour; "blur", the picture blurred until its features are gone; "zero", the
                network's zero (which is mid-grey for a network fed -1..1); or a number in the network's own units.

        Returns:
            (N, h, w, c) float32.

        Raises:
            UsageError: the kind is unknown.
        """
        if isinstance(kind, int | float) and not isinstance(kind, bool):
            return np.full_like(self.batch, kind)
        if kind == "zero":
            return np.zeros_like(self.batch)
        if kind in BASELINES:
            return self._scaled(self._plain_filler(kind))
        raise UsageError(f"baseline {kind!r} is not known; use one of {', '.join(BASELINES)}, or a number")

    @cached_property
    def _pictures(self) -> Array:
        return (self.batch if self.pictures is None else self.pictures).astype(np.float32, copy=False)

    def _scaled(self, pictures: Array) -> Array:
        return pictures if self.spec is None else self.spec.scaled(pictures)

    def _plain_filler(self, fill: str | float) -> Array:
        """-> (N, h, w, c), 0..255: a fill that does not depend on what is hidden; made once for each request."""
        cache: dict[str | float, Array] = self.__dict__.setdefault("_fillers", {})
        if fill not in cache:
            cache[fill] = fills.plain_filler(self._pictures, fill)
        return cache[fill]

    def _lazy(self, masks: Array) -> LazyMasks:
        if masks.ndim == 3:
            return LazyMasks(np.ones((len(self), len(masks)), bool), lambda _, mask: masks[mask])
        return LazyMasks(np.ones(masks.shape[:2], bool), lambda sample, mask: masks[sample, mask])


@dataclass(frozen=True)
class MethodOutput:
    """What an attribution method returns.

    Attributes:
        raw: (N, T, h, w) float32, the maps at the method's own size, never normalised.
        logits: (N, K) float32.
        details: further results by name, each (N, ...). Those of shape (N, T) become part of an explanation's settings, those
            of shape (N, T, rows, columns) its grids.
        heatmaps: (N, T, H, W) float32 where the method itself says how its maps are brought to picture size, else None.
        warnings: sentences about what may mislead in these maps.
    """

    raw: Array
    logits: Array
    details: dict[str, Array] = field(default_factory=dict)
    heatmaps: Array | None = None
    warnings: tuple[str, ...] = ()
