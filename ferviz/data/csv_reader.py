"""Kaggle's FER2013 tables: fer2013.csv and icml_face_data.csv, a row at a time, columns found by name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from math import isqrt
from pathlib import Path
from typing import IO, Any

import numpy as np

from ferviz.data.pixels import parse, parse_one
from ferviz.data.table import BadRows, Table
from ferviz.emotions import FER2013
from ferviz.errors import DataError

USAGES = {
    "training": "Training", "train": "Training", "publictest": "PublicTest", "validation": "PublicTest",
    "privatetest": "PrivateTest", "test": "PrivateTest",
}  # fmt: skip
"""Words in the usage column -> Kaggle's split names."""

LINE_LIMIT = 1 << 20
"""Bytes in a line; 128 x 128 faces need 64 KiB. A longer line is a bad row, so that no file is ever held whole."""

BATCH = 8
"""Rows parsed at once: few enough that a pass over them stays in the processor's cache."""


def is_table(path: Path) -> bool:
    """Return whether `path` looks like a table of faces: a file that ends in .csv."""
    return path.is_file() and path.suffix.lower() == ".csv"


def read_table(path: Path, skip_bad: bool = False) -> Table:
    """Read a table with the columns emotion, pixels and, if it has splits, usage, in any order and spacing.

    path: a CSV file. emotion is FER2013's number 0 to 6; pixels are n * n numbers from 0 to 255 with spaces between, the same n
    in every row; usage is Training, PublicTest or PrivateTest. Lines may end in CR LF, fields may be quoted, blank lines are
    passed over. skip_bad: note bad rows in the result instead of raising.
    -> the Table. Raises DataError for a file that cannot be read, for missing columns, and for a bad row (line and column).
    """
    try:
        with path.open("rb") as file:
            return _read(file, path, BadRows(str(path), skip_bad))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}); check the path") from error


def fields_of(line: bytes) -> list[bytes]:
    """Split one line of a table at its commas: white space and quotes around a field are dropped."""
    return [f.strip().strip(b'"').strip() for f in line.split(b",")]


def header_of(line: bytes) -> list[str]:
    """Return the column names of a table's first line, lower case, without a byte order mark and white space."""
    return [f.decode("utf-8", "replace").lower() for f in fields_of(line.removeprefix(b"\xef\xbb\xbf"))]


def lines_of(file: IO[bytes], digest: Any = None) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line) of a table; what is longer than LINE_LIMIT comes as an empty field list's b"".

    digest: a hash that is fed every byte.
    """
    number = 0
    while line := file.readline(LINE_LIMIT):
        number += 1
        if digest is not None:
            digest.update(line)
        if len(line) == LINE_LIMIT and not line.endswith(b"\n"):
            while rest := file.readline(LINE_LIMIT):
                if digest is not None:
                    digest.update(rest)
                if rest.endswith(b"\n"):
                    break
            yield number, b"\0"
            continue
        yield number, line


class _Faces:
    """Collects rows: parses their pixels some at a time into one array that was reserved for the whole file."""

    def __init__(self, bad: BadRows, size: int) -> None:
        self.bad, self.size, self.count, self.done = bad, size, 0, 0
        self.images = np.empty((0, 0), np.uint8)
        self.pending: list[tuple[int, int, int, str, bytes]] = []
        self.kept: list[tuple[int, int, str]] = []

    def add(self, line: int, row: int, emotion: int, usage: str, text: bytes) -> None:
        if not self.count:
            words = len(text.split())
            if isqrt(words) ** 2 != words or not words:
                self.bad.add(line, "pixels", f"it has {words:,} values, which is no square picture")
                return
            self.count = words
            # A number takes two bytes at least, so the file cannot hold more rows than this; pages that stay untouched cost nothing.
            self.images = np.empty((self.size // (2 * words) + 1, words), np.uint8)
        self.pending.append((line, row, emotion, usage, text))
        if len(self.pending) >= BATCH:
            self.flush()

    def flush(self) -> None:
        if not self.pending:
            return
        block = parse([p[-1] for p in self.pending], self.count)
        for i, (line, row, emotion, usage, text) in enumerate(self.pending):
            pixels = parse_one(text, self.count) if block is None else block[i]
            if isinstance(pixels, str):
                self.bad.add(line, "pixels", pixels)
                continue
            self.images[self.done] = pixels
            self.done += 1
            self.kept.append((row, emotion, usage))
        self.pending.clear()


def _read(file: IO[bytes], path: Path, bad: BadRows) -> Table:
    digest = hashlib.sha256()
    lines = lines_of(file, digest)
    columns = header_of(next(lines, (0, b""))[1])
    for name in ("emotion", "pixels"):
        if name not in columns:
            shown = ", ".join(columns)[:80] or "nothing"
            raise DataError(
                f"{path} has no column {name!r} in its first line ({shown}); it is not a FER2013 table with labels"
            )
    at = {name: columns.index(name) for name in ("emotion", "pixels", "usage") if name in columns}
    faces = _Faces(bad, max(path.stat().st_size, 1))
    row = -1
    for number, line in lines:
        if not line.strip():
            continue
        row += 1
        fields = fields_of(line)
        if len(fields) != len(columns):
            faces.flush()  # so that the first bad row of the file is the one that is reported
            reason = (
                "the line is too long"
                if line == b"\0"
                else f"the line has {len(fields)} fields instead of {len(columns)}"
            )
            bad.add(number, columns[min(len(fields), len(columns)) - 1], reason)
            continue
        emotion, usage = fields[at["emotion"]], fields[at["usage"]] if "usage" in at else b""
        known = USAGES.get(usage.decode("utf-8", "replace").lower()) if "usage" in at else ""
        if emotion not in (b"0", b"1", b"2", b"3", b"4", b"5", b"6"):
            faces.flush()
            bad.add(number, "emotion", f"it is {emotion[:20].decode('utf-8', 'replace')!r}, not a number from 0 to 6")
        elif known is None:
            faces.flush()
            bad.add(
                number,
                "usage",
                f"it is {usage[:20].decode('utf-8', 'replace')!r}, not Training, PublicTest or PrivateTest",
            )
        else:
            faces.add(number, row, int(emotion), known, fields[at["pixels"]])
    faces.flush()
    if not faces.done:
        raise DataError(f"{path} holds no face that can be read ({len(bad.found)} bad rows); check that it is whole")
    side = isqrt(faces.count)
    faces.images.resize((faces.done, faces.count), refcheck=False)  # gives the reserve back without copying
    return Table(
        images=faces.images.reshape(-1, side, side),
        emotion=np.array([k[1] for k in faces.kept], np.int64),
        split=np.array([k[2] for k in faces.kept]),
        rows=np.array([k[0] for k in faces.kept], np.int64),
        classes=FER2013,
        bad=tuple(bad.found),
        sha256=digest.hexdigest(),
    )
