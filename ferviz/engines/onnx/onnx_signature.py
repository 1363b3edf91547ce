"""Recognise an ONNX file by its content, without the package `onnx`: its outermost fields are walked over, not read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from ferviz.paths import is_file

_FIELDS = {1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26}
"""Of a ModelProto."""

_GRAPH, _OPSET = 7, 8
_MOST_FIELDS = 10_000


def is_onnx(path: Path) -> bool:
    """Return whether a file is an ONNX network (also one that turns out to be damaged further inside).

    Args:
        path: any path.
    """
    if not is_file(path):
        return False
    try:
        with path.open("rb") as stream:
            return _has_graph(stream, path.stat().st_size)
    except OSError:
        return False


def _has_graph(stream: BinaryIO, size: int) -> bool:
    seen: set[int] = set()
    for _ in range(_MOST_FIELDS):
        if stream.tell() >= size:
            break
        tag = _number(stream)
        if tag is None or tag >> 3 not in _FIELDS or tag & 7 not in (0, 2):
            return False
        value = _number(stream)
        if value is None:
            return False
        seen.add(tag >> 3)
        if tag & 7 == 2:
            if stream.tell() + value > size:
                # The rest is cut off. A network it is all the same, if its graph has begun.
                return tag >> 3 == _GRAPH and 1 in seen
            stream.seek(value, os.SEEK_CUR)
    return _GRAPH in seen and (_OPSET in seen or 1 in seen)


def _number(stream: BinaryIO) -> int | None:
    """-> the next number in protobuf's way of writing, None at the end or where there is none."""
    value = 0
    for shift in range(0, 64, 7):
        byte = stream.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return None
