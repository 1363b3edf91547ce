"""A network as boxes and arrows, as a matplotlib Figure (never through pyplot)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from ferviz.rendering.layered import Layout, layered
from ferviz.rendering.text import GREY, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INCH, RANK, BOX = 2.35, 0.61, (2.15, 0.4)
"""Inches of a box with its margin, of a rank, and of the box itself (width, height)."""

LETTERS = 34
"""Letters of a name that fit a box."""

JOINS = ("add", "subtract", "multiply", "average", "maximum", "minimum", "concatenate", "dot")
TINTS = {
    "conv": "#dbe8f5",
    "dense": "#e6def2",
    "pool": "#dcefe0",
    "norm": "#f3f1e7",
    "rescaling": "#f3f1e7",
    "picture": "#ffffff",
}
JOINED, OTHER = "#fbe3d0", "#eef0f2"
"""Colours of boxes: where branches meet, by what the name of the kind holds, and of all others."""


@dataclass(frozen=True)
class Box:
    """One layer: its name, its kind, words about its shape and weights, what it is given, and whether its frame is heavy."""

    name: str
    kind: str
    words: str
    sources: tuple[str, ...]
    heavy: bool = False


def diagram_figure(boxes: Sequence[Box], title: str, subtitle: str, notes: Sequence[str] = ()) -> Figure:
    """Return boxes with arrows between them, from top to bottom, in columns where there are many.

    boxes: each after those that it is given. title, subtitle: above. notes: sentences below.
    """
    from matplotlib.figure import Figure

    plan = layered({box.name: box.sources for box in boxes}, pitch=RANK / INCH)
    crossings = _crossings(plan)
    under = 0.14 * (2 + max(crossings, default=0)) if crossings else 0.1
    width = max(plan.spans[-1][1] * INCH + 0.5, 5.2)
    notes = [part for note in notes for part in wrap(note, round(19 * (width - 0.5)))]
    above, foot = 0.62 + (0.14 * (1 + max(crossings)) if crossings else 0), 0.2 + 0.17 * len(notes) + under
    height = max(plan.columns) * RANK + above + foot
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    figure.text(0.25 / width, 1 - 0.16 / height, title, fontsize=13, fontweight="bold", color=INK, va="top")
    figure.text(0.25 / width, 1 - 0.4 / height, subtitle, fontsize=8.5, color=GREY, va="top")
    for at, note in enumerate(notes):
        figure.text(0.25 / width, (foot - under - 0.17 * at - 0.06) / height, note, fontsize=7, color=GREY, va="top")
    _arrows(axes, plan, above)
    for box in boxes:
        _draw(axes, box, plan, above)
    return figure


def _at(place: tuple[float, float, int], above: float) -> tuple[float, float]:
    """-> the middle of a place in inches from the figure's upper left corner."""
    return 0.25 + place[0] * INCH, above + (place[1] + 0.5) * RANK


def _draw(axes: Any, box: Box, plan: Layout, above: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = _at(plan.places[box.name], above)
    kind = box.kind.lower()
    tint = JOINED if kind in JOINS else next((color for part, color in TINTS.items() if part in kind), OTHER)
    corner = (x - BOX[0] / 2 + 0.04, y - BOX[1] / 2 + 0.04)
    frame = FancyBboxPatch(
        corner, BOX[0] - 0.08, BOX[1] - 0.08, boxstyle="round,pad=0.04", facecolor=tint,
        edgecolor=INK if box.heavy else "#b4bac0", linewidth=1.6 if box.heavy else 0.6, zorder=3,
    )  # fmt: skip
    axes.add_patch(frame)
    axes.text(x, y - 0.07, _short(box.name, LETTERS), fontsize=7.5, color=INK, ha="center", va="center", zorder=4)
    words = f"{box.kind}   {box.words}" if box.words else box.kind
    axes.text(x, y + 0.1, _short(words, 46), fontsize=5.8, color=GREY, ha="center", va="center", zorder=4)


def _arrows(axes: Any, plan: Layout, above: float) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    carried = [0] * len(plan.columns)
    for line in plan.lines:
        points: list[tuple[float, float]] = []
        for here, there in itertools.pairwise(line):
            (x, y), (to, down) = _at(here, above), _at(there, above)
            points.append((x, y + BOX[1] / 2))
            if here[2] != there[2]:
                # Down below the column, up between the columns, and down again into the next.
                level = 0.14 * (1 + carried[here[2]])
                carried[here[2]] += 1
                bottom = above + plan.columns[here[2]] * RANK - 0.05 + level
                between = 0.25 + plan.spans[here[2]][1] * INCH + 0.08 + level / 2
                points += [(x, bottom), (between, bottom), (between, above - level), (to, above - level)]
            points.append((to, down - BOX[1] / 2))
        path = Path(points)
        axes.add_patch(
            FancyArrowPatch(
                path=path, arrowstyle="-|>,head_width=1.6,head_length=3", color="#8a9096", linewidth=0.8, shrinkA=0, shrinkB=0,
                zorder=2, joinstyle="round",
            )
        )  # fmt: skip


def _crossings(plan: Layout) -> list[int]:
    """-> how many connections leave each column for the next."""
    return [
        sum(here[2] == column and there[2] == column + 1 for line in plan.lines for here, there in itertools.pairwise(line))
        for column in range(len(plan.columns) - 1)
    ]  # fmt: skip


def _short(text: str, most: int) -> str:
    # The end tells: the beginning is often the network that a layer lies in.
    return text if len(text) <= most else f"…{text[1 - most :]}"
