"""The folder of an unfinished run: the chunks that are done, and a log that tells their bytes from damaged or missing ones.

Each array grows in a file of its own, face after face, as plain little-endian float32. `run.jsonl` begins with the run's question and has
one line for each chunk: its faces, and shape and checksum of its part of each array. A chunk counts when the bytes on the disk have these
checksums; so nothing has to be written in a certain order, and whatever a kill, a power cut or a full disk leaves is computed again.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from ferviz.errors import OutputError
from ferviz.files import lock_file, sync_folder
from ferviz.manifests import to_json
from ferviz.paths import exists

LOG = "run.jsonl"
SUFFIX = ".f4"
DTYPE = np.dtype("<f4")
SYNC_SECONDS = 5.0
"""What a power cut costs at most: bytes are brought to the disk so often. A killed process loses nothing but its last chunk."""


@dataclass(frozen=True)
class Chunk:
    """Faces that are done.

    Attributes:
        start, stop: their numbers, `stop` not included.
        shapes: {array: shape of one face's part}.
        checksums: {array: CRC-32 of the chunk's bytes}.
    """

    start: int
    stop: int
    shapes: dict[str, tuple[int, ...]]
    checksums: dict[str, int]


class ChunkStore:
    """The chunks of one run on the disk; close it, or use it in a `with`.

    Args:
        folder: where they lie; it is made.
        question: plain data that two runs have to share so that one may continue the other.
        total: the number of faces.

    Attributes:
        question: that of the run in the folder, None where there is none or its line is damaged.
        chunks: the chunks that are done.
        damaged: how many faces were done according to the log, and their bytes are missing or differ.
        is_damaged: whether the folder holds something, and no question can be read.

    Raises:
        OutputError: the folder cannot be made or read, or another run is using it.
    """

    def __init__(self, folder: Path, question: Mapping[str, Any], total: int) -> None:
        self.folder, self.total = folder, total
        self._wanted = json.loads(to_json(question))
        self._files: dict[str, IO[bytes]] = {}
        self._synced = time.monotonic()
        with _reported(folder):
            folder.mkdir(exist_ok=True)
            self._log = (folder / LOG).open("a+b", buffering=0)
        try:
            lock_file(self._log, f"another run is writing to {folder}; wait for it, or name another output")
        except OutputError:
            self._log.close()
            raise
        self.chunks: list[Chunk] = []
        self._done = np.zeros(total, bool)
        self.question, logged = self._read_log()
        self.is_damaged = self.question is None and any(
            path.name != LOG or path.stat().st_size for path in folder.iterdir()
        )
        claimed = np.zeros(total, bool)
        for chunk in logged:
            claimed[chunk.start : chunk.stop] = True
            if self._fits(chunk) and self._is_intact(chunk):
                self._add(chunk)
        self.damaged = int((claimed & ~self._done).sum())

    def differences(self) -> list[str]:
        """Return the names of what differs between the question of the run in the folder and the one that was given."""
        there = self.question or {}
        return [name for name, value in self._wanted.items() if there.get(name) != value]

    def clear(self) -> None:
        """Forget what is in the folder, and begin a run in it.

        Raises:
            OutputError: it cannot be written.
        """
        self._close_arrays()
        self.question, self.chunks, self.damaged = self._wanted, [], 0
        self._done[:] = False
        with _reported(self.folder):
            self._log.truncate(0)
            for path in self.folder.iterdir():
                if path.name != LOG:
                    path.unlink()
            self._append({"question": self._wanted})
            sync_folder(self.folder)

    def missing(self, size: int) -> Iterator[slice]:
        """Yield the faces that are still to do, in parts of at most `size`.

        Args:
            size: faces in one part.
        """
        end = 0
        for start, stop in [*((chunk.start, chunk.stop) for chunk in self._in_order()), (self.total, self.total)]:
            for first in range(end, start, size):
                yield slice(first, min(first + size, start))
            end = stop

    def write(self, start: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep a chunk.

        Args:
            start: the number of its first face.
            arrays: {name: (n, ...) values of its faces}.

        Raises:
            OutputError: it cannot be written, for instance because the disk is full; what was kept before stays.
        """
        with _reported(self.folder):
            shapes, checksums, count = {}, {}, 0
            for name, values in arrays.items():
                data = np.ascontiguousarray(values, DTYPE)
                count, shapes[name] = len(data), data.shape[1:]
                checksums[name] = zlib.crc32(data.data)
                file = self._array(name)
                file.seek(start * data[0].nbytes)
                _write_all(file, data)
            chunk = Chunk(start, start + count, shapes, checksums)
            if not self._fits(chunk):
                raise OutputError(
                    f"{self.folder} holds arrays of other shapes than this run's; delete that folder and start again"
                )
            self._append({"start": chunk.start, "stop": chunk.stop, "shapes": shapes, "crc32": checksums})
            self._add(chunk)
            if time.monotonic() - self._synced >= SYNC_SECONDS:
                self._sync()

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of the complete array.

        Args:
            name: the array.
        """
        return (self.total, *self.chunks[0].shapes[name])

    def blocks(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of an array of which every face is done, chunk by chunk, each checked once more.

        Args:
            name: the array.

        Raises:
            OutputError: a chunk cannot be read, or its bytes have changed.
        """
        for chunk in self._in_order():
            with _reported(self.folder, "read"):
                data = self._read(chunk, name)
            if zlib.crc32(data) != chunk.checksums[name]:
                raise OutputError(f"{self.folder / name}{SUFFIX} is damaged; go on with --resume, which repairs it")
            yield data

    def remove(self) -> None:
        """Remove the folder; the log goes first, so that a run killed here leaves no folder that looks complete."""
        self.close()
        with _reported(self.folder):
            (self.folder / LOG).unlink(missing_ok=True)
            shutil.rmtree(self.folder)

    def close(self) -> None:
        """Close the files, and let other runs use the folder."""
        self._close_arrays()
        self._log.close()

    def __enter__(self) -> ChunkStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _in_order(self) -> list[Chunk]:
        return sorted(self.chunks, key=lambda chunk: chunk.start)

    def _add(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)
        self._done[chunk.start : chunk.stop] = True

    def _fits(self, chunk: Chunk) -> bool:
        """Whether a chunk overlaps none of those that count, and has their shapes."""
        alike = not self.chunks or chunk.shapes == self.chunks[0].shapes
        return alike and not self._done[chunk.start : chunk.stop].any()

    def _is_intact(self, chunk: Chunk) -> bool:
        with contextlib.suppress(OSError):
            return all(zlib.crc32(self._read(chunk, name)) == crc for name, crc in chunk.checksums.items())
        return False

    def _read(self, chunk: Chunk, name: str) -> bytes:
        size = math.prod(chunk.shapes[name]) * DTYPE.itemsize
        with (self.folder / f"{name}{SUFFIX}").open("rb") as file:
            if os.fstat(file.fileno()).st_size < chunk.stop * size:  # a damaged line may claim any number of bytes
                return b""
            file.seek(chunk.start * size)
            return file.read((chunk.stop - chunk.start) * size)

    def _array(self, name: str) -> IO[bytes]:
        if name not in self._files:
            path = self.folder / f"{name}{SUFFIX}"
            # Without a buffer and without a memory map: a full disk is an error of the call that writes, not a signal later.
            self._files[name] = path.open("r+b" if exists(path) else "w+b", buffering=0)
        return self._files[name]

    def _append(self, record: Mapping[str, Any]) -> None:
        self._log.seek(0, 2)
        _write_all(self._log, b"\n" + to_json(record).encode() + b"\n")  # the last line may have been cut

    def _read_log(self) -> tuple[dict[str, Any] | None, list[Chunk]]:
        with _reported(self.folder, "read"):
            self._log.seek(0)
            lines = [line for line in self._log.read().split(b"\n") if line]
        records = [_parsed(line) for line in lines]
        question = records[0].get("question") if records else None
        chunks = [chunk for record in records[1:] if (chunk := _chunk(record, self.total)) is not None]
        return (question if isinstance(question, dict) else None), chunks

    def _sync(self) -> None:
        for file in (*self._files.values(), self._log):
            os.fsync(file.fileno())
        self._synced = time.monotonic()

    def _close_arrays(self) -> None:
        for file in self._files.values():
            file.close()
        self._files = {}


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _chunk(record: dict[str, Any], total: int) -> Chunk | None:
    """-> the chunk of a line of the log, None where the line is damaged."""
    try:
        start, stop = int(record["start"]), int(record["stop"])
        shapes = {str(name): tuple(int(side) for side in shape) for name, shape in record["shapes"].items()}
        checksums = {str(name): int(value) for name, value in record["crc32"].items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    sides = [side for shape in shapes.values() for side in shape]
    if not 0 <= start < stop <= total or not shapes or shapes.keys() != checksums.keys() or min(sides, default=1) < 1:
        return None
    return Chunk(start, stop, shapes, checksums)


def _write_all(file: IO[bytes], data: Any) -> None:
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[file.write(rest) :]


@contextlib.contextmanager
def _reported(folder: Path, verb: str = "written") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{error.filename or folder} cannot be {verb} ({error.strerror or error}); free some space and go on with --resume"
        ) from error
