"""Reading a data set: one function for every kind of source, label scheme and split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from ferviz.data import cache as caching
from ferviz.data import csv_reader, ferplus, folder_reader
from ferviz.data.dataset import Dataset
from ferviz.data.splits import random_split
from ferviz.data.table import Table
from ferviz.emotions import FER2013, SCHEMES, LabelScheme, label_scheme
from ferviz.errors import DataError, UsageError
from ferviz.files import PathLike, sha256
from ferviz.registry import Registry

PACKED = (".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar")
"""Suffixes of archives, in which data sets are handed out."""


class ReadTable(Protocol):
    """Reads a source: skip_bad notes bad rows instead of raising, classes are the class names that the caller knows."""

    def __call__(self, path: Path, skip_bad: bool, classes: Sequence[str]) -> Table: ...


class Question(Protocol):
    """Answers something about a path."""

    def __call__(self, path: Path) -> str | bool: ...


@dataclass(frozen=True)
class Reader:
    """One kind of source. recognises(path) -> bool. read: see ReadTable. key(path) -> the hash that the cache is keyed by."""

    recognises: Question
    read: ReadTable
    key: Question = sha256


READERS: Registry[Reader] = Registry("data reader", "ferviz.readers")
READERS.add(
    "csv",
    "Kaggle's fer2013.csv and icml_face_data.csv: the columns emotion, pixels and usage, in any order",
    Reader(csv_reader.is_table, lambda path, skip_bad, classes: csv_reader.read_table(path, skip_bad)),
)
READERS.add(
    "folder",
    "class folders of pictures: split/class/*.png or class/*.png",
    Reader(
        folder_reader.is_folder,
        lambda path, skip_bad, classes: folder_reader.read_folder(path, skip_bad, classes),
        folder_reader.fingerprint,
    ),
)


def read_data(
    path: PathLike,
    *,
    labels: str | Sequence[str] | LabelScheme = "7",
    votes: PathLike | None = None,
    split: str | Sequence[str] | None = None,
    skip_bad: bool = False,
    cache: bool = True,
    reader: str = "auto",
    seed: int = 0,
) -> Dataset:
    """Read labelled faces into memory.

    path: a table (fer2013.csv, icml_face_data.csv) or class folders; see READERS.
    labels: the label scheme: a name ("7", "6-merged", "6-dropped", "8-ferplus", "positive-negative", ...), class names in
    order ("happy,sad" or a sequence), or a LabelScheme. Faces that it has no place for are left out and counted.
    votes: FERPlus' fer2013new.csv. With labels="8-ferplus" the majority vote then is the label (faces without one are left
    out); with any other scheme the labels stay FER2013's and the votes ride along.
    split: one split or several; None = all. "random" forgets the official splits and draws new ones (a tenth becomes
    "PublicTest"), with a warning. seed: of that draw.
    skip_bad: leave out rows that cannot be read, and note them in `.bad`, instead of raising at the first.
    cache: keep what was read as uint8 in the cache folder, keyed by content, so that the next time takes a fraction of a second.
    reader: a name in READERS, or "auto".
    Raises DataError (file, line and column), UnknownNameError for an unknown scheme, split or reader.
    """
    path = Path(path)
    wanted = labels if isinstance(labels, LabelScheme) else label_scheme(labels)
    table = _table(path, wanted.labels, skip_bad, cache, reader)
    found = None if votes is None else ferplus.read_votes(votes, table)
    data = choose(table, wanted, found, str(path))
    if split == "random":
        return random_split(data, seed=seed)
    if split is not None:
        data = data.part(*([split] if isinstance(split, str) else split))
    return data


def choose(table: Table, wanted: LabelScheme, votes: np.ndarray | None = None, source: str = "") -> Dataset:
    """Give a Table the labels of a scheme; faces without a place in it are left out and counted by class.

    votes: (N, 10) FERPlus votes for the table's rows. Raises DataError when nothing is left.
    """
    names = np.array([*table.classes, "no majority"])
    if votes is not None and wanted.labels == SCHEMES["8-ferplus"].labels:
        labels, reason = ferplus.majority(votes), np.full(len(table.rows), len(names) - 1)
    else:
        labels, reason = class_index(table.classes, wanted)[table.emotion], table.emotion
    keep = labels >= 0
    if not keep.any():
        there = ", ".join(table.classes)
        raise DataError(
            f"{source or 'the data set'} has no face for the labels {', '.join(wanted.labels)}; its classes are {there}"
        )
    dropped, counts = np.unique(reason[~keep], return_counts=True)
    everything = Dataset(
        table.images, labels, table.split, table.rows, wanted, votes, source, table.sha256, table.bad,
        {str(names[d]): int(c) for d, c in zip(dropped, counts, strict=True)},
    )  # fmt: skip
    return everything if keep.all() else everything.take(keep)


def class_index(names: Iterable[str], wanted: LabelScheme) -> np.ndarray:
    """Return (C,) int64: for each class name its index in the scheme, or -1.

    FER2013's names go where the scheme puts them (disgust into anger for "6-merged"), other names to the label of that name.
    """
    where = dict(zip(FER2013, wanted.from_fer, strict=True))
    labels = {name: i for i, name in enumerate(wanted.labels)}
    return np.array([where.get(n, labels.get(n, -1)) for n in names], np.int64)


def relabel(data: Dataset, wanted: LabelScheme) -> Dataset:
    """Return the data set under another label scheme, matching classes by name; what finds no place is left out and counted."""
    index = class_index(data.names, wanted)
    labels = index[data.labels]
    counts = data.counts()
    gone = {name: int(counts[i]) for i, name in enumerate(data.names) if index[i] < 0 and counts[i]}
    changed = replace(data, labels=labels, scheme=wanted, left_out={**data.left_out, **gone})
    return changed if not gone else changed.take(labels >= 0)


def _table(path: Path, classes: Sequence[str], skip_bad: bool, cache: bool, reader: str) -> Table:
    if not path.exists():
        raise DataError(f"{path} is not there; check the path")
    name = reader if reader != "auto" else next((n for n in READERS if READERS[n].recognises(path)), "")
    if not name:
        hint = "unpack it first" if path.suffix.lower() in PACKED else f"readers are {', '.join(READERS)}"
        raise DataError(f"{path} is neither a .csv file nor a folder; {hint}")
    chosen = READERS[name]
    if not cache:
        return chosen.read(path, skip_bad, classes)
    try:
        file = caching.path_of(name, str(chosen.key(path)), skip_bad)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror or error}); check its permissions") from error
    table = caching.load(file)
    if table is None:
        table = chosen.read(path, skip_bad, classes)
        caching.store(file, table)
    return table
