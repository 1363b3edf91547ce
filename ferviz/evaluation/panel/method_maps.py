"""The maps of a method and of the controls on a panel's faces, with what they cost, and what deletion and insertion say about them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from ferviz.attribution.explain import AttributionJob
from ferviz.attribution.methods.method import LAYER
from ferviz.attribution.methods.registry import METHODS
from ferviz.engines.base import Array
from ferviz.evaluation.panel.counting import counted
from ferviz.faces.crops import as_faces
from ferviz.faces.landmarks.ladder import crop_landmarks, locate_landmarks
from ferviz.models.model import Model
from ferviz.trust.controls import centre_blob, landmark_prior, other_faces, random_maps
from ferviz.trust.deletion import FILLS, area, deletion_curves, pixel_ranks
from ferviz.trust.scores import network_scores

RANDOM_CELLS = 12
"""Cells a side of the random control."""

CENTRE, LANDMARKS = "centre blob", "eyes, nose and mouth"
"""Names of the controls that know about faces, and nothing about the network."""


@dataclass(frozen=True)
class MethodMaps:
    """One method at one layer, on N faces.

    Attributes:
        method: its name in the registry.
        layer: the layer; "" for a method of the picture.
        maps: (N, h, w), of each face's predicted class.
        cells: (h, w) of the method's own map.
        passes: through the network, a face.
        seconds: a face.
        processor: seconds of processor time a face, of all threads.
    """

    method: str
    layer: str
    maps: Array = field(repr=False)
    cells: tuple[int, int]
    passes: float
    seconds: float
    processor: float


def method_maps(
    model: Model, images: np.ndarray, method: str, layer: str | None, seed: int = 0, batch_size: int = 64
) -> MethodMaps:
    """Run a method on faces, and note what it costs.

    Args:
        model: the network.
        images: (N, H, W) or (N, H, W, 3) uint8.
        method, layer, seed, batch_size: as for `ferviz.explain`.
    """
    watched, counter = counted(model)
    job = AttributionJob.prepare(watched, method, "predicted", layer, None, batch_size, seed).with_templates()
    job(as_faces(images[:1]))  # what is loaded or compiled once is no part of a face's time
    counter.passes, start, busy = 0, time.perf_counter(), time.process_time()
    explanation = job.explain(as_faces(images))
    seconds, processor = time.perf_counter() - start, time.process_time() - busy
    where = explanation.layer if METHODS[method].at == LAYER else ""
    height, width = explanation.raw.shape[2:]
    n = len(images)
    return MethodMaps(
        method, where, explanation.heatmaps[:, 0], (height, width), counter.passes / n, seconds / n, processor / n
    )


def control_maps(
    images: np.ndarray, size: tuple[int, int], predicted: np.ndarray, maps: Array | None, groups: np.ndarray, seed: int = 0
) -> dict[str, Array]:
    """Return maps of faces that know nothing about the network.

    Args:
        images: (N, H, W) or (N, H, W, 3) uint8.
        size: (height, width) of the maps.
        predicted: (N,), numbers of the predicted classes.
        maps: (N, height, width), maps of a method, of which each face gets another one's; None = without this control.
        groups: (N,), the number of each face's group of identical faces.
        seed: of the random maps.

    Returns:
        {name: (N, height, width)}.
    """
    height, width = size
    blob = np.broadcast_to(centre_blob(height, width), (len(images), height, width))
    cells = (min(RANDOM_CELLS, height), min(RANDOM_CELLS, width))
    controls = {
        CENTRE: blob,
        LANDMARKS: landmark_priors(images, height, width),
        "random map": random_maps(len(images), height, width, cells, seed),
        "random pixels": random_maps(len(images), height, width, (height, width), seed),
    }
    others = other_faces(predicted, groups, seed)
    if maps is not None and (others >= 0).all():
        controls["another face's map"] = maps[others]
    return controls


def landmark_priors(images: np.ndarray, height: int, width: int) -> Array:
    """Return for each face the map that says "eyes, nose and mouth", where they are in it; a typical face's where it shows none.

    Args:
        images: (N, H, W) or (N, H, W, 3) uint8.
        height, width: pixels of the maps.

    Returns:
        (N, height, width) float32.
    """
    scale = np.array([width / images.shape[2], height / images.shape[1]])
    faces = locate_landmarks(as_faces(images))
    # A pixel's centre lies half a pixel behind its corner.
    points = [(crop_landmarks(face) + 0.5) * scale - 0.5 for face in faces]
    return np.stack([landmark_prior(part, height, width) for part in points])


def curve_areas(
    model: Model, images: np.ndarray, predicted: np.ndarray, maps: Array, steps: int, seed: int = 0, batch_size: int = 64
) -> tuple[Array, Array, Array]:
    """Delete and insert pixels of faces in the order of maps.

    Args:
        model: the network.
        images: (N, H, W) or (N, H, W, 3) uint8.
        predicted: (N,), numbers of the predicted classes, whose scores are noted.
        maps: (N, M, h, w).
        steps: of deletion and insertion.
        seed: of the order of equal values.
        batch_size: pictures in one pass through the network.

    Returns:
        The areas under deletion and under insertion, (N, M, F), and what hiding the whole face takes from the score, (N, F).
    """
    pictures = model.input.resized(images)
    targets = np.eye(len(model.labels), dtype=np.float32)[predicted][:, None]
    deletion, insertion, gap = [], [], []
    for face in range(len(images)):
        part = slice(face, face + 1)
        ranks = pixel_ranks(maps[part], seed)
        curves = deletion_curves(network_scores(model, targets[part]), pictures[part], ranks, FILLS, steps, batch_size)
        deletion.append(area(curves.deletion)[:, :, 0])
        insertion.append(area(curves.insertion)[:, :, 0])
        gap.append(curves.gap[:, 0])
    return np.concatenate(deletion), np.concatenate(insertion), np.concatenate(gap)
