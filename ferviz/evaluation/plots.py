"""The pages that an Evaluation draws, as matplotlib Figures (never through pyplot)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.emotions import COLORS, canonical
from ferviz.evaluation import metrics
from ferviz.rendering.lettering import FOOT_LINE, fit_names, foot_lines, one_font, room_of, write_foot
from ferviz.rendering.text import GREY, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ferviz.evaluation.evaluation import Evaluation

WIDTH = 11.5
"""Inches of a page."""

NOTES = 4
"""Notes at the foot of a page: what was assumed about the network comes first."""

BLUE, PALE, TRACK = "#2f5d8a", "#8fb3d4", "#e4e8ec"


def percent(rate: float, interval: tuple[float, float] | list[float] | None = None) -> str:
    """Return a rate as "66.4 %", or with its interval as "66.4 % (64.8 to 67.9)".

    Args:
        rate: 0 to 1.
        interval: its lower and upper end, or None.
    """
    out = f"{rate * 100:.1f} %"
    return out if interval is None else f"{out} ({interval[0] * 100:.1f} to {interval[1] * 100:.1f})"


def evaluation_figure(e: Evaluation) -> Figure:
    """Return one page: confusion matrix, precision and recall of each class, calibration, rank of the true class, hidden regions, mistakes.

    Args:
        e: the evaluation.
    """
    from ferviz.rendering.shown_figure import ShownFigure

    hidden = bool(e.occlusion)
    height = 10.6 if hidden else 8.6
    figure = ShownFigure(figsize=(WIDTH, height))
    rows = [4.2, 2.5, 2.0] if hidden else [4.2, 2.5]
    foot = foot_lines(e.notes[:NOTES], WIDTH)
    top, bottom = 1 - 1.15 / height, (0.42 + FOOT_LINE * len(foot)) / height
    grid = figure.add_gridspec(
        len(rows), 1, height_ratios=rows, hspace=0.3, left=0.075, right=0.985, top=top, bottom=bottom
    )
    _header(figure, e, height)
    upper = grid[0].subgridspec(1, 2, width_ratios=[1.06, 1], wspace=0.2)
    confusion_axes(figure.add_subplot(upper[0]), e.confusion, e.labels)
    right = upper[1].subgridspec(2, 1, height_ratios=[1.35, 1], hspace=0.48)
    _classes(figure.add_subplot(right[0]), e)
    lower = right[1].subgridspec(1, 2, wspace=0.34)
    _reliability(figure.add_subplot(lower[0]), e)
    _ranks(figure.add_subplot(lower[1]), e)
    _mistakes(figure, grid[1], e, rows=2, columns=10)
    _caption(figure, grid[1], "the most confident mistakes: the prediction above, the label below each face", height)
    if hidden:
        _caption(figure, grid[2], "recall while one region of every face is filled with the face's mean grey", height)
        _hidden(figure, grid[2], e)
    write_foot(figure, foot)
    return one_font(figure)


def mistakes_figure(e: Evaluation, rows: int = 6, columns: int = 8) -> Figure:
    """Return the most confident wrong answers as a sheet.

    Args:
        e: the evaluation.
        rows, columns: faces on the sheet, at most.
    """
    from ferviz.rendering.shown_figure import ShownFigure

    count = len(e.mistakes(rows * columns))
    rows = max(1, -(-count // columns))
    height = 0.75 + 1.62 * rows
    figure = ShownFigure(figsize=(11.5, height))
    title_line(figure, f"{e.model}: most confident mistakes", f"{e.split}, {len(e):,} faces", height)
    place = figure.add_gridspec(1, 1, left=0.015, right=0.985, top=1 - 0.55 / height, bottom=0.12 / height)[0]
    _mistakes(figure, place, e, rows, columns)
    return one_font(figure)


def title_line(figure: Figure, title: str, subtitle: str, height: float) -> None:
    """Write a page's title to the left and its subtitle to the right.

    Args:
        figure: the page.
        title, subtitle: the texts.
        height: the page's height in inches.
    """
    figure.text(0.02, 1 - 0.12 / height, title, fontsize=14, color=INK, va="top")
    figure.text(0.985, 1 - 0.16 / height, subtitle, fontsize=9.5, color=GREY, ha="right", va="top")


def _caption(figure: Figure, place: Any, text: str, height: float) -> None:
    box = place.get_position(figure)
    figure.text(box.x0, box.y1 + 0.2 / height, text, fontsize=9, color=GREY)


def _header(figure: Figure, e: Evaluation, height: float) -> None:
    shown = e.to_dict()
    title_line(
        figure,
        e.model,
        f"{e.split}, {len(e):,} faces  ·  labels {e.settings.get('scheme', '')}  ·  input {e.settings.get('scaling', '')}",
        height,
    )
    if not len(e):
        return
    words = [
        f"accuracy {percent(e.accuracy, e.interval)}",
        f"top-2 {percent(shown['top2'])}",
        f"macro recall {percent(shown['macro_recall'])}",
        f"macro F1 {shown['macro_f1']:.3f}",
    ]
    words += [f"{name} {percent(f['accuracy'])}" for name, f in shown.get("tta", {}).items()]
    if e.in_training is not None and e.in_training.any():
        without, inside = shown["duplicates"]["without"], shown["duplicates"]["in_training"]
        words.append(f"without the {inside['n']:,} that are also in training {percent(without['accuracy'])}")
    first = 4 if len(words) > 5 else len(words)
    lines = ["   ·   ".join(words[:first]), "   ·   ".join(words[first:])]
    figure.text(0.02, 1 - 0.48 / height, "\n".join(lines), fontsize=9.5, color=INK, va="top", linespacing=1.5)


def confusion_axes(axes: Any, matrix: np.ndarray, labels: Sequence[str]) -> None:
    """Draw a confusion matrix.

    Args:
        axes: matplotlib Axes.
        matrix: (K, K) counts, the true class in rows.
        labels: K class names.
    """
    rates = metrics.row_normalised(matrix)
    axes.imshow(rates, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    classes = len(labels)
    small = 9 if classes <= 8 else 7
    for i in range(classes):
        for j in range(classes):
            color = "white" if rates[i, j] > 0.55 else INK
            axes.text(j, i - 0.1, f"{rates[i, j] * 100:.0f}", ha="center", va="center", fontsize=small + 1, color=color)
            axes.text(
                j,
                i + 0.24,
                f"{matrix[i, j]:,}",
                ha="center",
                va="center",
                fontsize=small - 2.5,
                color=color,
                alpha=0.75,
            )
    across, size = fit_names(labels, small, room_of(axes, classes))
    axes.set_xticks(range(classes), across, fontsize=size)
    beside = axes.get_window_extent().x0 * 72 / axes.figure.dpi - 10
    down, size = fit_names(labels, small, beside)
    axes.set_yticks(range(classes), down, fontsize=size)
    axes.tick_params(length=0)
    axes.set_xlabel("predicted   (large: % of the row, small: number of faces)", fontsize=9, color=GREY)
    axes.set_ylabel("true", fontsize=9, color=GREY)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _classes(axes: Any, e: Evaluation) -> None:
    places = np.arange(len(e.labels))
    recalls = Bars([c.recall for c in e.classes], [c.interval for c in e.classes], "recall", BLUE)
    rate_bars(axes, places - 0.2, recalls)
    axes.bar(places + 0.2, [c.precision * 100 for c in e.classes], 0.36, color=PALE, label="precision")
    names = [f"{n}\n{c.support:,} → {c.predicted:,}" for n, c in zip(e.labels, e.classes, strict=True)]
    names, size = fit_names(names, 7.5, room_of(axes, len(names)))
    axes.set_xticks(places, names, fontsize=size)
    percent_axis(axes, "%")
    axes.set_ylim(0, 112)
    axes.legend(fontsize=8, frameon=False, ncols=2, loc="upper right", borderaxespad=0)
    axes.set_title(
        "recall (with 95 % interval) and precision;  number of true → predicted faces",
        fontsize=9,
        color=GREY,
        loc="left",
    )


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


def _reliability(axes: Any, e: Evaluation) -> None:
    r = e.reliability
    has = r.count > 0
    centres = (r.edges[:-1] + r.edges[1:]) / 2
    axes.bar(centres[has], r.accuracy[has] * 100, 0.088, color=BLUE)
    axes.plot([0, 1], [0, 100], color=GREY, linewidth=0.9, linestyle=(0, (4, 3)))
    share = r.count / max(r.count.sum(), 1)
    axes.bar(centres[has], -share[has] / share.max() * 18, 0.088, color=TRACK)
    axes.set_xlim(0, 1)
    percent_axis(axes, "accuracy, %")
    axes.set_ylim(-20, 100)
    axes.set_yticks([0, 50, 100])
    axes.set_xlabel("confidence", fontsize=8.5, color=GREY, labelpad=1)
    axes.tick_params(axis="x", labelsize=8, colors=GREY)
    axes.set_title(f"calibration: ECE {r.ece:.3f}", fontsize=9, color=GREY, loc="left")


def _ranks(axes: Any, e: Evaluation) -> None:
    counts = np.bincount(e.ranks, minlength=len(e.labels) + 1)[1:] / max(len(e), 1) * 100
    places = np.arange(1, len(counts) + 1)
    axes.bar(places, counts, 0.72, color=[BLUE, PALE] + [TRACK] * len(counts))
    for x, y in zip(places, counts, strict=True):
        axes.annotate(
            f"{y:.0f}" if y >= 1 else f"{y:.1f}",
            (x, y),
            (0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=7.5,
            color=GREY,
        )
    axes.set_xticks(places, [str(p) for p in places], fontsize=8, color=GREY)
    percent_axis(axes, "faces, %")
    axes.set_ylim(0, max(counts.max() * 1.18, 1))
    axes.set_xlabel("rank, 1 = most probable", fontsize=8.5, color=GREY, labelpad=1)
    axes.set_title("rank of the true class", fontsize=9, color=GREY, loc="left")


def _mistakes(figure: Figure, place: Any, e: Evaluation, rows: int, columns: int) -> None:
    inner = place.subgridspec(rows, columns, hspace=0.34, wspace=0.05)
    for number, i in enumerate(e.mistakes(rows * columns)):
        axes = figure.add_subplot(inner[number // columns, number % columns])
        axes.imshow(e.images[i], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
        predicted, true = e.labels[e.predicted[i]], e.labels[e.true[i]]
        room = room_of(axes, 1)
        (above,), size = fit_names([f"{predicted} {e.probabilities[i].max():.2f}"], 8, room)
        axes.set_title(above, fontsize=size, color=name_color(predicted), pad=2)
        (below,), size = fit_names([f"labelled {true}"], 7, room)
        axes.set_xlabel(below, fontsize=size, color=GREY, labelpad=1.5)


def _hidden(figure: Figure, place: Any, e: Evaluation) -> None:
    axes = figure.add_subplot(place)
    shown = {"none": e.probabilities, **e.occlusion}
    names = list(shown)
    width = 0.86 / len(names)
    tints = ["#3c4043", "#b9bdc1", "#c9a35c", "#9a6b1f", "#2f5d8a", "#6b9a6f", "#d3a29b", "#a3423a", "#7a5a8a"]
    for at, name in enumerate(names):
        predicted = shown[name].argmax(axis=1)
        classes = metrics.per_class(metrics.confusion(e.true, predicted, len(e.labels)))
        rates = [float((predicted == e.true).mean()), *(c.recall or 0 for c in classes)]
        places = np.arange(len(rates)) + (at - (len(names) - 1) / 2) * width
        axes.bar(
            places,
            np.array(rates) * 100,
            width * 0.92,
            color=tints[at % len(tints)],
            label="nothing hidden" if name == "none" else name,
        )
        for x, rate in zip(places, rates, strict=True):
            axes.annotate(
                f"{rate * 100:.0f}",
                (x, rate * 100),
                (0, 1.5),
                textcoords="offset points",
                ha="center",
                fontsize=5,
                rotation=90 if len(names) > 3 else 0,  # numbers side by side would touch
                color=GREY,
            )
    ticks, size = fit_names(["all", *e.labels], 9, room_of(axes, len(e.labels) + 1))
    axes.set_xticks(range(len(ticks)), ticks, fontsize=size)
    percent_axis(axes, "recall, %")
    axes.set_ylim(0, 118)
    axes.set_yticks([0, 50, 100])
    axes.legend(fontsize=7, frameon=False, ncols=9, handlelength=1, columnspacing=1, loc="upper right", borderaxespad=0)


def name_color(name: str) -> str:
    """Return the colour in which a class' name is written.

    Args:
        name: the class.
    """
    return COLORS.get(canonical(name), INK)
