"""Parquet files with a column of encoded pictures, as data sets are distributed today."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ferviz.errors import DataError
from ferviz.scale.arrow import arrow_errors, import_parquet
from ferviz.scale.descriptors import Descriptor, Sample, cut, plain_text
from ferviz.scale.sources.registry import MAX_OPENED, files_with, no_split, shard_file

IMAGES = ("image", "img", "picture", "face", "bytes", "png", "jpg", "jpeg", "webp", "pixels")
IDS = ("id", "key", "__key__", "name", "file_name", "filename", "path")
LABELS = ("label", "emotion", "class", "cls", "true_label")
"""Names of the columns that are looked for, in any case; the first that is there counts."""

_ROWS = 64  # read at once


class ParquetRows:
    """Rows of Parquet files. A picture's id is that of its row, or the file's name and the row's number."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """Return whether a path is a .parquet file, or a folder of them.

        Args:
            path: the path.
        """
        return bool(files_with(path, ".parquet"))

    @staticmethod
    def plan(path: Path, split: str | None, shard_size: int) -> Iterator[Descriptor]:
        """Yield the shards.

        Args:
            path, split, shard_size: as of `Source`.

        Raises:
            DataError: a file cannot be read, or has no column of pictures.
            UsageError: a split is asked for, or pyarrow is not installed.
        """
        no_split(path, split)
        files = files_with(path, ".parquet")
        number = 0
        for position, file in enumerate(files):
            name, size = "" if file == path else file.name, file.stat().st_size
            if len(files) > MAX_OPENED and position:
                yield Descriptor(number, "parquet", name, size)
                number += 1
                continue
            with arrow_errors(file):
                parquet = import_parquet().ParquetFile(file)
                _column(parquet.schema_arrow, IMAGES, file)
                rows = parquet.metadata.num_rows
            if rows < 0:
                raise DataError(f"{file} is damaged (it says that it has {rows:,} rows); get a complete copy")
            parts: Sequence[tuple[int, int | None]] = [(0, None)] if len(files) > MAX_OPENED else cut(rows, shard_size)
            for first, count in parts:
                yield Descriptor(number, "parquet", name, size, first, count)
                number += 1

    @staticmethod
    def read(path: Path, shard: Descriptor) -> Iterator[Sample]:
        """Yield the rows of a shard.

        Args:
            path, shard: as of `Source`.

        Raises:
            DataError: the file has changed, or is damaged.
            UsageError: pyarrow is not installed.
        """
        file = shard_file(path, shard)
        prefix = f"{plain_text(shard.path)}/" if shard.path else ""
        with arrow_errors(file), import_parquet().ParquetFile(file) as parquet:
            schema = parquet.schema_arrow
            image = _column(schema, IMAGES, file)
            identity, label = (_first(schema, names) for names in (IDS, LABELS))
            columns = [name for name in dict.fromkeys((image, identity, label)) if name]
            count = parquet.metadata.num_rows if shard.count is None else shard.count
            for row, record in _records(parquet, columns, shard.first, count):
                value = record[image]
                data = value.get("bytes") if isinstance(value, dict) else value
                name = plain_text(str(record[identity])) if identity and record[identity] is not None else str(row)
                text = "" if not label or record[label] is None else plain_text(str(record[label]))
                problem = "" if data else "the row has no picture"
                yield Sample(prefix + name if not identity else name, data or None, problem, text)


def _records(parquet: Any, columns: list[str], first: int, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """-> (row, {column: value}) of a range of rows; of the file's groups only those that have some of them are read."""
    start = 0
    for group in range(parquet.num_row_groups):
        rows = parquet.metadata.row_group(group).num_rows
        if start < first + count and start + rows > first:
            at = start
            for batch in parquet.iter_batches(_ROWS, row_groups=[group], columns=columns):
                low, high = max(first - at, 0), min(first + count - at, batch.num_rows)
                if low < high:
                    yield from enumerate(batch.slice(low, high - low).to_pylist(), at + low)
                at += batch.num_rows
        start += rows


def _first(schema: Any, names: tuple[str, ...]) -> str | None:
    there = {name.lower(): name for name in schema.names}
    return next((there[name] for name in names if name in there), None)


def _column(schema: Any, names: tuple[str, ...], file: Path) -> str:
    """-> the column with the pictures."""
    from pyarrow import types

    there = {name.lower(): name for name in schema.names}
    for name in (there[name] for name in names if name in there):
        if schema.names.count(name) > 1:
            raise DataError(f"{file} has several columns {plain_text(name)!r}; write it again with one of them")
        kind = schema.field(name).type
        if types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            kind = kind.field("bytes").type
        if types.is_binary(kind) or types.is_large_binary(kind):
            return str(name)
    listed = ", ".join(map(plain_text, schema.names))[:200]
    raise DataError(f"{file} has no column of pictures as bytes ({' or '.join(names[:3])} ...); it has {listed}")
