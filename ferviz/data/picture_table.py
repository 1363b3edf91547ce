"""A table beside pictures: a CSV file with a column of paths and a column of labels, as RAF-DB, AffectNet and CK+ are easily written.

image,label,split,subject
train/0001.jpg,happy,train,S010
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ferviz import paths
from ferviz.data.dataset import BadRows, Table
from ferviz.data.folder_reader import fingerprint as folder_fingerprint
from ferviz.emotions import MAX_NAME, canonical
from ferviz.errors import DataError, PictureError
from ferviz.files import sha256 as file_digest
from ferviz.images import read_image
from ferviz.printable import is_printable, printable

COLUMNS = {
    "image": ("image", "path", "file", "filename", "file_name", "picture", "image_path", "filepath"),
    "label": ("label", "emotion", "class", "expression"),
    "split": ("split", "usage", "set", "subset"),
    "subject": ("subject", "person", "subject_id", "identity", "participant"),
}
"""What a table has -> the names that its column may bear; the first two are needed."""

MAX_FILE = 256 * 1024**2
MAX_BYTES = 8 * 1024**3
"""Bytes of the table, and of the faces in memory at once."""


def is_picture_table(path: Path) -> bool:
    """Return whether a path is a CSV file whose first line names a column of pictures and one of labels, and none of pixels.

    Args:
        path: the path.
    """
    if path.suffix.lower() not in (".csv", ".tsv") or not paths.is_file(path):
        return False
    try:
        with paths.open_regular(path) as file:
            line = file.readline(4096)
    except OSError:
        return False
    names = _header(line.decode("utf-8-sig", "replace"))
    return "pixels" not in names and {"image", "label"} <= set(_columns(names))


def read_picture_table(path: Path, skip_bad: bool = False) -> Table:
    """Read the pictures that a table names into memory.

    All pictures have one size; they stay grey if all are grey. Paths are relative to the table's folder, and stay inside it.

    Args:
        path: the table.
        skip_bad: collect rows that cannot be read instead of raising.

    Returns:
        The table; its classes are the labels, in the order of their names.

    Raises:
        DataError: the table cannot be read, or a row is bad (the message names line and column).
    """
    try:
        with paths.open_regular(path) as file:
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}); check the path") from error
    if len(content) > MAX_FILE:
        raise DataError(f"{path} has more than {MAX_FILE // 1024**2} MB; a table of paths is smaller")
    text = content.decode("utf-8-sig", "replace")
    separator = _separator(text.split("\n", 1)[0])
    rows = csv.reader(io.StringIO(text), delimiter=separator)
    try:
        return _read(path, rows, BadRows(str(path), skip_bad), hashlib.sha256(content))
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num}: it is no table ({error}); save it as CSV in UTF-8") from error


def fingerprint(path: Path) -> str:
    """Return a text that changes when the table or one of its pictures does.

    Args:
        path: the table.
    """
    return hashlib.sha256(f"{file_digest(path)}\n{folder_fingerprint(path.parent)}".encode()).hexdigest()


def _separator(line: str) -> str:
    return max(",;\t", key=line.count)


def _header(line: str) -> list[str]:
    return [name.strip().strip('"').strip().lower() for name in line.split("\n")[0].split(_separator(line))]


def _columns(names: list[str]) -> dict[str, int]:
    """-> {what a column holds: its number}."""
    at = {}
    for key, words in COLUMNS.items():
        for word in words:
            if word in names and key not in at:
                at[key] = names.index(word)
    return at


def _read(path: Path, rows: Iterator[list[str]], bad: BadRows, digest: Any) -> Table:
    names = [name.strip().lower() for name in next(rows, [])]
    at = _columns(names)
    images: list[np.ndarray] = []
    kept: list[tuple[int, str, str, str]] = []
    root = path.parent.resolve()
    grey = True
    for number, fields in enumerate(row for row in rows if any(field.strip() for field in row)):
        line = number + 2
        if len(fields) != len(names):
            bad.add(line, names[-1], f"the line has {len(fields)} fields instead of {len(names)}")
            continue
        value = {key: fields[place].strip() for key, place in at.items()}
        label = _label(value["label"])
        if not label:
            name = printable(value["label"], 40)
            bad.add(
                line,
                names[at["label"]],
                f"it is {name!r}; write the class's name, for data sets number them differently",
            )
            continue
        pixels = _picture(root, value["image"])
        if isinstance(pixels, str):
            bad.add(line, names[at["image"]], pixels)
            continue
        if images and pixels.shape[:2] != images[0].shape[:2]:
            size = f"{pixels.shape[0]} x {pixels.shape[1]} pixels and the first {images[0].shape[0]} x {images[0].shape[1]}"
            bad.add(line, names[at["image"]], f"it is {size}; crop the faces to one size")
            continue
        if len(images) * pixels.size > MAX_BYTES:
            raise DataError(f"{path} names more pictures than memory holds; crop the faces and make them smaller")
        digest.update(pixels.tobytes())
        plain = bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all())
        if grey and not plain:
            grey, images = False, [np.repeat(image[:, :, None], 3, axis=2) for image in images]
        images.append(np.ascontiguousarray(pixels[..., 0]) if grey else pixels)
        kept.append((number, label, value.get("split", ""), value.get("subject", "")))
    if not images:
        raise DataError(
            f"{path} names no picture that can be read ({len(bad.rows)} bad rows); its paths start at {path.parent}"
        )
    labels = sorted({label for _, label, _, _ in kept})
    return Table(
        images=np.stack(images),
        emotion=np.array([labels.index(label) for _, label, _, _ in kept], np.int64),
        split=np.array([printable(split, 100) for _, _, split, _ in kept]),
        rows=np.array([number for number, *_ in kept], np.int64),
        classes=tuple(labels),
        bad=tuple(bad.rows),
        sha256=digest.hexdigest(),
        subject=np.array([printable(subject, 200) for *_, subject in kept]) if "subject" in at else None,
    )


def _label(text: str) -> str:
    """-> the class of a label; "" where it is a number, which would need a list of names, or no name."""
    name = canonical(text)
    return name if 0 < len(name) <= MAX_NAME and is_printable(name) and not name[0].isdigit() else ""


def _picture(root: Path, name: str) -> np.ndarray | str:
    """-> the pixels of a picture below the table's folder, or why there are none."""
    try:
        place = (root / name).resolve()
        if not place.is_relative_to(root):
            return f"{printable(name, 80)!r} lies outside the table's folder"
        with paths.open_regular(place) as file:
            return read_image(file.read(MAX_FILE))
    except (OSError, ValueError) as error:
        return f"{printable(name, 80)!r} cannot be read ({getattr(error, 'strerror', None) or 'no such file'})"
    except PictureError as error:
        return f"{printable(name, 80)!r}: {str(error).replace('the given bytes', 'it')}"
