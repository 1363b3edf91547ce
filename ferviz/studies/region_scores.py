"""A network's logits with every set of face regions hidden: one computation that answers for all classes and contrasts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ferviz.attribution.methods import region_shapley
from ferviz.attribution.request import MethodInput
from ferviz.data.dataset import Dataset
from ferviz.engines.base import INPUT, Array
from ferviz.faces.crops import as_faces
from ferviz.faces.landmarks.ladder import locate_landmarks
from ferviz.faces.regions import REGIONS, FaceRegions, region_masks
from ferviz.models.model import Model
from ferviz.studies.study_faces import Progress

CHUNK = 32
"""Faces whose regions are hidden at once."""

FULL = 2 ** len(REGIONS) - 1
BITS = 1 << np.arange(len(REGIONS))

BASE = ("harmonic", 0.0)
"""The fill and the borders' shift that headlines rest on; `region_shapley.SPREAD` holds all that are tried."""

MERGED = "upper face"
"""Brows and eyes together: their common border is uncertain."""

PARTS = (*REGIONS, MERGED)
"""The regions of every table, the merged one last."""


@dataclass(frozen=True, eq=False)
class LocatedFaces:
    """Faces at a network's input size, with their regions.

    Attributes:
        pictures: (N, h, w, c) float32, 0..255.
        regions: where the parts of the faces are.
    """

    pictures: Array = field(repr=False)
    regions: FaceRegions = field(repr=False)

    @cached_property
    def masks(self) -> Array:
        """(N, R, h, w) float32, in the order of REGIONS."""
        return self.regions.masks

    @property
    def uncertain(self) -> np.ndarray:
        """(N,) bool, faces without landmarks, whose regions are a typical face's."""
        return self.regions.uncertain


def locate(model: Model, data: Dataset, progress: Progress | None = None) -> LocatedFaces:
    """Find the landmarks of faces, and their regions at the size of a network's input.

    Args:
        model: the network.
        data: the faces.
        progress: takes a phrase.
    """
    if progress:
        progress(f"landmarks of {len(data):,} faces")
    faces = locate_landmarks(as_faces(data.images))
    pictures = model.input.resized([face.pixels for face in faces])
    return LocatedFaces(pictures, FaceRegions.of(faces, (pictures.shape[1], pictures.shape[2])))


def coalition_logits(
    model: Model,
    faces: LocatedFaces,
    fill: str = BASE[0],
    border: float = BASE[1],
    batch_size: int = 64,
    seed: int = 0,
    progress: Progress | None = None,
) -> Array:
    """Return the logits with every set of regions visible.

    Args:
        model: the network.
        faces: the faces.
        fill: what stands where a picture is hidden.
        border: pixels of a face of 48 by which the regions' borders lie lower.
        batch_size: pictures in one pass.
        seed: of the fill's noise.
        progress: takes a phrase.

    Returns:
        (N, 2^R, K) float32; bit r of the set says that region r is seen.
    """
    parts = []
    for part in _parts(len(faces.pictures)):
        if progress:
            progress(f"{part.stop:,} of {len(faces.pictures):,} faces, {fill} fill")
        pictures, regions = faces.pictures[part], faces.regions
        masks = faces.masks[part] if not border else region_masks(regions.points[part], regions.size, border)
        weights = np.zeros((len(pictures), 1, len(model.labels) + 1), np.float32)
        batch = model.input.scaled(pictures)
        request = MethodInput(model.engine, batch, INPUT, weights, batch_size, seed, pictures, model.input)
        parts.append(region_shapley.coalition_logits(request, masks, fill))
    return np.concatenate(parts)


def _parts(count: int) -> Iterator[slice]:
    return (slice(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK))


def class_scores(logits: Array, classes: np.ndarray) -> np.ndarray:
    """Return the log-odds of a class of each face, against all other classes.

    Args:
        logits: (N, P, K).
        classes: (N,).

    Returns:
        (N, P) float64.
    """
    weights = np.eye(logits.shape[2])[classes][:, None]
    return region_shapley.log_odds(logits.astype(np.float64), weights)[:, 0]


def contrast_scores(logits: Array, for_class: int, against: int) -> np.ndarray:
    """Return the difference of two classes' logits.

    Args:
        logits: (N, P, K).
        for_class, against: the classes.

    Returns:
        (N, P) float64.
    """
    values: np.ndarray = logits[..., for_class].astype(np.float64) - logits[..., against]
    return values


def shapley(scores: np.ndarray) -> np.ndarray:
    """Return the regions' Shapley values, that of the merged region as the sum of its parts.

    Args:
        scores: (N, 2^R).

    Returns:
        (N, R + 1), in the order of PARTS.
    """
    return with_merged(region_shapley.shapley_values(scores[:, None], region_shapley.exact_operator())[:, 0])


def hide_one(scores: np.ndarray) -> np.ndarray:
    """Return what is lost when each region alone is hidden.

    Args:
        scores: (N, 2^R).

    Returns:
        (N, R + 1), in the order of PARTS; of the merged region when all its parts are.
    """
    return scores[:, FULL, None] - scores[:, hidden_sets()]


def hidden_sets() -> np.ndarray:
    """Return (R + 1,), for each of PARTS the set of regions that stay visible when it is hidden."""
    merged = int(BITS[[REGIONS.index("brows"), REGIONS.index("eyes")]].sum())
    return np.array([*(FULL ^ BITS), FULL ^ merged])


def with_merged(values: np.ndarray) -> np.ndarray:
    """Return values of regions with that of the merged region, the sum of its parts, behind them.

    Args:
        values: (..., R).
    """
    at = [REGIONS.index("brows"), REGIONS.index("eyes")]
    return np.concatenate([values, values[..., at].sum(-1, keepdims=True)], axis=-1)
