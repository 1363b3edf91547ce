"""The pages that a ModelComparison of two networks draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.evaluation.class_axes import cell_width, class_ticks, face_rows, names_height
from ferviz.evaluation.evaluation_page import NARROW, SCREEN, face_columns
from ferviz.evaluation.plots import BLUE, PALE, TRACK, Bars, name_color, percent, percent_axis, rate_bars
from ferviz.rendering.chart_page import ChartPage, ChartRow
from ferviz.rendering.printing import PrintSize
from ferviz.rendering.text import GREY, INK

if TYPE_CHECKING:
    from ferviz.evaluation.comparison import ModelComparison


def comparison_page(c: ModelComparison, size: PrintSize = SCREEN) -> ChartPage:
    """Return accuracies, the faces that only one of the networks gets right, and the recall of each class.

    Args:
        c: the comparison.
        size: of the page.
    """
    first, second, test = c.first, c.second, c.test
    f = size.font_size / 72
    wide = size.inches >= NARROW * f
    room = size.inches * (0.62 if wide else 1)
    difference = f"difference {test.difference * 100:+.1f} points"
    interval = f"({test.interval[0] * 100:+.1f} to {test.interval[1] * 100:+.1f})"
    sentences = (
        f"{test.n:,} faces of {first.split}",
        f"{percent(first.accuracy, first.interval)} against {percent(second.accuracy, second.interval)}",
        f"{difference} {interval}, McNemar p = {test.p:.2g}; they disagree on {percent(c.disagreement)}",
    )

    def shares(part: Any) -> None:
        _shares(part.subplots(), c)

    def recalls(part: Any) -> None:
        _recalls(part.subplots(), c, size.font_size, room)

    names = names_height(c.shared_labels, size.font_size, cell_width((), len(c.shared_labels), size.font_size, room))
    if wide:
        rows = [ChartRow(17 * f + names, (shares, recalls), (0.38, 0.62))]
    else:
        rows = [ChartRow(13 * f, (shares,)), ChartRow(14 * f + names, (recalls,))]
    return ChartPage(f"{first.model} against {second.model}", sentences, tuple(rows), (), size)


def _shares(axes: Any, c: ModelComparison) -> None:
    first, second, test = c.first, c.second, c.test
    both = int((first.correct & second.correct).sum())
    parts = {
        "both right": (both, "#6b9a6f"), f"only {first.model}": (test.only_first, BLUE),
        f"only {second.model}": (test.only_second, PALE), "both wrong": (test.n - both - test.only_first - test.only_second, TRACK),
    }  # fmt: skip
    places = np.arange(len(parts))
    axes.barh(places, [n for n, _ in parts.values()], color=[color for _, color in parts.values()], height=0.4)
    for place, (name, (n, _)) in enumerate(parts.items()):
        axes.annotate(
            f"{name}: {n:,}", (0, place - 0.2), (0, 1.5), textcoords="offset points", color=INK, va="bottom", parse_math=False
        )  # fmt: skip
    axes.set_ylim(len(parts) - 0.7, -0.95)
    axes.set_axis_off()


def _recalls(axes: Any, c: ModelComparison, points: float, inches: float) -> None:
    names = c.shared_labels
    for offset, e, color in ((-0.2, c.first, BLUE), (0.2, c.second, PALE)):
        classes = [e.classes[e.labels.index(n)] for n in names]
        bars = Bars([figures.recall for figures in classes], [figures.interval for figures in classes], e.model, color)
        rate_bars(axes, np.arange(len(names)) + offset, bars)
    percent_axis(axes, "recall, %")
    class_ticks(axes, names, points, cell_width((), len(names), points, inches))
    axes.legend(
        frameon=False, loc="lower left", bbox_to_anchor=(0, 1), handlelength=1, handletextpad=0.5, borderaxespad=0.2
    )
    axes.set_ylim(0, 105)
    axes.set_yticks([0, 50, 100])


def disagreements_page(c: ModelComparison, size: PrintSize = SCREEN, most: int = 40) -> ChartPage:
    """Return the faces with different predictions: the first network's above each face, the second's below, then the label.

    Args:
        c: the comparison.
        size: of the page.
        most: faces, at most.
    """
    shown = c.disagreements[:most]
    count = len(c.disagreements)
    part = f"the {len(shown)} most confident of {count:,}" if len(shown) < count else f"{count:,}"
    sentences = [f"{part} faces that they disagree on, of {len(c.first):,} of {c.first.split}"]
    legend = f"above each face: {c.first.model}; below: {c.second.model}, and the label; with a dot: the prediction is the label"
    sentences.append(legend if count else "They agree on every face.")
    words = []
    for i in shown:
        true = c.first.labels[c.first.true[i]]
        above, below = (
            (f"{'• ' if e.labels[e.predicted[i]] == true else ''}{e.labels[e.predicted[i]]} {e.probabilities[i].max():.2f}",
             name_color(e.labels[e.predicted[i]]))
            for e in (c.first, c.second)
        )  # fmt: skip
        words.append(([above], [below, (true, GREY)]))
    rows = face_rows(c.first.images[shown], words, face_columns(size), size)
    return ChartPage(f"{c.first.model} against {c.second.model}", tuple(sentences), tuple(rows), (), size)
