"""The lines and fields of a table as text: any ending of lines, any separator, and never more than a line in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

LINE_LIMIT = 1 << 20
"""Bytes in a line; 128 x 128 faces need 64 KiB. A longer line is a bad row, so that a file is never entirely in memory."""

LONGEST_NAME = 60
"""Bytes of a column's name that are kept: messages name columns, and the name of any that is read is shorter."""


def fields_of(line: bytes, separator: bytes = b",") -> list[bytes]:
    """Return the fields of one line of a table, without white space and quotes around them.

    Args:
        line: the line.
        separator: what separates two fields.
    """
    return [f.strip().strip(b'"').strip() for f in line.split(separator)]


def header_of(line: bytes, separator: bytes = b",") -> list[str]:
    """Return the column names in a table's first line, in lower case, without a byte order mark and white space.

    Args:
        line: the line.
        separator: what separates two fields.
    """
    return [word_of(f[:LONGEST_NAME]).lower() for f in fields_of(line.removeprefix(b"\xef\xbb\xbf"), separator)]


def word_of(field: bytes) -> str:
    """Return a short field as text that can be printed: UTF-8, or Windows' Western letters where it is not UTF-8.

    Args:
        field: the field.
    """
    try:
        text = field.decode("utf-8")
    except UnicodeDecodeError:
        text = field.decode("cp1252", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def lines_of(file: IO[bytes], digest: Any = None) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line) of a table; a line that is longer than LINE_LIMIT comes as one zero byte.

    Args:
        file: the open table.
        digest: a hash that is updated with every byte, or None.
    """
    start = file.tell()
    # Old spreadsheets for the Macintosh end lines in a carriage return alone.
    is_old = b"\r" in file.readline(LINE_LIMIT).rstrip(b"\r\n")
    file.seek(start)
    readline, end = (_OldLines(file).readline, b"\r") if is_old else (file.readline, b"\n")
    number = 0
    while line := readline(LINE_LIMIT):
        number += 1
        if digest is not None:
            digest.update(line)
        if len(line) == LINE_LIMIT and not line.endswith(end):
            while rest := readline(LINE_LIMIT):
                if digest is not None:
                    digest.update(rest)
                if rest.endswith(end):
                    break
            yield number, b"\0"
            continue
        yield number, line


class _OldLines:
    """Reads lines that end in a carriage return."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._rest = file, b""

    def readline(self, limit: int) -> bytes:
        while (place := self._rest.find(b"\r", 0, limit)) < 0 and len(self._rest) < limit:
            block = self._file.read(1 << 16)
            if not block:
                break
            self._rest += block
        length = place + 1 if place >= 0 else limit
        line, self._rest = self._rest[:length], self._rest[length:]
        return line
