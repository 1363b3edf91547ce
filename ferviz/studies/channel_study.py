"""The study "channels": a layer under the microscope, a line for each channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ferviz.attribution.maps.resize import resize_maps
from ferviz.data.dataset import Dataset
from ferviz.dreaming.ascent.border import border_reach
from ferviz.engines.base import Array
from ferviz.engines.protocols import LayerInterventions, require
from ferviz.errors import ModelError, UsageError
from ferviz.faces.regions import REGIONS
from ferviz.models.model import Model
from ferviz.numerics import logsumexp
from ferviz.studies.channel_dreams import ChannelDreams, dream_channels
from ferviz.studies.region_scores import locate
from ferviz.studies.resampling import mean_intervals
from ferviz.studies.study import Study, Table, rounded
from ferviz.studies.study_faces import FACE_COLUMNS, Progress, StudyFaces, describe, draw_evenly, predict_faces

SHOWN = 3
"""Faces that are shown of each channel, each of another group."""

MAX_VALUES = 1 << 29
"""Activations that are held at once: 2 GB."""

COLUMNS = [
    "rank", "channel", "cost", "low", "high", "accuracy_lost", "most_for", "hurts_most", "region", "enrichment", "active",
]  # fmt: skip
"""Columns of the main table: `cost`, how far the log-odds of the label fall, mean of the classes, when the channel is held at its mean,
with its 95 % interval; `accuracy_lost`, the share of the faces that are no longer right, less those that become right; `most_for`, the
class with the largest weight; `hurts_most`, the class that it costs most; `region`, that over whose area the channel's activation is
highest, by the factor 2^enrichment; `active`, the share of the faces on which it is not silent."""


@dataclass(frozen=True)
class _Layer:
    """What N faces do: activations (N, h, w, C), the gradients of the K logits summed over the map (N, K, C), and the logits (N, K)."""

    activation: Array
    weights: Array
    logits: Array


def channel_study(
    model: Model,
    data: Dataset,
    *,
    layer: str | None = None,
    faces: int = 300,
    dreams: int = 12,
    steps: int = 64,
    seed: int = 0,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> Study:
    """Look at every channel of a layer: what excites it, where on the face, what it says about the classes, what it is worth.

    Args:
        model: the network.
        data: labelled faces that it was not trained on.
        layer: a layer whose output is a map; None = the default one.
        faces: how many, of each label as many as there are.
        dreams: of how many channels, those that cost most, dreams and faces are shown; 0 = none.
        steps: of gradient ascent for a dream.
        seed: of the choice of faces, of resampling and of the dreams.
        batch_size: pictures in one pass through the network.
        progress: takes a phrase about what is done next.

    Returns:
        The study; its tables are "channels", "costs" and "weights" (a column a class), "regions" (a column a region) and "faces". Its
        arrays are `images` (S, 3, H, W), the faces that excite the shown channels most, `boxes` (S, 3, 4), what the most excited cell
        sees (left, top, right, bottom), `dreams` (S, h, w[, 3]) and `patches` (S, p, q[, 3]), what one cell sees of the dream.

    Raises:
        UnknownNameError: there is no such layer.
        UsageError: the layer has no map, or too large a one for so many faces.
        ModelError: the engine cannot change a layer.
    """
    name = model.default_layer()[0] if layer is None else layer
    if not model.layer(name).spatial or len(model.layer(name).shape) != 3:
        raise UsageError(f"layer {name!r} is not a map of channels; name a convolution")
    engine = require(model.engine, LayerInterventions, "the study channels")
    known = predict_faces(model, data, progress=progress)
    chosen = known.take(draw_evenly(known.true, faces, seed))
    seen = _look(model, chosen, name, batch_size, progress)
    drops, lost = _ablate(model, engine, chosen, name, seen, batch_size, progress)
    profile = _profile(model, chosen, seen.activation, progress)
    cost = _macro(drops, chosen.true)
    order = np.argsort(-cost, kind="stable")
    interval = _cost_intervals(drops, chosen, seed)
    per_class = np.stack([_mean(drops[chosen.true == k]) for k in range(len(chosen.labels))])
    weights = seen.weights.mean(0, dtype=np.float64)
    shown = order[:dreams]
    best = [strongest(seen.activation[..., c], chosen.groups) for c in shown]
    places = [cells_of(seen.activation[at, :, :, c]) for c, at in zip(shown, best, strict=True)]
    dreamt = dream_channels(
        model, name, shown.tolist(), seen.activation.shape[1:3], chosen.data.images, steps, seed, progress
    )
    active = (np.abs(seen.activation).max((1, 2)) > 0).mean(0)
    main: Table = [list(COLUMNS)]
    for rank, c in enumerate(order, start=1):
        top = int(np.nanargmax(profile[c])) if np.isfinite(profile[c]).any() else None
        main.append([
            rank, int(c), rounded(cost[c]), *map(rounded, interval[c]), rounded(lost[c]), chosen.labels[int(weights[:, c].argmax())],
            _named(chosen.labels, per_class[:, c]), "" if top is None else REGIONS[top], "" if top is None else rounded(profile[c, top]),
            rounded(active[c]),
        ])  # fmt: skip
    listed = [
        row for c, at in zip(shown, best, strict=True) for row in chosen.take(at).table(f"excites channel {int(c)}")
    ]
    return Study(
        name="channels", finding=_finding(name, main), **describe(model, chosen), faces=len(chosen), groups=len(np.unique(chosen.groups)),
        tables={
            "channels": main, "costs": _by_channel(order, chosen.labels, per_class), "weights": _by_channel(order, chosen.labels, weights),
            "regions": _by_channel(order, REGIONS, profile.T), "faces": [FACE_COLUMNS, *listed],
        },
        arrays=_arrays(chosen, best, places, dreamt),
        settings={
            "layer": name, "faces": faces, "dreams": len(shown), "steps": steps, "seed": seed, "labels": list(chosen.labels),
            "channels": len(order), "map": list(seen.activation.shape[1:3]),
        },
        notes=(*chosen.notes, *_notes(model, name, chosen, known, dreamt, seed)),
    )  # fmt: skip


def _look(model: Model, chosen: StudyFaces, layer: str, batch_size: int, progress: Progress | None) -> _Layer:
    count, cells = len(chosen.labels), int(np.prod([side or 64 for side in model.layer(layer).shape]))
    if len(chosen) * cells > MAX_VALUES:
        size = f"{4 * len(chosen) * cells / 1e9:.1f} GB for {len(chosen):,} faces"
        raise UsageError(
            f"the activations of {layer} have {size}; take fewer faces (--faces, faces=), or a later layer"
        )
    batch_size = max(1, min(batch_size, MAX_VALUES // 8 // (count * cells)))
    activations, sums, answers = [], [], []
    for start in range(0, len(chosen), batch_size):
        if progress:
            progress(f"activations of {layer}, {start:,} of {len(chosen):,} faces")
        batch = model.preprocess(chosen.data.images[start : start + batch_size])
        weights = np.broadcast_to(np.eye(count, dtype=np.float32), (len(batch), count, count))
        activation, gradient, logits = model.engine.gradients(batch, layer, np.ascontiguousarray(weights))
        activations.append(activation)
        sums.append(gradient.sum((2, 3)))
        answers.append(logits)
    return _Layer(np.concatenate(activations), np.concatenate(sums), np.concatenate(answers))


def _ablate(
    model: Model, engine: LayerInterventions, chosen: StudyFaces, layer: str, seen: _Layer, batch_size: int,
    progress: Progress | None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """-> (N, C), how far the log-odds of each face's label fall when a channel is held at its mean, and (C,) the accuracy lost."""
    activation = seen.activation
    means = activation.mean((0, 1, 2))
    channels = activation.shape[-1]
    drops, lost = np.empty((len(chosen), channels)), np.zeros(channels)
    full = log_odds(seen.logits, chosen.true)
    right = seen.logits.argmax(1) == chosen.true
    for start in range(0, len(chosen), batch_size):
        at = slice(start, start + batch_size)
        batch = model.preprocess(chosen.data.images[at])
        for c in range(channels):
            if progress and c % 32 == 0:
                progress(f"without channel {c} of {channels}, {start:,} of {len(chosen):,} faces")
            changed = activation[at].copy()
            changed[..., c] = means[c]
            logits = engine.logits_from(batch, layer, changed)
            drops[at, c] = full[at] - log_odds(logits, chosen.true[at])
            lost[c] += (right[at] & (logits.argmax(1) != chosen.true[at])).sum() - (
                ~right[at] & (logits.argmax(1) == chosen.true[at])
            ).sum()
    return drops, lost / len(chosen)


def log_odds(logits: Array, classes: np.ndarray) -> np.ndarray:
    """Return the log-odds of one class of each face against all others.

    Args:
        logits: (N, K).
        classes: (N,).

    Returns:
        (N,) float64.
    """
    values, at = logits.astype(np.float64), np.arange(len(logits))
    own = values[at, classes].copy()
    values[at, classes] = -np.inf
    return np.asarray(own - logsumexp(values))


def _profile(model: Model, chosen: StudyFaces, activation: Array, progress: Progress | None) -> np.ndarray:
    """-> (C, R), log2 of the share of a channel's positive activation that lies on a region over the region's share of the area."""
    located = locate(model, chosen.data, progress)
    height, width = located.regions.size
    cells = np.eye(int(np.prod(activation.shape[1:3])), dtype=np.float32).reshape(-1, *activation.shape[1:3])
    spread = resize_maps(cells, height, width)  # what one cell paints
    shares = np.zeros((activation.shape[-1], len(REGIONS)))
    counts = np.zeros(activation.shape[-1])
    area = located.masks.mean((0, 2, 3), dtype=np.float64)
    for masks, own in zip(located.masks, activation, strict=True):
        # (cells, R), then (C, R): how much of each region a cell paints, weighted by what the channel does there
        painted = np.einsum("shw,rhw->sr", spread, masks, optimize=True)
        positive = np.maximum(own, 0).reshape(-1, own.shape[-1]).astype(np.float64)
        mass = positive.T @ painted
        total = mass.sum(1)
        seen = total > 0
        shares[seen] += mass[seen] / total[seen, None]
        counts += seen
    mean = np.divide(shares, counts[:, None], out=np.full_like(shares, np.nan), where=counts[:, None] > 0)
    with np.errstate(divide="ignore"):
        return np.where(mean > 0, np.log2(mean / area), np.nan)


def strongest(maps: Array, groups: np.ndarray, count: int = SHOWN) -> np.ndarray:
    """Return the faces that excite a channel most, (S,), each of another group, the first first.

    Args:
        maps: (N, h, w) of the channel.
        groups: (N,).
        count: how many, at most.
    """
    order = np.argsort(-maps.max((1, 2)), kind="stable")
    _, first = np.unique(groups[order], return_index=True)
    return order[np.sort(first)[:count]]


def cells_of(maps: Array) -> np.ndarray:
    """Return the most excited cell of each map, (S, 2) row and column.

    Args:
        maps: (S, h, w).
    """
    return np.stack(np.unravel_index(maps.reshape(len(maps), -1).argmax(1), maps.shape[1:]), axis=1)


def _macro(drops: np.ndarray, true: np.ndarray) -> np.ndarray:
    return np.mean([drops[true == k].mean(0) for k in np.unique(true)], axis=0)  # type: ignore[no-any-return]


def _cost_intervals(drops: np.ndarray, chosen: StudyFaces, seed: int) -> np.ndarray:
    """-> (C, 2): faces are weighted so that every class counts alike."""
    counts = np.bincount(chosen.true, minlength=len(chosen.labels))
    weights = len(chosen) / (np.count_nonzero(counts) * counts[chosen.true])
    return mean_intervals(drops * weights[:, None], chosen.groups, seed=seed)


def _mean(values: np.ndarray) -> np.ndarray:
    mean: np.ndarray = values.mean(0) if len(values) else np.full(values.shape[1], np.nan)
    return mean


def _named(labels: Sequence[str], values: np.ndarray) -> str:
    return labels[int(np.nanargmax(values))] if np.nanmax(values) > 0 else ""


def _by_channel(order: np.ndarray, names: Sequence[str], values: np.ndarray) -> Table:
    return [["channel", *names], *([int(c), *(rounded(v) for v in values[:, c])] for c in order)]


def _arrays(
    chosen: StudyFaces, best: Sequence[np.ndarray], places: Sequence[np.ndarray], dreamt: ChannelDreams
) -> dict[str, np.ndarray]:
    count = min((len(at) for at in best), default=0)
    images = chosen.data.images
    shown = np.stack([images[at[:count]] for at in best]) if best else np.zeros((0, 0, *images.shape[1:]), np.uint8)
    cells = np.stack([cell[:count] for cell in places]) if places else np.zeros((0, 0, 2), np.int64)
    return {
        "images": shown,
        "cells": cells,
        "boxes": dreamt.boxes(cells),
        "dreams": dreamt.dreams,
        "patches": dreamt.patches,
    }


def _notes(
    model: Model, layer: str, chosen: StudyFaces, known: StudyFaces, dreamt: ChannelDreams, seed: int
) -> list[str]:
    notes = [
        f"{len(chosen)} of {len(known):,} faces, drawn with seed {seed}, as many of each label as there are.",
        (
            "Cost: how far the log-odds of the label fall, mean of the classes, when the channel is held at its mean over these faces. "
            "Channels stand in for each other, so that costs do not add up."
        ),
        "Weight: the mean gradient of a class's logit, summed over the map. Regions: share of the positive activation over the area's.",
    ]
    reach = _reach(model, layer)
    if len(dreamt.dreams):
        border = "cells along the border, which see the padding, do not count; " if reach else ""
        notes.append(f"Dreams: {border}the small picture is what the most excited of the cells sees.")
    notes += [dreamt.note] if dreamt.note else []
    return notes


def _reach(model: Model, layer: str) -> int:
    try:
        return border_reach(model, layer)
    except ModelError:
        return 0


def _finding(layer: str, main: Table) -> str:
    at = {name: k for k, name in enumerate(COLUMNS)}
    sure = [row for row in main[1:] if row[at["low"]] != "" and row[at["low"]] > 0]
    total = len(main) - 1
    if not sure:
        return f"Of the {total} channels of {layer} none costs anything for sure when it is taken away alone."
    first = sure[0]
    hurts = f", most for {first[at['hurts_most']]}" if first[at["hurts_most"]] else ""
    place = f"; it is active above all on the {first[at['region']]}" if first[at["region"]] else ""
    return (
        f"Of the {total} channels of {layer} {len(sure)} cost something for sure; channel {first[at['channel']]} costs most, "
        f"{first[at['cost']]:.2f} log-odds of the label{hurts}{place}."
    )
