"""Mutations of protobuf messages of any kind (SavedModel, ONNX, GraphDef) at the level of fields, with lengths that fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

from fuzz.mutate.raw import INTEGERS, mutate_bytes

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LARGEST_MESSAGE = 1 << 17
"""Longer fields are taken for data, not for messages, unless they are at the top."""

# Operations that a node may be turned into: what writes, reads, runs, stops, fills the memory or takes other arguments.
OPERATIONS = (
    b"WriteFile", b"ReadFile", b"SaveV2", b"Save", b"PyFunc", b"EagerPyFunc", b"Abort", b"MergeV2Checkpoints", b"SqlDataset",
    b"DebugNanCount",
    b"PrintV2", b"Fill", b"Tile", b"BroadcastTo", b"StringJoin", b"Where", b"Reshape", b"Identity", b"While",
    b"StatefulPartitionedCall", b"If", b"Conv2D",
    b"MatMul", b"DecodeRaw", b"ParseTensor", b"GatherV2", b"ScatterNd", b"Unpack", b"CsvDataset", b"CacheDataset",
    b"SnapshotDataset", b"RemoteCall", b"",
)  # fmt: skip


@dataclass
class Entry:
    """One field of a message: its number, its wire type, and a number, bytes, or a message (a list of entries)."""

    number: int
    kind: int
    value: Any


def parse(data: bytes, top: bool = False) -> list[Entry] | None:
    """Return the fields of a message, None where the bytes are none.

    Args:
        data: the bytes.
        top: whether this is a file, of any length, rather than a field.
    """
    if len(data) > _LARGEST_MESSAGE and not top:
        return None
    entries, at = [], 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0 or at < 0:
            return None
        if kind == _VARINT:
            value, at = _varint(data, at)
            if at < 0:
                return None
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
            value, at = data[at : at + size], at + size
        elif kind == _BYTES:
            length, at = _varint(data, at)
            if at < 0 or at + length > len(data):
                return None
            inside, at = data[at : at + length], at + length
            text = length < 2 or (inside[:24].isascii() and inside[:24].decode("ascii").isprintable())
            value = inside if text else parse(inside) or inside
        else:
            return None
        if at > len(data):
            return None
        entries.append(Entry(number, kind, value))
    return entries


def write(entries: Sequence[Entry]) -> bytes:
    """Return the bytes of a message.

    Args:
        entries: its fields.
    """
    parts = []
    for entry in entries:
        parts.append(_as_varint(entry.number << 3 | entry.kind))
        if entry.kind == _VARINT:
            parts.append(_as_varint(entry.value))
        elif entry.kind == _BYTES:
            content = write(entry.value) if isinstance(entry.value, list) else entry.value
            parts += [_as_varint(len(content)), content]
        else:
            parts.append(entry.value)
    return b"".join(parts)


def mutate_message(data: bytes, rng: Random, seeds: Sequence[bytes]) -> bytes:
    """Change fields of a message; a sixth of the cases are changed as bytes.

    Args:
        data: the message.
        rng: draws the changes.
        seeds: other messages.
    """
    if rng.random() < 0.16 or _parsed(data) is None:
        return mutate_bytes(data, rng, seeds)
    message = parse(data, top=True)
    assert message is not None
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        places: list[tuple[list[Entry], int]] = []
        waiting = [message]
        while waiting:
            entries = waiting.pop()
            places += [(entries, index) for index in range(len(entries))]
            waiting += [entry.value for entry in entries if isinstance(entry.value, list)]
        if places:
            _change(*rng.choice(places), rng, places)
    return write(message)


@lru_cache(64)
def _parsed(data: bytes) -> bool | None:
    return True if parse(data, top=True) else None


def _change(entries: list[Entry], index: int, rng: Random, places: list[tuple[list[Entry], int]]) -> None:
    entry = entries[index]
    draw = rng.random()
    if draw < 0.1:
        del entries[index]
    elif draw < 0.2:
        entries.insert(rng.randrange(len(entries) + 1), Entry(entry.number, entry.kind, entry.value))
    elif draw < 0.25:
        entry.number = rng.choice((1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 20, entry.number + 1))
    elif draw < 0.4:
        others, place = rng.choice(places)
        same = others[place]
        if same.kind == entry.kind and not isinstance(same.value, list):
            entry.value = same.value
    elif entry.kind == _VARINT:
        entry.value = rng.choice((*INTEGERS, entry.value + 1, max(entry.value - 1, 0), 3, 14, 20, 22))
    elif entry.kind in (_FIXED32, _FIXED64):
        size = 4 if entry.kind == _FIXED32 else 8
        entry.value = rng.choice((bytes(size), b"\xff" * size, bytes(size - 1) + b"\x80", rng.randbytes(size)))
    elif isinstance(entry.value, list):
        if rng.random() < 0.3:
            entry.value = []
    elif entry.number in (2, 4) and rng.random() < 0.5:
        entry.value = rng.choice(OPERATIONS)
    else:
        entry.value = (
            mutate_bytes(entry.value, rng, ())
            if entry.value and rng.random() < 0.7
            else rng.choice((b"", b"x", b"^x", b"a:1", b"/etc/passwd", b"\xff"))
        )


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """-> (the number, the place after it); the place is -1 where there is none."""
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    return 0, -1


def _as_varint(value: int) -> bytes:
    parts = bytearray()
    value %= 1 << 64
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)
