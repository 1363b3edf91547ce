"""The pages that a ModelComparison of two networks draws, as matplotlib Figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ferviz.evaluation.plots import BLUE, PALE, TRACK, Bars, name_color, percent, percent_axis, rate_bars, title_line
from ferviz.rendering.lettering import fit_names, one_font, room_of
from ferviz.rendering.text import GREY, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ferviz.evaluation.comparison import ModelComparison


def comparison_figure(c: ModelComparison) -> Figure:
    """Return one page about two networks: accuracies, recall of each class, and the faces that only one of them gets right.

    Args:
        c: the comparison.
    """
    from ferviz.rendering.shown_figure import ShownFigure

    figure = ShownFigure(figsize=(11.5, 4.8))
    first, second, test = c.first, c.second, c.test
    title_line(figure, f"{first.model}  against  {second.model}", f"{test.n:,} faces of {first.split}", 4.8)
    grid = figure.add_gridspec(1, 2, width_ratios=[1, 1.7], wspace=0.24, left=0.045, right=0.985, top=0.75, bottom=0.1)
    left = figure.add_subplot(grid[0])
    both = int((first.correct & second.correct).sum())
    parts = {
        "both right": (both, "#6b9a6f"), f"only {first.model}": (test.only_first, BLUE),
        f"only {second.model}": (test.only_second, PALE), "both wrong": (test.n - both - test.only_first - test.only_second, TRACK),
    }  # fmt: skip
    places = np.arange(len(parts))
    left.barh(places, [n for n, _ in parts.values()], color=[color for _, color in parts.values()], height=0.62)
    for place, (name, (n, _)) in enumerate(parts.items()):
        left.text(0, place - 0.4, f"{name}: {n:,}", fontsize=9, color=INK, va="bottom")
    left.set_ylim(len(parts) - 0.5, -0.75)
    left.set_axis_off()
    line = (
        f"{percent(first.accuracy, first.interval)}  against  {percent(second.accuracy, second.interval)}\n"
        f"difference {test.difference * 100:+.1f} points ({test.interval[0] * 100:+.1f} to {test.interval[1] * 100:+.1f}), "
        f"McNemar p = {test.p:.2g}; they disagree on {percent(c.disagreement)}"
    )
    figure.text(0.02, 0.9, line, fontsize=9, color=GREY, va="top", linespacing=1.5)
    axes = figure.add_subplot(grid[1])
    names = c.shared_labels
    for offset, e, color in ((-0.2, first, BLUE), (0.2, second, PALE)):
        classes = [e.classes[e.labels.index(n)] for n in names]
        bars = Bars([figures.recall for figures in classes], [figures.interval for figures in classes], e.model, color)
        rate_bars(axes, np.arange(len(names)) + offset, bars)
    ticks, size = fit_names(names, 9, room_of(axes, len(names)))
    axes.set_xticks(np.arange(len(ticks)), ticks, fontsize=size)
    percent_axis(axes, "recall, %")
    axes.legend(fontsize=8.5, frameon=False, loc="upper right", ncols=2)
    axes.set_ylim(0, 112)
    return one_font(figure)


def disagreements_figure(c: ModelComparison, rows: int = 5, columns: int = 8) -> Figure:
    """Return a sheet of the faces with different predictions: the first network's above each face, the second's below.

    Args:
        c: the comparison.
        rows, columns: faces on the sheet, at most.
    """
    from ferviz.rendering.shown_figure import ShownFigure

    shown = c.disagreements[: rows * columns]
    rows = max(1, -(-len(shown) // columns))
    height = 1.05 + 1.86 * rows
    figure = ShownFigure(figsize=(11.5, height))
    count = len(c.disagreements)
    part = f"the {len(shown)} most confident of {count:,}" if len(shown) < count else f"{count:,}"
    subtitle = f"{part} faces that they disagree on, of {len(c.first):,} of {c.first.split}"
    title_line(figure, f"{c.first.model}  against  {c.second.model}", subtitle, height)
    legend = f"above each face: {c.first.model};  below: {c.second.model};  with a dot: the prediction is the label"
    figure.text(
        0.02, 1 - 0.45 / height, legend if count else "They agree on every face.", fontsize=9, color=GREY, va="top"
    )
    place = figure.add_gridspec(1, 1, left=0.015, right=0.985, top=1 - 0.9 / height, bottom=0.4 / height)[0]
    inner = place.subgridspec(rows, columns, hspace=0.55, wspace=0.05)
    for number, i in enumerate(shown):
        axes = figure.add_subplot(inner[number // columns, number % columns])
        axes.imshow(c.first.images[i], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        true = c.first.labels[c.first.true[i]]
        for e, up in ((c.first, True), (c.second, False)):
            predicted = e.labels[e.predicted[i]]
            dot = "• " if predicted == true else ""
            axes.annotate(
                f"{dot}{predicted} {e.probabilities[i].max():.2f}", (0.5, float(up)), (0, 2 if up else -2),
                xycoords="axes fraction", textcoords="offset points", ha="center", va="bottom" if up else "top", fontsize=8,
                color=name_color(predicted),
            )  # fmt: skip
        axes.annotate(
            f"labelled {true}", (0.5, 0), (0, -13), xycoords="axes fraction", textcoords="offset points", ha="center", va="top",
            fontsize=7, color=GREY,
        )  # fmt: skip
    return one_font(figure)
