"""One font for every figure: that of the pictures, with matplotlib's own for letters that it lacks."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FAMILIES = ["Aileron", "DejaVu Sans"]
"""The fonts of a figure, the first that has a letter."""


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
