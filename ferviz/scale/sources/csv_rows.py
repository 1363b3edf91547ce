"""FER2013's tables, of which a shard is some rows: the plan notes where they begin, so that a worker reads these lines alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from math import isqrt
from pathlib import Path
from typing import IO, Any

from ferviz.data import csv_lines, csv_reader
from ferviz.data.dataset import choose_splits
from ferviz.errors import DataError
from ferviz.paths import open_regular
from ferviz.scale.descriptors import Descriptor, Sample
from ferviz.scale.sources.registry import shard_file

_SETTLED = 64  # rows whose most common number of pixels is that of all rows


class CsvRows:
    """Rows of a table. A picture's id is its row, counted from 0; a row that cannot be read is a picture that cannot be read."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """Return whether a path is a table.

        Args:
            path: the path.
        """
        return csv_reader.is_table(path)

    @staticmethod
    def plan(path: Path, split: str | None, shard_size: int) -> Iterator[Descriptor]:
        """Yield the shards; the file is read once.

        Args:
            path, split, shard_size: as of `Source`.

        Raises:
            DataError: it is no FER2013 table, or holds no face.
            UsageError: there are several splits and none was named.
            UnknownNameError: there is no such split.
        """
        try:
            with open_regular(path) as file:
                rows = _Rows(file, path)
                places = list(rows.places())
                size = file.seek(0, 2)
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror or error}); check the path") from error
        known = tuple(dict.fromkeys(usage for *_, usage in places if usage is not None)) or ("",)
        wanted = choose_splits(split, known, str(path))
        chosen = [place for place in places if place[2] in wanted or (place[2] is None and wanted == set(known))]
        if not chosen:
            raise DataError(f"{path} holds no face; get a complete copy")
        about = {"separator": rows.separator.decode(), "columns": rows.columns, "pixels": rows.pixels}
        about["splits"] = None if wanted == set(known) else sorted(wanted)
        for number, start in enumerate(range(0, len(chosen), shard_size)):
            part = chosen[start : start + shard_size]
            offset, row, _ = part[0]
            details = {**about, "offset": offset, "row": row}
            yield Descriptor(number, "csv", size=size, first=row, count=len(part), details=details)

    @staticmethod
    def read(path: Path, shard: Descriptor) -> Iterator[Sample]:
        """Yield the rows of a shard.

        Args:
            path, shard: as of `Source`.

        Raises:
            DataError: the file has changed.
        """
        details, splits = shard.details, shard.details.get("splits")
        with shard_file(path, shard).open("rb") as file:
            file.seek(details["offset"])
            lines: Iterator[bytes] = (line for _, line in csv_lines.lines_of(file) if line.strip())
            row = details["row"]
            if not details[
                "offset"
            ]:  # lines that end in CR alone have no places: the header and the rows before are skipped
                lines = islice(lines, row + 1, None)
            yield from islice(_samples(lines, row, details, splits), shard.count)


def _samples(
    lines: Iterator[bytes], row: int, details: Mapping[str, Any], splits: list[str] | None
) -> Iterator[Sample]:
    columns, separator = details["columns"], details["separator"].encode()
    at = {name: columns.index(name) for name in ("emotion", "pixels", "usage") if name in columns}
    for number, line in enumerate(lines, row):
        fields = csv_lines.fields_of(line, separator)
        usage = csv_reader.usage_of(fields[at["usage"]][:40]) if "usage" in at and len(fields) == len(columns) else ""
        if splits is not None and usage not in splits:
            continue
        if len(fields) != len(columns):
            short = f"the line has {len(fields)} fields instead of {len(columns)}"
            yield Sample(str(number), problem="the line is too long" if line == b"\0" else short)
            continue
        emotion = csv_reader.emotion_of(fields[at["emotion"]][:40])
        label = csv_reader.CLASSES[emotion] if emotion >= 0 else ""
        text, count = fields[at["pixels"]], details["pixels"]
        block = csv_reader.parse_pixels([text], count)
        pixels = csv_reader.parse_face(text, count) if block is None else block[0]
        if isinstance(pixels, str):
            yield Sample(str(number), problem=pixels, label=label, split=usage or "")
        else:
            side = isqrt(count)
            yield Sample(str(number), pixels.reshape(side, side), label=label, split=usage or "")


class _Rows:
    """The rows of a table, without their pixels."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self.file, self.path = file, path
        is_old = b"\r" in file.readline(csv_lines.LINE_LIMIT).rstrip(b"\r\n")
        file.seek(0)
        self._lines = csv_lines.lines_of(file)
        self.separator, self.columns = csv_reader.columns_of(next(self._lines, (0, b""))[1], path)
        self._tell = (lambda: 0) if is_old else file.tell
        self.pixels = 0

    def places(self) -> Iterator[tuple[int, int, str | None]]:
        """Yield (where its line begins, row, split) of each row; the split of a row that does not tell is None."""
        width, usage = len(self.columns), self.columns.index("usage") if "usage" in self.columns else None
        column = self.columns.index("pixels")
        sizes: Counter[int] = Counter()
        start, row = self._tell(), 0
        for _, line in self._lines:
            if line.strip():
                fields = csv_lines.fields_of(line, self.separator)
                if row < _SETTLED and len(fields) == width:
                    sizes[len(fields[column].split())] += 1
                is_complete = len(fields) == width
                split = "" if usage is None else csv_reader.usage_of(fields[usage][:40]) if is_complete else None
                yield start, row, split
                row += 1
            start = self._tell()
        square = [size for size, _ in sizes.most_common() if size and isqrt(size) ** 2 == size]
        if not square:
            raise DataError(f"{self.path} holds no face that can be read; get a complete copy")
        self.pixels = square[0]
