"""The page that a Comparison of two networks draws, as a matplotlib Figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ferviz.evaluation.drawing import BLUE, PALE, TRACK, percent, percent_axis, rate_bars, title_line
from ferviz.rendering.text import GREY, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ferviz.evaluation.evaluation import Comparison


def comparison_figure(c: Comparison) -> Figure:
    """Return one page about two networks: accuracies, recall a class, and the faces that only one of them gets right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.5, 4.8))
    first, second, test = c.first, c.second, c.test
    title_line(figure, f"{first.model}  against  {second.model}", f"{test.n:,} faces of {first.split}", 4.8)
    grid = figure.add_gridspec(1, 2, width_ratios=[1, 1.7], wspace=0.24, left=0.045, right=0.985, top=0.75, bottom=0.1)
    left = figure.add_subplot(grid[0])
    both = int((first.right & second.right).sum())
    parts = {
        "both right": (both, "#6b9a6f"), f"only {first.model}": (test.only_first, BLUE),
        f"only {second.model}": (test.only_second, PALE), "both wrong": (test.n - both - test.only_first - test.only_second, TRACK),
    }  # fmt: skip
    places = np.arange(len(parts))
    left.barh(places, [n for n, _ in parts.values()], color=[color for _, color in parts.values()], height=0.62)
    for place, (words, (n, _)) in enumerate(parts.items()):
        left.text(0, place - 0.4, f"{words}: {n:,}", fontsize=9, color=INK, va="bottom")
    left.set_ylim(len(parts) - 0.5, -0.75)
    left.set_axis_off()
    words = (
        f"{percent(first.accuracy, first.interval)}  against  {percent(second.accuracy, second.interval)}\n"
        f"difference {test.difference * 100:+.1f} points ({test.interval[0] * 100:+.1f} to {test.interval[1] * 100:+.1f}), "
        f"McNemar p = {test.p:.2g}; they disagree on {percent(c.disagreement)}"
    )
    figure.text(0.02, 0.9, words, fontsize=9, color=GREY, va="top", linespacing=1.5)
    axes = figure.add_subplot(grid[1])
    names = c.shared
    for offset, e, color in ((-0.2, first, BLUE), (0.2, second, PALE)):
        found = [e.classes[e.labels.index(n)] for n in names]
        rate_bars(
            axes,
            np.arange(len(names)) + offset,
            [f.recall for f in found],
            [f.interval for f in found],
            color,
            e.model,
            0.36,
        )
    axes.set_xticks(np.arange(len(names)), names, fontsize=9)
    percent_axis(axes, "recall, %")
    axes.legend(fontsize=8.5, frameon=False, loc="upper right", ncols=2)
    axes.set_ylim(0, 112)
    return figure
