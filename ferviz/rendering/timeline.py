"""The timeline figure: the emotions of each face of a video over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ferviz.rendering.annotate import color_of
from ferviz.rendering.lettering import FOOT_LINE, foot_lines, one_font, write_foot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _GREY, _GROUND = "#1c1c1e", "#5f6368", "#f1f3f4"
_WIDTH = 9.6  # inches
_MAX_STEP = 3.0  # times the median step; a longer step is a gap


@dataclass(frozen=True)
class Lane:
    """One face's row.

    Attributes:
        name: e.g. "#1".
        times: (n,) seconds, rising.
        values: (n, K) probabilities; rows of NaN where the face was not detected.
        thumbnail: (h, w, 3) uint8 RGB, or None.
    """

    name: str
    times: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)
    thumbnail: np.ndarray | None = field(default=None, repr=False)


def timeline_figure(
    lanes: Sequence[Lane],
    labels: Sequence[str],
    title: str = "",
    end: float | None = None,
    empty: str = "no face was found",
    notes: Sequence[str] = (),
) -> Figure:
    """Return the figure: one row for each face, stacked areas whose heights are the probabilities, in the emotions' colours.

    Args:
        lanes: the faces.
        labels: the K classes, bottom to top.
        title: above the rows.
        end: seconds at the right edge; None = the last time of a face.
        empty: what the figure says where there are no lanes.
        notes: what may mislead, a sentence each, below the rows.
    """
    from ferviz.rendering.shown_figure import ShownFigure

    rows = max(1, len(lanes))
    foot = foot_lines(notes, _WIDTH)
    tall = 1.15 * rows + 1.3 + FOOT_LINE * len(foot)
    figure = ShownFigure(figsize=(_WIDTH, tall), dpi=120, facecolor="white")
    write_foot(figure, foot)
    last = max([float(lane.times[-1]) for lane in lanes if len(lane.times)], default=1.0)
    grid = figure.add_gridspec(
        rows,
        2,
        width_ratios=[1, 11],
        wspace=0.03,
        hspace=0.16,
        left=0.02,
        right=0.98,
        top=1 - 0.78 / tall,
        bottom=(0.5 + FOOT_LINE * len(foot)) / tall,
    )
    figure.text(0.02, 1 - 0.12 / tall, title or "Emotions over time", va="top", size=13, weight="bold", color=_INK)
    _legend(figure, labels, 1 - 0.45 / tall)
    if not lanes:
        axes = figure.add_subplot(grid[0, 1])
        axes.text(0.5, 0.5, empty, ha="center", va="center", color=_GREY, transform=axes.transAxes)
        axes.set_axis_off()
        return one_font(figure)
    for number, lane in enumerate(lanes):
        portrait = figure.add_subplot(grid[number, 0])
        portrait.set_axis_off()
        if lane.thumbnail is not None:
            portrait.imshow(lane.thumbnail, interpolation="antialiased")
            portrait.set_title(lane.name, size=8, color=_GREY, pad=1.5, loc="left")
        else:
            portrait.text(0.5, 0.5, lane.name, ha="center", va="center", color=_INK)
        axes = figure.add_subplot(grid[number, 1])
        _areas(axes, lane, labels)
        axes.set(xlim=(0, end or last), ylim=(0, 1))
        axes.set_yticks([0, 0.5, 1], ["0", "½", "1"], size=7, color=_GREY)
        axes.yaxis.tick_right()
        axes.tick_params(length=2, color=_GREY, labelsize=8, labelcolor=_GREY)
        axes.set_facecolor(_GROUND)
        for side in axes.spines.values():
            side.set_visible(False)
        if number < rows - 1:
            axes.set_xticklabels([])
        else:
            axes.set_xlabel("seconds", size=9, color=_GREY)
    return one_font(figure)


def runs(times: np.ndarray, values: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the stretches in which a face was detected without a gap; single moments get a small width.

    Args:
        times: (n,) seconds, rising.
        values: (n, K), rows of NaN where the face was not detected.

    Yields:
        (times, values) of each stretch.
    """
    detected = np.isfinite(values).all(axis=1)
    times, values = times[detected], values[detected]
    if not len(times):
        return
    steps = np.diff(times)
    median = float(np.median(steps)) if len(steps) else 0.04
    breaks = np.nonzero(steps > _MAX_STEP * median)[0] + 1
    for part, part_values in zip(np.split(times, breaks), np.split(values, breaks), strict=True):
        if len(part) == 1:
            part, part_values = (
                np.array([part[0] - median / 2, part[0] + median / 2]),
                np.repeat(part_values, 2, axis=0),
            )
        yield part, part_values


def _areas(axes: Axes, lane: Lane, labels: Sequence[str]) -> None:
    colors = [color_of(name) for name in labels]
    for times, values in runs(lane.times, lane.values):
        axes.stackplot(times, values.T, colors=colors, edgecolor="white", linewidth=0.4)


def _legend(figure: Figure, labels: Sequence[str], top: float) -> None:
    from matplotlib.patches import Patch

    figure.legend(
        handles=[Patch(color=color_of(name), label=name) for name in labels],
        loc="upper left",
        bbox_to_anchor=(0.01, top + 0.01),
        ncols=len(labels),
        frameon=False,
        fontsize=9,
        handlelength=1,
        handleheight=0.9,
        columnspacing=1.2,
        labelcolor=_INK,
        borderpad=0,
    )
