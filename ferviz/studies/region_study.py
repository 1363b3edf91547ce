"""The study "regions": what each region of the face adds to each class, and how much of the heatmaps lies on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ferviz.attribution.methods.region_shapley import SPREAD
from ferviz.data.dataset import Dataset
from ferviz.emotions import canonical
from ferviz.engines.base import Array
from ferviz.evaluation.metrics import wilson
from ferviz.faces.regions import REGIONS
from ferviz.models.model import Model
from ferviz.studies.class_maps import class_maps
from ferviz.studies.region_expectation import (
    AGREEMENT,
    FACE_REGIONS,
    HUMAN,
    LEAST,
    expected,
    rank_agreement,
)  # fmt: skip
from ferviz.studies.region_scores import (
    BASE,
    FULL,
    PARTS,
    LocatedFaces,
    class_scores,
    coalition_logits,
    hidden_sets,
    hide_one,
    locate,
    shapley,
    with_merged,
)  # fmt: skip
from ferviz.studies.resampling import MIN_GROUPS, holm, mean_intervals, sign_flip_test
from ferviz.studies.study import Study, Table, rounded
from ferviz.studies.study_faces import (
    FACE_COLUMNS,
    Progress,
    StudyFaces,
    describe,
    draw_evenly,
    predict_faces,
)  # fmt: skip
from ferviz.trust.controls import centre_blob
from ferviz.trust.verdict import flat

VARIED = 70
"""Faces on which the other fills and borders are tried: they say how far a mean moves, not what it is."""

COLUMNS = [
    "class", "faces", "groups", "region", "shapley", "low", "high", "spec_low", "spec_high", "robust", "p_holm", "hide_one",
    "flips", "flips_low", "flips_high", "area", "mass", "mass_low", "mass_high", "enrichment", "over_blob", "expected",
]  # fmt: skip
"""Columns of the main table: `shapley` in log-odds of the class, with its 95 % interval and the range over fills and borders; `flips`, the
share of faces that get another class without the region; `enrichment`, log2 of the heatmap's share over the region's share of the area,
`over_blob` over a centred blob's share."""

AGREEMENTS = ["class", "profile", "rank_correlation", "rank_of_own", "eyes_less_mouth", "human_eyes_less_mouth"]
"""Columns of the table "agreement": how far a profile over the regions agrees with the AU codebook for the class, and the place of the
class among all emotions by that (1 = the class's own expectation fits best; by chance the mean is 3.5)."""


@dataclass(frozen=True)
class _Measured:
    """Numbers a face: Shapley values and losses (N, R + 1), flips, areas, masses and a blob's masses; `usable` where there is a map."""

    values: np.ndarray
    losses: np.ndarray
    flips: np.ndarray
    area: np.ndarray
    mass: np.ndarray
    blob: np.ndarray
    usable: np.ndarray


def region_study(
    model: Model,
    data: Dataset,
    *,
    faces: int = 300,
    by: str = "predicted",
    method: str = "auto",
    fill: str = BASE[0],
    variants: int = VARIED,
    seed: int = 0,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> Study:
    """Ask where a network looks for each class.

    Args:
        model: the network.
        data: labelled faces that it was not trained on.
        faces: how many, of each class as many as there are.
        by: "predicted": the evidence for the class on the faces that get it; "true": that for the label on the faces that have it.
        method: of the heatmaps.
        fill: what stands where a region is hidden.
        variants: faces on which two more fills and shifted borders are tried; 0 = none.
        seed: of the choice of faces, of fills and of resampling.
        batch_size: pictures in one pass through the network.
        progress: takes a phrase about what is done next.

    Returns:
        The study; its tables are "regions", "agreement" and "faces".
    """
    known = predict_faces(model, data, progress=progress)
    kinds = known.predicted if by == "predicted" else known.true
    chosen = known.take(draw_evenly(kinds, faces, seed))
    classes = chosen.predicted if by == "predicted" else chosen.true
    located = locate(model, chosen.data, progress)
    logits = coalition_logits(model, located, fill, batch_size=batch_size, seed=seed, progress=progress)
    maps, name = class_maps(model, chosen, classes, method, seed, batch_size, progress)
    measured = _measure(logits, classes, located, maps)
    at = draw_evenly(classes, min(variants, len(chosen)), seed)
    shifts = _shifts(model, located, logits, classes, at, fill, seed, batch_size, progress)
    table = _table(model, measured, classes, chosen.groups, shifts, seed)
    empty = int((~measured.usable).sum())
    notes = [
        *chosen.notes,
        f"{len(chosen)} of {len(known):,} faces, drawn with seed {seed}, as many of each {by} class as there are.",
        f"Shapley values are in log-odds of the class; what is hidden is filled ({fill}).",
        (
            f"spec (grey lines): the range over {len(SPREAD)} fills and borders, on {len(at)} faces; robust: its sign is the same in all "
            "(pale bars are not). A star marks what the AU codebook expects."
        ),
        *_hidden_note(chosen, logits),
        AGREEMENT,
    ]
    if located.uncertain.any():
        notes.append(f"Faces without landmarks, whose regions are a typical face's: {int(located.uncertain.sum())}.")
    if empty:
        notes.append(f"{empty} heatmaps are empty and count in no share of the heatmap.")
    return Study(
        name="regions", finding=_finding(table), **describe(model, chosen), faces=len(chosen),
        groups=len(np.unique(chosen.groups)),
        tables={
            "regions": table, "agreement": _agreement(model, measured, classes),
            "faces": [FACE_COLUMNS, *chosen.table("measured")],
        },
        arrays={"shapley": measured.values, "classes": classes, "rows": chosen.data.rows, "groups": chosen.groups, "mass": measured.mass},
        settings={
            "by": by, "faces": faces, "method": name, "variants": len(at), "seed": seed, "fill": fill,
            "template": int(located.uncertain.sum()), "labels": list(model.labels), "regions": list(PARTS),
        },
        notes=tuple(notes),
    )  # fmt: skip


def _measure(logits: Array, classes: np.ndarray, located: LocatedFaces, maps: Array) -> _Measured:
    scores = class_scores(logits, classes)
    masks = located.masks
    positive = np.maximum(maps, 0).astype(np.float64)
    total = positive.sum((1, 2))
    usable = (total > 1e-8) & np.array([not flat(heat) for heat in maps])
    shares = positive / np.where(usable, total, 1)[:, None, None]
    blob = centre_blob(*maps.shape[1:])
    hidden = logits[:, hidden_sets()].argmax(-1)
    return _Measured(
        shapley(scores), hide_one(scores), hidden != logits[:, FULL].argmax(-1)[:, None],
        with_merged(masks.mean((2, 3), dtype=np.float64)),
        with_merged(np.einsum("nrhw,nhw->nr", masks, shares, optimize=True)),
        with_merged(np.einsum("nrhw,hw->nr", masks, blob / blob.sum(), optimize=True)), usable,
    )  # fmt: skip


def _shifts(
    model: Model, located: LocatedFaces, logits: Array, classes: np.ndarray, at: np.ndarray, fill: str, seed: int,
    batch_size: int, progress: Progress | None,
) -> dict[int, np.ndarray]:  # fmt: skip
    """-> {class: (2, R + 1)}, how far the mean of a class's faces moves down and up over fills and borders."""
    if not len(at):
        return {}
    few = LocatedFaces(located.pictures[at], located.regions.take(at))
    base = shapley(class_scores(logits[at], classes[at]))
    moved = [
        shapley(class_scores(coalition_logits(model, few, other, border, batch_size, seed, progress), classes[at]))
        - base
        for other, border in SPREAD
        if (other, border) != (fill, BASE[1])
    ]
    shifts = {}
    for label in np.unique(classes[at]):
        means = np.stack([move[classes[at] == label].mean(0) for move in moved])
        shifts[int(label)] = np.stack([np.minimum(means.min(0), 0), np.maximum(means.max(0), 0)])
    return shifts


def _table(
    model: Model, m: _Measured, classes: np.ndarray, groups: np.ndarray, shifts: dict[int, np.ndarray], seed: int
) -> Table:
    per_class = [np.flatnonzero(classes == label) for label in range(len(model.labels))]
    p = np.full((len(model.labels), len(PARTS)), np.nan)
    for label, at in enumerate(per_class):
        if len(np.unique(groups[at])) >= MIN_GROUPS:
            p[label] = sign_flip_test(m.values[at], groups[at], seed=seed).single
    corrected = holm(p)
    rows: Table = [list(COLUMNS)]
    for label, at in enumerate(per_class):
        if not len(at):
            rows += [[model.labels[label], 0, 0, part, *[""] * (len(COLUMNS) - 4)] for part in PARTS]
            continue
        mapped = at[m.usable[at]]
        interval = mean_intervals(m.values[at], groups[at], seed=seed)
        mass_interval = mean_intervals(m.mass[mapped], groups[mapped], seed=seed)
        shift = shifts.get(label)
        weights = expected(canonical(model.labels[label]))
        for k, part in enumerate(PARTS):
            mean = float(m.values[at, k].mean())
            low, high = (mean + shift[0, k], mean + shift[1, k]) if shift is not None else (np.nan, np.nan)
            robust = bool(low > 0 or high < 0) if shift is not None else ""
            flips = int(m.flips[at, k].sum())
            area, mass, blob = (float(v[mapped, k].mean()) if len(mapped) else np.nan for v in (m.area, m.mass, m.blob))
            rows.append([
                model.labels[label], len(at), len(np.unique(groups[at])), part, rounded(mean), *map(rounded, interval[k]),
                rounded(low), rounded(high), robust, rounded(corrected[label, k]), rounded(m.losses[at, k].mean()),
                rounded(flips / len(at)), *map(rounded, wilson(flips, len(at))), rounded(area), rounded(mass),
                *map(rounded, mass_interval[k]), rounded(_log2(mass, area)), rounded(_log2(mass, blob)), _expected(weights, part),
            ])  # fmt: skip
    return rows


def _log2(share: float, reference: float) -> float:
    return float(np.log2(share / reference)) if share > 0 and reference > 0 else float("nan")


def _expected(weights: np.ndarray | None, part: str) -> float | str:
    if weights is None:
        return ""
    if part in FACE_REGIONS:
        return float(weights[FACE_REGIONS.index(part)])
    if part == "background":
        return 0.0
    return round(float(weights[FACE_REGIONS.index("brows")] + weights[FACE_REGIONS.index("eyes")]), 4)


def _agreement(model: Model, m: _Measured, classes: np.ndarray) -> Table:
    rows: Table = [list(AGREEMENTS)]
    face = slice(1, len(REGIONS))
    upper, mouth = [REGIONS.index("brows"), REGIONS.index("eyes")], REGIONS.index("mouth")
    emotions = [canonical(name) for name in model.labels]
    for label, emotion in enumerate(emotions):
        at = classes == label
        own = expected(emotion)
        if own is None or at.sum() < MIN_GROUPS:
            continue
        mapped = at & m.usable
        area = m.area[at].mean(0)
        profiles = {"regions (Shapley)": m.values[at].mean(0), "uniform": area, "centre blob": m.blob[at].mean(0)}
        if mapped.any():
            profiles["heatmap"] = m.mass[mapped].mean(0)
        for name, profile in profiles.items():
            others = {
                e: rank_agreement(profile[face], weights) for e in emotions if (weights := expected(e)) is not None
            }
            better = sum(value > others[emotion] for value in others.values())
            difference = profile[upper].sum() - profile[mouth]
            rows.append(
                [
                    model.labels[label],
                    name,
                    rounded(others[emotion], 3),
                    1 + better,
                    rounded(difference, 3),
                    HUMAN[emotion],
                ]
            )
    return rows


def _hidden_note(chosen: StudyFaces, logits: Array) -> list[str]:
    hidden = logits[:, 0].argmax(-1)
    label = int(np.bincount(hidden).argmax())
    share = float((hidden == label).mean())
    name = chosen.labels[label]
    if share < 0.5:
        return []
    return [
        f"With everything hidden the network says {name} on {100 * share:.0f} % of the faces: values for {name} are lower bounds."
    ]


def _finding(table: Table) -> str:
    """-> for each class with an interval the region with the largest value, of those whose interval and range exclude 0."""
    at = {name: k for k, name in enumerate(table[0])}
    words = []
    for label in dict.fromkeys(row[0] for row in table[1:]):
        rows = [row for row in table[1:] if row[0] == label and row[at["region"]] in REGIONS and row[at["low"]] != ""]
        sure = [row for row in rows if row[at["low"]] > 0 and row[at["robust"]] is not False]
        if sure:
            best = max(sure, key=lambda row: row[at["shapley"]])
            words.append(f"{label} on the {best[at['region']]} ({best[at['shapley']]:+.1f})")
        elif rows:
            words.append(f"{label} on no region for sure")
    return (
        f"The network rests {', '.join(words)}, in log-odds."
        if words
        else "There are too few faces of each class to say."
    )


def is_expected(weight: float | str) -> bool:
    """Return whether the AU codebook expects a region to matter.

    Args:
        weight: the cell of the column `expected`.
    """
    return weight != "" and float(weight) >= LEAST
