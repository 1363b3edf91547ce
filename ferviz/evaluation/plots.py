"""What the figures about a network's answers share: rates in words, bars of rates, colours of classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.emotions import COLORS, canonical
from ferviz.rendering.text import GREY, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, PALE, TRACK = "#2f5d8a", "#8fb3d4", "#e4e8ec"


def percent(rate: float, interval: tuple[float, float] | list[float] | None = None) -> str:
    """Return a rate as "66.4 %", or with its interval as "66.4 % (64.8 to 67.9)".

    Args:
        rate: 0 to 1.
        interval: its lower and upper end, or None.
    """
    out = f"{rate * 100:.1f} %"
    return out if interval is None else f"{out} ({interval[0] * 100:.1f} to {interval[1] * 100:.1f})"


def title_line(figure: Figure, title: str, subtitle: str, height: float) -> None:
    """Write a page's title to the left and its subtitle to the right.

    Args:
        figure: the page.
        title, subtitle: the texts.
        height: the page's height in inches.
    """
    figure.text(0.02, 1 - 0.12 / height, title, fontsize=14, color=INK, va="top")
    figure.text(0.985, 1 - 0.16 / height, subtitle, fontsize=9.5, color=GREY, ha="right", va="top")


@dataclass(frozen=True)
class Bars:
    """Rates with their intervals, to be drawn as bars.

    Attributes:
        rates: 0 to 1, None where unknown.
        intervals: the lower and upper end of each.
        name: the legend's entry.
        color: of the bars.
        width: of a bar, in units of the axis.
    """

    rates: list[float | None]
    intervals: list[tuple[float, float]]
    name: str
    color: str
    width: float = 0.36


def rate_bars(axes: Any, places: np.ndarray, bars: Bars) -> None:
    """Draw rates with their intervals as bars of percent.

    Args:
        axes: matplotlib Axes.
        places: (N,) the bars' places on the horizontal axis.
        bars: the N rates.
    """
    values = np.array([r or 0 for r in bars.rates]) * 100
    low, high = (np.array(side) * 100 for side in zip(*bars.intervals, strict=True))
    axes.bar(places, values, bars.width, color=bars.color, label=bars.name)
    known = [r is not None for r in bars.rates]
    reach = np.stack([np.maximum(values - low, 0), np.maximum(high - values, 0)])[:, known]
    axes.errorbar(places[known], values[known], reach, fmt="none", ecolor=INK, elinewidth=0.9, capsize=2)


def percent_axis(axes: Any, name: str) -> None:
    """Make the vertical axis one of percent.

    Args:
        axes: matplotlib Axes.
        name: the axis' label.
    """
    axes.set_ylim(0, 100)
    axes.set_ylabel(name, fontsize=8.5, color=GREY)
    axes.tick_params(axis="y", labelsize=8, colors=GREY)
    axes.tick_params(axis="x", length=0)
    axes.spines[["top", "right"]].set_visible(False)


def name_color(name: str) -> str:
    """Return the colour in which a class' name is written.

    Args:
        name: the class.
    """
    return COLORS.get(canonical(name), INK)
