"""Rows of cells as CSV that a spreadsheet program can open without harm."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins with one of these is a formula to a spreadsheet program."""


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows of cells as CSV (RFC 4180 with bare newlines), safe to open in a spreadsheet program.

    Args:
        rows: the lines' cells. None becomes an empty cell; text that a spreadsheet program would take for a formula (file names and
            class names may come from anybody) gets an apostrophe before it; numbers stay as they are.

    Returns:
        The text, each line ended by a newline.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow([_safe_cell(cell) for cell in row])
    # Bytes of a file's name that are not UTF-8 become an escape, so that the text can always be encoded.
    return text.getvalue().encode("utf-8", "backslashreplace").decode()


def _safe_cell(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULAS) else cell
