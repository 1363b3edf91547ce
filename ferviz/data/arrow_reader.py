"""Parquet and Arrow files: RAF-DB, AffectNet and others as Hugging Face's hub has them, or as pandas and `datasets` write them.

No code of a data set is run: columns are found by name, pictures are bytes of a file, rows of numbers, or paths below the folder.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferviz import paths
from ferviz.data.dataset import SPLIT_WORDS, Table
from ferviz.data.folder_reader import fingerprint as folder_fingerprint
from ferviz.data.picture_table import FaceRows, columns_of, picture_below
from ferviz.emotions import FER2013
from ferviz.errors import DataError, PictureError, UsageError
from ferviz.files import sha256 as file_digest
from ferviz.images import read_image
from ferviz.printable import printable

SUFFIXES = (".parquet", ".arrow")

BATCH = 256
"""Rows that are decoded at once."""

MAX_SIDE = 4096
"""Pixels of a side of a picture that is written as numbers."""

PIXELS = "pixels"
"""FER2013's column of grey levels."""

_SPLITS = frozenset(word for words in SPLIT_WORDS.values() for word in words)


def is_arrow(path: Path) -> bool:
    """Return whether a path is a Parquet or Arrow file, or a folder that holds such files and no class folders.

    Args:
        path: the path.
    """
    if paths.is_folder(path):
        return bool(_files(path, limit=1))
    return path.suffix.lower() in SUFFIXES and paths.is_file(path)


def fingerprint(path: Path) -> str:
    """Return a text that changes when a file does.

    Args:
        path: a file, or a folder of files.
    """
    if paths.is_folder(path):
        return folder_fingerprint(path)
    # A file may name pictures beside it.
    return hashlib.sha256(f"{file_digest(path)}\n{folder_fingerprint(path.parent)}".encode()).hexdigest()


def read_arrow(path: Path, skip_bad: bool = False) -> Table:
    """Read the faces of Parquet or Arrow files into memory.

    Args:
        path: a file, or a folder of files; the name of a file ("train-00000-of-00002.parquet") or of its folder is its split, unless
            there is a column for that.
        skip_bad: collect rows that cannot be read instead of raising.

    Returns:
        The table; its classes are the labels, in the order of their names.

    Raises:
        DataError: a file cannot be read, has no column of pictures or of labels, or a row is bad.
        UsageError: pyarrow is not installed.
    """
    files = _files(path) if paths.is_folder(path) else [path]
    root = path if paths.is_folder(path) else path.parent
    faces, digest, number, subjects = FaceRows(path, skip_bad), hashlib.sha256(), 0, True
    for file in files:
        digest.update(file_digest(file).encode())
        split = _split_of(file, root)
        for batch, names, columns in _batches(file):
            subjects &= "subject" in columns
            for row in batch:
                label = label_text(row[columns["label"]], names)
                pixels = cell_pixels(row[columns["image"]], columns["image"], root.resolve())
                own = str(row[columns["split"]] or "") if "split" in columns else split
                subject = str(row[columns["subject"]] or "") if "subject" in columns else ""
                faces.add(number, number + 1, columns, pixels, label, own, subject)
                number += 1
    return faces.table(digest.hexdigest(), subjects)


def _files(folder: Path, limit: int | None = None) -> list[Path]:
    """-> the files of a data set, in order: in the folder, in its splits, or in a folder of them called data."""
    files: list[Path] = []
    for pattern in ("*", "*/*", "data/*/*"):
        for file in sorted(folder.glob(pattern)):
            if file.suffix.lower() in SUFFIXES and not file.name.startswith((".", "cache-")) and paths.is_file(file):
                files.append(file)
                if limit is not None and len(files) >= limit:
                    return files
    return list(dict.fromkeys(files))


def _split_of(file: Path, root: Path) -> str:
    """-> "train" for train-00000-of-00002.parquet, train.parquet and train/data-00000-of-00001.arrow."""
    stem = re.sub(r"([-_.]\d+)?([-_]of[-_]\d+)?([-_.][0-9a-f]{16})?$", "", file.stem)
    if stem.lower() in _SPLITS:
        return stem
    return file.parent.name if file.parent != root and file.parent.name != "data" else ""


def _batches(file: Path) -> Iterator[tuple[list[dict[str, Any]], Sequence[str], dict[str, str]]]:
    """Yield rows, the names of numbered labels, and {what a column holds: its name}.

    Raises:
        DataError: the file is damaged, or has no column of pictures or of labels.
        UsageError: pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import ipc, parquet
    except ImportError as error:
        raise UsageError(f"{file.name} takes pyarrow: pip install 'ferviz[data]'") from error
    try:
        with paths.open_regular(file) as stream:
            if file.suffix.lower() == ".parquet":
                table = parquet.ParquetFile(stream)
                schema = table.schema_arrow
                columns = face_columns(file, schema.names)
                batches = table.iter_batches(BATCH, columns=list(columns.values()))
            else:
                start = stream.read(6)
                stream.seek(0)
                reader = ipc.open_file(stream) if start == b"ARROW1" else ipc.open_stream(stream)
                schema, columns = reader.schema, face_columns(file, reader.schema.names)
                batches = _ipc_batches(reader, list(columns.values()))
            names = _label_names(schema, columns)
            for batch in batches:
                batch.validate(full=True)  # offsets of a foreign file may point anywhere
                yield batch.to_pylist(), names, columns
    except (pyarrow.ArrowException, OSError, OverflowError, MemoryError, UnicodeDecodeError) as error:
        reason = printable((str(error).splitlines() or [type(error).__name__])[0], 160)
        raise DataError(f"{file} cannot be read ({reason}); get a complete copy") from error


def _ipc_batches(reader: Any, columns: list[str]) -> Iterator[Any]:
    count = getattr(reader, "num_record_batches", None)
    batches = iter(reader) if count is None else (reader.get_batch(i) for i in range(count))
    for batch in batches:
        batch.validate(full=True)
        for start in range(0, batch.num_rows, BATCH):
            yield batch.select(columns).slice(start, BATCH)


def face_columns(source: Path | str, names: Sequence[str]) -> dict[str, str]:
    """Return {what a column holds: its name}.

    Args:
        source: what has the columns, for the message.
        names: of the columns.

    Raises:
        DataError: there is no column of pictures, or none of labels.
    """
    known = [name.lower() for name in names]
    at = columns_of(known)
    if PIXELS in known:
        at["image"] = known.index(PIXELS)
    for key in ("image", "label"):
        if key not in at:
            listed = printable(", ".join(names), 200)
            raise DataError(f"{source} has no column of {key}s; name one of {listed} {key!r}")
    return {key: names[place] for key, place in at.items()}


def _label_names(schema: Any, columns: dict[str, str]) -> Sequence[str]:
    """-> the names of numbered labels, as `datasets` keeps them; FER2013's order for its own columns; else none."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = features[columns["label"]]["names"]
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            return names
    except (KeyError, TypeError, ValueError, RecursionError):
        pass
    return usual_names(columns)


def usual_names(columns: Mapping[str, str]) -> Sequence[str]:
    """Return FER2013's names of numbered labels for its own columns; else none.

    Args:
        columns: {what a column holds: its name}.
    """
    return FER2013 if (columns["image"].lower(), columns["label"].lower()) == (PIXELS, "emotion") else ()


def label_text(value: Any, names: Sequence[str]) -> str:
    """Return a label as a name where its number has one.

    Args:
        value: the label as it is stored.
        names: of numbered labels.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return names[value]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def cell_pixels(value: Any, column: str, root: Path) -> np.ndarray | str:
    """Return the pixels of a cell, (H, W, 3) uint8, or why there are none.

    Args:
        value: the bytes of a picture, its path, numbers, or a dictionary that holds one of the first two.
        column: the name of its column: text in the column "pixels" is grey levels.
        root: the folder below which paths lie, resolved.
    """
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, str) and column.lower() == PIXELS:
        value = value.split()
    if isinstance(value, list):
        return _from_numbers(value)
    if isinstance(value, str):
        return picture_below(root, value)
    if not isinstance(value, bytes):
        return "it holds no picture"
    try:
        return read_image(value)
    except PictureError as error:
        return str(error).replace("the given bytes", "it")


def _from_numbers(value: list[Any]) -> np.ndarray | str:
    """-> a picture of grey levels or colours, in rows or one after another."""
    try:
        numbers = np.array(value, np.float64)
    except (ValueError, TypeError, OverflowError):
        return "it is no rectangle of numbers"
    side = round(numbers.size**0.5)
    if numbers.ndim == 1 and side * side == numbers.size:
        numbers = numbers.reshape(side, side)
    if numbers.ndim == 2:
        numbers = np.repeat(numbers[..., None], 3, axis=2)
    if numbers.ndim != 3 or numbers.shape[2] != 3 or not 0 < max(numbers.shape[:2]) <= MAX_SIDE or 0 in numbers.shape:
        return f"its {len(value)} values are no picture of one or three channels"
    if not ((numbers >= 0) & (numbers <= 255) & (numbers == np.rint(numbers))).all():
        return "it has values that are no whole numbers from 0 to 255"
    return numbers.astype(np.uint8)
