"""One font for every figure: that of the pictures, with matplotlib's own for letters that it lacks."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING

from ferviz.printable import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FAMILIES = ["Aileron", "DejaVu Sans"]
"""The fonts of a figure, the first that has a letter."""

FOOT_LINE = 0.145
"""Inches of a line at the foot of a figure."""

LEAST = 5.5
"""Points of names that have little room; below, their middles are cut out."""


def one_font(figure: Figure) -> Figure:
    """Set all words of a figure in the font of the pictures, those of its ticks too.

    Args:
        figure: it is changed; call this when everything is drawn.

    Returns:
        The same figure.
    """
    from matplotlib.font_manager import fontManager
    from matplotlib.text import Text

    if not any(entry.name == FAMILIES[0] for entry in fontManager.ttflist):
        fontManager.addfont(str(resources.files("ferviz").joinpath("assets/aileron.ttf")))
        regular = next(entry for entry in fontManager.ttflist if entry.name == FAMILIES[0])
        # Its one weight stands for bold, too; matplotlib would use it just as well, and log that it found no bold one.
        fontManager.ttflist.append(replace(regular, weight=700))
    for axes in figure.axes:
        axes.tick_params(labelfontfamily=FAMILIES)
    for text in figure.findobj(Text):
        text.set_fontfamily(FAMILIES)  # type: ignore[attr-defined]
    return figure


def foot_lines(notes: Sequence[str], width: float) -> list[str]:
    """Return the lines at the foot of a figure that say what may mislead in it.

    Args:
        notes: sentences.
        width: of the figure, in inches.
    """
    letters = round(18 * width)
    return [
        line
        for note in notes
        for line in textwrap.wrap(printable(f"Note: {note}", 1000), letters, break_on_hyphens=False)
    ]


def write_foot(figure: Figure, lines: Sequence[str]) -> None:
    """Write lines at the foot of a figure, which has `FOOT_LINE` inches of room for each.

    Args:
        figure: it is changed.
        lines: of `foot_lines`.
    """
    from ferviz.rendering.text import AMBER

    height = figure.get_figheight()
    for number, line in enumerate(reversed(lines)):
        at = (0.1 + FOOT_LINE * number) / height
        figure.text(0.02, at, line, fontsize=7, color=AMBER, va="bottom", parse_math=False)


def fit_names(names: Sequence[str], size: float, room: float) -> tuple[list[str], float]:
    """Return names that stand side by side without touching, and the size of their text.

    Args:
        names: of classes; each line of a name counts.
        size: points of the text, at most.
        room: points that each name has.

    Returns:
        The names, their middles cut out where LEAST points were still too large, and the size in points.
    """
    from ferviz.rendering.text import shorten, width

    fine = 20  # pixels a point: widths are whole pixels
    parts = [name.split("\n") for name in names]
    widest = max((width(part, round(size * fine)) / fine for lines in parts for part in lines), default=0.0)
    fitted = size if widest <= room else max(LEAST, size * room / widest)
    pixels, free = round(fitted * fine), int(1.03 * room * fine)  # letters of another size are no exact multiple
    return ["\n".join(shorten(part, pixels, free) for part in lines) for lines in parts], fitted


def room_of(axes: Axes, count: int) -> float:
    """Return the points that each of some names has side by side below axes, with a little space between them.

    Args:
        axes: matplotlib Axes with a place in their figure.
        count: how many names.
    """
    return float(axes.get_window_extent().width * 72 / axes.figure.dpi / max(count, 1) * 0.95)
