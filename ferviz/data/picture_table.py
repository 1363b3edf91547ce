"""A table beside pictures: a CSV file with a column of paths and a column of labels, as RAF-DB, AffectNet and CK+ are easily written.

image,label,split,subject
train/0001.jpg,happy,train,S010
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
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
    "image": ("image", "path", "file", "filename", "file_name", "picture", "image_path", "filepath", "img"),
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
    return "pixels" not in names and {"image", "label"} <= set(columns_of(names))


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
        return _read(path, rows, skip_bad, hashlib.sha256(content))
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


def columns_of(names: Sequence[str]) -> dict[str, int]:
    """Return {what a column holds: its number}.

    Args:
        names: of the columns, in small letters.
    """
    at = {}
    for key, words in COLUMNS.items():
        for word in words:
            if word in names and key not in at:
                at[key] = list(names).index(word)
    return at


class FaceRows:
    """Collects faces with their labels, row by row, whatever kind of table they stand in.

    All pictures have one size; they stay grey if all are grey.
    """

    def __init__(self, path: Path, skip_bad: bool) -> None:
        """Begin with no faces.

        Args:
            path: of the table, for messages.
            skip_bad: collect rows that cannot be read instead of raising.
        """
        self.path, self.bad = path, BadRows(str(path), skip_bad)
        self.spellings: dict[str, str] = {}
        self._images: list[np.ndarray] = []
        self._kept: list[tuple[int, str, str, str]] = []
        self._grey = True

    def add(
        self, number: int, line: int, columns: dict[str, str], pixels: np.ndarray | str, label: str, split: str = "", subject: str = ""
    ) -> None:  # fmt: skip
        """Add a face, or note why it cannot be read.

        Args:
            number: of the row, from 0.
            line: for messages, from 1.
            columns: the names of the columns "image" and "label".
            pixels: (H, W, 3) uint8, or why there are none.
            label: as it is written.
            split: the name of its split.
            subject: who it shows.

        Raises:
            DataError: the row is bad and such rows are not to be skipped, or there are more pictures than memory holds.
        """
        name, images = class_of(label), self._images
        if not name:
            reason = f"it is {printable(label, 40)!r}; write the class's name, for data sets number them differently"
            self.bad.add(line, columns["label"], reason)
            return
        if isinstance(pixels, str):
            self.bad.add(line, columns["image"], pixels)
            return
        if images and pixels.shape[:2] != images[0].shape[:2]:
            size = f"{pixels.shape[0]} x {pixels.shape[1]} pixels and the first {images[0].shape[0]} x {images[0].shape[1]}"
            self.bad.add(line, columns["image"], f"it is {size}; crop the faces to one size")
            return
        if len(images) * pixels.size > MAX_BYTES:
            raise DataError(f"{self.path} names more pictures than memory holds; crop the faces and make them smaller")
        plain = bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all())
        if self._grey and not plain:
            self._grey, self._images = False, [np.repeat(image[:, :, None], 3, axis=2) for image in images]
        self._images.append(np.ascontiguousarray(pixels[..., 0]) if self._grey else pixels)
        self._kept.append((number, name, split, subject))
        self.spellings.setdefault(printable(label.strip(), MAX_NAME), name)

    def table(self, digest: str, has_subjects: bool) -> Table:
        """Return the faces.

        Args:
            digest: SHA-256 of the source's content.
            has_subjects: the source says who each face shows.

        Raises:
            DataError: there are none.
        """
        if not self._images:
            raise DataError(
                f"{self.path} names no picture that can be read ({len(self.bad.rows)} bad rows); its paths start at {self.path.parent}"
            )
        labels = sorted({label for _, label, _, _ in self._kept})
        return Table(
            images=np.stack(self._images),
            emotion=np.array([labels.index(label) for _, label, _, _ in self._kept], np.int64),
            split=np.array([printable(split, 100) for _, _, split, _ in self._kept]),
            rows=np.array([number for number, *_ in self._kept], np.int64),
            classes=tuple(labels),
            bad=tuple(self.bad.rows),
            sha256=digest,
            subject=np.array([printable(subject, 200) for *_, subject in self._kept]) if has_subjects else None,
            spellings=self.spellings,
        )


def _read(path: Path, rows: Iterator[list[str]], skip_bad: bool, digest: Any) -> Table:
    names = [name.strip().lower() for name in next(rows, [])]
    at = columns_of(names)
    faces = FaceRows(path, skip_bad)
    columns = {key: names[place] for key, place in at.items()}
    root = path.parent.resolve()
    for number, fields in enumerate(row for row in rows if any(field.strip() for field in row)):
        line = number + 2
        if len(fields) != len(names):
            faces.bad.add(line, names[-1], f"the line has {len(fields)} fields instead of {len(names)}")
            continue
        value = {key: fields[place].strip() for key, place in at.items()}
        pixels = picture_below(root, value["image"])
        if not isinstance(pixels, str):
            digest.update(pixels.tobytes())
        faces.add(number, line, columns, pixels, value["label"], value.get("split", ""), value.get("subject", ""))
    return faces.table(digest.hexdigest(), "subject" in at)


def class_of(text: str) -> str:
    """Return the class of a label; "" where it is a number, which would need a list of names, or no name.

    Args:
        text: the label as it is written.
    """
    name = canonical(text)
    return name if 0 < len(name) <= MAX_NAME and is_printable(name) and not name[0].isdigit() else ""


def picture_below(root: Path, name: str) -> np.ndarray | str:
    """Return the pixels of a picture below a table's folder, or why there are none.

    Args:
        root: the folder, resolved.
        name: the picture's path as the table has it.
    """
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
