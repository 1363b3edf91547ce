"""The timeline: the emotions of each face of a video over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.rendering.annotate import color_of
from ferviz.rendering.chart_page import LINE, ChartPage, ChartRow
from ferviz.rendering.lettering import cut, text_width
from ferviz.rendering.printing import PrintSize
from ferviz.rendering.text import GREY, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GROUND = "#f1f3f4"
SCREEN = PrintSize(244, 144, 9)
"""A timeline for screens."""

LANE = 7.0
"""Height of a face's row, in multiples of the text's size."""

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


def timeline_page(
    lanes: Sequence[Lane],
    labels: Sequence[str],
    title: str = "",
    end: float | None = None,
    empty: str = "no face was found",
    notes: Sequence[str] = (),
    size: PrintSize = SCREEN,
) -> ChartPage:
    """Return the page: one row for each face, stacked areas whose heights are the probabilities, in the emotions' colours.

    Args:
        lanes: the faces.
        labels: the K classes, bottom to top.
        title: above the rows.
        end: seconds at the right edge; None = the last time of a face.
        empty: what the page says where there are no lanes.
        notes: what may mislead, a sentence each, below the rows.
        size: of the page.
    """
    last = max([float(lane.times[-1]) for lane in lanes if len(lane.times)], default=1.0)
    legend = _legend_row(labels, size)
    line = 1.3 * size.font_size / 72
    if lanes:
        tall = (LANE / 72 * size.font_size + line) * len(lanes) + 2 * line
        chart = ChartRow(tall, (lambda part: _draw_lanes(part, lanes, labels, end or last, size),))
    else:
        chart = ChartRow(4 * line, (lambda part: _draw_empty(part, empty),))
    return ChartPage(title or "Emotions over time", (), (legend, chart), tuple(notes), size)


def _draw_empty(part: Any, words: str) -> None:
    axes = part.subplots()
    axes.text(0.5, 0.5, words, ha="center", va="center", color=GREY, transform=axes.transAxes)
    axes.set_axis_off()


def _draw_lanes(part: Any, lanes: Sequence[Lane], labels: Sequence[str], end: float, size: PrintSize) -> None:
    portraits = LANE / 72 * size.font_size / size.inches
    grid = part.subplots(len(lanes), 2, squeeze=False, width_ratios=[portraits, 1 - portraits])
    for number, (lane, (portrait, axes)) in enumerate(zip(lanes, grid, strict=True)):
        portrait.set_axis_off()
        name = cut(lane.name, size.font_size, size.inches * 72 / 3)
        if lane.thumbnail is not None:
            portrait.imshow(lane.thumbnail, interpolation="antialiased")
        else:
            portrait.set(xlim=(0, 1), ylim=(0, 1))
        axes.set_title(name, color=GREY, pad=1.5, loc="left")
        _areas(axes, lane, labels)
        axes.set(xlim=(0, end), ylim=(0, 1))
        axes.set_yticks([0, 0.5, 1], ["0", "½", "1"])
        axes.yaxis.tick_right()
        axes.tick_params(length=2, color=GREY, labelcolor=GREY)
        axes.set_facecolor(GROUND)
        for side in axes.spines.values():
            side.set_visible(False)
        if number < len(lanes) - 1:
            axes.set_xticklabels([])
        else:
            axes.set_xlabel("seconds", color=GREY)


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
        axes.stackplot(times, values.T, colors=colors, edgecolor="white", linewidth=0.2)


def _legend_row(labels: Sequence[str], size: PrintSize) -> ChartRow:
    """-> the classes with their colours, in as many lines as the page's width makes of them."""
    step, room = LINE * size.font_size, size.inches * 72
    names = [cut(name, size.font_size, room - 2 * step) for name in labels]
    places, left, line = [], 0.0, 0
    for name in names:
        wide = step + text_width(name, size.font_size) + 0.8 * size.font_size
        if left and left + wide > room:
            left, line = 0.0, line + 1
        places.append((left, line))
        left += wide
    height = (line + 1) * step

    def draw(part: Any) -> None:
        from matplotlib.patches import Rectangle

        axes = part.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set(xlim=(0, room), ylim=(height, 0))
        for label, name, (x, row) in zip(labels, names, places, strict=True):
            side = 0.75 * size.font_size
            top = row * step + (step - side) / 2
            axes.add_patch(Rectangle((x + 2, top), side, side, color=color_of(label), linewidth=0))
            axes.text(x + step, row * step + step / 2, name, va="center_baseline", color=INK, parse_math=False)

    return ChartRow(height / 72, (draw,))
