"""Mutations of bytes of any format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

Mutator = Callable[[bytes, Random, Sequence[bytes]], bytes]
"""(bytes of a seed, generator, all seeds of the target) -> bytes of a case."""

MAX_CASE = 16 * 1024**2
INTEGERS = (
    0,
    1,
    2,
    7,
    8,
    127,
    128,
    255,
    256,
    32767,
    32768,
    65535,
    65536,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**32,
    2**63 - 1,
    2**63,
    2**64 - 1,
)


def mutate_bytes(data: bytes, rng: Random, seeds: Sequence[bytes]) -> bytes:
    """Change a few places of the bytes: bits, numbers, blocks, the end.

    Args:
        data: the seed.
        rng: draws the changes.
        seeds: other files, of which blocks are taken.
    """
    content = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        if not content:
            break
        rng.choice(_CHANGES)(content, rng, seeds)
    return bytes(content[:MAX_CASE])


def _place(content: bytearray, rng: Random) -> int:
    """Headers are as likely to be hit as all the rest."""
    return rng.randrange(min(len(content), rng.choice((64, 1024, len(content)))))


def _flip(content: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    content[_place(content, rng)] ^= 1 << rng.randrange(8)


def _byte(content: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    content[_place(content, rng)] = rng.randrange(256)


def _number(content: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    size, at = rng.choice((1, 2, 4, 8)), _place(content, rng)
    value = rng.choice(INTEGERS) % 256**size
    content[at : at + size] = value.to_bytes(size, rng.choice(("little", "big")))


def _nudge(content: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    size, at, order = rng.choice((1, 2, 4)), _place(content, rng), rng.choice(("little", "big"))
    value = int.from_bytes(content[at : at + size], order) + rng.choice((-16, -4, -1, 1, 4, 16))
    content[at : at + size] = (value % 256**size).to_bytes(size, order)


def _cut(content: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    del content[rng.randrange(len(content)) :]


def _delete(content: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    at = _place(content, rng)
    del content[at : at + rng.choice((1, 2, 4, 16, 64, 1024))]


def _repeat(content: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    at = _place(content, rng)
    content[at:at] = content[at : at + rng.choice((1, 4, 16, 256))] * rng.choice((1, 2, 50))


def _insert(content: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    at = _place(content, rng)
    content[at:at] = rng.randbytes(rng.choice((1, 2, 4, 16)))


def _blank(content: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    at, length = _place(content, rng), rng.choice((4, 16, 128))
    content[at : at + length] = bytes([rng.choice((0, 255, 32))]) * len(content[at : at + length])


def _splice(content: bytearray, rng: Random, seeds: Sequence[bytes]) -> None:
    other = rng.choice(seeds) if seeds else b""
    if other:
        start, length = rng.randrange(len(other)), rng.choice((4, 64, 1024, len(other)))
        at = _place(content, rng)
        content[at : at + rng.choice((0, length))] = other[start : start + length]


_CHANGES = (_flip, _byte, _number, _number, _nudge, _cut, _delete, _repeat, _insert, _blank, _splice)
