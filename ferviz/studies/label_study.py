"""The study "labels": which labels of a data set a network doubts most. It lists them for a person to look at, and changes none."""

from __future__ import annotations

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.data.ferplus import COLUMNS as VOTE_COLUMNS
from ferviz.data.ferplus import majority
from ferviz.emotions import FERPLUS, canonical
from ferviz.models.model import Model
from ferviz.studies.study import Study, Table, rounded
from ferviz.studies.study_faces import Progress, StudyFaces, describe, predict_faces

COLUMNS = [
    "rank", "row", "split", "label", "doubt", "predicted", "confidence", "second", "same_picture_other_label", "votes_majority",
    "votes_for_label", "votes_for_majority",
]  # fmt: skip
"""Columns of the main table: `doubt` is 1 less the probability of the label; the votes are FERPlus', where the data has them."""

DOUBT = (
    "Doubt is 1 less the probability of the label. The list is for a person to look at: no label was changed, and a network "
    "repeats what is systematically wrong in the labels that it learned from."
)

SHOWN = 32
"""Faces that the picture shows."""


def label_study(
    model: Model,
    data: Dataset,
    *,
    faces: int = 300,
    seed: int = 0,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> Study:
    """Rank the labels of a data set by how little a network believes them.

    Args:
        model: the network, which must not have been trained on these faces: it would have learned the labels by heart.
        data: the labelled faces.
        faces: how many of the most doubtful ones are listed.
        seed: not used; studies share their arguments.
        batch_size: not used either.
        progress: takes a phrase about what is done next.

    Returns:
        The study; its tables are "labels" and "classes". No label is changed.
    """
    known = predict_faces(model, data, progress=progress)
    doubt = 1 - known.probabilities[np.arange(len(known)), known.true].astype(np.float64)
    order = np.argsort(-doubt, kind="stable")[:faces]
    votes = None if known.data.votes is None else known.data.votes
    best = None if votes is None else majority(votes)
    conflicts = _conflicts(known)
    rows: Table = [list(COLUMNS)]
    for rank, at in enumerate(order, start=1):
        ranked = np.argsort(-known.probabilities[at], kind="stable")
        rows.append([
            rank, int(known.data.rows[at]), str(known.data.split[at]), known.labels[known.true[at]], rounded(doubt[at]),
            known.labels[ranked[0]], rounded(known.probabilities[at, ranked[0]]),
            known.labels[ranked[1]] if len(ranked) > 1 else "", ", ".join(conflicts.get(int(at), ())), *_votes(known, votes, best, at),
        ])  # fmt: skip
    listed = known.take(order[:SHOWN])
    notes = [
        *known.notes,
        DOUBT,
    ]
    training = [split for split in known.data.splits if split.lower() in ("training", "train")]
    if training:
        notes.append(
            f"{', '.join(training)}: a network knows the labels that it was trained on by heart; study another split."
        )
    return Study(
        name="labels", finding=_finding(known, doubt, best, order), **describe(model, known), faces=len(known),
        groups=len(np.unique(known.groups)), tables={"labels": rows, "classes": _classes(known, doubt, best)},
        arrays={"images": listed.data.images, "rows": known.data.rows, "doubt": doubt}, settings={"faces": faces},
        notes=tuple(notes),
    )  # fmt: skip


def _conflicts(known: StudyFaces) -> dict[int, tuple[str, ...]]:
    """-> {face: the other labels that its picture has elsewhere in the data}."""
    groups, conflicts = known.groups, {}
    _, counts = np.unique(groups, return_counts=True)
    for group in np.flatnonzero(counts > 1):
        at = np.flatnonzero(groups == group)
        labels = {known.labels[label] for label in known.true[at]}
        if len(labels) > 1:
            for face in at:
                conflicts[int(face)] = tuple(sorted(labels - {known.labels[known.true[face]]}))
    return conflicts


def _votes(known: StudyFaces, votes: np.ndarray | None, best: np.ndarray | None, at: int) -> list[object]:
    """-> the name with the most votes, the votes for the label, and those for that name."""
    if votes is None or best is None:
        return ["", "", ""]
    name = canonical(known.labels[known.true[at]])
    own = int(votes[at, FERPLUS.index(name)]) if name in FERPLUS else ""
    first = int(votes[at].argmax())
    return [
        FERPLUS[best[at]] if best[at] >= 0 else f"none ({canonical(VOTE_COLUMNS[first])})",
        own,
        int(votes[at, first]),
    ]


def vote_matches(known: StudyFaces, classes: np.ndarray) -> np.ndarray:
    """Return whether FERPlus' majority is a class, (N,) float; NaN where there are no votes or no majority.

    Args:
        known: the faces.
        classes: (N,), an index into their labels.
    """
    if known.data.votes is None:
        return np.full(len(known), np.nan)
    best = majority(known.data.votes)
    names = np.array([canonical(name) for name in known.labels])[classes]
    same = names == np.array([*FERPLUS, ""])[best]
    return np.where(best < 0, np.nan, same.astype(float))


def _classes(known: StudyFaces, doubt: np.ndarray, best: np.ndarray | None) -> Table:
    rows: Table = [["class", "faces", "mean_doubt", "doubt_above_0.9", "votes_disagree"]]
    agree = vote_matches(known, known.true)
    for label, name in enumerate(known.labels):
        own = known.true == label
        if not own.any():
            rows.append([name, 0, "", "", ""])
            continue
        voted = agree[own][np.isfinite(agree[own])]
        share = rounded(1 - voted.mean()) if best is not None and len(voted) else ""
        rows.append([name, int(own.sum()), rounded(doubt[own].mean()), int((doubt[own] > 0.9).sum()), share])
    return rows


def _finding(known: StudyFaces, doubt: np.ndarray, best: np.ndarray | None, order: np.ndarray) -> str:
    high = int((doubt > 0.9).sum())
    sentence = f"The network gives {high:,} of {len(known):,} labels less than 0.1."
    agree = vote_matches(known, known.true)
    top = agree[order[:100]]
    top = top[np.isfinite(top)]
    if best is None or not len(top):
        return sentence
    every = agree[np.isfinite(agree)]
    return (
        f"{sentence[:-1]}; of the {len(top)} most doubtful labels with a majority of votes {100 * (1 - top.mean()):.0f} % differ from "
        f"that majority, of all labels {100 * (1 - every.mean()):.0f} %."
    )
