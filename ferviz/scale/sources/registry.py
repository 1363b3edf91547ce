"""The kinds of sources, and which one a path is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from ferviz.errors import DataError, UsageError
from ferviz.paths import as_typed, exists, is_file, open_regular, unseen
from ferviz.registry import Registry
from ferviz.scale.descriptors import Descriptor, Sample

MAX_OPENED = 1000
"""Of more files than this none is opened for the plan: each is one shard, and its pictures are counted when it is read."""


class Source(Protocol):
    """One kind of source."""

    def recognises(self, path: Path) -> bool:
        """Return whether a path is such a source.

        Args:
            path: the path.
        """

    def plan(self, path: Path, split: str | None, shard_size: int) -> Iterator[Descriptor]:
        """Yield the shards, numbered from 0, the same ones for the same files.

        Args:
            path: the source.
            split: the part to explain; None = everything, where that is one part.
            shard_size: most pictures of a shard.

        Raises:
            DataError: the source cannot be read.
            UsageError: it has several parts and none was named.
            UnknownNameError: it has no such part.
        """

    def read(self, path: Path, shard: Descriptor) -> Iterator[Sample]:
        """Yield the pictures of a shard, in order, with memory for a few of them.

        Args:
            path: the source.
            shard: one of its shards.

        Raises:
            DataError: the shard cannot be read.
        """


SOURCES: Registry[Source] = Registry("source", "ferviz.scale_sources")
SOURCES.add("csv", "FER2013's tables", "ferviz.scale.sources.csv_rows:CsvRows")
SOURCES.add("npy", "an array of uint8 pictures in a .npy file", "ferviz.scale.sources.npy_rows:NpyRows")
SOURCES.add("parquet", "Parquet files with a column of pictures", "ferviz.scale.sources.parquet_rows:ParquetRows")
SOURCES.add("tar", "WebDataset's tar files", "ferviz.scale.sources.tar_members:TarMembers")
SOURCES.add(
    "folder", "a folder of pictures, with or without class folders", "ferviz.scale.sources.picture_folder:PictureFolder"
)


def find_source(path: Path) -> str:
    """Return the name of the kind of a source.

    Args:
        path: the source.

    Raises:
        DataError: it is not there, or of no known kind.
    """
    if not exists(path):
        raise DataError(f"{as_typed(path)} {unseen(path)}")
    name = next((name for name in SOURCES if SOURCES[name].recognises(path)), "")
    if not name:
        kinds = "a folder of pictures, FER2013's .csv, .npy, .parquet or WebDataset's .tar"
        raise DataError(f"{path} is not a source that can be cut into shards; it should be {kinds}")
    return name


def shard_file(path: Path, shard: Descriptor) -> Path:
    """Return the file of a shard, which must have the size that it had when the plan was made.

    Args:
        path: the source.
        shard: the shard.

    Raises:
        DataError: the file cannot be seen, or has changed.
    """
    file = path / shard.path if shard.path else path
    try:
        with open_regular(file) as stream:
            size = os.fstat(stream.fileno()).st_size
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{file} cannot be read ({reason}); check the path on this machine") from error
    if size != shard.size:
        raise DataError(f"{file} had {shard.size:,} bytes when the plan was made and has {size:,} now; make a new plan")
    return file


def files_with(path: Path, suffix: str) -> list[Path]:
    """Return the file that a path is, or the files of a folder that end in a suffix, sorted by name.

    Args:
        path: a file or a folder.
        suffix: in lower case, with its dot.

    Raises:
        DataError: the folder cannot be read.
    """
    if is_file(path):
        return [path] if path.suffix.lower() == suffix else []
    try:
        with os.scandir(path) as entries:
            names = [e.name for e in entries if e.name.lower().endswith(suffix) and not e.name.startswith(".")]
    except NotADirectoryError:
        return []
    except OSError as error:
        raise DataError(f"the folder {path} cannot be read ({error.strerror or error}); check it") from error
    return [path / name for name in sorted(names) if is_file(path / name)]


def no_split(path: Path, split: str | None) -> None:
    """Check that no part is asked for of a source that has none.

    Args:
        path: the source.
        split: the part; None and "all" are everything.

    Raises:
        UsageError: a part is asked for.
    """
    if split not in (None, "all"):
        raise UsageError(f"{path} has no parts, so --split {split} chooses nothing; leave it out")
