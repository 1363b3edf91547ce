"""Axes over the classes of a network, in the room that there is: names of classes, confusion matrices, rows of faces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ferviz.evaluation import metrics
from ferviz.rendering.chart_page import LINE, ChartRow
from ferviz.rendering.lettering import cut, text_width, wrap_lines
from ferviz.rendering.printing import PrintSize
from ferviz.rendering.text import GREY, INK

NAMES = 0.3
"""Most of a chart's width that the names beside its rows take."""

LONGEST = 12.0
"""Most multiples of the text's size that a name below a column takes, where names are turned."""

Words = tuple[list[tuple[str, str]], list[tuple[str, str]]]
"""Lines above and below a face, each with its colour."""


def cell_width(rows: Sequence[str], columns: int, points: float, inches: float) -> float:
    """Return the width of a cell in points, beside the names of the rows.

    Args:
        rows: names.
        columns: how many.
        points: of the text.
        inches: the width of the chart.
    """
    beside = min(max((text_width(name, points) for name in rows), default=0.0), NAMES * inches * 72)
    return (inches * 72 - beside - 3.5 * points) / max(columns, 1)


def _turned(names: Sequence[str], points: float, room: float) -> bool:
    return any(text_width(line, points) > room - 2 for name in names for line in name.split("\n"))


def names_height(names: Sequence[str], points: float, room: float) -> float:
    """Return the inches that names of columns need, which stand side by side or are turned.

    Args:
        names: of the columns; each line of a name counts.
        points: of the text.
        room: points of a column, as `cell_width` returns them.
    """
    if not _turned(names, points, room):
        return LINE * points / 72 * max((name.count("\n") + 1 for name in names), default=1)
    longest = max(text_width(line, points) for name in names for line in name.split("\n"))
    return (min(longest, LONGEST * points) + 4) / 72


def class_ticks(axes: Any, names: Sequence[str], points: float, room: float) -> None:
    """Write the names of columns below axes, turned where they would touch; where even these do, only some of them.

    Args:
        axes: matplotlib Axes with a column at each of 0, 1, ...
        names: of the columns.
        points: of the text.
        room: points of a column, as `cell_width` returns them.
    """
    turned = _turned(names, points, room)
    step = max(1, math.ceil(1.15 * points * max(name.count("\n") + 1 for name in names) / room)) if turned else 1
    lines = ["\n".join(cut(line, points, LONGEST * points) for line in name.split("\n")) for name in names]
    axes.set_xticks(range(0, len(names), step), lines[::step], rotation=90 if turned else 0, parse_math=False)
    axes.tick_params(axis="x", length=0)


def rows_ticks(axes: Any, names: Sequence[str], points: float, inches: float) -> None:
    """Write the names of rows beside axes.

    Args:
        axes: matplotlib Axes with a row at each of 0, 1, ...
        names: of the rows.
        points: of the text.
        inches: the width of the chart.
    """
    axes.set_yticks(range(len(names)), [cut(name, points, NAMES * inches * 72) for name in names], parse_math=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _cell(matrix: np.ndarray, labels: Sequence[str], points: float, inches: float) -> tuple[float, int]:
    """-> the height of a cell of a confusion matrix in points, and how many lines of numbers it holds."""
    room = cell_width(labels, len(labels), points, inches)
    if room >= text_width(f"{matrix.max():,}", points) + 3:
        return 3 * points, 2
    return (1.7 * points, 1) if room >= text_width("100", points) + 2 else (1.2 * points, 0)


def confusion_height(matrix: np.ndarray, labels: Sequence[str], points: float, inches: float) -> float:
    """Return the inches of a confusion matrix.

    Args:
        matrix: (K, K) counts, the true class in rows.
        labels: K class names.
        points: of the text.
        inches: the width of the chart.
    """
    below = (
        names_height(labels, points, cell_width(labels, len(labels), points, inches))
        + LINE * points / 72 * len(_legend(points, inches, 2))
        + 0.1
    )
    return _cell(matrix, labels, points, inches)[0] * len(labels) / 72 + below


def _legend(points: float, inches: float, lines: int) -> list[str]:
    kinds = ("predicted", "predicted (% of the row)", "predicted (% of the row; below, number of faces)")
    return wrap_lines(kinds[lines], points, inches * 72 * 0.7)


def confusion_axes(axes: Any, matrix: np.ndarray, labels: Sequence[str], points: float, inches: float) -> None:
    """Draw a confusion matrix.

    Args:
        axes: matplotlib Axes.
        matrix: (K, K) counts, the true class in rows.
        labels: K class names.
        points: of the text.
        inches: the width of the chart.
    """
    rates = metrics.row_normalised(matrix)
    axes.imshow(rates, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    lines = _cell(matrix, labels, points, inches)[1]
    for (i, j), rate in np.ndenumerate(rates) if lines else ():
        words = f"{rate * 100:.0f}" + (f"\n{matrix[i, j]:,}" if lines == 2 else "")
        axes.text(j, i, words, ha="center", va="center", color="white" if rate > 0.55 else INK, linespacing=1.15)
    class_ticks(axes, labels, points, cell_width(labels, len(labels), points, inches))
    rows_ticks(axes, labels, points, inches)
    axes.set_xlabel("\n".join(_legend(points, inches, lines)), color=GREY)
    axes.set_ylabel("true", color=GREY)


def face_rows(
    images: np.ndarray, words: Sequence[Words], columns: int, size: PrintSize, title: str = ""
) -> list[ChartRow]:
    """Return rows of faces with words above and below each.

    Args:
        images: (N, H, W) or (N, H, W, 3) uint8.
        words: N, lines above and below each face.
        columns: faces side by side.
        size: of the page.
        title: above the first row.
    """
    points, width = size.font_size, size.inches * 72
    step, side = width / columns, width / columns - 4
    rows = []
    for start in range(0, len(images), columns):
        faces = range(start, min(start + columns, len(images)))
        lines = wrap_lines(title, points, width - 4) if title and not start else []
        above, below = (LINE * points * max(len(words[k][end]) for k in faces) for end in (0, 1))
        top = LINE * points * len(lines) + above
        drawn = [Portrait(images[k], 2 + step * place, top, side, words[k]) for place, k in enumerate(faces)]
        height = top + side * images.shape[1] / images.shape[2] + below + 4
        rows.append(ChartRow(height / 72, (partial(_faces, drawn, lines, points, (width, height)),)))
    return rows


@dataclass(frozen=True)
class Portrait:
    """A face on a page.

    Attributes:
        pixels: (H, W) or (H, W, 3) uint8.
        left, top, side: points from the row's upper left corner, and points of its width.
        words: the lines above and below.
    """

    pixels: np.ndarray
    left: float
    top: float
    side: float
    words: Words


def _faces(faces: Sequence[Portrait], title: list[str], points: float, room: tuple[float, float], part: Any) -> None:
    axes = part.add_axes((0, 0, 1, 1), gid="faces")
    axes.set_axis_off()
    for number, line in enumerate(title):
        axes.text(2, LINE * points * number, line, color=GREY, va="top", parse_math=False)
    for face in faces:
        bottom = face.top + face.side * face.pixels.shape[0] / face.pixels.shape[1]
        extent = (face.left, face.left + face.side, bottom, face.top)
        axes.imshow(face.pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest", extent=extent)
        above, below = face.words
        places = [(face.top - LINE * points * (len(above) - k), words) for k, words in enumerate(above)]
        places += [(bottom + LINE * points * k, words) for k, words in enumerate(below)]
        for y, (words, color) in places:
            middle = y + LINE * points / 2
            axes.text(
                face.left + face.side / 2, middle, cut(words, points, face.side + 2), color=color, ha="center",
                va="center_baseline", parse_math=False,
            )  # fmt: skip
    axes.set(xlim=(0, room[0]), ylim=(room[1], 0), aspect="auto")
