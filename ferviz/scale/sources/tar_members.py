"""WebDataset's tar files: the members of one picture share their name up to its first dot."""

from __future__ import annotations

import itertools
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from ferviz.errors import DataError
from ferviz.images import FORMATS, MAX_BYTES, READ_ONLY
from ferviz.paths import open_regular
from ferviz.scale.descriptors import Descriptor, Sample, cut, plain_text
from ferviz.scale.sources.registry import files_with, no_split, shard_file

_SUFFIXES = (*FORMATS, *READ_ONLY)
_LABEL_BYTES = 200
_BLOCK = 512
_HEADER_BYTES = 1 << 20


class TarMembers:
    """Tar files, one shard each; a single file is cut into shards. A picture's id is its key, in a folder behind the file's name."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """Return whether a path is a .tar file, or a folder of them.

        Args:
            path: the path.
        """
        return bool(files_with(path, ".tar"))

    @staticmethod
    def plan(path: Path, split: str | None, shard_size: int) -> Iterator[Descriptor]:
        """Yield the shards. The files of a folder are not opened: they are the shards of their maker.

        Args:
            path, split, shard_size: as of `Source`.

        Raises:
            DataError: a single file cannot be read.
            UsageError: a split is asked for.
        """
        no_split(path, split)
        files = files_with(path, ".tar")
        if len(files) > 1:
            for number, file in enumerate(files):
                yield Descriptor(number, "tar", file.name, file.stat().st_size)
            return
        name = "" if files[0] == path else files[0].name
        with _opened(files[0]) as stream:
            starts = [members[0].offset for members in _groups(stream, files[0])]
            size = stream.seek(0, 2)
        if not starts:
            raise DataError(f"{files[0]} holds no picture; it should hold 0001.jpg, 0001.cls, ...")
        for number, (first, count) in enumerate(cut(len(starts), shard_size)):
            yield Descriptor(number, "tar", name, size, first, count, {"offset": starts[first]})

    @staticmethod
    def read(path: Path, shard: Descriptor) -> Iterator[Sample]:
        """Yield the pictures of a shard.

        Args:
            path, shard: as of `Source`.

        Raises:
            DataError: the file has changed, is damaged or cut off.
        """
        file = shard_file(path, shard)
        with _opened(file) as stream:
            stream.seek(shard.details.get("offset", 0))
            for members in itertools.islice(_groups(stream, file), shard.count):
                yield _sample(stream, members, f"{plain_text(shard.path)}/" if shard.path else "", file)


def _opened(file: Path) -> BinaryIO:
    try:
        return open_regular(file)
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror or error}); check the path") from error


def _key(name: str) -> str:
    path = PurePosixPath(name)
    return (path.parent / path.name.partition(".")[0]).as_posix()


class _Headers:
    """A stream of which only headers are read: a long name or a table of attributes says itself how long it is, and may say anything."""

    def __init__(self, stream: BinaryIO) -> None:
        self.seek, self.tell, self._read = stream.seek, stream.tell, stream.read

    def read(self, size: int) -> bytes:
        if size > _HEADER_BYTES:
            raise ValueError(f"a header of {size:,} bytes")
        return self._read(size)


def _groups(stream: BinaryIO, file: Path) -> Iterator[list[tarfile.TarInfo]]:
    """-> the members of one picture after the other, from where the stream is; pictures, labels, and what else has their name."""
    group: list[tarfile.TarInfo] = []
    try:
        # A TarFile keeps every member that it has seen; the list is emptied, so that memory does not grow with the file.
        archive: Any = tarfile.TarFile(fileobj=_Headers(stream), mode="r")  # type: ignore[arg-type]
        while (member := archive.next()) is not None:
            archive.members = []
            if not member.isreg() or PurePosixPath(member.name).name.startswith("."):
                continue
            if group and _key(member.name) != _key(group[0].name):
                yield group
                group = []
            group.append(member)
        end = archive.offset
    except (tarfile.TarError, OSError, ValueError, EOFError, OverflowError) as error:
        raise DataError(f"{file} is no tar file, or damaged ({error}); get a complete copy") from error
    if group:
        yield group
    stream.seek(end)
    block = stream.read(_BLOCK)
    if len(block) < _BLOCK or block.strip(b"\0"):  # tarfile ends silently at a header that is cut off or damaged
        raise DataError(f"{file} is cut off: it has no end mark; get a complete copy")


def _sample(stream: BinaryIO, members: list[tarfile.TarInfo], prefix: str, file: Path) -> Sample:
    name = prefix + plain_text(_key(members[0].name))
    picture = next((m for m in members if m.name.lower().endswith(_SUFFIXES)), None)
    label = next((m for m in members if m.name.lower().endswith(".cls")), None)
    text = _content(stream, label, file)[:_LABEL_BYTES].decode("utf-8", "replace").strip() if label else ""
    if picture is None:
        kinds = ", ".join(sorted(PurePosixPath(m.name).suffix or m.name for m in members))
        return Sample(name, problem=f"it has no picture, only {plain_text(kinds)}", label=text)
    if picture.size > MAX_BYTES:
        return Sample(name, problem=f"it has more than {MAX_BYTES >> 20} MB", label=text)
    return Sample(name, _content(stream, picture, file), label=text)


def _content(stream: BinaryIO, member: tarfile.TarInfo, file: Path) -> bytes:
    stream.seek(member.offset_data)
    data = stream.read(min(member.size, MAX_BYTES))
    if len(data) < min(member.size, MAX_BYTES):
        raise DataError(f"{file} is cut off in {plain_text(member.name)}; get a complete copy")
    return data
