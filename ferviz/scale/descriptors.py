"""What a shard is: a small record that says where some pictures lie, so that an engine moves records and never pixels."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from ferviz.printable import printable

NO_DETAILS: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Descriptor:
    """One shard of a source.

    Attributes:
        number: its number in the plan, from 0.
        kind: the name of the source's reader: "folder", "csv", "npy", "parquet" or "tar".
        path: its file, relative to the source; "" where the source is that file, and for a folder of pictures.
        size: bytes of that file when the plan was made, -1 for a folder of pictures.
        first: the number of its first picture in the file, from 0.
        count: how many pictures it has; None where that is only known once it is read.
        details: what its reader needs besides: places in the file, names of pictures.
        exclude: numbers of pictures in the shard, from 0, that are not explained because they end the process.
    """

    number: int
    kind: str
    path: str = ""
    size: int = -1
    first: int = 0
    count: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    exclude: tuple[int, ...] = ()

    def to_json(self) -> str:
        """Return the descriptor as one line of JSON."""
        # Piece by piece: there may be a million of them. Escapes keep names that are not UTF-8.
        line = f'{{"number": {self.number}, "kind": {_quoted(self.kind)}, "size": {self.size}, "first": {self.first}'
        if self.path:
            line += f', "path": {_quoted(self.path)}'
        if self.count is not None:
            line += f', "count": {self.count}'
        if self.details:
            line += f', "details": {json.dumps(self.details)}'
        if self.exclude:
            line += f', "exclude": {json.dumps(self.exclude)}'
        return line + "}"

    @classmethod
    def from_json(cls, line: str | bytes) -> Descriptor:
        """Return the descriptor of a line.

        Args:
            line: what `to_json` returned.

        Raises:
            ValueError, KeyError, TypeError: it is no such line.
        """
        record = json.loads(line)
        if not isinstance(record, dict):
            raise TypeError("a descriptor is a JSON object")
        return cls(**{**record, "exclude": tuple(record.get("exclude", ()))})

    def without(self, positions: tuple[int, ...]) -> Descriptor:
        """Return the descriptor with pictures that are not to be explained.

        Args:
            positions: their numbers in the shard, from 0.
        """
        return replace(self, exclude=tuple(sorted({*self.exclude, *positions})))

    @property
    def title(self) -> str:
        """How messages call the shard: its number, file and rows."""
        where = f" of {printable(self.path)}" if self.path else ""
        rows = "" if self.count is None else f", pictures {self.first:,} to {self.first + self.count - 1:,}{where}"
        return f"shard {self.number}{rows or where}"


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture of a shard, not yet decoded.

    Attributes:
        id: a name that no other picture of the source has; bytes that are not UTF-8 are escapes.
        picture: what `ferviz.read_image` takes: a path, the bytes of a file, or pixels; None where there is none.
        problem: why there is no picture, else "".
        label: its class as the source tells it, else "".
        split: the part of the data set that it belongs to, else "".
    """

    id: str
    picture: Any = None
    problem: str = ""
    label: str = ""
    split: str = ""


_quoted = lru_cache(json.dumps)  # of a source's few words and files


def plain_text(name: str) -> str:
    """Return a name as text that can be stored anywhere.

    Args:
        name: of a file; bytes that are not UTF-8 are surrogates, and become escapes.
    """
    return name.encode("utf-8", "backslashreplace").decode()


def cut(count: int, size: int) -> list[tuple[int, int]]:
    """Return how many pictures are cut into shards: (first, count) of each.

    Args:
        count: pictures.
        size: most pictures of a shard; the shards differ by one picture at most.
    """
    if not count:
        return []
    borders = np.linspace(0, count, -(-count // size) + 1).round().astype(int).tolist()
    return [(a, b - a) for a, b in itertools.pairwise(borders)]
