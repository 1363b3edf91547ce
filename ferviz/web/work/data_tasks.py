"""The tasks of the data room: what a network says about every face, mean maps of some of them, and how the network is to be fed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ferviz import fills
from ferviz.attribution.attribution_job import AttributionJob
from ferviz.attribution.methods.method import LAYER
from ferviz.errors import UsageError
from ferviz.evaluation.check.check import check
from ferviz.evaluation.metrics import wilson
from ferviz.evaluation.tta import batched_logits
from ferviz.faces.crops import as_faces
from ferviz.faces.landmarks.points import SIDE, grey
from ferviz.faces.regions import REGIONS
from ferviz.models.model import Model
from ferviz.models.prediction import check_finite
from ferviz.studies.alignment import align, masked_mean
from ferviz.studies.region_scores import BASE, LocatedFaces, locate
from ferviz.web.work.workbench import Report, Workbench, packed, seldom

PART = 128
"""Faces whose answers are sent together."""

FEWEST = 20
"""A mean over fewer faces is not shown."""

MOST = 200
"""Faces that a mean is taken over."""

REPAIRED = 64
"""Faces of which each region is hidden."""

COVERED = 0.8
"""A pixel that a smaller share of the faces reach has no mean."""

CHECKED = 2000
"""Faces that `check` tries."""


def predict_data(bench: Workbench, job: Mapping[str, Any], report: Report) -> None:
    """Answer about every face of the data, some at a time.

    Args:
        bench: networks and data.
        job: network.
        report: takes {"labels"} and then {"start", "probabilities"}, the values packed face by face.
    """
    model, images = bench.network(job.get("network", 0)), bench.data.data.images
    report({"labels": list(model.labels), "count": len(images)})
    for start in range(0, len(images), PART):
        logits = batched_logits(model, images[start : start + PART], PART)
        check_finite(logits, model.name)
        report({"start": start, "probabilities": packed(model.probabilities_of(logits))})


def average_maps(bench: Workbench, job: Mapping[str, Any], report: Report) -> None:
    """Average the maps of some faces, carried to one place by their landmarks.

    Args:
        bench: networks and data.
        job: network, faces (numbers), weights (one a class: a contrast for faces of one cell), label (its number), method and layer.
        report: takes {"done", "of"}, and at last {"map", "face", "width", "height", "faces", "agreement", "repair"}; only "faces" and
            "fewest" where there are too few. "repair" says for each region how many faces get the label when it is hidden.
    """
    model, labelled = bench.network(job.get("network", 0)), bench.data
    numbers = np.unique(np.array(job["faces"], np.int64))
    if len(numbers) and not 0 <= numbers[0] <= numbers[-1] < len(labelled):
        raise UsageError("a face of these is not in the data")
    if len(numbers) < FEWEST:
        report({"faces": len(numbers), "fewest": FEWEST})
        return
    if len(numbers) > MOST:
        numbers = np.sort(np.random.default_rng(0).permutation(numbers)[:MOST])
    weights = {label: float(w) for label, w in zip(model.labels, job["weights"], strict=True) if w}
    prepared = AttributionJob.prepare(model, str(job["method"]), weights, job.get("layer") or None).with_templates()
    part = labelled.data.take(numbers)
    report({"done": 0, "of": len(numbers)})
    located, maps, step = locate(model, part), [], 32
    counted = seldom(report)
    for start in range(0, len(numbers), step):
        maps.append(prepared(as_faces(part.images[start : start + step])).heatmaps[:, 0])
        counted({"done": min(start + step, len(numbers)), "of": len(numbers)})
    heat = np.concatenate(maps)
    usable = ~located.uncertain & (np.abs(heat).max((1, 2)) > 0)
    if usable.sum() < FEWEST:
        report({"faces": int(usable.sum()), "fewest": FEWEST})
        return
    heat = heat[usable] / np.abs(heat[usable]).mean((1, 2), keepdims=True)
    points, size = located.regions.points[usable], located.regions.size
    aligned, inside = align(heat.astype(np.float32), points)
    pictures = np.stack([grey(image, SIDE) for image in part.images[usable]]).astype(np.float32)
    places = (points + 0.5) * np.array([SIDE / size[1], SIDE / size[0]]) - 0.5
    faces, reached = align(pictures, places)
    least = max(1, int(np.ceil(COVERED * len(heat))))
    mean = np.nan_to_num(masked_mean(aligned, inside, least))
    face = np.nan_to_num(masked_mean(faces, reached, 1), nan=128)
    where = "+".join(prepared.layers) if prepared.method.at == LAYER else ""
    report({
        "map": packed(mean), "face": packed(face), "height": mean.shape[0], "width": mean.shape[1], "faces": int(usable.sum()),
        "agreement": _agreement(aligned, inside), "method": prepared.method.title or prepared.name, "layer": where,
        "repair": _repair(model, located, usable, int(job["label"]), report),
    })  # fmt: skip


def _repair(
    model: Model, located: LocatedFaces, usable: np.ndarray, label: int, report: Report
) -> list[dict[str, Any]]:
    """-> for each region the share of faces that get the label when the region is hidden, with Wilson's interval."""
    at, rows = np.flatnonzero(usable)[:REPAIRED], []
    pictures, masks = located.pictures[at].astype(np.float32), located.regions.take(at).masks
    for number, name in enumerate(REGIONS):
        report({"done": number, "of": len(REGIONS), "phrase": f"Hiding the {name}"})
        changed = fills.fill(pictures, masks[:, number], BASE[0])
        hits = int((model.engine.logits(model.input.scaled(changed)).argmax(1) == label).sum())
        low, high = wilson(hits, len(at))
        rows.append({"region": name, "share": hits / len(at), "low": low, "high": high, "faces": len(at)})
    return sorted(rows, key=lambda row: -float(row["share"]))


def _agreement(maps: np.ndarray, inside: np.ndarray) -> float:
    """-> the correlation of the mean maps of two halves of the faces: near 0, the mean says nothing about single faces."""
    half = np.random.default_rng(0).permutation(len(maps)) % 2 == 0
    both = inside.mean(0) >= COVERED
    first, second = (masked_mean(maps[at], inside[at])[both] for at in (half, ~half))
    known = np.isfinite(first) & np.isfinite(second)
    return float(np.corrcoef(first[known], second[known])[0, 1]) if known.sum() > 1 else 0.0


def check_network(bench: Workbench, job: Mapping[str, Any], report: Report) -> None:
    """Find out with the labelled faces whether a network is fed as it was trained.

    Args:
        bench: networks and data.
        job: network.
        report: takes {"phrase"} on the way, and {"right", "usable", "accuracy", "interval", "best", "points", "sentence"}.
    """
    model = bench.network(job.get("network", 0))
    result = check(
        model, bench.data.data, split=None, faces=CHECKED, progress=lambda phrase: report({"phrase": phrase})
    )
    current = result.current
    report({
        "right": result.current_is_best and result.usable, "usable": result.usable,
        "accuracy": current.accuracy if current else None, "interval": list(current.interval) if current else None,
        "best": result.best.title, "best_accuracy": result.best.accuracy,
        "points": 100 * result.cost.difference if result.cost else None, "faces": result.n, "warnings": list(result.warnings),
    })  # fmt: skip
