"""The summary of a data set: balance, typical and mean faces, duplicates, contradictions, and how far two label sets agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.data.duplicates import duplicate_groups
from ferviz.data.ferplus import majority
from ferviz.data.read import as_dataset
from ferviz.emotions import FERPLUS
from ferviz.files import PathLike
from ferviz.results import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Overlap:
    """The faces of one split that are pixel-identical to a face of another.

    Attributes:
        split: the split of the faces.
        also_in: the other split.
        faces: how many.
        same_label: how many of them have a label that their twin has too.
    """

    split: str
    also_in: str
    faces: int
    same_label: int


@dataclass(frozen=True)
class Agreement:
    """How far the labels agree with FERPlus' majority.

    Attributes:
        agree: faces whose majority vote is their label.
        faces: faces that have a majority.
        table: (K, 8) int64, rows are the data set's labels, columns FERPlus' eight.
    """

    agree: int
    faces: int
    table: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class DataSummary(Result):
    """The summary of a data set.

    Attributes:
        data: the data set.
        balance: (S, K) int64, the number of faces of each split and class.
        typical: (K,) int64, for each class the face nearest to the class' mean, -1 for an empty class.
        means: (K, H, W) or (K, H, W, 3) float32, the mean face of each class, 0 to 255.
        groups: (N,) the number of each face's group of pixel-identical faces.
        duplicate_groups: groups of two and more faces.
        duplicate_faces: faces in them.
        conflicting_groups: groups whose faces do not all have one label.
        conflicting_rows: the source's rows of the faces in them.
        within: {split: faces that repeat an earlier one of the same split}.
        overlaps: faces in two splits.
        constant: the rows of pictures of one grey.
        agreement: {split: Agreement}, empty without FERPlus votes.
    """

    command: ClassVar[str] = "data"

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

    def __repr__(self) -> str:
        twins = f"{self.duplicate_faces} with a pixel-identical twin, {self.conflicting_groups} groups with conflicting labels"
        return f"DataSummary({self.data!r}, {twins})"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.text())}</pre>"

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the pictures as plain data."""
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

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return balance, mean faces, typical faces (indices), and the number of each face's group of duplicates, with the rows."""
        arrays = {"balance": self.balance, "means": self.means, "typical": self.typical}
        return arrays | {"groups": self.groups, "rows": self.data.rows}

    def table(self) -> Sequence[Sequence[Any]]:
        """Return one row for each split and class: split, class, faces, and their share of the split."""
        rows: list[list[Any]] = [["split", "class", "faces", "share"]]
        for split, counts in zip(self.data.splits, self.balance, strict=True):
            total = max(int(counts.sum()), 1)
            rows += [[split, n, int(c), f"{c / total:.4f}"] for n, c in zip(self.data.names, counts, strict=True)]
        return rows

    def plot(self) -> Figure:
        """Return a matplotlib Figure: balance, a typical and the mean face of each class, duplicates, and FERPlus' agreement."""
        from ferviz.data.plots import summary_figure

        return summary_figure(self)

    def text(self) -> str:
        """Return the summary as lines for a terminal: the balance as a table, then the findings."""
        data = self.data
        splits = [s or "all" for s in data.splits]
        wide = max(map(len, (*data.names, "all classes")))
        cells = [max(len(s), 8) + 8 for s in splits]
        lines = [" " * wide + "".join(s.rjust(w) for s, w in zip(splits, cells, strict=True))]
        totals = self.balance.sum(axis=1)
        for k, name in enumerate(data.names):
            row = [f"{n:,} {n / max(t, 1):6.1%}" for n, t in zip(self.balance[:, k], totals, strict=True)]
            lines.append(name.ljust(wide) + "".join(c.rjust(w) for c, w in zip(row, cells, strict=True)))
        row = [f"{t:,} {' ':6}" for t in totals]
        lines.append("all classes".ljust(wide) + "".join(c.rjust(w) for c, w in zip(row, cells, strict=True)))
        if data.left_out:
            lines.append("left out: " + ", ".join(f"{name} {n:,}" for name, n in data.left_out.items()))
        if data.bad:
            lines.append(f"bad rows skipped: {len(data.bad):,}")
        return "\n".join([*lines, "", *self.findings()])

    def findings(self) -> list[str]:
        """Return the findings about duplicates, constant pictures and FERPlus, one on each line."""
        lines = [
            f"{self.duplicate_faces:,} faces have a pixel-identical twin",
            f"   in {self.duplicate_groups:,} groups, {self.conflicting_groups:,} with conflicting labels",
        ]
        lines += [f"{n:,} repeat an earlier face of {s or 'the set'}" for s, n in self.within.items() if n]
        lines += [
            f"{o.faces:,} of {o.split} are also in {o.also_in} ({o.same_label:,} same label)" for o in self.overlaps
        ]
        lines.append(f"{len(self.constant):,} pictures are of one grey")
        lines += [
            f"FERPlus agrees on {a.agree / a.faces:.1%} of {s or 'all'} ({a.agree:,} / {a.faces:,})"
            for s, a in self.agreement.items()
            if a.faces
        ]
        return lines


def describe_data(data: Dataset | PathLike) -> DataSummary:
    """Summarise a data set.

    Args:
        data: any Dataset, with one split or several, or what `read_data` takes.

    Returns:
        The summary.
    """
    data = as_dataset(data)
    splits = data.splits
    classes = len(data.scheme)
    group = duplicate_groups(data.images)
    size = np.bincount(group)
    repeated = size[group] > 1
    flat = data.images.reshape(len(data), -1)
    constant = flat.min(axis=1) == flat.max(axis=1)
    first_label = np.full(len(size), -1)
    first_label[group[::-1]] = data.labels[::-1]
    conflicting = np.zeros(len(size), bool)
    conflicting[group[data.labels != first_label[group]]] = True
    means, typical = _means(data)
    return DataSummary(
        data=data,
        balance=np.stack([np.bincount(data.labels[data.split == s], minlength=classes) for s in splits]),
        typical=typical,
        means=means,
        groups=group,
        duplicate_groups=int((size > 1).sum()),
        duplicate_faces=int(repeated.sum()),
        conflicting_groups=int(conflicting.sum()),
        conflicting_rows=tuple(int(r) for r in data.rows[conflicting[group]]),
        within={s: int((data.split == s).sum() - len(np.unique(group[data.split == s]))) for s in splits},
        overlaps=tuple(_overlap(data, group, b, a) for i, a in enumerate(splits) for b in splits[i + 1 :]),
        constant=tuple(int(r) for r in data.rows[constant]),
        agreement={s: ferplus_agreement(data.part(s)) for s in splits} if data.votes is not None else {},
    )


def ferplus_agreement(data: Dataset) -> Agreement:
    """Compare a data set's labels with the majority of its FERPlus votes, by the names of the classes.

    Args:
        data: faces with votes.
    """
    assert data.votes is not None
    majorities = majority(data.votes)
    has = majorities >= 0
    table = np.zeros((len(data.scheme), len(FERPLUS)), np.int64)
    np.add.at(table, (data.labels[has], majorities[has]), 1)
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
    """Return each class' mean face, and the face that correlates most with it."""
    means = np.zeros((len(data.scheme), *data.images.shape[1:]), np.float32)
    typical = np.full(len(data.scheme), -1, np.int64)
    for k in range(len(data.scheme)):
        at = np.flatnonzero(data.labels == k)
        if not len(at):
            continue
        means[k] = data.images[at].mean(axis=0, dtype=np.float64)
        pattern = means[k].ravel() - means[k].mean()
        best = -np.inf
        for start in range(0, len(at), 1024):  # in chunks, because eight thousand faces as floats are 75 MB
            chunk = data.images[at[start : start + 1024]].reshape(-1, pattern.size).astype(np.float32)
            chunk -= chunk.mean(axis=1, keepdims=True)
            match = chunk @ pattern / (np.linalg.norm(chunk, axis=1) + 1e-6)
            if match.max() > best:
                best, typical[k] = match.max(), at[start + int(match.argmax())]
    return means, typical
