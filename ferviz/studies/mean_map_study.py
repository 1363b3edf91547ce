"""The study "mean-maps": the mean face and the mean heatmap of each class, where the network is right and where it is wrong."""

from __future__ import annotations

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.engines.base import Array
from ferviz.faces.landmarks.points import SIDE, grey
from ferviz.models.model import Model
from ferviz.studies.alignment import ALIGNED, align, masked_mean, unit_mean
from ferviz.studies.class_maps import class_maps
from ferviz.studies.region_scores import locate
from ferviz.studies.resampling import MIN_GROUPS, shuffle_test
from ferviz.studies.study import Study, Table, rounded
from ferviz.studies.study_faces import (
    FACE_COLUMNS,
    Progress,
    StudyFaces,
    describe,
    draw_evenly,
    predict_faces,
)  # fmt: skip

COLUMNS = [
    "class",
    "faces",
    "right",
    "wrong",
    "groups",
    "p_smallest",
    "pixels_survive",
    "share_of_face",
    "largest_difference",
]
"""Columns of the main table: `pixels_survive`, the pixels of the aligned map in which right and wrong differ with p < 0.05, corrected for
all pixels (max-T); `p_smallest`, the smallest of these p-values."""

COVERED = 0.8
"""Only pixels that so large a share of the faces reach are tested and drawn."""


def mean_map_study(
    model: Model,
    data: Dataset,
    *,
    faces: int = 300,
    method: str = "auto",
    seed: int = 0,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> Study:
    """Average the heatmaps of each class over aligned faces.

    Args:
        model: the network.
        data: labelled faces that it was not trained on.
        faces: how many, of each label as many as there are.
        method: of the heatmaps, which show the evidence for the label.
        seed: of the choice of faces and of the test.
        batch_size: pictures in one pass through the network.
        progress: takes a phrase about what is done next.

    Returns:
        The study; its arrays are `face`, `right`, `wrong` (K, h, w), the means, `half_width` (K, h, w), half the 95 % interval of the mean
        map, and `p` (K, h, w), the corrected p-values of right against wrong; NaN where too few faces reach.
    """
    known = predict_faces(model, data, progress=progress)
    once = known.take(_first_of_group(known))
    kinds = once.true * 2 + (once.predicted != once.true)
    chosen = once.take(draw_evenly(kinds, faces, seed))
    located = locate(model, chosen.data, progress)
    maps, name = class_maps(model, chosen, chosen.true, method, seed, batch_size, progress)
    usable = located.uncertain == 0
    normal, has_evidence = unit_mean(maps)
    usable &= has_evidence
    aligned, inside = align(normal, located.regions.points)
    pictures = np.stack([grey(image, SIDE) for image in chosen.data.images]).astype(np.float32)
    size = located.regions.size
    points = (located.regions.points + 0.5) * np.array([SIDE / size[1], SIDE / size[0]]) - 0.5
    means, _ = align(pictures, points)
    shape = (len(model.labels), ALIGNED, ALIGNED)
    arrays = {key: np.full(shape, np.nan, np.float32) for key in ("face", "right", "wrong", "half_width", "p")}
    rows: Table = [list(COLUMNS)]
    for label, emotion in enumerate(model.labels):
        at = (chosen.true == label) & usable
        rows.append([emotion, *_class(arrays, label, at, chosen, aligned, inside, means, seed)])
    notes = [
        *chosen.notes,
        f"{len(chosen)} of {len(known):,} faces, drawn with seed {seed}, as many right as wrong of each label as there are.",
        (
            f"Maps ({name}) show the evidence for the label, have the mean 1 each, and are carried to the places of a typical face's eyes, "
            "nose and mouth. Lines: where right and wrong differ, p < 0.05 for all pixels of a class together (max-T)."
        ),
        f"{int((~usable).sum())} faces without landmarks or with an empty map are left out.",
    ]
    return Study(
        name="mean-maps", finding=_finding(rows), **describe(model, chosen), faces=int(usable.sum()),
        groups=len(np.unique(chosen.groups[usable])), tables={"mean-maps": rows, "faces": [FACE_COLUMNS, *chosen.table("measured")]},
        arrays=arrays, settings={"faces": faces, "method": name, "seed": seed, "labels": list(model.labels)}, notes=tuple(notes),
    )  # fmt: skip


def _first_of_group(known: StudyFaces) -> np.ndarray:
    """-> the positions of the first face of each picture and label: the faces of a test have to be independent."""
    _, first = np.unique(known.groups * len(known.labels) + known.true, return_index=True)
    return np.sort(first)


def _class(
    arrays: dict[str, np.ndarray], label: int, at: np.ndarray, chosen: StudyFaces, aligned: Array, inside: np.ndarray,
    pictures: Array, seed: int,
) -> list[object]:  # fmt: skip
    """Fill the arrays of one class; return its row of the table."""
    count = int(at.sum())
    if not count:
        return [0, 0, 0, 0, "", "", "", ""]
    right = chosen.predicted[at] == label
    values, reach = aligned[at], inside[at]
    least = max(1, int(np.ceil(COVERED * count)))
    covered = reach.sum(0) >= least
    arrays["face"][label] = masked_mean(pictures[at], reach)
    for key, part in (("right", right), ("wrong", ~right)):
        if part.any():
            arrays[key][label] = np.where(covered, masked_mean(values[part], reach[part]), np.nan)
    mean = masked_mean(values, reach)
    spread = np.sqrt(masked_mean((values - np.nan_to_num(mean)) ** 2, reach) / np.maximum(reach.sum(0), 1))
    arrays["half_width"][label] = np.where(covered & (count >= MIN_GROUPS), 1.96 * spread, np.nan)
    groups = len(np.unique(chosen.groups[at]))
    if min(right.sum(), (~right).sum()) < MIN_GROUPS:
        return [count, int(right.sum()), int((~right).sum()), groups, "", "", "", ""]
    # Where a face does not reach, it has the mean, which says nothing about the difference.
    filled = np.where(reach, values, np.nan_to_num(mean))[:, covered].astype(np.float64)
    p = shuffle_test(filled, right, seed=seed).family
    arrays["p"][label][covered] = p
    difference = np.nan_to_num(arrays["right"][label] - arrays["wrong"][label])[covered]
    largest = difference[np.abs(difference).argmax()]
    survive = int((p < 0.05).sum())
    share = rounded(survive / covered.sum())
    return [count, int(right.sum()), int((~right).sum()), groups, rounded(p.min()), survive, share, rounded(largest)]


def _finding(rows: Table) -> str:
    tested = [row for row in rows[1:] if row[COLUMNS.index("pixels_survive")] != ""]
    differ = [row[0] for row in tested if row[COLUMNS.index("pixels_survive")]]
    if not tested:
        return "There are too few right and wrong faces of any class to compare their maps."
    if not differ:
        return f"In none of the {len(tested)} classes does the mean map of wrong answers differ surely from that of right ones."
    return f"The mean map of wrong answers differs from that of right ones for {', '.join(differ)}."
