"""The study "channels" as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.evaluation.plots import name_color
from ferviz.rendering.text import GREY, INK
from ferviz.studies.figures.study_axes import face, page, text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ferviz.studies.study import Study

ROW = 1.12
"""Inches of a channel."""

MARK = "#f0b400"
"""Of the box around what the most excited cell sees."""


def figure(study: Study) -> Figure:
    """Return a row for each channel, the most costly first: dream, patch, faces, regions, weights and costs.

    Args:
        study: what is drawn.
    """
    arrays = study.arrays
    count = len(arrays["images"])
    title = f"the channels of {text(study.settings['layer'])}"
    if not count:
        drawn, _, _ = page(study, title, 0.2)
        return drawn
    records, faces = study.records()[:count], study.records("faces")
    drawn, bottom, top = page(study, title, ROW * count + 0.6)
    height = drawn.get_size_inches()[1]
    shown = arrays["images"].shape[1]
    has_dreams = len(arrays["dreams"]) == count
    ratios = [*([1, 0.62] if has_dreams else []), *[1] * shown, 0.75, 1.4, 0.6, 1.4, 0.6, 1.4]
    grid = drawn.add_gridspec(
        count, len(ratios), width_ratios=ratios, left=0.075, right=0.975, top=top - 0.28 / height, bottom=bottom + 0.3 / height,
        hspace=0.42, wspace=0.07,
    )  # fmt: skip
    parts = [study.records(name)[:count] for name in ("regions", "weights", "costs")]
    ends = [_end(part) for part in parts]
    for number, record in enumerate(records):
        cells = iter(range(len(ratios)))
        own = [row for row in faces if row["role"] == f"excites channel {record['channel']}"]
        if has_dreams:
            axes = drawn.add_subplot(grid[number, next(cells)])
            face(axes, arrays["dreams"][number], "dream" if not number else "")
            _name(axes, record)
            axes = drawn.add_subplot(grid[number, next(cells)])
            face(axes, arrays["patches"][number], "one cell" if not number else "")
        for place in range(shown):
            axes = drawn.add_subplot(grid[number, next(cells)])
            row = own[place]
            face(axes, arrays["images"][number, place], "", f"row {row['row']}, {row['true']}")
            _box(axes, arrays["boxes"][number, place], arrays["images"].shape[2:4])
            if not place and not has_dreams:
                _name(axes, record)
            if not place and not number:
                axes.set_title("faces that excite it most, and the place", fontsize=7.5, color=INK, pad=2, loc="left")
        next(cells)
        titles = ("log2 of share over area", "weight for the logit", "cost, in log-odds")
        for part, end, words in zip(parts, ends, titles, strict=True):
            axes = drawn.add_subplot(grid[number, next(cells)])
            _bars(axes, part[number], end, words if not number else "", part is not parts[0])
            next(cells, None)
    return drawn


def _name(axes: Any, record: dict[str, Any]) -> None:
    cost = "" if record["cost"] is None else f"\ncosts {record['cost']:.2f}"
    axes.text(
        -0.1, 0.5, f"{record['channel']}{cost}", transform=axes.transAxes, ha="right", va="center", fontsize=8, color=INK
    )  # fmt: skip


def _box(axes: Any, box: np.ndarray, shape: tuple[int, ...]) -> None:
    from matplotlib.patches import Rectangle

    left, top, right, bottom = box * np.array([shape[1], shape[0], shape[1], shape[0]]) - 0.5
    axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=MARK, linewidth=1.4))


def _end(part: list[dict[str, Any]]) -> float:
    values = np.abs(
        [value for record in part for key, value in record.items() if key != "channel" and value is not None]
    )
    return float(values.max(initial=0.0)) * 1.08 or 1.0


def _tick(end: float) -> float:
    """-> the largest 1, 2 or 5 times a power of ten below the end of an axis."""
    power = 10.0 ** np.floor(np.log10(end))
    return float(max(step * power for step in (0.5, 1, 2, 5) if step * power <= end))


def _bars(axes: Any, record: dict[str, Any], end: float, title: str, classes: bool) -> None:
    """Draw a bar for each region or class."""
    names = [name for name in record if name != "channel"]
    places = np.arange(len(names))[::-1]
    values = np.array([0.0 if record[name] is None else float(record[name]) for name in names])
    colors = [name_color(name) if classes else "#5b7fa3" for name in names]
    axes.barh(places, values, 0.72, color=colors)
    axes.axvline(0, color=GREY, linewidth=0.6)
    axes.set_xlim(-end, end)
    axes.set_xticks([-_tick(end), 0, _tick(end)])
    axes.set_yticks(places, [text(name) for name in names], fontsize=5.8)
    axes.tick_params(axis="y", length=0, pad=1, colors=INK)
    axes.tick_params(axis="x", labelsize=5.8, length=2, pad=1, colors=GREY)
    axes.spines[["top", "right", "left"]].set_visible(False)
    if title:
        axes.set_title(title, fontsize=7.5, color=INK, pad=3, loc="left")
