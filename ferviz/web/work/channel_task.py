"""The task "channel": what excites a channel among the labelled faces, where it looks, and what the network loses without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ferviz.engines.base import Array
from ferviz.engines.fallback import FallbackEngine
from ferviz.engines.protocols import LayerInterventions, supports
from ferviz.errors import NotCompiledError, UnknownNameError, UsageError
from ferviz.faces.landmarks.points import SIDE, TEMPLATE
from ferviz.faces.regions import REGIONS, region_masks
from ferviz.models.model import Model
from ferviz.web.work.workbench import Report, Workbench, seldom

MOST = 1000
"""Faces that are looked at."""

PART = 32
SHOWN = 9
REMOVED = 128
"""Faces on which it is measured what the network loses."""


@dataclass(frozen=True)
class LayerResponse:
    """How every channel of a layer answers to some faces.

    Attributes:
        faces: (N,) numbers of the faces.
        means: (N, C) float32, the mean of each channel's map.
        places: (C, h, w) float32, the mean of each channel's maps over the faces, weighted by how much each excites it.
    """

    faces: np.ndarray
    means: Array
    places: Array


def study_channel(bench: Workbench, job: Mapping[str, Any], report: Report) -> None:
    """Study one channel of a layer; the first question about a layer looks at the faces, further ones are answered at once.

    Args:
        bench: networks and data.
        job: network, layer, channel.
        report: takes {"done", "of"}, and {"most", "drawn", "values", "regions", "removed", "faces"}.
    """
    name, layer, number = job.get("network", 0), str(job["layer"]), int(job["channel"])
    model = bench.network(name)
    info = next((info for info in model.layers if info.name == layer), None)
    if info is None:
        raise UnknownNameError("layer", layer, [known.name for known in model.layers], "this model")
    if not info.spatial or not 0 <= number < (info.shape[-1] or 0):
        raise UsageError(f"{layer} has no channel {number}")
    key = ("layer", str(name), layer)
    if key not in bench.kept:
        bench.kept[key] = _respond(bench, model, layer, report)
    response: LayerResponse = bench.kept[key]
    values = response.means[:, number]
    order = np.argsort(-values, kind="stable")
    drawn = np.random.default_rng(number).permutation(len(values))[:SHOWN]
    chosen = [order[:SHOWN], drawn]
    report({
        "most": response.faces[chosen[0]].tolist(), "most_values": values[chosen[0]].tolist(),
        "drawn": response.faces[chosen[1]].tolist(), "drawn_values": values[chosen[1]].tolist(),
        "faces": len(values), "regions": _profile(response.places[number]), "mean": float(values.mean()),
        "silent": float((values <= values.min() + 1e-12).mean()), "classes": _by_class(bench, response, values),
        "removed": _removed(bench, model, layer, number, response),
    })  # fmt: skip


def _respond(bench: Workbench, model: Model, layer: str, report: Report) -> LayerResponse:
    labelled = bench.data
    faces = np.sort(np.random.default_rng(0).permutation(len(labelled))[:MOST])
    counted, means, total, mass = seldom(report), [], 0.0, 0.0
    report({"done": 0, "of": len(faces)})
    for start in range(0, len(faces), PART):
        images = labelled.data.images[faces[start : start + PART]]
        (maps,) = model.engine.activations(model.input.preprocess(images), [layer])
        mean = maps.mean((1, 2))
        weight = np.maximum(mean, 0).astype(np.float64)
        total = total + np.einsum("nhwc,nc->chw", maps, weight, optimize=True)
        mass = mass + weight.sum(0)
        means.append(mean)
        counted({"done": min(start + PART, len(faces)), "of": len(faces)})
    places = total / np.maximum(mass, 1e-12)[:, None, None]
    return LayerResponse(faces, np.concatenate(means), np.asarray(places, np.float32))


def _profile(place: np.ndarray) -> dict[str, float]:
    """-> how many times more than on average the channel's map is in each region of a typical face."""
    points = (TEMPLATE[None] + 0.5) * np.array(place.shape[::-1]) / SIDE - 0.5
    masks, positive = region_masks(points, (place.shape[0], place.shape[1]))[0], np.maximum(place, 0)
    overall = float(positive.mean())
    within = (masks * positive).sum((1, 2)) / np.maximum(masks.sum((1, 2)), 1e-9)
    return {name: float(value / overall) if overall > 0 else 0.0 for name, value in zip(REGIONS, within, strict=True)}


def _by_class(bench: Workbench, response: LayerResponse, values: np.ndarray) -> list[float | None]:
    true = bench.data.true[response.faces]
    return [float(values[true == k].mean()) if (true == k).any() else None for k in range(len(bench.data.classes))]


def _removed(bench: Workbench, model: Model, layer: str, number: int, response: LayerResponse) -> list[float] | None:
    """-> by how much each class's logit changes on average where the channel is 0, None where the network cannot be entered there."""
    engine: Any = model.engine.compiled if isinstance(model.engine, FallbackEngine) else model.engine
    can_enter = supports(engine, LayerInterventions)
    if not can_enter:
        return None
    images = bench.data.data.images[response.faces[:REMOVED]]
    batch, changes = model.input.preprocess(images), []
    for start in range(0, len(batch), PART):
        part = batch[start : start + PART]
        try:
            (activation,) = engine.activations(part, [layer])
            without = activation.copy()
            without[..., number] = 0
            changes.append(engine.logits_from(part, layer, without) - engine.logits(part))
        except NotCompiledError:
            return None
    return [float(value) for value in np.concatenate(changes).mean(0)]
