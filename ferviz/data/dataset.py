"""A Dataset: labelled face crops in memory, whatever file they came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ferviz.emotions import SCHEMES, LabelScheme
from ferviz.errors import UnknownNameError

SPLIT_WORDS = {
    "training": ("training", "train"),
    "publictest": ("publictest", "validation", "valid", "val", "dev"),
    "privatetest": ("privatetest", "test"),
}
"""Kaggle's split names and what class folders call the same part; used where the name that was asked for is not there."""


@dataclass(frozen=True)
class BadRow:
    """One row that could not be read. line: in the file, from 1 (0 = the file itself). column: its name. reason: a phrase."""

    source: str
    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        where = f", line {self.line}" if self.line else ""
        return f"{self.source}{where}, column {self.column!r}: {self.reason}"


@dataclass(frozen=True)
class Dataset:
    """Faces with labels and splits; immutable, cheap to take parts of.

    images: (N, H, W) or (N, H, W, 3) uint8. labels: (N,) int64, an index into `scheme.labels`. split: (N,) strings, e.g.
    "Training", "PublicTest", "PrivateTest" ("" where the source has none). rows: (N,) int64, the row in the source,
    from 0. votes: (N, 10) int64 FERPlus votes in the order of its columns, or None. source: where it was read from.
    sha256: of the source's content. bad: the rows that could not be read and were skipped. left_out: how many faces of
    which class (or for which reason) the label scheme has no place for.
    """

    images: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    split: np.ndarray = field(repr=False)
    rows: np.ndarray = field(repr=False)
    scheme: LabelScheme = SCHEMES["7"]
    votes: np.ndarray | None = field(default=None, repr=False)
    source: str = ""
    sha256: str = ""
    bad: tuple[BadRow, ...] = field(default=(), repr=False)
    left_out: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        parts = ", ".join(f"{name or 'no split'} {np.count_nonzero(self.split == name)}" for name in self.splits)
        size = " x ".join(map(str, self.images.shape[1:]))
        return f"Dataset({self.source!r}: {len(self)} faces of {size} pixels ({parts}), labels={self.names})"

    @property
    def names(self) -> tuple[str, ...]:
        """The class names, in the order of the labels."""
        return self.scheme.labels

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits, in the order of their first row."""
        found, first = np.unique(self.split, return_index=True)
        return tuple(str(s) for s in found[np.argsort(first)])

    def counts(self) -> np.ndarray:
        """Return (K,) int64: how many faces each class has."""
        return np.bincount(self.labels, minlength=len(self.scheme)).astype(np.int64)

    def take(self, which: np.ndarray | Sequence[int]) -> Dataset:
        """Return the part that `which` selects: a boolean mask (N,) or row indices."""
        at = np.asarray(which)
        at = at if at.size or at.dtype == bool else at.astype(np.int64)
        votes = None if self.votes is None else self.votes[at]
        return replace(
            self, images=self.images[at], labels=self.labels[at], split=self.split[at], rows=self.rows[at], votes=votes
        )

    def part(self, *names: str) -> Dataset:
        """Return the faces of one or more splits.

        names: split names as `splits` lists them, or the other word for the same part ("PublicTest" finds "validation",
        "train" finds "Training"; case does not matter). Raises UnknownNameError for a split that is not there.
        """
        wanted = {self._split_name(name) for name in names}
        return self if wanted == set(self.splits) else self.take(np.isin(self.split, sorted(wanted)))

    def _split_name(self, name: str) -> str:
        there = {s.lower(): s for s in self.splits}
        word = name.strip().lower()
        if word in there:
            return there[word]
        for words in SPLIT_WORDS.values():
            if word in words:
                for other in words:
                    if other in there:
                        return there[other]
        known = [s or "(none)" for s in self.splits]
        raise UnknownNameError("split", name, known, self.source or "this data set")
