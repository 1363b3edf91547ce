"""Reading a data set: one function for every kind of source, label scheme and split."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ferviz.data import arrow_reader, csv_reader, ferplus, folder_reader, picture_table
from ferviz.data import cache as table_cache
from ferviz.data.dataset import Dataset, Table
from ferviz.data.hugging_face import is_hugging_face, read_hugging_face, source_of
from ferviz.data.splits import random_split
from ferviz.emotions import FER2013, SCHEMES, LabelScheme, label_scheme
from ferviz.errors import DataError, UsageError
from ferviz.files import PathLike, sha256
from ferviz.paths import as_typed, exists, unseen
from ferviz.registry import Registry

PACKED = (".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar")
"""Suffixes of archives in which data sets are distributed."""


class ReadTable(Protocol):
    """A function that reads a source.

    It is called with the path, with `skip_bad` (collect bad rows instead of raising), and with the class names of the label scheme, which
    may be other names than the usual ones.
    """

    def __call__(self, path: Path, skip_bad: bool, classes: Sequence[str]) -> Table: ...


@dataclass(frozen=True)
class Reader:
    """One kind of source.

    Attributes:
        recognises: a function that returns whether a path is such a source.
        read: a function that reads it, see `ReadTable`.
        key: a function from the path to the text under which the table is cached: it differs where the content differs.
    """

    recognises: Callable[[Path], bool]
    read: ReadTable
    key: Callable[[Path], str] = sha256


READERS: Registry[Reader] = Registry("data reader", "ferviz.readers")
READERS.add(
    "pictures",
    "a table beside pictures: the columns image and label, and if it has them split and subject",
    Reader(
        picture_table.is_picture_table,
        lambda path, skip_bad, classes: picture_table.read_picture_table(path, skip_bad),
        picture_table.fingerprint,
    ),
)
READERS.add(
    "csv",
    "Kaggle's fer2013.csv and icml_face_data.csv: the columns emotion, pixels and usage, in any order",
    Reader(csv_reader.is_table, lambda path, skip_bad, classes: csv_reader.read_table(path, skip_bad)),
)
READERS.add(
    "arrow",
    "Parquet files, and Hugging Face data sets as `save_to_disk` or a clone of their repository leaves them",
    Reader(
        arrow_reader.is_arrow,
        lambda path, skip_bad, classes: arrow_reader.read_arrow(path, skip_bad),
        arrow_reader.fingerprint,
    ),
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


def readers() -> dict[str, str]:
    """Return {name: one line about it} of every reader of data sets."""
    return READERS.summaries()


def read_data(
    path: PathLike | Any,
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

    Args:
        path: a table (fer2013.csv, icml_face_data.csv), class folders, or what another reader takes, see `readers`; or a Hugging Face
            data set, a `datasets.Dataset` or a dictionary of splits, as `load_dataset` returns it.
        labels: the label scheme: a name ("7", "6-merged", "6-dropped", "8-ferplus", "positive-negative", ...), class names in
            order ("happy,sad" or a sequence), or a LabelScheme. Faces without a label in it are left out and counted.
        votes: FERPlus' fer2013new.csv. With labels="8-ferplus" the majority vote is the label (faces without one are left
            out); with any other scheme the labels stay FER2013's and the votes are kept beside them.
        split: one split or several; None means all. "random" ignores the official splits and draws new ones (a tenth becomes
            "PublicTest"), with a warning.
        skip_bad: leave out rows that cannot be read, and list them in `.bad`, instead of raising at the first.
        cache: keep the faces as uint8 in the cache folder, keyed by content, so that the next time takes a fraction of a second. Objects
            are not kept there.
        reader: a name that `readers` lists, or "auto".
        seed: seed of the random split.

    Returns:
        The data set.

    Raises:
        DataError: the source cannot be read (the message names file, line and column), or no face has a label in the scheme.
        UnknownNameError: an unknown scheme, split or reader.
        UsageError: it is neither a path nor a data set.
    """
    scheme = labels if isinstance(labels, LabelScheme) else label_scheme(labels)
    if is_hugging_face(path):
        if reader != "auto":
            raise UsageError(f"the reader {reader!r} reads files, and this is an object; leave reader out")
        table, source = read_hugging_face(path, skip_bad), source_of(path)
    else:
        path = as_path(path)
        table, source = _table(path, scheme.labels, skip_bad, cache, reader), str(path)
    counts = None if votes is None else ferplus.read_votes(votes, table)
    data = apply_scheme(table, scheme, counts, source)
    if split == "random":
        return random_split(data, seed=seed)
    if split is not None:
        data = data.part(*([split] if isinstance(split, str) else split))
    return data


def as_path(path: Any) -> Path:
    """Return the path of a data set.

    Args:
        path: what the caller passed.

    Raises:
        UsageError: it is none.
    """
    if isinstance(path, str | os.PathLike):
        return Path(path)
    raise UsageError(
        f"labelled faces are a path, a ferviz.Dataset or a Hugging Face data set, not {type(path).__name__}; see ferviz.read_data"
    )


def as_dataset(data: Dataset | PathLike | Any) -> Dataset:
    """Return labelled faces, reading them where they are not in memory yet.

    Args:
        data: a Dataset, which is returned itself, or what `read_data` takes.

    Raises:
        DataError, UsageError: as `read_data`.
    """
    return data if isinstance(data, Dataset) else read_data(data)


def apply_scheme(table: Table, scheme: LabelScheme, votes: np.ndarray | None = None, source: str = "") -> Dataset:
    """Return a table's faces with the labels of a scheme; faces without a label in it are left out and counted by class.

    Args:
        table: the faces.
        scheme: the label scheme.
        votes: (N, 10), FERPlus votes for the table's rows, or None.
        source: where the table was read from.

    Raises:
        DataError: no face has a label in the scheme.
    """
    names = np.array([*table.classes, "no majority"])
    if votes is not None and scheme.labels == SCHEMES["8-ferplus"].labels:
        labels, reason = ferplus.majority(votes), np.full(len(table.rows), len(names) - 1)
    else:
        labels, reason = class_index(table.classes, scheme)[table.emotion], table.emotion
    keep = labels >= 0
    if not keep.any():
        there = ", ".join(table.classes)
        raise DataError(
            f"{source or 'the data set'} has no face for the labels {', '.join(scheme.labels)}; its classes are {there}"
        )
    dropped, counts = np.unique(reason[~keep], return_counts=True)
    everything = Dataset(
        table.images, labels, table.split, table.rows, scheme, votes, source, table.sha256, table.bad,
        {str(names[d]): int(c) for d, c in zip(dropped, counts, strict=True)}, table.subject,
        label_mapping=_mapping(table.spellings, table.classes, scheme),
    )  # fmt: skip
    return everything if keep.all() else everything.take(keep)


def _mapping(spellings: Mapping[str, str], classes: Sequence[str], scheme: LabelScheme) -> dict[str, str]:
    """-> {label as it is written: the scheme's label, "" = it has none}."""
    index = dict(zip(classes, class_index(classes, scheme), strict=True))
    return {word: scheme.labels[index[name]] if index.get(name, -1) >= 0 else "" for word, name in spellings.items()}


def class_index(names: Iterable[str], scheme: LabelScheme) -> np.ndarray:
    """Return for each class its index in a label scheme, (C,) int64; -1 where the scheme has no label for it.

    FER2013's classes go to the label that the scheme gives them (disgust to anger for "6-merged"), others to the label of the same name.

    Args:
        names: C class names.
        scheme: the label scheme.
    """
    where = dict(zip(FER2013, scheme.from_fer, strict=True))
    labels = {name: i for i, name in enumerate(scheme.labels)}
    return np.array([where.get(n, labels.get(n, -1)) for n in names], np.int64)


def relabel(data: Dataset, scheme: LabelScheme) -> Dataset:
    """Return a data set under another label scheme; classes are matched by name, and faces without a label are left out and counted.

    Args:
        data: the data set.
        scheme: the new label scheme.
    """
    index = class_index(data.names, scheme)
    labels = index[data.labels]
    counts = data.counts()
    gone = {name: int(counts[i]) for i, name in enumerate(data.names) if index[i] < 0 and counts[i]}
    mapping = _mapping({word: name for word, name in data.label_mapping.items() if name}, data.names, scheme)
    changed = replace(
        data,
        labels=labels,
        scheme=scheme,
        left_out={**data.left_out, **gone},
        label_mapping=data.label_mapping | mapping,
    )
    return changed if not gone else changed.take(labels >= 0)


def _table(path: Path, classes: Sequence[str], skip_bad: bool, cache: bool, reader: str) -> Table:
    if not exists(path):
        raise DataError(f"{as_typed(path)} {unseen(path)}")
    name = reader if reader != "auto" else next((n for n in READERS if READERS[n].recognises(path)), "")
    if not name:
        hint = "unpack it first" if path.suffix.lower() in PACKED else f"readers are {', '.join(READERS)}"
        raise DataError(f"{path} is neither a .csv file nor a folder; {hint}")
    chosen = READERS[name]
    if not cache:
        return chosen.read(path, skip_bad, classes)
    try:
        file = table_cache.cache_path(name, chosen.key(path), skip_bad)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror or error}); check its permissions") from error
    table = table_cache.load_table(file)
    if table is None:
        table = chosen.read(path, skip_bad, classes)
        table_cache.store_table(file, table)
    return table
