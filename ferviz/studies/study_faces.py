"""The faces of a study: matched with the network's classes, predicted once, and drawn by rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.data.duplicates import duplicate_groups
from ferviz.errors import DataError
from ferviz.evaluation.label_matching import match_labels
from ferviz.evaluation.tta import batched_logits
from ferviz.models.model import Model
from ferviz.models.prediction import check_finite
from ferviz.printable import sentence

Progress = Callable[[str], None]
"""Takes a phrase about what is done next."""


@dataclass(frozen=True, eq=False)
class StudyFaces:
    """Labelled faces and what a network says about them.

    Attributes:
        data: the faces; those of a class that the network lacks are left out.
        labels: the network's K classes.
        true: (N,) int64, the label of each face, an index into `labels`.
        probabilities: (N, K) float32.
        notes: what was left out, a sentence each.
    """

    data: Dataset = field(repr=False)
    labels: tuple[str, ...]
    true: np.ndarray = field(repr=False)
    probabilities: np.ndarray = field(repr=False)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.true)

    @cached_property
    def predicted(self) -> np.ndarray:
        """(N,) int64, the most probable classes."""
        return self.probabilities.argmax(1)

    @cached_property
    def confidence(self) -> np.ndarray:
        """(N,) float, the probability of the predicted class."""
        return self.probabilities.max(1)

    @cached_property
    def groups(self) -> np.ndarray:
        """(N,) int64, the unit of intervals: faces of one person, where the data names them, else those that are the same picture."""
        if self.data.subject is not None:
            return np.unique(self.data.subject, return_inverse=True)[1].astype(np.int64)
        return duplicate_groups(self.data.images)

    def take(self, at: np.ndarray) -> StudyFaces:
        """Return some of the faces.

        Args:
            at: (M,) positions, or a mask (N,).
        """
        return StudyFaces(self.data.take(at), self.labels, self.true[at], self.probabilities[at], self.notes)

    def table(self, role: str = "") -> list[list[object]]:
        """Return a row for each face, without the columns' names: row, role, true, predicted, confidence.

        Args:
            role: why the faces are listed.
        """
        names = self.labels
        return [
            [int(row), role, names[t], names[p], round(float(share), 4)]
            for row, t, p, share in zip(self.data.rows, self.true, self.predicted, self.confidence, strict=True)
        ]


KNOWN = "The network's answers are those of a sharded run; each of its faces counts as another picture."
"""What a study says about faces that were explained before."""

FACE_COLUMNS = ["row", "role", "true", "predicted", "confidence"]
"""Columns of `StudyFaces.table`."""


def predict_faces(model: Model, data: Dataset, batch_size: int = 256, progress: Progress | None = None) -> StudyFaces:
    """Match a data set with a network's classes, and ask the network about every face.

    Args:
        model: the network.
        data: the faces.
        batch_size: faces in one pass.
        progress: takes a phrase.

    Raises:
        DataError: there are no faces, or the data's labels are coarser than the network's, or share none with them.
    """
    if not len(data):
        raise DataError(f"{data.source or 'the data set'} has no faces to study; name another split")
    match = match_labels(data, model.labels)
    if match.columns is not None:
        raise DataError(
            f"the labels {', '.join(data.names)} are coarser than the network's {', '.join(model.labels)}; a study needs the "
            "network's classes, so read the data with those (--scheme, labels=)"
        )
    notes = tuple(sentence(note) for note in (*model.cautions, *match.notes))
    answers = match.data.answers
    if answers is not None:
        answers.check(model.labels, model.sha256, data.source)
        return StudyFaces(match.data, match.labels, match.true, answers.probabilities, (*notes, KNOWN))
    if progress:
        progress(f"predicting {len(match.data):,} faces")
    logits = batched_logits(model, match.data.images, batch_size)
    check_finite(logits, model.name)
    return StudyFaces(match.data, match.labels, match.true, model.probabilities_of(logits), notes)


def draw_evenly(keys: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Choose faces, as many of every kind alike as there are.

    Args:
        keys: (N,), the kind of each face; negative = never chosen.
        count: how many, at most.
        seed: of the choice.

    Returns:
        Positions, in order.
    """
    rng = np.random.default_rng(seed)
    at = np.flatnonzero(keys >= 0)
    turn = np.empty(len(at))
    for key in np.unique(keys[at]):
        own = np.flatnonzero(keys[at] == key)
        turn[own] = rng.permutation(len(own))
    return np.sort(at[np.lexsort((rng.random(len(at)), turn))[:count]])


def describe(model: Model, faces: StudyFaces) -> dict[str, str]:
    """Return the arguments of a `Study` that say which network and which data.

    Args:
        model: the network.
        faces: the faces.
    """
    return {
        "model": model.name, "model_sha256": model.sha256, "data": faces.data.source, "data_sha256": faces.data.sha256
    }  # fmt: skip
