"""Hugging Face data sets as Python objects: what `datasets.load_dataset` returns, one split, several of them, or a stream."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ferviz.data.arrow_reader import PIXELS, cell_pixels, face_columns, label_text, usual_names
from ferviz.data.dataset import Table
from ferviz.data.picture_table import FaceRows
from ferviz.errors import DataError, PictureError
from ferviz.images import read_image
from ferviz.printable import printable

LIBRARY = "datasets"
KINDS = ("Dataset", "IterableDataset", "DatasetDict", "IterableDatasetDict")
"""Classes of the library; it is never imported to recognise them."""


def is_hugging_face(value: object) -> bool:
    """Return whether an object is a data set of the library `datasets`.

    Args:
        value: any object.
    """
    return any(
        kind.__module__.split(".")[0] == LIBRARY and kind.__name__ in KINDS for kind in type(value).__mro__
    )  # fmt: skip


def source_of(data: Any) -> str:
    """Return what a data set is called in messages and results.

    Args:
        data: of the library `datasets`.
    """
    part = next(iter(data.values()), None) if isinstance(data, dict) else data
    info = getattr(part, "info", None)
    name = getattr(info, "dataset_name", None) or getattr(info, "builder_name", None)
    return printable(name, 100) if name else "a Hugging Face data set"


def read_hugging_face(data: Any, skip_bad: bool = False) -> Table:
    """Read the faces of a data set into memory.

    Columns are found by name, as those of Parquet files are. Pictures are what `datasets.Image` holds, the bytes of a file, the path of
    one, or numbers; numbered labels have the names of their `ClassLabel`.

    Args:
        data: a `datasets.Dataset`, a stream, or a dictionary of splits.
        skip_bad: collect rows that cannot be read instead of raising.

    Returns:
        The table; its classes are the labels, in the order of their names. Rows are counted over all splits.

    Raises:
        DataError: it has no column of pictures or of labels, a row is bad, or it cannot be read.
    """
    source = source_of(data)
    faces, digest, number, subjects = FaceRows(Path(source), skip_bad), hashlib.sha256(), 0, True
    parts = data.items() if isinstance(data, dict) else [(str(getattr(data, "split", None) or ""), data)]
    for split, part in parts:
        columns, names, rows = _open(part, source)
        subjects &= "subject" in columns
        for row in _guarded(rows, source):
            label = label_text(row[columns["label"]], names)
            pixels = _pixels(row[columns["image"]], columns["image"])
            if not isinstance(pixels, str):
                digest.update(f"{label}\n{pixels.shape}\n".encode())
                digest.update(pixels.tobytes())
            own = str(row[columns["split"]] or "") if "split" in columns else str(split)
            subject = str(row[columns["subject"]] or "") if "subject" in columns else ""
            faces.add(number, number + 1, columns, pixels, label, own, subject)
            number += 1
    return faces.table(digest.hexdigest(), subjects)


def _open(part: Any, source: str) -> tuple[dict[str, str], Sequence[str], Iterator[dict[str, Any]]]:
    """-> {what a column holds: its name}, the names of numbered labels, and the rows."""
    part = part.with_format(None)  # plain Python values, whatever the caller looks at them as
    listed = part.column_names  # a stream may not know them before its first row
    columns = face_columns(source, listed if listed is not None else list(next(iter(part), {})))
    features = part.features or {}
    names = getattr(features.get(columns["label"]), "names", None) or usual_names(columns)
    part = part.select_columns(list(columns.values()))
    picture: Any = features.get(columns["image"])
    if type(picture).__name__ == "Image" and hasattr(part, "__getitem__"):
        # As bytes or a path, so that one damaged picture is one bad row; those of a stream may only be decoded where they come from.
        part = part.cast_column(columns["image"], type(picture)(decode=False))
    return columns, names, iter(part)


def _guarded(rows: Iterator[dict[str, Any]], source: str) -> Iterator[dict[str, Any]]:
    try:
        yield from rows
    except OSError as error:  # a file that is gone, a host that does not answer, a picture of a stream that is none
        reason = printable((str(error).splitlines() or [type(error).__name__])[0], 160)
        raise DataError(f"{source} cannot be read ({reason}); load it again") from error


def _pixels(value: Any, column: str) -> np.ndarray | str:
    """-> the pixels of a cell, (H, W, 3) uint8, or why there are none."""
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, str) and column.lower() != PIXELS:
        value = Path(value)  # the caller's own: it may lie anywhere
    if not isinstance(value, Image.Image | Path):
        return cell_pixels(value, column, Path())
    try:
        return read_image(value)
    except PictureError as error:
        return str(error).replace("the given picture", "it")
