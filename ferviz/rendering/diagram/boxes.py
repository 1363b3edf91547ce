"""A network as boxes and arrows, as a matplotlib Figure (never through pyplot)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from ferviz.rendering.diagram.placement import Placement, place_boxes
from ferviz.rendering.lettering import one_font
from ferviz.rendering.printing import HEIGHT, MILLIMETRES
from ferviz.rendering.text import GREY, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PITCH, RANK, BOX = 2.35, 0.61, (2.15, 0.4)
"""Inches: the width of a box with its margin, the height of a rank, and the box itself (width, height)."""

FONT_SIZE = 7.5
"""Points of the layers' names, in boxes of the sizes above."""

LEAST = 5.0
"""Points of the layers' names on a printed page; below, the page becomes longer instead."""

MOST_COLUMNS = 6

NAME_LETTERS, TEXT_LETTERS = 34, 46
"""Letters that fit a box: of the name, and of the line below it."""

MERGES = ("add", "subtract", "multiply", "average", "maximum", "minimum", "concatenate", "dot")
KIND_COLORS = {
    "conv": "#dbe8f5",
    "dense": "#e6def2",
    "pool": "#dcefe0",
    "norm": "#f3f1e7",
    "rescaling": "#f3f1e7",
    "picture": "#ffffff",
}
MERGE_COLOR, OTHER_COLOR = "#fbe3d0", "#eef0f2"
"""Colours of boxes: where branches merge, by a part of the kind's name, and of all others."""


@dataclass(frozen=True)
class Box:
    """One layer.

    Attributes:
        name: its name.
        kind: its class.
        text: its shape and weights, in words.
        sources: the names of its inputs.
        heavy: whether its frame is heavy.
    """

    name: str
    kind: str
    text: str
    sources: tuple[str, ...]
    heavy: bool = False


def diagram_figure(
    boxes: Sequence[Box],
    title: str,
    subtitle: str,
    notes: Sequence[str] = (),
    inches: float | None = None,
    font_size: float = FONT_SIZE,
) -> Figure:
    """Return boxes with arrows between them, from top to bottom, in columns where there are many.

    Args:
        boxes: each after its sources.
        title, subtitle: above the boxes.
        notes: sentences below them.
        inches: the figure's width; None = what the boxes need at their usual size.
        font_size: points of the layers' names at most; boxes grow with it. It is smaller where the page would be too long.
    """
    from ferviz.rendering.shown_figure import ShownFigure

    sources = {box.name: box.sources for box in boxes}
    scale, placement = 1.0, place_boxes(sources, pitch=RANK / PITCH)
    width = max(_width(placement), 5.2)
    if inches:
        scale, placement = _fitted(sources, inches, font_size / FONT_SIZE)
        width = inches / scale
    crossings = _crossings(placement)
    under = 0.14 * (2 + max(crossings, default=0)) if crossings else 0.1
    letters = round(19 * (width - 0.5))
    notes = [part for note in notes for part in wrap(note, letters)]
    lines = wrap(subtitle, round(letters * 0.8))
    above = 0.48 + 0.14 * len(lines) + (0.14 * (1 + max(crossings)) if crossings else 0)
    foot = 0.2 + 0.17 * len(notes) + under
    height = max(placement.columns) * RANK + above + foot
    figure = ShownFigure(figsize=(width * scale, height * scale))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    figure.text(0.25 / width, 1 - 0.16 / height, title, fontsize=13, color=INK, va="top")
    for row, words in enumerate(lines):
        figure.text(0.25 / width, 1 - (0.4 + 0.14 * row) / height, words, fontsize=8.5, color=GREY, va="top")
    for row, note in enumerate(notes):
        figure.text(0.25 / width, (foot - under - 0.17 * row - 0.06) / height, note, fontsize=7, color=GREY, va="top")
    _draw_arrows(axes, placement, above)
    for box in boxes:
        _draw_box(axes, box, placement, above)
    return one_font(_scaled(figure, scale))


def _width(placement: Placement) -> float:
    return placement.spans[-1][1] * PITCH + 0.5


def _fitted(sources: Mapping[str, Sequence[str]], inches: float, most: float) -> tuple[float, Placement]:
    """-> the scale and the placement of a drawing on a printed page: as large as may be, in as many columns as that takes."""
    fits = []
    for columns in range(1, MOST_COLUMNS + 1):
        placement = place_boxes(sources, gutter=0.15, pitch=RANK / PITCH, columns=columns)
        across, down = inches / _width(placement), HEIGHT / MILLIMETRES / (max(placement.columns) * RANK + 1.6)
        # Letters below LEAST points help nobody: then the page is longer.
        fits.append((min(most, across, max(down, LEAST / FONT_SIZE)), placement))
    return max(fits, key=lambda fit: fit[0])


def _scaled(figure: Figure, scale: float) -> Figure:
    """-> the figure, with letters and lines that have grown as its boxes have."""
    from matplotlib.patches import Patch
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_fontsize(float(text.get_fontsize()) * scale)
    for patch in figure.findobj(Patch):
        patch.set_linewidth(patch.get_linewidth() * scale)  # type: ignore[attr-defined]
    return figure


def _centre(place: tuple[float, float, int], above: float) -> tuple[float, float]:
    """Return the centre of a place, in inches from the figure's upper left corner."""
    return 0.25 + place[0] * PITCH, above + (place[1] + 0.5) * RANK


def _draw_box(axes: Any, box: Box, placement: Placement, above: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = _centre(placement.places[box.name], above)
    kind = box.kind.lower()
    by_kind = (color for part, color in KIND_COLORS.items() if part in kind)
    tint = MERGE_COLOR if kind in MERGES else next(by_kind, OTHER_COLOR)
    corner = (x - BOX[0] / 2 + 0.04, y - BOX[1] / 2 + 0.04)
    frame = FancyBboxPatch(
        corner, BOX[0] - 0.08, BOX[1] - 0.08, boxstyle="round,pad=0.04", facecolor=tint,
        edgecolor=INK if box.heavy else "#b4bac0", linewidth=1.6 if box.heavy else 0.6, zorder=3,
    )  # fmt: skip
    axes.add_patch(frame)
    axes.text(
        x,
        y - 0.07,
        _shortened(box.name, NAME_LETTERS),
        fontsize=FONT_SIZE,
        color=INK,
        ha="center",
        va="center",
        zorder=4,
    )
    text = f"{box.kind}   {box.text}" if box.text else box.kind
    axes.text(x, y + 0.1, _shortened(text, TEXT_LETTERS), fontsize=5.8, color=GREY, ha="center", va="center", zorder=4)


def _draw_arrows(axes: Any, placement: Placement, above: float) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    crossed = [0] * len(placement.columns)
    for line in placement.lines:
        points: list[tuple[float, float]] = []
        for here, there in itertools.pairwise(line):
            (x, y), (to_x, to_y) = _centre(here, above), _centre(there, above)
            points.append((x, y + BOX[1] / 2))
            if here[2] != there[2]:
                # Down below the column, up between the columns, and down again into the next.
                level = 0.14 * (1 + crossed[here[2]])
                crossed[here[2]] += 1
                bottom = above + placement.columns[here[2]] * RANK - 0.05 + level
                between = 0.25 + placement.spans[here[2]][1] * PITCH + 0.08 + level / 2
                points += [(x, bottom), (between, bottom), (between, above - level), (to_x, above - level)]
            points.append((to_x, to_y - BOX[1] / 2))
        path = Path(points)
        axes.add_patch(
            FancyArrowPatch(
                path=path, arrowstyle="-|>,head_width=1.6,head_length=3", color="#8a9096", linewidth=0.8, shrinkA=0, shrinkB=0,
                zorder=2, joinstyle="round",
            )
        )  # fmt: skip


def _crossings(placement: Placement) -> list[int]:
    """Return how many connections go from each column to the next."""
    return [
        sum(here[2] == column and there[2] == column + 1 for line in placement.lines for here, there in itertools.pairwise(line))
        for column in range(len(placement.columns) - 1)
    ]  # fmt: skip


def _shortened(text: str, letters: int) -> str:
    # The end differs between layers: the beginning is often the network that contains a layer.
    return text if len(text) <= letters else f"…{text[1 - letters :]}"
