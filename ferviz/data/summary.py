"""What a data set is made of: balance, typical and mean faces, duplicates, contradictions, and how far two label sets agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.data.duplicates import groups
from ferviz.data.ferplus import majority
from ferviz.emotions import FERPLUS


@dataclass(frozen=True)
class Overlap:
    """Faces of one split that are pixel-identical to a face of another. same_label: how many of them carry a label that their twin
    has too."""

    split: str
    also_in: str
    faces: int
    same_label: int


@dataclass(frozen=True)
class Agreement:
    """How far the labels agree with FERPlus' majority.

    agree of faces: FER faces whose majority vote is their label, of those that have a majority. table: (K, 8) int64, rows = the data
    set's labels, columns = FERPlus' eight.
    """

    agree: int
    faces: int
    table: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class Summary:
    """What `describe` found.

    data: the data set. balance: (S, K) int64, faces a split and class. typical: (K,) int64, for each class the face nearest to the
    class' mean, -1 for an empty class. means: (K, H, W) or (K, H, W, 3) float32, 0 to 255. groups: (N,) the number of each face's
    group of pixel-identical faces. duplicate_groups: groups of two and more; duplicate_faces: faces in them. conflicting_groups: those
    whose faces do not all have one label. conflicting_rows: the source's rows of the faces in them. within: {split: faces that repeat
    an earlier one of the same split}. overlaps: faces in two splits. constant: the rows of pictures of one grey. agreement: {split:
    Agreement}, empty without FERPlus votes.
    """

    data: Dataset
    balance: np.ndarray = field(repr=False)
    typical: np.ndarray = field(repr=False)
    means: np.ndarray = field(repr=False)
    groups: np.ndarray = field(repr=False)
    duplicate_groups: int
    duplicate_faces: int
    conflicting_groups: int
    conflicting_rows: tuple[int, ...]
    within: dict[str, int]
    overlaps: tuple[Overlap, ...]
    constant: tuple[int, ...]
    agreement: dict[str, Agreement]

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the pictures, as plain values for JSON."""
        data = self.data
        return {
            "source": data.source,
            "sha256": data.sha256,
            "n": len(data),
            "size": list(data.images.shape[1:3]),
            "channels": 1 if data.images.ndim == 3 else 3,
            "scheme": data.scheme.name,
            "labels": list(data.names),
            "splits": {
                s: {"n": int(row.sum()), "counts": dict(zip(data.names, row.tolist(), strict=True))}
                for s, row in zip(data.splits, self.balance, strict=True)
            },
            "left_out": data.left_out,
            "bad_rows": [{"line": b.line, "column": b.column, "reason": b.reason} for b in data.bad],
            "typical_rows": {n: (int(data.rows[i]) if i >= 0 else None) for n, i in zip(data.names, self.typical, strict=True)},
            "duplicates": {
                "groups": self.duplicate_groups,
                "faces": self.duplicate_faces,
                "within": self.within,
                "across": [vars(o) for o in self.overlaps],
                "conflicting_groups": self.conflicting_groups,
                "conflicting_rows": list(self.conflicting_rows),
            },
            "constant_rows": list(self.constant),
            "ferplus": {
                s: {"agree": a.agree, "faces": a.faces, "rate": a.agree / a.faces if a.faces else None}
                for s, a in self.agreement.items()
            },
        }  # fmt: skip

    def plot(self) -> Any:
        """Return a matplotlib Figure: balance, a typical and the mean face of each class, duplicates, and FERPlus' agreement."""
        from ferviz.data.plots import summary_figure

        return summary_figure(self)


def describe(data: Dataset) -> Summary:
    """Look through a data set.

    data: any Dataset, with one split or several. -> the Summary.
    """
    splits = data.splits
    classes = len(data.scheme)
    group = groups(data.images)
    size = np.bincount(group)
    many = size[group] > 1
    flat = data.images.reshape(len(data), -1)
    constant = flat.min(axis=1) == flat.max(axis=1)
    first_label = np.full(len(size), -1)
    first_label[group[::-1]] = data.labels[::-1]
    conflicting = np.zeros(len(size), bool)
    conflicting[group[data.labels != first_label[group]]] = True
    means, typical = _means(data)
    return Summary(
        data=data,
        balance=np.stack([np.bincount(data.labels[data.split == s], minlength=classes) for s in splits]),
        typical=typical,
        means=means,
        groups=group,
        duplicate_groups=int((size > 1).sum()),
        duplicate_faces=int(many.sum()),
        conflicting_groups=int(conflicting.sum()),
        conflicting_rows=tuple(int(r) for r in data.rows[conflicting[group]]),
        within={s: int((data.split == s).sum() - len(np.unique(group[data.split == s]))) for s in splits},
        overlaps=tuple(_overlap(data, group, b, a) for i, a in enumerate(splits) for b in splits[i + 1 :]),
        constant=tuple(int(r) for r in data.rows[constant]),
        agreement={s: agreement(data.part(s)) for s in splits} if data.votes is not None else {},
    )


def agreement(data: Dataset) -> Agreement:
    """Compare a data set's labels with the majority of its FERPlus votes (`ferplus.majority`), class names with class names."""
    assert data.votes is not None
    voted = majority(data.votes)
    has = voted >= 0
    table = np.zeros((len(data.scheme), len(FERPLUS)), np.int64)
    np.add.at(table, (data.labels[has], voted[has]), 1)
    agree = sum(int(table[i, FERPLUS.index(n)]) for i, n in enumerate(data.names) if n in FERPLUS)
    return Agreement(agree, int(has.sum()), table)


def _overlap(data: Dataset, group: np.ndarray, split: str, other: str) -> Overlap:
    here, there = data.split == split, data.split == other
    classes = len(data.scheme)
    # One number for (group, label), so that "same picture and same label" is one membership test.
    labelled = group * classes + data.labels
    return Overlap(
        split, other, int(np.isin(group[here], group[there]).sum()), int(np.isin(labelled[here], labelled[there]).sum())
    )


def _means(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """-> each class' mean face, and the face that correlates most with it."""
    means = np.zeros((len(data.scheme), *data.images.shape[1:]), np.float32)
    typical = np.full(len(data.scheme), -1, np.int64)
    for k in range(len(data.scheme)):
        at = np.flatnonzero(data.labels == k)
        if not len(at):
            continue
        means[k] = data.images[at].mean(axis=0, dtype=np.float64)
        pattern = means[k].ravel() - means[k].mean()
        best = -np.inf
        for start in range(0, len(at), 1024):  # a chunk at a time: eight thousand faces as floats are 75 MB
            some = data.images[at[start : start + 1024]].reshape(-1, pattern.size).astype(np.float32)
            some -= some.mean(axis=1, keepdims=True)
            match = some @ pattern / (np.linalg.norm(some, axis=1) + 1e-6)
            if match.max() > best:
                best, typical[k] = match.max(), at[start + int(match.argmax())]
    return means, typical
