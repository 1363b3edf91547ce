"""The maps of a method and of the controls on a panel's faces, with what they cost, and what deletion and insertion say about them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ferviz.attribution.attribution_job import AttributionJob
from ferviz.attribution.explanation import Explanation
from ferviz.attribution.methods.method import LAYER
from ferviz.attribution.methods.registry import METHODS
from ferviz.engines.base import Array
from ferviz.evaluation.panel.counting import counted
from ferviz.faces.face import Face
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
        explanation: of the faces' predicted classes.
        passes: through the network, a face.
        seconds: a face.
        processor: seconds of processor time a face, of all threads.
    """

    method: str
    layer: str
    explanation: Explanation = field(repr=False)
    passes: float
    seconds: float
    processor: float

    @property
    def maps(self) -> Array:
        """(N, h, w), at the size of the network's input."""
        return self.explanation.heatmaps[:, 0]

    @property
    def cells(self) -> tuple[int, int]:
        """(h, w) of the method's own map."""
        height, width = self.explanation.raw.shape[2:]
        return height, width


def method_maps(
    model: Model, faces: Sequence[Face], method: str, layer: str | None = None, seed: int = 0, batch_size: int = 64
) -> MethodMaps:
    """Run a method on faces, and note what it costs.

    Args:
        model: the network.
        faces: N of them.
        method, layer, seed, batch_size: as for `ferviz.explain`.
    """
    watched, counter = counted(model)
    job = AttributionJob.prepare(watched, method, "predicted", layer, None, batch_size, seed).with_templates()
    job(faces[:1])  # what is loaded or compiled once is no part of a face's time
    counter.passes, start, busy = 0, time.perf_counter(), time.process_time()
    explanation = job.explain(faces)
    seconds, processor = time.perf_counter() - start, time.process_time() - busy
    where = explanation.layer if METHODS[method].at == LAYER else ""
    n = len(faces)
    return MethodMaps(method, where, explanation, counter.passes / n, seconds / n, processor / n)


def control_maps(
    faces: Sequence[Face],
    size: tuple[int, int],
    predicted: np.ndarray,
    maps: Array | None,
    groups: np.ndarray,
    seed: int = 0,
) -> dict[str, Array]:
    """Return maps of faces that know nothing about the network.

    Args:
        faces: N of them.
        size: (height, width) of the maps.
        predicted: (N,), numbers of the predicted classes.
        maps: (N, height, width), maps of a method, of which each face gets another one's; None = without this control.
        groups: (N,), the number of each face's group of identical faces.
        seed: of the random maps.

    Returns:
        {name: (N, height, width)}.
    """
    height, width = size
    blob = np.broadcast_to(centre_blob(height, width), (len(faces), height, width))
    cells = (min(RANDOM_CELLS, height), min(RANDOM_CELLS, width))
    controls = {
        CENTRE: blob,
        LANDMARKS: landmark_priors(faces, height, width),
        "random map": random_maps(len(faces), height, width, cells, seed),
        "random pixels": random_maps(len(faces), height, width, (height, width), seed),
    }
    others = other_faces(predicted, groups, seed)
    if maps is not None and (others >= 0).all():
        controls["another face's map"] = maps[others]
    return controls


def landmark_priors(faces: Sequence[Face], height: int, width: int) -> Array:
    """Return for each face the map that says "eyes, nose and mouth", where they are in it; a typical face's where it shows none.

    Args:
        faces: N of them.
        height, width: pixels of the maps.

    Returns:
        (N, height, width) float32.
    """
    priors = []
    for face in locate_landmarks(faces):
        scale = np.array([width / face.pixels.shape[1], height / face.pixels.shape[0]])
        # A pixel's centre lies half a pixel behind its corner.
        priors.append(landmark_prior((crop_landmarks(face) + 0.5) * scale - 0.5, height, width))
    return np.stack(priors)


def curve_areas(
    model: Model,
    images: np.ndarray,
    predicted: np.ndarray,
    maps: Array,
    steps: int,
    seed: int = 0,
    batch_size: int = 64,
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
