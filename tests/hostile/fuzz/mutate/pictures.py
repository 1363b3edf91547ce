"""Mutations of pictures and videos that keep checksums and lengths whole: PNG chunks, TIFF tags, JPEG segments, MP4 and RIFF boxes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from random import Random

from fuzz.mutate.raw import INTEGERS, mutate_bytes

_EXTRA = (
    b"iCCP",
    b"tEXt",
    b"zTXt",
    b"iTXt",
    b"eXIf",
    b"acTL",
    b"fcTL",
    b"fdAT",
    b"tRNS",
    b"PLTE",
    b"gAMA",
    b"pHYs",
    b"IDAT",
    b"IEND",
    b"IHDR",
    b"sRGB",
    b"bKGD",
)


def mutate_picture(data: bytes, rng: Random, seeds: Sequence[bytes]) -> bytes:
    """Change a picture, by its format half of the time.

    Args:
        data: the picture.
        rng: draws the changes.
        seeds: other pictures.
    """
    if rng.random() < 0.5:
        if data.startswith(b"\x89PNG"):
            return _png(data, rng)
        if data[:4] in (b"II*\0", b"MM\0*"):
            return _tiff(data, rng)
        if data.startswith(b"\xff\xd8"):
            return _jpeg(data, rng)
        if data[4:8] == b"ftyp" or data[:4] == b"RIFF":
            return mutate_boxes(data, rng, seeds)
    return mutate_bytes(data, rng, seeds)


def _png(data: bytes, rng: Random) -> bytes:
    chunks, at = [], 8
    while at + 8 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        chunks.append([data[at + 4 : at + 8], data[at + 8 : at + 8 + length]])
        at += 12 + length
    for _ in range(rng.choice((1, 1, 2))):
        index = rng.randrange(len(chunks))
        kind, content = chunks[index]
        change = rng.randrange(7)
        if change == 0:
            del chunks[index]
        elif change == 1:
            chunks.insert(rng.randrange(len(chunks)), [kind, content])
        elif change == 2:
            chunks.insert(rng.randrange(1, len(chunks) + 1), [rng.choice(_EXTRA), _extra(rng)])
        elif change == 3:
            chunks[index][0] = rng.choice(_EXTRA)
        elif change == 4 and chunks[0][0] == b"IHDR" and len(chunks[0][1]) == 13:
            header = bytearray(chunks[0][1])
            if rng.random() < 0.5:
                header[rng.choice((8, 9, 10, 11, 12))] = rng.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
            else:
                start = rng.choice((0, 4))
                header[start : start + 4] = struct.pack(">I", rng.choice((0, 1, 7, 5000, 16000, 2**31 - 1, 2**32 - 1)))
            chunks[0][1] = bytes(header)
        elif kind in (b"IDAT", b"iCCP", b"zTXt") and content:
            chunks[index][1] = zlib.compress(rng.choice((b"", b"\x05" * 50, bytes(1 << 20), rng.randbytes(300))))
        else:
            chunks[index][1] = mutate_bytes(content, rng, ()) if content else b"x"
        if not chunks:
            break
    packed = b"".join(struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)
    return data[:8] + packed


def _extra(rng: Random) -> bytes:
    return rng.choice((
        b"", b"ferviz\0" + b"[" * 20_000, b"ferviz\0" + b'{"a": NaN}', b"ferviz\0\0" + zlib.compress(bytes(1 << 23)),
        b"icc\0\0" + zlib.compress(bytes(1 << 22)),
        b"II*\0\x08\0\0\0\xff\xff" + bytes(40), b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0", rng.randbytes(24),
        struct.pack(">II", 2**31 - 1, 0),
    ))  # fmt: skip


def _tiff(data: bytes, rng: Random) -> bytes:
    """Change an entry of the first directory: its tag, type, count or value."""
    order = "<" if data[:2] == b"II" else ">"
    content = bytearray(data)
    (at,) = struct.unpack_from(order + "I", content, 4)
    if at + 2 > len(content):
        return mutate_bytes(data, rng, ())
    (count,) = struct.unpack_from(order + "H", content, at)
    for _ in range(rng.choice((1, 1, 3))):
        entry = at + 2 + 12 * rng.randrange(max(count, 1))
        place, size = rng.choice(((0, 2), (2, 2), (4, 4), (8, 4), (8, 2)))
        value = (
            rng.choice((*INTEGERS, 254, 256, 257, 258, 259, 262, 270, 273, 277, 279, 317, 338, 339, 34665)) % 256**size
        )
        if entry + place + size <= len(content):
            struct.pack_into(order + ("H" if size == 2 else "I"), content, entry + place, value)
    return bytes(content)


def _jpeg(data: bytes, rng: Random) -> bytes:
    """Change what is in a segment, or its length, or put another one in."""
    places, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        places.append(at)
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    content, at = bytearray(data), rng.choice([*places, at])
    change = rng.randrange(4)
    if change == 0:
        content[at + 2 : at + 4] = rng.choice((0, 1, 2, 3, 17, 65535)).to_bytes(2, "big")
    elif change == 1:
        content[at + 1 : at + 2] = bytes(
            [rng.choice((0xC0, 0xC1, 0xC2, 0xC4, 0xC9, 0xDB, 0xDD, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE, 0xD8, 0xD9))]
        )
    elif change == 2:
        inside = rng.choice(
            (
                b"Exif\0\0" + _extra(rng),
                b"ICC_PROFILE\0\x01\x02" + rng.randbytes(20),
                b"Adobe\0d\0\0\0\0\x02",
                b"MPF\0" + rng.randbytes(30),
                rng.randbytes(40),
            )
        )[:60_000]
        content[at:at] = (
            b"\xff" + rng.choice((b"\xe1", b"\xe2", b"\xee", b"\xfe")) + (len(inside) + 2).to_bytes(2, "big") + inside
        )
    else:
        for _ in range(4):
            place = at + rng.randrange(4, 24)
            if place < len(content):
                content[place] = rng.choice((0, 1, 2, 3, 4, 8, 17, 34, 255))
    return bytes(content)


def mutate_boxes(data: bytes, rng: Random, seeds: Sequence[bytes]) -> bytes:
    """Change a box of an MP4 (or a chunk of a RIFF file): its length, its kind, its numbers; or take it away.

    Args:
        data: the file.
        rng: draws the changes.
        seeds: other files.
    """
    if rng.random() < 0.3:
        return mutate_bytes(data, rng, seeds)
    riff = data[:4] == b"RIFF"
    kinds = (b"avih", b"strh", b"strf", b"LIST", b"movi", b"idx1", b"00dc", b"VP8 ", b"VP8X", b"ANMF") if riff else (
        b"ftyp", b"moov", b"mvhd", b"trak", b"tkhd", b"mdia", b"mdhd", b"hdlr", b"stbl", b"stsd", b"stts", b"stsc", b"stsz", b"stco",
        b"mdat", b"elst",
        b"mp4v", b"esds", b"pasp", b"ispe", b"iloc", b"iprp", b"av1C", b"meta",
    )  # fmt: skip
    content = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        places = [at for kind in kinds if (at := data.find(kind)) >= 0]
        if not places:
            return mutate_bytes(data, rng, seeds)
        at = rng.choice(places)
        change = rng.randrange(4)
        if change == 0:
            size = at + 4 if riff else max(at - 4, 0)
            content[size : size + 4] = rng.choice((0, 1, 8, 16, 1000, 2**31, 2**32 - 1)).to_bytes(
                4, "little" if riff else "big"
            )
        elif change == 1:
            content[at : at + 4] = rng.choice(kinds)
        elif change == 2:
            place = at + 4 + 4 * rng.randrange(12)
            content[place : place + 4] = (rng.choice(INTEGERS) % 2**32).to_bytes(4, rng.choice(("little", "big")))
        else:
            place = at + 4 + rng.randrange(60)
            if place < len(content):
                content[place] = rng.randrange(256)
    return bytes(content)
