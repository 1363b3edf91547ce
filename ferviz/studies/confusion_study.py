"""The study "confusions": for each common mistake the regions that push the network to it, and the faces behind it."""

from __future__ import annotations

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.evaluation.metrics import confusion, wilson
from ferviz.models.model import Model
from ferviz.studies.label_study import vote_matches
from ferviz.studies.region_scores import (
    BASE,
    PARTS,
    coalition_logits,
    contrast_scores,
    hidden_sets,
    locate,
    shapley,
)  # fmt: skip
from ferviz.studies.resampling import benjamini_hochberg, mean_intervals, shuffle_test
from ferviz.studies.study import Study, Table, rounded
from ferviz.studies.study_faces import FACE_COLUMNS, Progress, StudyFaces, describe, predict_faces

MIN_CELL = 20
"""A cell of fewer faces bears no numbers: its faces are shown."""

MEDOIDS = 3
SHOWN = MEDOIDS + 1
"""Faces of a cell that are shown: those nearest its mean, and the one farthest from it."""

CELLS = [
    "true",
    "predicted",
    "cell_faces",
    "measured",
    "right",
    "mean_confidence",
    "votes_agree_with_network",
    "votes_counted",
    "contrast",
]
COLUMNS = [
    "true", "predicted", "region", "contrast", "low", "high", "difference", "difference_low", "difference_high", "q",
    "repair", "repair_low", "repair_high", "harm", "harm_low", "harm_high",
]  # fmt: skip
"""Columns of the main table: `contrast`, the region's Shapley value for the predicted class against the label, in logits; `difference`,
how much higher it is than on faces of the label that are predicted right; `repair`, the share of the cell's faces that get their label when
the region is hidden; `harm`, the share of the rightly predicted that lose it."""


def confusion_study(
    model: Model,
    data: Dataset,
    *,
    faces: int = 300,
    cells: int = 6,
    fill: str = BASE[0],
    seed: int = 0,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> Study:
    """Ask why faces of one class are called another.

    Args:
        model: the network.
        data: labelled faces that it was not trained on, with FERPlus' votes where there are some.
        faces: how many are measured, divided among the cells and their references; few are kept for the heaviest cells, so that these
            have numbers, and of the others some faces are shown.
        cells: of the confusion matrix, those with the most faces, weighted by the network's confidence.
        fill: what stands where a region is hidden.
        seed: of the choice of faces and of resampling.
        batch_size: pictures in one pass through the network.
        progress: takes a phrase about what is done next.

    Returns:
        The study; its tables are "confusions", "cells" and "faces".
    """
    known = predict_faces(model, data, progress=progress)
    chosen = _rank(known)[:cells]
    rng = np.random.default_rng(seed)
    counts = faces_of_cells(faces, len(chosen))
    pools = {cell: _drawn(known, *cell, count, rng) for cell, count in zip(chosen, counts, strict=True)}
    # The heaviest cell of a label comes first, and has the most faces.
    for (true, _), count in zip(chosen, counts, strict=True):
        pools.setdefault((true, true), _drawn(known, true, true, count if count > SHOWN else 0, rng))
    measured = np.unique(np.concatenate([*pools.values(), np.zeros(0, np.int64)]))
    part = known.take(measured)
    main: Table = [list(COLUMNS)]
    overview: Table = [list(CELLS)]
    listed: Table = [FACE_COLUMNS]
    images = np.zeros((0, *known.data.images.shape[1:]), np.uint8)
    uncertain = 0
    if len(measured):
        located = locate(model, part.data, progress)
        uncertain = int(located.uncertain.sum())
        logits = coalition_logits(model, located, fill, batch_size=batch_size, seed=seed, progress=progress)
        shown: list[int] = []
        for cell in chosen:
            own, reference = (np.searchsorted(measured, pools[key]) for key in (cell, (cell[0], cell[0])))
            rows, best = _cell(known, part, logits, cell, own, reference, seed)
            main += rows
            overview.append(_overview(known, cell, (len(own), len(reference)), logits, own))
            listed += [
                row
                for number, at in enumerate(best)
                for row in part.take(np.array([at])).table(_role(known, cell, number))
            ]
            shown += best
        images = part.data.images[shown]
    _correct(main)
    small = [
        f"{known.labels[t]} as {known.labels[p]}"
        for t, p in chosen
        if min(len(pools[t, p]), len(pools[t, t])) < MIN_CELL
    ]
    notes = [
        *known.notes,
        f"Measured on {len(part)} of {len(known):,} faces, drawn with seed {seed}.",
        "Contrast: Shapley values of the regions for the predicted class against the label, in logits. q: Benjamini and Hochberg.",
    ]
    if small:
        notes.append(
            f"Fewer than {MIN_CELL} faces of the mistake or of the rightly predicted were measured, so without numbers: "
            f"{', '.join(small)}."
        )
    if uncertain:
        notes.append(f"{uncertain} faces show no landmarks: their regions are a typical face's.")
    return Study(
        name="confusions", finding=_finding(main, overview), **describe(model, known), faces=len(part),
        groups=len(np.unique(part.groups)), tables={"confusions": main, "cells": overview, "faces": listed},
        arrays={"images": images, "matrix": confusion(known.true, known.predicted, len(known.labels))},
        settings={"faces": faces, "cells": cells, "fill": fill, "seed": seed, "labels": list(known.labels), "regions": list(PARTS)},
        notes=tuple(notes),
    )  # fmt: skip


def faces_of_cells(faces: int, cells: int) -> list[int]:
    """Return how many faces of each cell are measured, and as many of its label that are predicted right.

    Args:
        faces: how many there are to measure in all.
        cells: how many cells, the heaviest first.

    Returns:
        Where `faces` are enough for MIN_CELL of every cell and of its reference, as many of each; else that of the first ones, and
        of the others those that are shown, without a reference.
    """
    if not cells:
        return []
    full = min(cells, max(1, (faces - SHOWN * cells) // (2 * MIN_CELL - SHOWN)))
    each = max(SHOWN, (faces - SHOWN * (cells - full)) // (2 * full))
    return [each] * full + [SHOWN] * (cells - full)


def _rank(known: StudyFaces) -> list[tuple[int, int]]:
    """-> the cells off the diagonal, the one with the most confident faces first."""
    weights = np.zeros((len(known.labels), len(known.labels)))
    np.add.at(weights, (known.true, known.predicted), known.confidence)
    np.fill_diagonal(weights, 0)
    order = np.argsort(-weights, axis=None, kind="stable")
    return [(int(at // len(weights)), int(at % len(weights))) for at in order if weights.flat[at] > 0]


def _drawn(known: StudyFaces, true: int, predicted: int, count: int, rng: np.random.Generator) -> np.ndarray:
    at = np.flatnonzero((known.true == true) & (known.predicted == predicted))
    return np.sort(rng.permutation(at)[:count])


def _cell(
    known: StudyFaces,
    part: StudyFaces,
    logits: np.ndarray,
    cell: tuple[int, int],
    own: np.ndarray,
    reference: np.ndarray,
    seed: int,
) -> tuple[Table, list[int]]:
    """-> a row for each region, and the faces to show: those nearest the cell's mean, and the one farthest from it."""
    true, predicted = cell
    values = shapley(contrast_scores(logits, predicted, true))
    plain = values[own][:, : len(PARTS) - 1]
    distance = ((plain - plain.mean(0)) ** 2).sum(1)
    order = own[np.argsort(distance, kind="stable")]
    best = [int(at) for at in dict.fromkeys([*order[:MEDOIDS], order[-1]])]
    if len(own) < MIN_CELL or len(reference) < MIN_CELL:
        return [], best
    answers = logits[:, hidden_sets()].argmax(-1)
    repaired, harmed = (answers[own] == true).sum(0), (answers[reference] != true).sum(0)
    interval = mean_intervals(values[own], part.groups[own], seed=seed)
    both = np.concatenate([own, reference])
    test = shuffle_test(values[both], np.arange(len(both)) < len(own), seed=seed)
    between = _difference_intervals(values[own], values[reference], part.groups[own], part.groups[reference], seed)
    difference = values[own].mean(0) - values[reference].mean(0)
    rows: Table = [
        [
            known.labels[true], known.labels[predicted], name, rounded(values[own, k].mean()), *map(rounded, interval[k]),
            rounded(difference[k]), *map(rounded, between[k]), rounded(test.single[k]),
            rounded(repaired[k] / len(own)), *map(rounded, wilson(int(repaired[k]), len(own))),
            rounded(harmed[k] / len(reference)), *map(rounded, wilson(int(harmed[k]), len(reference))),
        ]
        for k, name in enumerate(PARTS)
    ]  # fmt: skip
    return rows, best


def _difference_intervals(
    first: np.ndarray, second: np.ndarray, first_groups: np.ndarray, second_groups: np.ndarray, seed: int
) -> np.ndarray:
    """-> (M, 2): the difference of two means, each with its half-widths, which add as squares because the faces differ."""
    a, b = mean_intervals(first, first_groups, seed=seed), mean_intervals(second, second_groups, seed=seed + 1)
    mean_a, mean_b = first.mean(0), second.mean(0)
    low = np.hypot(mean_a - a[:, 0], b[:, 1] - mean_b)
    high = np.hypot(a[:, 1] - mean_a, mean_b - b[:, 0])
    return np.stack([mean_a - mean_b - low, mean_a - mean_b + high], axis=1)


def _correct(main: Table) -> None:
    """Replace the p-values of all rows by their q-values."""
    at = COLUMNS.index("q")
    q = benjamini_hochberg(np.array([np.nan if row[at] == "" else row[at] for row in main[1:]], np.float64))
    for row, value in zip(main[1:], q, strict=True):
        row[at] = rounded(value)


def _overview(
    known: StudyFaces, cell: tuple[int, int], measured: tuple[int, int], logits: np.ndarray, own: np.ndarray
) -> list[object]:
    true, predicted = cell
    at = (known.true == true) & (known.predicted == predicted)
    votes = vote_matches(known.take(at), known.predicted[at])
    votes = votes[np.isfinite(votes)]
    contrast = contrast_scores(logits[own], predicted, true)[:, -1].mean()
    return [
        known.labels[true], known.labels[predicted], int(at.sum()), *measured, rounded(known.confidence[at].mean()),
        rounded(votes.mean()) if len(votes) else "", len(votes) or "", rounded(contrast),
    ]  # fmt: skip


def _role(known: StudyFaces, cell: tuple[int, int], number: int) -> str:
    kind = "typical" if number < MEDOIDS else "unlike the others"
    return f"{known.labels[cell[0]]} as {known.labels[cell[1]]}: {kind}"


def _finding(main: Table, overview: Table) -> str:
    if len(overview) == 1:
        return "The network makes no mistake on these faces."
    at = {name: k for k, name in enumerate(COLUMNS)}
    first = overview[1]
    cell = f"{first[0]} is called {first[1]} on {first[2]} {'face' if first[2] == 1 else 'faces'}"
    rows = [row for row in main[1:] if row[:2] == first[:2] and row[2] != PARTS[-1]]
    sure = [row for row in rows if row[at["q"]] != "" and row[at["q"]] < 0.05 and row[at["difference"]] > 0]
    push, agree = "", CELLS.index("votes_agree_with_network")
    if sure:
        best = max(sure, key=lambda row: row[at["difference"]])
        push = f", pushed most by the {best[2]} ({best[at['difference']]:+.1f} logits against the rightly predicted)"
    votes = (
        ""
        if first[agree] == ""
        else f"; FERPlus' majority agrees with the network on {100 * float(first[agree]):.0f} % of them"
    )
    return f"The heaviest mistake: {cell}{push}{votes}."
