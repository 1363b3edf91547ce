"""Kaggle's FER2013 tables: fer2013.csv and icml_face_data.csv, read a row at a time, with columns in any order."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from math import isqrt
from pathlib import Path
from typing import IO

import numpy as np

from ferviz.data.csv_lines import fields_of, header_of, lines_of, word_of
from ferviz.data.dataset import BadRows, Table
from ferviz.emotions import FER2013, canonical
from ferviz.errors import DataError
from ferviz.paths import is_file, open_regular

USAGES = {
    "training": "Training", "train": "Training", "publictest": "PublicTest", "validation": "PublicTest", "valid": "PublicTest",
    "val": "PublicTest", "privatetest": "PrivateTest", "test": "PrivateTest",
}  # fmt: skip
"""Words in the usage column -> Kaggle's split names."""

SEPARATORS = (b",", b";", b"\t")
"""What may separate two fields: a comma, or the separators of spreadsheets in other countries."""

CLASSES = (*FER2013, "contempt")
"""The classes that the emotion column may have; contempt has no number."""

_OTHERS = (
    (b"\xff\xfe", "UTF-16 text; save it as CSV in UTF-8"),
    (b"\xfe\xff", "UTF-16 text; save it as CSV in UTF-8"),
    (b"PK\x03\x04", "a packed archive or a spreadsheet; unpack it, or save it as CSV"),
    (b"\x1f\x8b", "a packed archive; unpack it first"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the table itself; fetch it with git lfs pull"),
)

_SPACE, _ZERO = 32, 48

BATCH = 8
"""Rows parsed at once: few enough that a pass over them stays in the processor's cache."""


def is_table(path: Path) -> bool:
    """Return whether a path looks like a table of faces: a file that ends in .csv.

    Args:
        path: the path.
    """
    return is_file(path) and path.suffix.lower() == ".csv"


def read_table(path: Path, skip_bad: bool = False) -> Table:
    """Read a table with the columns emotion, pixels and, if it has splits, usage, in any order and spacing.

    The emotion is FER2013's number 0 to 6 or an emotion's name; the pixels are n x n numbers from 0 to 255 with spaces between, the same
    n in every row; the usage is Training, PublicTest or PrivateTest. Lines may end in LF, CR LF or CR alone, fields may be quoted, and
    separated by semicolons or tabs; blank lines are skipped.

    Args:
        path: a CSV file.
        skip_bad: collect bad rows in the result instead of raising.

    Returns:
        The table.

    Raises:
        DataError: the file cannot be read, a column is missing, or a row is bad (the message names line and column).
    """
    try:
        with open_regular(path) as file:
            return _read(file, path, BadRows(str(path), skip_bad))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}); check the path") from error


@lru_cache(256)
def emotion_of(field: bytes) -> int:
    """Return the index in CLASSES of an emotion column's value; -1 for a value that is not known.

    Args:
        field: a number ("3", or "3.0" as pandas may write it) or a name ("Happiness").
    """
    word = word_of(field)
    if re.fullmatch(r"[0-6](\.0+)?", word, re.ASCII):
        return int(word[0])
    name = canonical(word)
    return CLASSES.index(name) if name in CLASSES else -1


@lru_cache(256)
def usage_of(field: bytes) -> str | None:
    """Return Kaggle's name of the split in a usage column, None for a value that is not known.

    Args:
        field: the value.
    """
    return USAGES.get(word_of(field).lower())


def parse_pixels(fields: Sequence[bytes], count: int) -> np.ndarray | None:
    """Return the pixels of several faces whose texts are well-formed, in a few passes of NumPy over the raw bytes.

    Args:
        fields: R texts of decimal numbers 0 to 255 with one space between them.
        count: numbers in each.

    Returns:
        (R, count) uint8, or None when any of the texts is not exactly that (then `parse_face` gives the reason). 256 is refused, not
        read as 0.
    """
    text = np.frombuffer(b" ".join(fields), np.uint8)
    spaces = np.flatnonzero(text == _SPACE)
    if len(spaces) != len(fields) * count - 1 or len(text) < 3:
        return None
    # Each text has `count` numbers if every `count`-th space is one of those between the texts.
    borders = np.cumsum([len(f) + 1 for f in fields[:-1]], dtype=np.int64) - 1
    if not np.array_equal(spaces[count - 1 :: count], borders):
        return None
    digits = text - np.uint8(_ZERO)
    if np.count_nonzero(digits < 10) != len(text) - len(spaces):
        return None
    ends = np.append(spaces, len(text))
    length = ends.copy()
    length[1:] -= spaces + 1
    if length.min() < 1 or length.max() > 3:
        return None
    # Before a short number stand other bytes; its length multiplies them by 0.
    value = digits[ends - 1].astype(np.uint16)
    value += digits[ends - 2] * (length > 1) * np.uint16(10)
    value += digits[ends - 3] * (length > 2) * np.uint16(100)
    return value.astype(np.uint8).reshape(len(fields), count) if value.max() < 256 else None


def parse_face(field: bytes, count: int) -> np.ndarray | str:
    """Return the pixels of one face, with any white space between the numbers.

    Args:
        field: the text.
        count: numbers in it.

    Returns:
        (count,) uint8, or the reason why it cannot be read, as a phrase.
    """
    words = field.split()
    if len(words) != count:
        return f"it has {len(words):,} values instead of {count:,}"
    for at, word in enumerate(words, 1):
        # isdigit on bytes accepts ASCII digits only; int() alone would also take "1_0" and "+7".
        if not word.isdigit() or len(word) > 9 or int(word) > 255:
            return f"value {at:,} is {word[:20].decode('utf-8', 'replace')!r}, not a whole number from 0 to 255"
    return np.array([int(w) for w in words], np.uint8)


class _Faces:
    """Collects rows: parses their pixels a block at a time into one array that is reserved for the entire file."""

    def __init__(self, bad: BadRows, size: int) -> None:
        self.bad, self.size, self.count, self.done = bad, size, 0, 0
        self.images = np.empty((0, 0), np.uint8)
        self.pending: list[tuple[int, int, int, str, bytes]] = []
        self.kept: list[tuple[int, int, str]] = []

    def add(self, line: int, row: int, emotion: int, usage: str, text: bytes) -> None:
        self.pending.append((line, row, emotion, usage, text))
        if len(self.pending) >= BATCH:
            self.flush()

    def refuse(self, line: int, column: str, reason: str) -> None:
        """Collect a row that is bad for another reason than its pixels."""
        if not self.bad.skip:
            self.flush()  # so that the first bad row of the file is the one that is reported
        self.bad.add(line, column, reason)

    def flush(self) -> None:
        if not self.count:
            self._settle()
        if not self.pending:
            return
        block = parse_pixels([p[-1] for p in self.pending], self.count)
        for i, (line, row, emotion, usage, text) in enumerate(self.pending):
            pixels = parse_face(text, self.count) if block is None else block[i]
            if isinstance(pixels, str):
                self.bad.add(line, "pixels", pixels)
                continue
            self.images[self.done] = pixels
            self.done += 1
            self.kept.append((row, emotion, usage))
        self.pending.clear()

    def _settle(self) -> None:
        """Take the size of most of the first rows, so that a first row which is cut short does not decide for all."""
        sizes = [len(text.split()) for *_, text in self.pending]
        square = Counter(words for words in sizes if words and isqrt(words) ** 2 == words)
        if not square:
            for (line, *_), words in zip(self.pending, sizes, strict=True):
                self.bad.add(line, "pixels", f"it has {words:,} values, which is no square picture")
            self.pending.clear()
            return
        self.count = square.most_common(1)[0][0]
        # A number takes two bytes at least, so the file cannot hold more rows than this; pages that are never written take no memory.
        self.images = np.empty((self.size // (2 * self.count) + 1, self.count), np.uint8)


def _read(file: IO[bytes], path: Path, bad: BadRows) -> Table:
    digest = hashlib.sha256()
    lines = lines_of(file, digest)
    separator, columns = columns_of(next(lines, (0, b""))[1], path)
    at = {name: columns.index(name) for name in ("emotion", "pixels", "usage") if name in columns}
    faces = _Faces(bad, max(path.stat().st_size, 1))
    row = -1
    for number, line in lines:
        if not line.strip():
            continue
        row += 1
        fields = fields_of(line, separator)
        if len(fields) != len(columns):
            short = f"the line has {len(fields)} fields instead of {len(columns)}"
            column = columns[min(len(fields), len(columns)) - 1]
            faces.refuse(number, column, "the line is too long" if line == b"\0" else short)
            continue
        value, usage = fields[at["emotion"]], fields[at["usage"]] if "usage" in at else b""
        emotion = emotion_of(value[:40])
        known = usage_of(usage[:40]) if "usage" in at else ""
        if emotion < 0:
            reason = f"it is {word_of(value[:20])!r}, neither a number from 0 to 6 nor the name of an emotion"
            faces.refuse(number, "emotion", reason)
        elif known is None:
            reason = f"it is {word_of(usage[:20])!r}, not Training, PublicTest or PrivateTest"
            faces.refuse(number, "usage", reason)
        else:
            faces.add(number, row, emotion, known, fields[at["pixels"]])
    faces.flush()
    if not faces.done:
        raise DataError(f"{path} holds no face that can be read ({len(bad.rows)} bad rows); get a complete copy")
    side, emotions = isqrt(faces.count), np.array([k[1] for k in faces.kept], np.int64)
    faces.images.resize((faces.done, faces.count), refcheck=False)  # gives the reserve back without copying
    return Table(
        images=faces.images.reshape(-1, side, side),
        emotion=emotions,
        split=np.array([k[2] for k in faces.kept]),
        rows=np.array([k[0] for k in faces.kept], np.int64),
        classes=CLASSES if emotions.max() >= len(FER2013) else FER2013,
        bad=tuple(bad.rows),
        sha256=digest.hexdigest(),
    )


def columns_of(line: bytes, path: Path) -> tuple[bytes, list[str]]:
    """Return the separator of the fields of a table, and its columns' names.

    Args:
        line: its first line.
        path: the file, for messages.

    Raises:
        DataError: it is no FER2013 table.
    """
    for start, kind in _OTHERS:
        if line.startswith(start):
            raise DataError(f"{path} is {kind}")
    if not line:
        raise DataError(f"{path} is empty, so it has no column 'emotion'; get a complete copy")
    for separator in SEPARATORS:
        columns = header_of(line, separator)
        if {"emotion", "pixels"} <= set(columns):
            return separator, columns
    columns = header_of(line)
    missing = "emotion" if "emotion" not in columns else "pixels"
    shown = ", ".join(columns)[:80].strip() or "no text"
    raise DataError(
        f"{path} has no column {missing!r} in its first line ({shown}); it is not a FER2013 table with labels"
    )
