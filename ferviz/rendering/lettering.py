"""One font for every figure: that of the pictures, with matplotlib's own for letters that it lacks."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FAMILIES = ["Aileron", "DejaVu Sans"]
"""The fonts of a figure, the first that has a letter."""

FINE = 20
"""Pixels a point that words are measured with: widths are whole pixels."""


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


def one_size(figure: Figure, points: float) -> Figure:
    """Set all words of a figure in one size, those of its ticks too, but lines of text that stand by themselves (gid "line").

    Args:
        figure: it is changed; call this when everything is drawn.
        points: of the words.

    Returns:
        The same figure.
    """
    from matplotlib.text import Text

    for axes in figure.axes:
        axes.tick_params(labelsize=points)
    for text in figure.findobj(Text):
        if text.get_gid() != "line":
            text.set_fontsize(points)  # type: ignore[attr-defined]
    return figure


def text_width(words: str, points: float) -> float:
    """Return the width of words in one line, in points.

    Args:
        words: the words.
        points: of their size.
    """
    from ferviz.rendering.text import width

    return width(words, round(points * FINE)) / FINE


def cut(words: str, points: float, room: float) -> str:
    """Return words that fit, their middle cut out where they are too long.

    Args:
        words: the words.
        points: of their size.
        room: points.
    """
    from ferviz.rendering.text import shorten

    return shorten(words, round(points * FINE), int(room * FINE))


def wrap_lines(words: str, points: float, room: float) -> list[str]:
    """Return words in lines that fit.

    Args:
        words: the words.
        points: of their size.
        room: points of a line.
    """
    from ferviz.rendering.text import wrap

    return wrap(words, round(points * FINE), int(room * FINE))
