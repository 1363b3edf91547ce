"""The pages that an Evaluation draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.evaluation import metrics
from ferviz.evaluation.class_axes import (
    cell_width,
    class_ticks,
    confusion_axes,
    confusion_height,
    face_rows,
    names_height,
    rows_ticks,
)
from ferviz.evaluation.plots import BLUE, PALE, TRACK, Bars, name_color, percent, percent_axis, rate_bars
from ferviz.rendering.chart_page import LINE, ChartPage, ChartRow
from ferviz.rendering.lettering import text_width, wrap_lines
from ferviz.rendering.printing import PrintSize
from ferviz.rendering.text import GREY, INK

if TYPE_CHECKING:
    from ferviz.evaluation.evaluation import Evaluation

SCREEN = PrintSize(292, 144, 9)
"""A page for screens."""

NARROW = 50
"""Multiples of the text's size that a page must be wide for charts beside the confusion matrix."""

NOTES = 4
"""Notes at the foot of a page: what was assumed about the network comes first."""

MISTAKES = 48
"""Most faces on a sheet of mistakes."""


def evaluation_page(e: Evaluation, size: PrintSize = SCREEN, show_faces: bool = True) -> ChartPage:
    """Return confusion matrix, precision and recall of each class, calibration, rank of the true class, mistakes, hidden regions.

    Args:
        e: the evaluation.
        size: of the page.
        show_faces: whether the most confident mistakes are shown.
    """
    f = size.font_size / 72
    wide = size.inches >= NARROW * f
    half = size.inches * (0.52 if wide else 1)
    own = confusion_height(e.confusion, e.labels, size.font_size, half)
    right = size.inches - half if wide else half
    names = names_height(_supports(e), size.font_size, cell_width((), len(e.labels), size.font_size, right))
    bars, lower = 13 * f + names, 16 * f

    def matrix(part: Any) -> None:
        confusion_axes(part.subplots(), e.confusion, e.labels, size.font_size, half)

    def classes(part: Any) -> None:
        _classes(part.subplots(), e, size.font_size, right)

    def pair(part: Any) -> None:
        left, right = part.subplots(1, 2)
        _reliability(left, e)
        _ranks(right, e)

    def beside(part: Any) -> None:
        top, bottom = part.subfigures(2, 1, height_ratios=[bars, lower])
        classes(top)
        pair(bottom)

    if wide:
        rows = [ChartRow(max(own, bars + lower), (matrix, beside), (0.52, 0.48))]
    else:
        rows = [ChartRow(own, (matrix,)), ChartRow(bars, (classes,)), ChartRow(lower, (pair,))]
    rows += _mistakes(e, size, lines=2) if show_faces else []
    if e.occlusion:
        rows.append(_hidden(e, size))
    return ChartPage(e.model, _sentences(e), tuple(rows), tuple(e.notes[:NOTES]), size)


def mistakes_page(e: Evaluation, size: PrintSize = SCREEN) -> ChartPage:
    """Return the most confident wrong answers as a sheet.

    Args:
        e: the evaluation.
        size: of the page.
    """
    rows = _mistakes(e, size)
    return ChartPage(f"{e.model}: most confident mistakes", (f"{e.split}, {len(e):,} faces",), tuple(rows), (), size)


def _sentences(e: Evaluation) -> tuple[str, ...]:
    shown = e.to_dict()
    about = (
        f"{e.split}, {len(e):,} faces · labels {e.settings.get('scheme', '')} · input {e.settings.get('scaling', '')}"
    )
    if not len(e):
        return (about,)
    words = [
        f"accuracy {percent(e.accuracy, e.interval)}",
        f"top-2 {percent(shown['top2'])}",
        f"macro recall {percent(shown['macro_recall'])}",
        f"macro F1 {shown['macro_f1']:.3f}",
    ]
    words += [f"{name} {percent(figures['accuracy'])}" for name, figures in shown.get("tta", {}).items()]
    if e.in_training is not None and e.in_training.any():
        without, inside = shown["duplicates"]["without"], shown["duplicates"]["in_training"]
        words.append(f"without the {inside['n']:,} that are also in training {percent(without['accuracy'])}")
    return about, " · ".join(words)


def _supports(e: Evaluation) -> list[str]:
    return [f"{name}\n{c.support:,}" for name, c in zip(e.labels, e.classes, strict=True)]


def _classes(axes: Any, e: Evaluation, points: float, inches: float) -> None:
    places = np.arange(len(e.labels))
    recalls = Bars([c.recall for c in e.classes], [c.interval for c in e.classes], "recall", BLUE)
    rate_bars(axes, places - 0.2, recalls)
    axes.bar(places + 0.2, [c.precision * 100 for c in e.classes], 0.36, color=PALE, label="precision")
    percent_axis(axes, "%")
    axes.set_ylim(0, 130)
    axes.set_yticks([0, 50, 100])
    class_ticks(axes, _supports(e), points, cell_width((), len(e.labels), points, inches))
    axes.legend(
        frameon=False, ncols=2, loc="upper right", borderaxespad=0, handlelength=1, handletextpad=0.5, columnspacing=1
    )
    title = "recall (with 95 % interval) and precision; faces of each label"
    axes.set_title("\n".join(wrap_lines(title, points, inches * 72 * 0.86)), color=GREY, loc="left")


def _reliability(axes: Any, e: Evaluation) -> None:
    r = e.reliability
    has = r.count > 0
    centres = (r.edges[:-1] + r.edges[1:]) / 2
    axes.bar(centres[has], r.accuracy[has] * 100, 0.088, color=BLUE)
    axes.plot([0, 1], [0, 100], color=GREY, linewidth=0.9, linestyle=(0, (4, 3)))
    share = r.count / max(r.count.sum(), 1)
    axes.bar(centres[has], -share[has] / share.max() * 18, 0.088, color=TRACK)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    percent_axis(axes, "accuracy, %")
    axes.set_ylim(-20, 100)
    axes.set_yticks([0, 50, 100])
    axes.set_xlabel("confidence", color=GREY, labelpad=1)
    axes.tick_params(axis="x", colors=GREY)
    axes.set_title(f"calibration: ECE {r.ece:.3f}", color=GREY, loc="left")


def _ranks(axes: Any, e: Evaluation) -> None:
    counts = np.bincount(e.ranks, minlength=len(e.labels) + 1)[1:] / max(len(e), 1) * 100
    places = np.arange(1, len(counts) + 1)
    axes.bar(places, counts, 0.72, color=[BLUE, PALE] + [TRACK] * len(counts))
    for x, y in list(zip(places, counts, strict=True))[:3]:  # beyond, bars stand too close for their numbers
        axes.annotate(f"{y:.0f}", (x, y), (0, 2), textcoords="offset points", ha="center", color=GREY)
    axes.set_xticks(places[:: -(-len(places) // 8)])
    percent_axis(axes, "faces, %")
    axes.set_ylim(0, max(counts.max() * 1.18, 1))
    axes.set_xlabel("rank of the true class", color=GREY, labelpad=1)
    axes.set_title("1 = most probable", color=GREY, loc="left")


def _mistakes(e: Evaluation, size: PrintSize, lines: int | None = None) -> list[ChartRow]:
    columns = face_columns(size)
    shown = e.mistakes(columns * lines if lines else MISTAKES)
    words = []
    for i in shown:
        predicted = e.labels[e.predicted[i]]
        above = (f"{predicted} {e.probabilities[i].max():.2f}", name_color(predicted))
        words.append(([above], [(e.labels[e.true[i]], GREY)]))
    title = "the most confident mistakes: prediction above, label below"
    return face_rows(e.images[shown], words, columns, size, title)


def face_columns(size: PrintSize) -> int:
    """Return how many faces stand side by side, so that a class's name and its probability fit above each.

    Args:
        size: of the page.
    """
    return max(2, int(size.inches * 72 / (8.2 * size.font_size)))


def _hidden(e: Evaluation, size: PrintSize) -> ChartRow:
    """-> the recall of each class with each region hidden, as coloured cells."""
    shown = {"nothing": e.probabilities, **e.occlusion}
    rates = np.full((len(shown), len(e.labels) + 1), np.nan)
    for row, probabilities in enumerate(shown.values()):
        predicted = probabilities.argmax(axis=1)
        recalls = [c.recall for c in metrics.per_class(metrics.confusion(e.true, predicted, len(e.labels)))]
        rates[row] = [(predicted == e.true).mean() * 100, *(math.nan if r is None else r * 100 for r in recalls)]
    columns = ["all", *e.labels]
    f, points = size.font_size / 72, size.font_size
    title = wrap_lines(
        "recall in % while one region of every face is filled with the face's mean grey", points, size.inches * 72
    )
    room = cell_width(list(shown), len(columns), points, size.inches)
    height = (len(shown) * 1.6 + LINE * len(title) + 0.8) * f + names_height(columns, points, room)

    def draw(part: Any) -> None:
        rate_cells(part.subplots(), rates, list(shown), columns, points, size.inches)
        part.suptitle("\n".join(title), x=0.01, ha="left", color=GREY)

    return ChartRow(height, (draw,))


def rate_cells(
    axes: Any, rates: np.ndarray, rows: Sequence[str], columns: Sequence[str], points: float, inches: float
) -> None:
    """Draw rates as coloured cells with their numbers.

    Args:
        axes: matplotlib Axes.
        rates: (R, C) percent, NaN for none.
        rows, columns: their names.
        points: of the text.
        inches: the width of the chart.
    """
    room = cell_width(rows, len(columns), points, inches)
    axes.imshow(np.ma.masked_invalid(rates), cmap="Blues", vmin=0, vmax=100, aspect="auto")
    if room > text_width("100", points) + 2:
        for (row, column), value in np.ndenumerate(rates):
            color = "white" if value > 55 else INK
            words = "-" if np.isnan(value) else f"{value:.0f}"
            axes.text(column, row, words, ha="center", va="center", color=color)
    class_ticks(axes, columns, points, room)
    rows_ticks(axes, rows, points, inches)
