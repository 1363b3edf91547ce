"""What a method's maps do when the face is mirrored, when it is noisy, and when another class is asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ferviz.attribution.attribution_job import AttributionJob
from ferviz.engines.base import Array
from ferviz.evaluation.panel.bootstrap import known_mean
from ferviz.faces.crops import as_faces
from ferviz.models.model import Model

NOISE = 5.0
"""Standard deviation of the noise, in grey levels."""

CLASSES = 7
"""Classes whose maps are compared with each other; more only where more are predicted."""


@dataclass(frozen=True)
class Stability:
    """Means over faces; correlations are Pearson's, of a face's maps of one class.

    Attributes:
        flip: between the map and the mirrored face's, mirrored back.
        flip_label: share of faces whose predicted class is the same mirrored.
        noise: between the map and a noisy face's, over faces that keep their class.
        noise_label: share of noisy faces that keep their class.
        class_sensitivity: one less the mean correlation between the maps of different classes; 0 = all classes have one map.
        faces: how many were tried.
    """

    flip: float
    flip_label: float
    noise: float
    noise_label: float
    class_sensitivity: float
    faces: int


def stability(
    model: Model, images: np.ndarray, method: str, layer: str | None, seed: int = 0, batch_size: int = 64
) -> Stability:
    """Measure how stable a method's maps are.

    Args:
        model: the network.
        images: (N, H, W) or (N, H, W, 3) uint8.
        method, layer: as for `ferviz.explain`.
        seed: of the noise and of the method.
        batch_size: faces in one pass.
    """
    predicted = model.logits(images, batch_size).argmax(1)
    classes = _compared(predicted, len(model.labels), seed)
    targets = [model.labels[number] for number in classes]
    job = AttributionJob.prepare(model, method, targets, layer, None, batch_size, seed).with_templates()
    grain = np.random.default_rng(seed).normal(0, NOISE, images.shape)
    noisy = np.clip(np.rint(images + grain), 0, 255).astype(np.uint8)
    plain, mirrored, grainy = (
        job.explain(as_faces(np.ascontiguousarray(batch))) for batch in (images, images[:, :, ::-1], noisy)
    )
    labels, flipped, kept = ([p.label for p in e.predictions] for e in (plain, mirrored, grainy))
    rows = np.arange(len(images))
    at = np.searchsorted(classes, predicted)
    keep = np.array([a == b for a, b in zip(labels, kept, strict=True)])
    own = plain.heatmaps[rows, at]
    return Stability(
        known_mean(correlation(own, mirrored.heatmaps[rows, at][..., ::-1])),
        float(np.mean([a == b for a, b in zip(labels, flipped, strict=True)])),
        known_mean(correlation(own, grainy.heatmaps[rows, at])[keep]),
        float(keep.mean()),
        1 - known_mean(np.array([_between_classes(maps) for maps in plain.heatmaps])),
        len(images),
    )


def _compared(predicted: np.ndarray, count: int, seed: int) -> np.ndarray:
    """-> the compared classes, rising: those that are predicted, and others up to CLASSES (all of a thousand would take hours)."""
    rest = np.setdiff1d(np.arange(count), predicted)
    more = np.random.default_rng(seed).permutation(rest)[: max(0, CLASSES - len(np.unique(predicted)))]
    return np.union1d(predicted, more)


def correlation(a: Array, b: Array) -> np.ndarray:
    """Return Pearson's correlation of each pair of maps; NaN where one of the two is the same everywhere.

    Args:
        a, b: (N, h, w).
    """
    x, y = (m.reshape(len(m), -1).astype(np.float64) for m in (a, b))
    x, y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    scale = np.sqrt((x**2).sum(1) * (y**2).sum(1))
    return np.divide((x * y).sum(1), scale, out=np.full(len(x), np.nan), where=scale > 0)


def _between_classes(maps: Array) -> float:
    first, second = np.triu_indices(len(maps), 1)
    return known_mean(correlation(maps[first], maps[second]))
