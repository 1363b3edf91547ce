"""An array of pictures in a .npy file, of which only the rows of a shard are read."""

from __future__ import annotations

import math
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ferviz.errors import DataError
from ferviz.paths import is_file, open_regular
from ferviz.scale.descriptors import Descriptor, Sample, cut
from ferviz.scale.sources.registry import no_split, shard_file


class NpyRows:
    """Pictures (N, H, W) or (N, H, W, 3) uint8. A picture's id is its row."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """Return whether a path is a .npy file.

        Args:
            path: the path.
        """
        return is_file(path) and path.suffix.lower() == ".npy"

    @staticmethod
    def plan(path: Path, split: str | None, shard_size: int) -> Iterator[Descriptor]:
        """Yield the shards.

        Args:
            path, split, shard_size: as of `Source`.

        Raises:
            DataError: the file holds no array of pictures.
            UsageError: a split is asked for.
        """
        no_split(path, split)
        try:
            with open_regular(path) as file:
                (count, *_), _ = _header(file, path)
                size = file.seek(0, 2)
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror or error}); check the path") from error
        for number, (first, rows) in enumerate(cut(count, shard_size)):
            yield Descriptor(number, "npy", size=size, first=first, count=rows)

    @staticmethod
    def read(path: Path, shard: Descriptor) -> Iterator[Sample]:
        """Yield the pictures of a shard.

        Args:
            path, shard: as of `Source`.

        Raises:
            DataError: the file has changed, or is cut off.
        """
        assert shard.count is not None
        with shard_file(path, shard).open("rb") as file:
            (_, *sides), start = _header(file, path)
            length = math.prod(sides)
            file.seek(start + shard.first * length)
            for row in range(shard.first, shard.first + shard.count):
                data = file.read(length)
                if len(data) < length:
                    raise DataError(f"{path} is cut off at row {row:,}; get a complete copy")
                yield Sample(str(row), np.frombuffer(data, np.uint8).reshape(sides))


def _header(file: BinaryIO, path: Path) -> tuple[tuple[int, ...], int]:
    """-> the array's shape, and where its bytes begin."""
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, is_fortran, dtype = read(file)
    except (ValueError, EOFError, SyntaxError, RecursionError, tokenize.TokenError) as error:
        raise DataError(f"{path} is not a .npy file that can be read; save the array again with numpy.save") from error
    start = file.tell()
    is_pictures = len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3))
    if dtype != np.uint8 or is_fortran or not is_pictures or min(shape) < 1:
        raise DataError(f"{path} holds {dtype} {shape}; pictures are uint8 (N, H, W) or (N, H, W, 3), in C order")
    if file.seek(0, 2) - start < math.prod(shape):
        raise DataError(f"{path} declares {shape[0]:,} pictures and holds fewer bytes; get a complete copy")
    return shape, start
