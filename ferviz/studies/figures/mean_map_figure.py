"""The study "mean-maps" as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.evaluation.plots import name_color
from ferviz.rendering.text import GREY
from ferviz.studies.figures.study_axes import bare, page, text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ferviz.studies.study import Study

ROWS = ("face", "right", "wrong", "right - wrong", "half the interval")


def figure(study: Study) -> Figure:
    """Return a column for each class: mean face, mean map where the network is right and where wrong, their difference, and the interval.

    Args:
        study: what is drawn.
    """
    records, arrays = study.records(), study.arrays
    side = min(1.5, 10.2 / len(records))
    drawn, bottom, top = page(study, "mean faces and mean heatmaps of each label", len(ROWS) * (side + 0.12) + 0.75)
    height = drawn.get_size_inches()[1]
    right = min(0.93, 0.09 + (side + 0.05) * len(records) / 11.5)
    grid = drawn.add_gridspec(
        len(ROWS),
        len(records),
        left=0.09,
        right=right,
        top=top - 0.5 / height,
        bottom=bottom + 0.15 / height,
        hspace=0.06,
        wspace=0.04,
    )
    maps = np.stack([arrays["right"], arrays["wrong"]])
    vmax = float(np.nanpercentile(maps, 99.5)) if np.isfinite(maps).any() else 1.0
    difference = arrays["right"] - arrays["wrong"]
    reach = float(np.nanpercentile(np.abs(difference), 99.5)) if np.isfinite(difference).any() else 1.0
    images: dict[str, Any] = {}
    for number, record in enumerate(records):
        for row, name in enumerate(ROWS):
            axes = drawn.add_subplot(grid[row, number])
            bare(axes)
            images[name] = _draw(axes, arrays, number, name, vmax, reach)
            if row == 0:
                count = f"{record['right']} right\n{record['wrong']} wrong" if record["faces"] else "no faces"
                axes.set_title(
                    f"{text(record['class'])}\n{count}", fontsize=8, color=name_color(str(record["class"])), pad=3
                )
            if number == 0:
                axes.set_ylabel(name, fontsize=8.5, color=GREY)
    _keys(drawn, grid, images, right)
    return drawn


def _draw(axes: Any, arrays: dict[str, np.ndarray], label: int, name: str, vmax: float, reach: float) -> Any:
    if name == "face":
        return axes.imshow(arrays["face"][label], cmap="gray", vmin=0, vmax=255)
    if name == "right - wrong":
        shown = axes.imshow(arrays["right"][label] - arrays["wrong"][label], cmap="RdBu_r", vmin=-reach, vmax=reach)
        p = arrays["p"][label]
        if (np.nan_to_num(p, nan=1.0) < 0.05).any():
            axes.contour(np.nan_to_num(p, nan=1.0) < 0.05, levels=[0.5], colors="black", linewidths=0.9)
        return shown
    values = arrays["half_width" if name == "half the interval" else name][label]
    shown = axes.imshow(values, cmap="viridis", vmin=0, vmax=vmax)
    face = arrays["face"][label]
    if np.isfinite(face).any() and name != "half the interval":
        axes.contour(np.nan_to_num(face, nan=128), levels=[95], colors="white", linewidths=0.5, alpha=0.7)
    return shown


def _keys(drawn: Figure, grid: Any, images: dict[str, Any], right: float) -> None:
    for name, rows, words in (("right", slice(1, 3), "1 = the map's mean"), ("right - wrong", slice(3, 4), "difference"),
                              ("half the interval", slice(4, 5), "as above")):  # fmt: skip
        box = grid[rows, -1].get_position(drawn)
        axes = drawn.add_axes((right + 0.008, box.y0 + 0.08 * box.height, 0.009, 0.84 * box.height))
        bar = drawn.colorbar(images[name], cax=axes)
        bar.set_label(words, fontsize=7, color=GREY)
        axes.tick_params(labelsize=6.5, colors=GREY)
        bar.outline.set_visible(False)
