"""The study "compare": where two networks look differently, on the same faces and for the same answer, the label."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from ferviz.attribution.attribution_job import AttributionJob
from ferviz.attribution.methods.registry import AUTO
from ferviz.data.dataset import Dataset
from ferviz.emotions import canonical
from ferviz.errors import DataError
from ferviz.evaluation.metrics import mcnemar
from ferviz.models.model import Model, as_model
from ferviz.studies.alignment import ALIGNED, align, masked_mean, unit_mean
from ferviz.studies.class_maps import class_maps
from ferviz.studies.region_scores import BASE, PARTS, LocatedFaces, class_scores, coalition_logits, locate, shapley
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
from ferviz.trust.recommendation import lack_of_gradients

COLUMNS = ["class", "faces", "groups", "region", "first", "second", "difference", "low", "high", "p_holm"]
"""Columns of the main table: the region's mean Shapley value for the label, in log-odds, in each network, and the mean of the paired
differences with its 95 % interval; p is corrected by Holm's method for all rows."""

ALL = "all"
"""The row of every face, whatever its label."""

SHOWN = 6
"""Faces on which only one of the two is right that are shown of each."""

COVERED = 0.8


def comparison_study(
    model: Model,
    data: Dataset,
    *,
    second: Model,
    faces: int = 200,
    method: str = AUTO,
    fill: str = BASE[0],
    seed: int = 0,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> Study:
    """Compare where two networks look.

    Args:
        model: the first network.
        data: labelled faces that neither was trained on.
        second: the second network; its labels may stand in another order, and faces of classes that either lacks are left out.
        faces: how many, of each label as many as there are.
        method: of the heatmaps; at each network's own default layer. "auto" is Grad-CAM, or occlusion where a network has no gradients.
        fill: what stands where a region is hidden.
        seed: of the choice of faces, of fills and of tests.
        batch_size: pictures in one pass through a network.
        progress: takes a phrase about what is done next.

    Returns:
        The study; its tables are "compare", "right" and "faces", its arrays `first`, `second`, `difference` (h, w), the mean maps, and `p`,
        the p-values of the difference corrected for all pixels (max-T).

    Raises:
        DataError: the two networks share fewer than two classes.
    """
    second = as_model(second)
    if method == AUTO:
        method = "occlusion" if any(map(lack_of_gradients, (model, second))) else "gradcam"
    shared = [n for n in map(canonical, model.labels) if n in set(map(canonical, second.labels))]
    if len(shared) < 2:
        raise DataError(
            f"{model.name} ({', '.join(model.labels)}) and {second.name} ({', '.join(second.labels)}) share fewer than two classes; "
            "name the outputs of each with ?labels="
        )
    names = np.array([canonical(name) for name in data.names])
    common = data.take(np.isin(names, shared)[data.labels])
    known = predict_faces(model, common, progress=progress)
    answers = common.answers  # of a run that explained the faces: the first network's, or both are the same
    unasked = common if answers is None or answers.model_sha256 == second.sha256 else replace(common, answers=None)
    other = predict_faces(second, unasked, progress=progress)
    at = draw_evenly(known.true, faces, seed)
    chosen, partner = known.take(at), other.take(at)
    located = locate(model, chosen.data, progress)
    values = _values(model, chosen, located, fill, batch_size, seed, progress)
    against = _values(second, partner, locate(second, chosen.data), fill, batch_size, seed, progress)
    main = _table(chosen, values, against, seed)
    arrays, layers = _maps((model, second), (chosen, partner), located, method, seed, batch_size, progress)
    right, listed, shown = _right(known, other)
    labels = " and ".join(f"{n.name} ({n.sha256[:8]})" for n in (model, second))
    notes = [
        *known.notes,
        *(note for note in other.notes if note not in known.notes),
        f"{len(chosen)} of {len(known):,} faces, drawn with seed {seed}. Shapley values and maps are for the label, whatever is predicted.",
        f"Maps: {method} at {layers[0]} and {layers[1]}, the finer ones blurred to the coarser, mean 1 each, aligned by landmarks.",
        f"What is said holds for these two files, {labels}: other trainings of the same networks may differ as much.",
    ]
    if located.uncertain.any():
        count = int(located.uncertain.sum())
        notes.append(
            f"{count} faces show no landmarks: their regions are a typical face's, and their maps are left out."
        )
    return Study(
        name="compare", finding=_finding(main, model, second, right), **describe(model, known), faces=len(chosen),
        groups=len(np.unique(chosen.groups)),
        tables={"compare": main, "right": right, "faces": [FACE_COLUMNS, *listed]},
        arrays={**arrays, "images": known.data.images[shown]},
        settings={
            "faces": faces, "method": method, "fill": fill, "layers": layers, "seed": seed,
            "second": second.name, "second_sha256": second.sha256,
            "labels": list(model.labels), "regions": list(PARTS),
        },
        notes=tuple(notes),
    )  # fmt: skip


def _values(
    model: Model,
    faces: StudyFaces,
    located: LocatedFaces,
    fill: str,
    batch_size: int,
    seed: int,
    progress: Progress | None,
) -> np.ndarray:
    logits = coalition_logits(model, located, fill, batch_size=batch_size, seed=seed, progress=progress)
    return shapley(class_scores(logits, faces.true))


def _table(chosen: StudyFaces, first: np.ndarray, second: np.ndarray, seed: int) -> Table:
    difference = first - second
    parts = [
        (ALL, np.arange(len(chosen))),
        *((name, np.flatnonzero(chosen.true == k)) for k, name in enumerate(chosen.labels)),
    ]
    parts = [(name, at) for name, at in parts if len(at)]
    p = np.full((len(parts), len(PARTS)), np.nan)
    for number, (_, at) in enumerate(parts):
        if len(np.unique(chosen.groups[at])) >= MIN_GROUPS:
            p[number] = sign_flip_test(difference[at], chosen.groups[at], seed=seed).single
    corrected = holm(p)
    rows: Table = [list(COLUMNS)]
    for number, (name, at) in enumerate(parts):
        interval = mean_intervals(difference[at], chosen.groups[at], seed=seed)
        groups = len(np.unique(chosen.groups[at]))
        rows += [
            [
                name, len(at), groups, part, rounded(first[at, k].mean()), rounded(second[at, k].mean()),
                rounded(difference[at, k].mean()), *map(rounded, interval[k]), rounded(corrected[number, k]),
            ]
            for k, part in enumerate(PARTS)
        ]  # fmt: skip
    return rows


def _maps(
    models: tuple[Model, Model], faces: tuple[StudyFaces, StudyFaces], located: LocatedFaces, method: str, seed: int,
    batch_size: int, progress: Progress | None,
) -> tuple[dict[str, np.ndarray], list[str]]:  # fmt: skip
    """-> the mean maps of both and what differs, and the layers."""
    aligned, layers, usable = [], [], ~located.uncertain
    pitches = [_pitch(model, method, part) for model, part in zip(models, faces, strict=True)]
    inside = np.ones((0, 0, 0), bool)
    for model, part, pitch in zip(models, faces, pitches, strict=True):
        maps, name = class_maps(model, part, part.true, method, seed, batch_size, progress)
        size = located.regions.size
        maps = np.stack([cv2.resize(heat, size[::-1], interpolation=cv2.INTER_LINEAR) for heat in maps])
        # Cells of the coarser map are about as wide as a Gaussian whose deviation is half their distance.
        blur = np.sqrt(max(max(pitches) ** 2 - pitch**2, 0)) / 2 * size[0]
        if blur > 0.1:
            maps = np.stack([cv2.GaussianBlur(heat, (0, 0), blur) for heat in maps])
        normal, has_evidence = unit_mean(maps)
        usable = usable & has_evidence
        carried, inside = align(normal, located.regions.points)
        aligned.append(carried)
        layers.append(name.removeprefix(method).strip() or "the picture")
    empty = np.full((ALIGNED, ALIGNED), np.nan, np.float32)
    if not usable.any():
        return {"first": empty, "second": empty, "difference": empty, "p": empty}, layers
    a, b, reach = aligned[0][usable], aligned[1][usable], inside[usable]
    covered = reach.sum(0) >= np.ceil(COVERED * len(reach))
    means = {"first": masked_mean(a, reach), "second": masked_mean(b, reach), "difference": masked_mean(a - b, reach)}
    arrays = {key: np.where(covered, value, np.nan).astype(np.float32) for key, value in means.items()}
    arrays["p"] = empty
    groups = faces[0].groups[usable]
    if len(np.unique(groups)) >= MIN_GROUPS:
        filled = np.where(reach, a - b, 0)[:, covered].astype(np.float64)
        arrays["p"] = empty.copy()
        arrays["p"][covered] = sign_flip_test(filled, groups, draws=2000, seed=seed).family
    return arrays, layers


def _pitch(model: Model, method: str, faces: StudyFaces) -> float:
    """-> the distance of a map's cells, as a share of the picture."""
    from ferviz.faces.crops import as_faces

    part = AttributionJob.prepare(model, method, "all").with_templates()(as_faces(faces.data.images[:1]))
    return 1 / min(part.raw.shape[2:])


def _right(first: StudyFaces, second: StudyFaces) -> tuple[Table, list[list[object]], list[int]]:
    """-> how often each is right and only one, for each label; the faces to show."""
    hits = [part.predicted == part.true for part in (first, second)]
    rows: Table = [["class", "faces", "first_right", "second_right", "only_first", "only_second", "mcnemar_p"]]
    for name, at in [(ALL, np.ones(len(first), bool)), *((n, first.true == k) for k, n in enumerate(first.labels))]:
        if at.any():
            test = mcnemar(hits[0][at], hits[1][at])
            shares = [rounded(hit[at].mean()) for hit in hits]
            rows.append([name, int(at.sum()), *shares, test.only_first, test.only_second, rounded(test.p)])
    listed: list[list[object]] = []
    shown: list[int] = []
    for role, own, mask in (
        ("only the first is right", first, hits[0] & ~hits[1]), ("only the second is right", second, hits[1] & ~hits[0])
    ):  # fmt: skip
        at = np.flatnonzero(mask)
        at = at[np.argsort(-own.confidence[at], kind="stable")][:SHOWN]
        listed += own.take(at).table(role)
        shown += at.tolist()
    return rows, listed, shown


def _finding(main: Table, first: Model, second: Model, right: Table) -> str:
    at = {name: k for k, name in enumerate(COLUMNS)}
    sure = [
        row for row in main[1:]
        if row[0] == ALL and row[at["region"]] != PARTS[-1] and row[at["p_holm"]] != "" and row[at["p_holm"]] < 0.05
    ]  # fmt: skip
    accuracy = f"{first.name} is right on {100 * float(right[1][2]):.0f} % and {second.name} on {100 * float(right[1][3]):.0f} %"
    if not sure:
        return f"{accuracy} of the faces; over all labels no region adds surely more to one than to the other."
    words = [
        f"{row[at['region']]} {row[at['difference']]:+.1f}"
        for row in sorted(sure, key=lambda row: -abs(row[at["difference"]]))[:4]
    ]
    return f"{accuracy} of the faces; what regions add to the label differs by {', '.join(words)} (first less second, log-odds)."
