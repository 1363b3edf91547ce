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
from ferviz.evaluation.panel.method_maps import MethodMaps, control_maps, curve_areas, method_maps
from ferviz.evaluation.panel.panel_faces import stratified_faces
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

MAX_PASSES = 2000
"""Passes through the network that the tests of stability may take a method; slow methods are tested on fewer faces."""


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
    names = usable_methods(model) if methods is None else list(dict.fromkeys(split_names(methods, METHODS)))
    images, predicted = stratified_faces(model, data.images, faces, seed, batch_size)
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


def usable_methods(model: Model) -> list[str]:
    """Return the methods that a network's engine can run, without those of other libraries.

    Args:
        model: the network.
    """

    def fits(method: Method) -> bool:
        return all(supports(model.engine, protocol) for protocol in method.needs)

    return [name for name in METHODS if not name.startswith("tf-keras-vis") and fits(METHODS[name])]


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
