"""What the pages of studies share: the head, the notes at the foot, faces, and tables of coloured cells."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.evaluation.plots import title_line
from ferviz.printable import printable
from ferviz.rendering.text import GREY, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ferviz.studies.study import Study

WIDTH = 11.5
"""Inches of a page."""

LINE = 0.155
"""Inches of a line of notes."""

_LETTERS = 205  # of a line of notes


def text(value: object) -> str:
    """Return a name as matplotlib writes it: no mathematics between dollar signs, nothing that cannot be shown.

    Args:
        value: the name; names of classes and files come from anybody.
    """
    return "\n".join(printable(line, 80).replace("$", r"\$") for line in str(value).split("\n")[:3])


def page(study: Study, title: str, body: float) -> tuple[Figure, float, float]:
    """Return a page with the finding at its head and the notes at its foot.

    Args:
        study: what is drawn.
        title: of the page.
        body: inches between head and foot.

    Returns:
        The figure, and the bottom and the top of the body in 0..1.
    """
    from ferviz.rendering.shown_figure import ShownFigure

    finding = textwrap.wrap(study.finding, 155, break_on_hyphens=False)
    notes = [line for note in study.notes for line in textwrap.wrap(note, _LETTERS, break_on_hyphens=False)]
    head, foot = 0.62 + 0.19 * len(finding), 0.25 + LINE * len(notes)
    height = head + body + foot
    figure = ShownFigure(figsize=(WIDTH, height))
    groups = "" if study.groups == study.faces else f", {study.groups:,} different"
    title_line(figure, f"{text(study.model)}: {title}", f"{study.faces:,} faces{groups}", height)
    for number, line in enumerate(finding):
        figure.text(0.02, 1 - (0.47 + 0.19 * number) / height, text_line(line), fontsize=9.5, color=INK, va="top")
    for number, line in enumerate(reversed(notes)):
        figure.text(0.02, (0.12 + LINE * number) / height, text_line(line), fontsize=7.5, color=GREY, va="bottom")
    return figure, foot / height, 1 - head / height


def text_line(line: str) -> str:
    """Return a sentence as matplotlib writes it.

    Args:
        line: the sentence.
    """
    return printable(line, 400).replace("$", r"\$")


def bare(axes: Any) -> None:
    """Take ticks and frame from axes that hold a picture.

    Args:
        axes: matplotlib Axes.
    """
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def face(axes: Any, pixels: np.ndarray, above: str = "", below: str = "", color: str = INK) -> None:
    """Draw a face with words above and below.

    Args:
        axes: matplotlib Axes.
        pixels: (H, W) or (H, W, 3) uint8.
        above, below: the words.
        color: of the words above.
    """
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    bare(axes)
    if above:
        axes.set_title(text(above), fontsize=7.5, color=color, pad=2)
    if below:
        axes.set_xlabel(text(below), fontsize=6.5, color=GREY, labelpad=1.5)


def cells(
    axes: Any,
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    vmax: float,
    title: str,
    form: str = "{:+.1f}",
) -> None:
    """Draw numbers as coloured cells: red above 0, blue below, white where there is none.

    Args:
        axes: matplotlib Axes.
        values: (R, C), NaN for no number.
        rows, columns: their names.
        vmax: the value of the full colour.
        title: above the cells.
        form: of the numbers.
    """
    axes.imshow(np.ma.masked_invalid(values), cmap="RdBu_r", vmin=-vmax, vmax=vmax, aspect="auto", alpha=0.85)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            words = form.format(value)
            words = words if float(words) else form.format(0.0)  # not -0.0
            color = "white" if abs(value) > 0.7 * vmax else INK
            axes.text(
                column,
                row,
                words,
                ha="center",
                va="center",
                fontsize=7.5,
                color=color,
            )
    axes.set_xticks(range(len(columns)), [text(c) for c in columns], fontsize=7.5, rotation=30, ha="right")
    axes.set_yticks(range(len(rows)), [text(r) for r in rows], fontsize=8)
    axes.tick_params(length=0, colors=INK)
    axes.set_title(title, fontsize=8.5, color=GREY, loc="left")
    for spine in axes.spines.values():
        spine.set_visible(False)


def column(records: Sequence[dict[str, Any]], name: str) -> np.ndarray:
    """Return a column of numbers of some records, NaN where there is none.

    Args:
        records: as `Study.records` returns them.
        name: of the column.
    """
    return np.array([np.nan if record[name] is None else float(record[name]) for record in records])
