"""The study "mean-maps" as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.evaluation.plots import name_color
from ferviz.rendering.text import GREY
from ferviz.studies.figures.study_axes import WIDTH, bare, page, text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ferviz.studies.study import Study

ROWS = ("mean face", "right", "wrong", "right - wrong", "half interval")
LEAST = 5
"""A mean over fewer faces is not drawn: it shows these faces, not the class."""


def figure(study: Study) -> Figure:
    """Return a column for each class: mean face, mean map where the network is right and where wrong, their difference, and the interval.

    Args:
        study: what is drawn.
    """
    records, arrays = study.records(), study.arrays
    count = len(records)
    side = min(1.5, 9.7 / count - 0.05)
    right = 0.075 + (side + 0.05) * count / WIDTH
    body = len(ROWS) * (side + 0.05)
    drawn, _, top = page(study, "mean faces and mean heatmaps of each label", body + 0.75)
    height = drawn.get_size_inches()[1]
    places = {"left": 0.075, "right": right, "top": top - 0.55 / height, "bottom": top - (0.55 + body) / height}
    grid = drawn.add_gridspec(len(ROWS), count, hspace=0.05 / side, wspace=0.05 / side, **places)
    ends = _ends(arrays, records)
    images: dict[str, Any] = {}
    for number, record in enumerate(records):
        for row, name in enumerate(ROWS):
            axes = drawn.add_subplot(grid[row, number])
            bare(axes)
            shown = _draw(axes, arrays, number, name, record, ends)
            images[name] = images.get(name) or shown
            if row == 0:
                faces = f"{record['right']} right\n{record['wrong']} wrong" if record["faces"] else "no faces"
                title = f"{text(record['class'])}\n{faces}"
                axes.set_title(title, fontsize=8, color=name_color(str(record["class"])), pad=3)
            if number == 0:
                axes.set_ylabel(name, fontsize=8.5, color=GREY)
    _keys(drawn, grid, images, right)
    return drawn


def _count(record: dict[str, Any], name: str) -> int:
    both = min(record["right"], record["wrong"])
    return int({"right": record["right"], "wrong": record["wrong"], "right - wrong": both}.get(name, record["faces"]))


def _values(arrays: dict[str, np.ndarray], label: int, name: str) -> np.ndarray:
    if name == "right - wrong":
        difference: np.ndarray = arrays["right"][label] - arrays["wrong"][label]
        return difference
    return arrays["half_width" if name == "half interval" else name][label]


def _ends(arrays: dict[str, np.ndarray], records: list[dict[str, Any]]) -> dict[str, float]:
    """-> for each row the value at the end of its scale; right and wrong share theirs."""
    ends: dict[str, float] = {}
    for names in (("right", "wrong"), ("right - wrong",), ("half interval",)):
        values = [
            _values(arrays, k, name) for k, r in enumerate(records) for name in names if _count(r, name) >= LEAST
        ]  # fmt: skip
        known = np.abs(np.concatenate([v[np.isfinite(v)] for v in values])) if values else np.zeros(0)
        ends |= dict.fromkeys(names, float(np.percentile(known, 99.5)) if len(known) else 1.0)
    return ends


def _draw(
    axes: Any, arrays: dict[str, np.ndarray], label: int, name: str, record: dict[str, Any], ends: dict[str, float]
) -> Any:
    """Draw one cell: a map lies over the mean face, the more opaque the larger its value."""
    if not _count(record, name) or (name != ROWS[0] and _count(record, name) < LEAST):
        words = "no faces" if not record["faces"] else f"fewer than {LEAST}"
        axes.text(
            0.5, 0.5, words if name != ROWS[0] else "", transform=axes.transAxes, ha="center", fontsize=7, color=GREY
        )
        return None
    face = arrays["face"][label]
    axes.imshow(face if name == ROWS[0] else 150 + (face - 128) * 0.45, cmap="gray", vmin=0, vmax=255)
    if name == ROWS[0]:
        return None
    values, end = _values(arrays, label, name), ends[name]
    signed = name == "right - wrong"
    alpha = np.nan_to_num(np.clip(np.abs(values) / end, 0, 1)) ** 0.7 * 0.85
    shown = axes.imshow(
        values, cmap="RdBu_r" if signed else "inferno", vmin=-end if signed else 0, vmax=end, alpha=alpha
    )
    sure = np.nan_to_num(arrays["p"][label], nan=1.0) < 0.05
    if signed and sure.any():
        axes.contour(sure, levels=[0.5], colors="black", linewidths=1.1)
    return shown


def _keys(drawn: Figure, grid: Any, images: dict[str, Any], right: float) -> None:
    for name, rows, words in (
        ("right", slice(1, 3), "1 = the map's mean"), ("right - wrong", slice(3, 4), "difference"), ("half interval", slice(4, 5), "95 %")
    ):  # fmt: skip
        if images.get(name) is None:
            continue
        from matplotlib.cm import ScalarMappable

        box = grid[rows, -1].get_position(drawn)
        axes = drawn.add_axes((right + 0.01, box.y0 + 0.08 * box.height, 0.009, 0.84 * box.height))
        bar = drawn.colorbar(ScalarMappable(images[name].norm, images[name].cmap), cax=axes)
        bar.set_label(words, fontsize=7, color=GREY)
        axes.tick_params(labelsize=6.5, colors=GREY)
        bar.outline.set_visible(False)
