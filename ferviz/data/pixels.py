"""Pixel text to bytes: "70 80 82 ..." of many faces at once, checked, in a few passes of NumPy over the raw bytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_SPACE, _ZERO = 32, 48


def parse(fields: Sequence[bytes], count: int) -> np.ndarray | None:
    """Read the pixel texts of several faces, all of them well-formed.

    fields: R texts of `count` decimal numbers 0 to 255 with one space between them. -> (R, count) uint8, or None when any of
    them is not exactly that (then `parse_one` finds out which and why). Nothing wraps round: 256 is refused, not read as 0.
    """
    text = np.frombuffer(b" ".join(fields), np.uint8)
    spaces = np.flatnonzero(text == _SPACE)
    if len(spaces) != len(fields) * count - 1 or len(text) < 3:
        return None
    # The spaces between the texts have to fall where a whole number of faces has been read: so each has `count` numbers.
    borders = np.cumsum([len(f) + 1 for f in fields[:-1]], dtype=np.int64) - 1
    if not np.array_equal(spaces[count - 1 :: count], borders):
        return None
    digits = text - np.uint8(_ZERO)
    if np.count_nonzero(digits < 10) != len(text) - len(spaces):
        return None
    ends = np.append(spaces, len(text))
    length = ends.copy()
    length[1:] -= spaces + 1
    if length.min() < 1 or length.max() > 3:
        return None
    # A number shorter than the look back reads what stands before it; the length then multiplies that by nothing.
    value = digits[ends - 1].astype(np.uint16)
    value += digits[ends - 2] * (length > 1) * np.uint16(10)
    value += digits[ends - 3] * (length > 2) * np.uint16(100)
    return value.astype(np.uint8).reshape(len(fields), count) if value.max() < 256 else None


def parse_one(field: bytes, count: int) -> np.ndarray | str:
    """Read one face's pixel text, forgiving any white space between the numbers.

    -> (count,) uint8, or the reason why not, as a phrase.
    """
    words = field.split()
    if len(words) != count:
        return f"it has {len(words):,} values instead of {count:,}"
    for at, word in enumerate(words, 1):
        # isdigit on bytes knows ASCII digits only; int() alone would also take "1_0" and "+7".
        if not word.isdigit() or len(word) > 9 or int(word) > 255:
            return f"value {at:,} is {word[:20].decode('utf-8', 'replace')!r}, not a whole number from 0 to 255"
    return np.array([int(w) for w in words], np.uint8)
