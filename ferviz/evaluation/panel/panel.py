"""`trust_report`: every method, at two layers, tested on the same faces, with what each costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ferviz.attribution.explain import AttributionJob
from ferviz.attribution.methods.method import LAYER, Method
from ferviz.attribution.methods.registry import METHODS
from ferviz.attribution.metrics import rank_correlation
from ferviz.data.dataset import Dataset
from ferviz.data.duplicates import duplicate_groups
from ferviz.engines.base import Array, KerasBacked, supports
from ferviz.errors import DataError, ModelError
from ferviz.evaluation.panel.counting import counted
from ferviz.evaluation.panel.panel_result import MethodRow, TrustReport
from ferviz.evaluation.panel.receptive_fields import Placement, placement
from ferviz.evaluation.panel.stability import Stability, stability
from ferviz.faces.crops import as_faces
from ferviz.faces.landmarks.ladder import crop_landmarks, locate_landmarks
from ferviz.models.model import Model, as_model
from ferviz.registry import split_names
from ferviz.trust.calibration import calibration_of
from ferviz.trust.controls import centre_blob, landmark_prior, other_faces, random_maps
from ferviz.trust.deletion import FILLS, STEPS, deletion_curves, pixel_ranks
from ferviz.trust.scores import MIN_GAP, network_scores

Progress = Callable[[str], None]

POOL = 20
"""Faces that are looked at for each that is wanted, so that every class is among them."""

MAX_PASSES = 2000
"""Passes through the network that the tests of stability may take a method; slow methods are tested on fewer faces."""

RANDOM_CELLS = 12
"""Cells a side of the random control."""


@dataclass(frozen=True)
class _Maps:
    """One method at one layer: name, layer, maps (N, h, w), their own size, passes and seconds a face."""

    method: str
    layer: str
    maps: Array = field(repr=False)
    cells: tuple[int, int]
    passes: float
    seconds: float


def trust_report(
    model: Model,
    data: Dataset,
    *,
    methods: str | Sequence[str] | None = None,
    layers: str | Sequence[str] | None = None,
    faces: int = 100,
    steps: int = STEPS,
    seed: int = 0,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> TrustReport:
    """Find out which attribution method, at which layer, to believe for a network.

    Args:
        model: the network.
        data: faces that it was not trained on; their labels are not used.
        methods: names, in a sequence or with commas between; None = all that the engine can run, without those of other libraries.
        layers: for the methods that look at one; None = the default layer and the next earlier one with larger maps.
        faces: how many, as many of each predicted class as there are.
        steps: of deletion and insertion.
        seed: of the choice of faces, of random maps, of noise and of methods.
        batch_size: pictures in one pass through the network.
        progress: takes a phrase about what is done next.

    Returns:
        The report.

    Raises:
        DataError: there are no faces.
        UnknownNameError: an unknown method or layer.
    """
    model, log = as_model(model), progress or (lambda text: None)
    if not len(data):
        raise DataError("the data set has no faces; name another split")
    names = _usable(model) if methods is None else list(dict.fromkeys(split_names(methods, METHODS)))
    images, predicted = _stratified(model, data.images, faces, seed, batch_size)
    groups = duplicate_groups(images)
    known = [layer.name for layer in model.layers]
    places = _layers(model, names, None if layers is None else split_names(layers, known))
    answers = []
    for name in names:
        for place in places if METHODS[name].at == LAYER else [None]:
            log(f"{name}{f' at {place}' if place else ''}")
            answers.append(_run(model, images, name, place, seed, batch_size))
    controls = _controls(images, model, predicted, answers[0].maps if answers else None, groups, seed)
    log("deletion and insertion")
    every = {**controls, **{f"{a.method} {a.layer}": a.maps for a in answers}}
    srg, gap = _areas(model, images, predicted, every, steps, seed, batch_size)
    assessable = np.all(gap >= MIN_GAP, axis=-1)
    rows = [MethodRow(name, "", srg[:, i], assessable, groups) for i, name in enumerate(controls)]
    for number, answer in enumerate(answers, start=len(controls)):
        log(f"stability of {answer.method}")
        stable = _stability(model, images, answer, seed, batch_size)
        own = MethodRow(
            answer.method, answer.layer, srg[:, number], assessable, groups, answer.cells, answer.passes, answer.seconds, stable,
            _randomisation(model, images, answer, seed, batch_size),
        )  # fmt: skip
        rows.append(own)
    measured, notes = _placements(model, images, places, seed, log)
    return TrustReport(
        model.name, model.sha256, data.source, len(images), steps, tuple(FILLS), calibration_of(model).delta(steps),
        calibration_of(model).calibrated, seed, tuple(rows), measured, notes,
    )  # fmt: skip


def default_layers(model: Model) -> tuple[str, ...]:
    """Return the layers that the panel tries: the default one, and the last one before it whose map is larger.

    Args:
        model: the network.
    """
    name, _ = model.default_layer()
    chosen = model.layer(name)
    before = model.layers[: [layer.name for layer in model.layers].index(name)]
    larger = [
        layer.name
        for layer in before
        if layer.spatial and len(layer.shape) == 3 and (layer.shape[0] or 0) > (chosen.shape[0] or 0)
    ]
    return (name, *larger[-1:])


def _layers(model: Model, methods: Sequence[str], layers: Sequence[str] | None) -> list[str]:
    if all(METHODS[name].at != LAYER for name in methods):
        return list(layers or ())
    return list(layers or default_layers(model))


def _usable(model: Model) -> list[str]:
    def fits(method: Method) -> bool:
        return all(supports(model.engine, protocol) for protocol in method.needs)

    return [name for name in METHODS if not name.startswith("tf-keras-vis") and fits(METHODS[name])]


def _stratified(
    model: Model, images: np.ndarray, faces: int, seed: int, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """-> faces of every predicted class alike, as far as there are so many, and their predicted classes."""
    rng = np.random.default_rng(seed)
    pool = images[np.sort(rng.permutation(len(images))[: faces * POOL])]
    predicted = model.logits(pool, batch_size).argmax(1)
    # Each class's faces in random order; the first of every class come before the second of any.
    turn = np.empty(len(pool))
    for label in np.unique(predicted):
        at = np.flatnonzero(predicted == label)
        turn[at] = rng.permutation(len(at))
    chosen = np.sort(np.lexsort((rng.random(len(pool)), turn))[:faces])
    return pool[chosen], predicted[chosen]


def _run(model: Model, images: np.ndarray, method: str, layer: str | None, seed: int, batch_size: int) -> _Maps:
    watched, counter = counted(model)
    job = AttributionJob.prepare(watched, method, "predicted", layer, None, batch_size, seed).with_templates()
    job(as_faces(images[:1]))  # what is loaded or compiled once is no part of a face's time
    counter.passes, start = 0, time.perf_counter()
    explanation = job.explain(as_faces(images))
    seconds = (time.perf_counter() - start) / len(images)
    where = explanation.layer if METHODS[method].at == LAYER else ""
    height, width = explanation.raw.shape[2:]
    return _Maps(method, where, explanation.heatmaps[:, 0], (height, width), counter.passes / len(images), seconds)


def _controls(
    images: np.ndarray, model: Model, predicted: np.ndarray, maps: Array | None, groups: np.ndarray, seed: int
) -> dict[str, Array]:
    height, width = model.input.size
    blob = np.broadcast_to(centre_blob(height, width), (len(images), height, width))
    cells = (min(RANDOM_CELLS, height), min(RANDOM_CELLS, width))
    controls = {
        "centre blob": blob,
        "eyes, nose and mouth": landmark_priors(images, height, width),
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


def _areas(
    model: Model,
    images: np.ndarray,
    predicted: np.ndarray,
    maps: dict[str, Array],
    steps: int,
    seed: int,
    batch_size: int,
) -> tuple[Array, Array]:
    """-> the areas (N, M, F), and what hiding the whole face takes from the score, (N, F)."""
    pictures = model.input.resized(images)
    targets = np.eye(len(model.labels), dtype=np.float32)[predicted][:, None]
    srg, gap = [], []
    for face in range(len(images)):
        part = slice(face, face + 1)
        ranks = pixel_ranks(np.stack([values[part] for values in maps.values()], axis=1), seed)
        curves = deletion_curves(network_scores(model, targets[part]), pictures[part], ranks, FILLS, steps, batch_size)
        srg.append(curves.srg[:, :, 0])
        gap.append(curves.gap[:, 0])
    return np.concatenate(srg), np.concatenate(gap)


def _few(images: np.ndarray, passes: float, times: float) -> np.ndarray:
    count = int(np.clip(MAX_PASSES / max(passes * times, 1), 4, 32))
    return images[np.linspace(0, len(images) - 1, min(count, len(images))).round().astype(int)]


def _stability(model: Model, images: np.ndarray, answer: _Maps, seed: int, batch_size: int) -> Stability:
    few = _few(images, answer.passes, 3)
    return stability(model, few, answer.method, answer.layer or None, seed, batch_size)


def _randomisation(model: Model, images: np.ndarray, answer: _Maps, seed: int, batch_size: int) -> float | None:
    """-> the mean rank correlation of the maps with those of a network with random weights; None where there is no such network."""
    if not supports(model.engine, KerasBacked):
        return None
    from ferviz.models.randomise import randomised

    few = _few(np.arange(len(images)), answer.passes, 1)
    try:
        other = randomised(model, seed)
        again = AttributionJob.prepare(
            other, answer.method, "predicted", answer.layer or None, None, batch_size, seed
        ).with_templates()
        maps = again.explain(as_faces(images[few])).heatmaps[:, 0]
    except ModelError:
        return None
    return float(np.mean([rank_correlation(a, b) for a, b in zip(answer.maps[few], maps, strict=True)]))


def _placements(
    model: Model, images: np.ndarray, layers: Iterable[str], seed: int, log: Progress
) -> tuple[tuple[Placement, ...], tuple[str, ...]]:
    measured, notes = [], []
    for layer in layers:
        log(f"where the cells of {layer} look")
        try:
            measured.append(placement(model, images[:8], layer, seed))
        except ModelError as error:
            notes.append(f"where the cells of {layer} look was not measured: {error}")
    return tuple(measured), tuple(notes)
