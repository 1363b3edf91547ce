"""`read_record`: the numbers that an HTML file of ferviz carries."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from ferviz.documents.render import RECORD
from ferviz.errors import DataError
from ferviz.files import PathLike

MAX_FILE = 256 << 20
"""Bytes of a file whose numbers are read."""


def read_record(path: PathLike) -> dict[str, Any]:
    """Return the numbers that an HTML file of ferviz carries.

    Args:
        path: the file.

    Raises:
        DataError: the file is not there, or ferviz did not write it.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}); check the path") from None
    if len(content) > MAX_FILE:
        raise DataError(f"{path} is larger than {MAX_FILE >> 20} MiB; no report of ferviz is")
    finder = _RecordFinder()
    finder.feed(content.decode("utf-8", "replace"))
    try:
        record = json.loads("".join(finder.parts))
        if not isinstance(record, dict):
            raise ValueError
    except (ValueError, RecursionError):
        raise DataError(f"{path} holds no numbers of ferviz; name an HTML file that ferviz wrote") from None
    return record


class _RecordFinder(HTMLParser):
    """Collects the text of the block of JSON."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "script" and dict(attrs).get("id") == RECORD and not self.parts

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.parts.append(data)
