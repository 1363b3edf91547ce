"""The picture of a data set, as a matplotlib Figure (never through pyplot)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.emotions import COLORS, FERPLUS
from ferviz.rendering.lettering import one_font
from ferviz.rendering.text import GREY, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ferviz.data.summary import DataSummary

PLAIN = "#4a7ba6"
SHADES = ("#2f5d8a", "#8fb3d4", "#cfdfec", "#5f6368", "#b0b6bc")
"""Colours of the splits, in order."""


def summary_figure(summary: DataSummary) -> Figure:
    """Return one page: balance of each split, a typical and the mean face of each class, duplicates, and FERPlus against the labels.

    Args:
        summary: the summary.
    """
    from ferviz.rendering.shown_figure import ShownFigure

    data = summary.data
    votes = bool(summary.agreement)
    classes = len(data.names)
    figure = ShownFigure(figsize=(11, 8.4 if votes else 6.0))
    rows = 3 if votes else 2
    heights = [2.3, 3.2, 2.5][:rows]
    grid = figure.add_gridspec(
        rows, 1, height_ratios=heights, hspace=0.3, left=0.07, right=0.98, top=0.925, bottom=0.07 if votes else 0.03
    )
    figure.text(0.02, 0.965, data.source.rsplit("/", 1)[-1] or "data set", fontsize=14, fontweight="bold", color=INK)
    figure.text(0.98, 0.968, _subtitle(summary), fontsize=9.5, color=GREY, ha="right")
    top = grid[0].subgridspec(1, 2, width_ratios=[2.5, 1.5], wspace=0.02)
    _balance(figure.add_subplot(top[0]), summary)
    _findings(figure.add_subplot(top[1]), summary)
    # Mean faces have little contrast; one stretch for all of them keeps them comparable.
    low, high = np.percentile(summary.means[summary.typical >= 0], (0.5, 99.5)) if len(data) else (0, 255)
    faces = grid[1].subgridspec(2, max(classes, 7), hspace=0.06, wspace=0.06)
    for k, name in enumerate(data.names):
        for row, caption in enumerate(("typical", "mean, stretched")):
            axes = figure.add_subplot(faces[row, k])
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_visible(False)
            if summary.typical[k] >= 0:
                stretched = (summary.means[k] - low) * (255 / max(high - low, 1))
                pixels = data.images[summary.typical[k]] if row == 0 else stretched
                axes.imshow(
                    np.clip(pixels, 0, 255).astype(np.uint8), cmap="gray", vmin=0, vmax=255, interpolation="nearest"
                )
            if row == 0:
                axes.set_title(name, fontsize=9.5, color=INK, pad=3)
            if k == 0:
                axes.set_ylabel(caption, fontsize=9, color=GREY)
    if votes:
        _agreement(figure, grid[2], summary)
    return one_font(figure)


def _subtitle(summary: DataSummary) -> str:
    data = summary.data
    size = " × ".join(map(str, data.images.shape[1:3]))
    out = [f"{len(data):,} faces", f"{size} {'grey' if data.images.ndim == 3 else 'RGB'}", f"labels {data.scheme.name}"]
    if data.left_out:
        out.append(f"{sum(data.left_out.values()):,} left out")
    if data.bad:
        out.append(f"{len(data.bad):,} bad rows skipped")
    return "  ·  ".join(out)


def _balance(axes: Any, summary: DataSummary) -> None:
    data = summary.data
    bars = len(data.splits)
    width = 0.8 / bars
    for i, (split, row) in enumerate(zip(data.splits, summary.balance, strict=True)):
        share = row / max(row.sum(), 1) * 100
        places = np.arange(len(row)) + (i - (bars - 1) / 2) * width
        axes.bar(places, share, width * 0.94, color=SHADES[i % len(SHADES)], label=f"{split or 'all'} ({row.sum():,})")
        for x, y, n in zip(places, share, row, strict=True):
            axes.annotate(f"{n:,}", (x, y), (0, 2), textcoords="offset points", ha="center", fontsize=7.5, color=GREY)
    axes.set_xticks(np.arange(len(data.names)), data.names, fontsize=9.5)
    axes.set_ylabel("% of the split", fontsize=9, color=GREY)
    axes.tick_params(axis="y", labelsize=8, colors=GREY)
    axes.tick_params(axis="x", length=0)
    axes.legend(fontsize=8.5, frameon=False, loc="upper right")
    axes.margins(y=0.14)
    axes.spines[["top", "right"]].set_visible(False)


def _findings(axes: Any, summary: DataSummary) -> None:
    axes.set_axis_off()
    axes.text(
        0.06,
        1.0,
        "\n".join(summary.findings()),
        transform=axes.transAxes,
        va="top",
        fontsize=9,
        color=INK,
        linespacing=1.65,
    )


def _agreement(figure: Figure, place: Any, summary: DataSummary) -> None:
    table = np.sum([a.table for a in summary.agreement.values()], axis=0)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axes = figure.add_subplot(place.subgridspec(1, 2, width_ratios=[1, 0.0001], wspace=0)[0])
    names = summary.data.names
    left = np.zeros(len(names))
    for j, vote in enumerate(FERPLUS):
        axes.barh(
            np.arange(len(names)), share[:, j] * 100, left=left, color=COLORS.get(vote, PLAIN), height=0.74, label=vote
        )
        for i in range(len(names)):
            if share[i, j] > 0.045:
                own = names[i] == vote
                axes.text(
                    left[i] + share[i, j] * 50, i, f"{share[i, j] * 100:.0f}", ha="center", va="center",
                    fontsize=9 if own else 8, color="white", fontweight="bold" if own else "normal",
                )  # fmt: skip
        left += share[:, j] * 100
    axes.set_yticks(np.arange(len(names)), names, fontsize=9.5)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel(
        "FERPlus' majority vote for the faces of each label, %  (bold: the vote is the label)", fontsize=9, color=GREY
    )
    axes.tick_params(axis="x", labelsize=8, colors=GREY)
    axes.tick_params(axis="y", length=0)
    axes.legend(
        ncols=8,
        fontsize=8.5,
        frameon=False,
        loc="lower center",
        bbox_to_anchor=(0.5, 0.985),
        handlelength=1,
        columnspacing=1.4,
    )
    axes.spines[["top", "right", "left"]].set_visible(False)
