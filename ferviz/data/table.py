"""A Table: what a reader found in a file, before any label scheme has chosen from it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ferviz.data.dataset import BadRow
from ferviz.errors import DataError


@dataclass(frozen=True)
class Table:
    """Faces as their source has them.

    images: (N, H, W) or (N, H, W, 3) uint8 RGB. classes: the source's class names, in canonical spelling. emotion: (N,) int64, an
    index into `classes`. split: (N,) strings. rows: (N,) int64, counted from 0 and counting the bad ones. bad: what was
    skipped. sha256: of the source's content.
    """

    images: np.ndarray = field(repr=False)
    emotion: np.ndarray = field(repr=False)
    split: np.ndarray = field(repr=False)
    rows: np.ndarray = field(repr=False)
    classes: tuple[str, ...] = ()
    bad: tuple[BadRow, ...] = ()
    sha256: str = ""


@dataclass
class BadRows:
    """Raises at the first bad row, or notes it where bad rows are to be skipped. source: the file's name for messages."""

    source: str
    skip: bool = False
    found: list[BadRow] = field(default_factory=list)

    def add(self, line: int, column: str, reason: str) -> None:
        """Note one bad row, or raise DataError with its file, line and column."""
        row = BadRow(self.source, line, column, reason)
        if not self.skip:
            raise DataError(f"{row}; mend the row, or pass --skip-bad (skip_bad=True) to leave such rows out")
        self.found.append(row)
