"""A Dataset: labelled face crops in memory, whatever file they came from; and the Table that a reader makes of a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ferviz.emotions import SCHEMES, LabelScheme
from ferviz.errors import DataError, UnknownNameError, UsageError

SPLIT_WORDS = {
    "training": ("training", "train"),
    "publictest": ("publictest", "validation", "valid", "val", "dev"),
    "privatetest": ("privatetest", "test"),
}
"""Kaggle's split names and other names of the same part; used where the data has no split of the given name."""


_SHOWN_CLASSES, _SHOWN_FACES = 12, 10  # of the picture in a notebook


@dataclass(frozen=True)
class BadRow:
    """One row that could not be read.

    Attributes:
        source: the file's name.
        line: the line in the file, from 1; 0 stands for the file itself.
        column: the column's name.
        reason: a phrase.
    """

    source: str
    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        where = f", line {self.line}" if self.line else ""
        return f"{self.source}{where}, column {self.column!r}: {self.reason}"


@dataclass
class BadRows:
    """Raises at the first bad row, or collects bad rows where they are to be skipped.

    Attributes:
        source: the file's name, for messages.
        skip: bad rows are collected instead of raising.
        rows: the bad rows so far.
    """

    source: str
    skip: bool = False
    rows: list[BadRow] = field(default_factory=list)

    def add(self, line: int, column: str, reason: str) -> None:
        """Collect one bad row.

        Args:
            line: the line in the file, from 1; 0 stands for the file itself.
            column: the column's name.
            reason: a phrase.

        Raises:
            DataError: bad rows are not to be skipped.
        """
        row = BadRow(self.source, line, column, reason)
        if not self.skip:
            raise DataError(f"{row}; correct the row, or pass --skip-bad (skip_bad=True) to leave such rows out")
        self.rows.append(row)


@dataclass(frozen=True)
class Table:
    """Faces as their source has them, before a label scheme is applied.

    Attributes:
        images: (N, H, W) or (N, H, W, 3) uint8 RGB.
        emotion: (N,) int64, an index into `classes`.
        split: (N,) strings.
        rows: (N,) int64, counted from 0 and counting the bad ones.
        classes: the source's class names, in canonical spelling.
        bad: the rows that were skipped.
        sha256: of the source's content.
        subject: (N,) strings, who each face shows, or None where the source does not say.
        spellings: {label as the source writes it: its class}; empty where labels are FER2013's numbers.
    """

    images: np.ndarray = field(repr=False)
    emotion: np.ndarray = field(repr=False)
    split: np.ndarray = field(repr=False)
    rows: np.ndarray = field(repr=False)
    classes: tuple[str, ...] = ()
    bad: tuple[BadRow, ...] = ()
    sha256: str = ""
    subject: np.ndarray | None = field(default=None, repr=False)
    spellings: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network said about the faces of a data set.

    Attributes:
        labels: the network's K classes.
        model_sha256: of the network's file.
        probabilities: (N, K) float32.
    """

    labels: tuple[str, ...]
    model_sha256: str
    probabilities: np.ndarray = field(repr=False)

    def check(self, labels: Sequence[str], model_sha256: str, source: str = "") -> None:
        """Check that these are the answers of a network.

        Args:
            labels: of the network.
            model_sha256: of its file.
            source: of the data set, for the message.

        Raises:
            DataError: they are another network's.
        """
        if (tuple(labels), model_sha256) != (self.labels, self.model_sha256):
            raise DataError(
                f"{source or 'the data set'} has the answers of another network (SHA-256 {self.model_sha256[:12]}...); "
                "name the network that it was explained with (--model)"
            )


@dataclass(frozen=True)
class Dataset:
    """Faces with labels and splits; immutable, cheap to take parts of.

    Attributes:
        images: (N, H, W) or (N, H, W, 3) uint8.
        labels: (N,) int64, an index into `scheme.labels`.
        split: (N,) strings, e.g. "Training", "PublicTest", "PrivateTest" ("" where the source has none).
        rows: (N,) int64, the row in the source, from 0.
        scheme: the label scheme.
        votes: (N, 10) int64, FERPlus votes in the order of its columns, or None.
        source: where it was read from.
        sha256: of the source's content.
        bad: the rows that could not be read and were skipped.
        left_out: {class or reason: how many faces the label scheme has no label for}.
        subject: (N,) strings, who each face shows, or None where the source does not say: faces of one person are one unit of intervals.
        answers: what a network said about the faces, where they were explained before (see `ferviz.scale.read_explained`); else None.
        label_mapping: {label as the source writes it: the scheme's label, "" = left out}; empty where labels are FER2013's numbers.
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
    subject: np.ndarray | None = field(default=None, repr=False)
    answers: Answers | None = field(default=None, repr=False)
    label_mapping: dict[str, str] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        parts = ", ".join(f"{name or 'no split'} {np.count_nonzero(self.split == name)}" for name in self.splits)
        size = " x ".join(map(str, self.images.shape[1:]))
        return f"Dataset({self.source!r}: {len(self)} faces of {size} pixels ({parts}), labels={self.names})"

    def _repr_png_(self) -> bytes:
        """The first faces of each class, a row a class."""
        from ferviz.images import encode
        from ferviz.rendering.charts import caption
        from ferviz.rendering.layout import add_margin, hstack, vstack
        from ferviz.rendering.tiles import face_tile

        rows = []
        for label, name in enumerate(self.names[:_SHOWN_CLASSES]):
            chosen = np.flatnonzero(self.labels == label)[:_SHOWN_FACES]
            if len(chosen):
                tiles = [face_tile(self.images[i], 48) for i in chosen]
                rows.append(vstack([caption(name, 13, 400), hstack(tiles, 4)], 2))
        return encode(add_margin(vstack(rows or [caption("no faces", 13, 400)], 8), 8), ".png")

    @property
    def names(self) -> tuple[str, ...]:
        """The class names, in the order of the labels."""
        return self.scheme.labels

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits, in the order of their first row."""
        names, first = np.unique(self.split, return_index=True)
        return tuple(str(s) for s in names[np.argsort(first)])

    def counts(self) -> np.ndarray:
        """Return the number of faces of each class, (K,) int64."""
        return np.bincount(self.labels, minlength=len(self.scheme)).astype(np.int64)

    def take(self, which: np.ndarray | Sequence[int]) -> Dataset:
        """Return a part of the faces.

        Args:
            which: a boolean mask (N,), or indices.
        """
        at = np.asarray(which)
        at = at if at.size or at.dtype == bool else at.astype(np.int64)
        votes, subject = (None if values is None else values[at] for values in (self.votes, self.subject))
        answers = self.answers and replace(self.answers, probabilities=self.answers.probabilities[at])
        return replace(
            self, images=self.images[at], labels=self.labels[at], split=self.split[at], rows=self.rows[at], votes=votes,
            subject=subject, answers=answers,
        )  # fmt: skip

    def part(self, *names: str) -> Dataset:
        """Return the faces of one or more splits.

        Args:
            *names: split names as `splits` lists them, or another name of the same part ("PublicTest" finds "validation",
                "train" finds "Training"; case does not matter).

        Raises:
            UnknownNameError: there is no such split.
        """
        wanted = {self._split_name(name) for name in names}
        return self if wanted == set(self.splits) else self.take(np.isin(self.split, sorted(wanted)))

    def _split_name(self, name: str) -> str:
        return find_split(name, self.splits, self.source)


def find_split(name: str, splits: Sequence[str], source: str = "") -> str:
    """Return the split that a name means.

    Args:
        name: a split's name in any case, or another name of the same part.
        splits: the names of the splits.
        source: where the data was read from, for the message.

    Raises:
        UnknownNameError: there is no such split.
    """
    there = {s.lower(): s for s in splits}
    word = name.strip().lower()
    if word in there:
        return there[word]
    for words in SPLIT_WORDS.values():
        if word in words:
            for other in words:
                if other in there:
                    return there[other]
    raise UnknownNameError("split", name, [s or "(none)" for s in splits], source or "this data set")


def choose_splits(name: str | None, splits: Sequence[str], source: str = "") -> set[str]:
    """Return the splits that a whole data set's work is about: the only one, or those that were named.

    Args:
        name: a split's name, "all" for every one, None for the only one.
        splits: the names of the splits.
        source: where the data comes from, for messages.

    Raises:
        UsageError: there are several splits and none was named.
        UnknownNameError: there is no such split.
    """
    if name == "all" or (name is None and len(splits) == 1):
        return set(splits)
    if name is None:
        listed = ", ".join(s or "(none)" for s in splits)
        raise UsageError(f"{source} has the splits {listed}; name one with --split, or --split all")
    return {find_split(name, splits, source)}
