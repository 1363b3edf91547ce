"""The same pictures as matplotlib figures, for papers: vector text in the reader's own style. Never through pyplot."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.patheffects import Normal, Stroke

from ferviz.emotions import COLORS, canonical
from ferviz.rendering.charts import GROUND_LEVEL, PLAIN, TRACK, number
from ferviz.rendering.colormaps import colors
from ferviz.rendering.sheets.activation_grids import scale_of
from ferviz.rendering.sheets.filter_tiles import ACROSS, KernelGrid
from ferviz.rendering.sheets.sheet import Cell, Sheet
from ferviz.rendering.text import AMBER, GREY, INK
from ferviz.rendering.tiles import blend, has_evidence, overlay_tile

TILE = 1.5
"""Inches of a tile's side."""

_LETTER = 0.06  # inches of a letter of a note, more than most are wide
_PIXELS = 288  # of a tile inside the figure; faces of 48 pixels become six times as large


def explanation_figure(sheet: Sheet) -> Figure:
    """Return a sheet as a Figure: one row a face; face, overlays, and with one map a face the probability bars.

    Args:
        sheet: what is shown.
    """
    targets = max(len(cell.names) for cell in sheet.cells)
    bars = targets == 1 and any(cell.probabilities for cell in sheet.cells)
    widths = [1.0] * (1 + targets) + ([1.6] if bars else [])
    width, rows = TILE * sum(widths) * 1.12, len(sheet.cells)
    notes = [(n, GREY) for n in sheet.notes] + [(f"Note: {w}", AMBER) for w in sheet.warnings]
    lines = [(part, color) for words, color in notes for part in wrap(words, max(30, int(width / _LETTER)))]
    top, foot = 0.5, 0.45 + 0.18 * len(lines)
    height = rows * TILE * 1.25 + top + foot + 0.12
    figure = Figure(figsize=(width, height))
    places = GridSpec(
        rows, len(widths), figure, width_ratios=widths, wspace=0.08, hspace=0.22,
        left=0.02, right=0.96, top=1 - top / height, bottom=(foot + 0.22) / height,
    )  # fmt: skip
    for row, cell in enumerate(sheet.cells):
        shown = _tile(figure, places[row, 0], cell.face, cell.caption)
        shown.set_label("face")
        for column, (name, heat) in enumerate(zip(cell.names, cell.maps, strict=True), start=1):
            over = np.asarray(
                overlay_tile(
                    cell.face,
                    heat,
                    _PIXELS,
                    sheet.vmax_of(cell, column - 1),
                    sheet.signed,
                    words=False,
                    cmap=sheet.cmap,
                )
            )
            axes = _tile(figure, places[row, column], over, _named(cell, name))
            _labels(axes, cell.labels_of(column - 1))
            if cell.remarks:
                remark = cell.remarks[column - 1]
                color = AMBER if remark.warns else GREY
                axes.text(
                    0.5, -0.19, remark.short, transform=axes.transAxes, ha="center", va="top", color=color, fontsize=7
                )
            if not has_evidence(heat):
                axes.text(
                    0.5,
                    0.5,
                    "no evidence" if np.isfinite(heat).all() else "not a number",
                    transform=axes.transAxes,
                    ha="center",
                    va="center",
                    color=GREY,
                    fontsize=8,
                )
        if bars:
            _bars(figure.add_subplot(places[row, len(widths) - 1]), cell)
    figure.text(0.02, 1 - 0.1 / height, sheet.title, va="top", fontsize=12, fontweight="bold", color=INK)
    figure.text(0.98, 1 - 0.12 / height, sheet.subtitle, va="top", ha="right", fontsize=9, color=GREY)
    if not sheet.empty:
        _key(figure, sheet, foot - 0.2, height)
    for line, (text, color) in enumerate(lines):
        figure.text(0.02, (foot - 0.42 - 0.18 * line) / height, text, va="top", fontsize=7, color=color)
    return figure


def layers_figure(
    faces: Sequence[np.ndarray], columns: Sequence[tuple[str, np.ndarray]], captions: Sequence[str], title: str
) -> Figure:
    """Return a grid of faces by layers as a Figure.

    Args:
        faces, columns, captions, title: as for `activation_grids.layer_grid`.
    """
    rows, across = len(faces), 1 + len(columns)
    width, height = TILE * across * 1.1, TILE * rows * 1.2 + 0.7
    figure = Figure(figsize=(width, height))
    places = GridSpec(
        rows,
        across,
        figure,
        wspace=0.08,
        hspace=0.15,
        left=0.02,
        right=0.98,
        top=1 - 0.7 / height,
        bottom=0.15 / height,
    )
    figure.text(0.02, 1 - 0.1 / height, title, va="top", fontsize=12, fontweight="bold", color=INK)
    for row, (face, caption) in enumerate(zip(faces, captions, strict=True)):
        _tile(figure, places[row, 0], face, caption)
        for column, (name, values) in enumerate(columns, start=1):
            signed, vmax = scale_of(values)
            here = values[row] if values.ndim == 3 else values[row][None]
            axes = _tile(figure, places[row, column], colors(here, vmax, signed, None if signed else "viridis"), "")
            if here.shape[0] == 1:
                axes.set_aspect("auto")
            if row == 0:
                axes.set_title(f"{name}\nup to {number(vmax)}", fontsize=8, color=INK)
    return figure


def channels_figure(face: np.ndarray, maps: np.ndarray, channels: Sequence[int], title: str) -> Figure:
    """Return a face and the channels of one layer as tiles on one scale.

    Args:
        face, maps, channels, title: as for `activation_grids.channel_grid`.
    """
    across = 4 if len(channels) <= 16 else 8
    rows = -(-(len(channels) + 1) // across)
    width, height = TILE * across * 0.72, TILE * rows * 0.86 + 0.9
    figure = Figure(figsize=(width, height))
    places = GridSpec(
        rows, across, figure, wspace=0.08, hspace=0.22, left=0.02, right=0.98, top=1 - 0.45 / height, bottom=0.4 / height,
    )  # fmt: skip
    figure.text(0.02, 1 - 0.1 / height, title, va="top", fontsize=12, fontweight="bold", color=INK)
    signed, vmax = scale_of(maps)
    _tile(figure, places[0, 0], face, "input")
    for position, (channel, number_) in enumerate(zip(np.moveaxis(maps, -1, 0), channels, strict=True), start=1):
        row, column = divmod(position, across)
        _tile(figure, places[row, column], colors(channel, vmax, signed, None if signed else "viridis"), str(number_))
    words = f"All channels on one scale, from {'-' + number(vmax) if signed else '0'} to {number(vmax)}"
    figure.text(0.02, 0.08 / height, words, fontsize=7, color=GREY)
    return figure


def kernels_figure(parts: Sequence[KernelGrid], title: str, subtitle: str, notes: Sequence[str] = ()) -> Figure:
    """Return kernels of convolutions as a Figure.

    Args:
        parts, title, subtitle, notes: as for `filter_tiles.kernel_picture`.
    """
    heights = []
    for part in parts:
        bands = 1 if part.pointwise else -(-len(part.columns) // ACROSS)
        heights.append(6.0 if part.pointwise else bands * (len(part.names()) + 0.75) * 0.42)
    above, foot = (
        0.55 + 0.2 * (len(parts) - 1),
        0.4 + 0.16 * sum(len(part.notes) + 1 for part in parts) + 0.16 * len(notes),
    )
    height = sum(heights) + above + foot
    figure = Figure(figsize=(8.2, height))
    places = GridSpec(
        len(parts),
        1,
        figure,
        height_ratios=heights,
        left=0.02,
        right=0.98,
        top=1 - above / height,
        bottom=foot / height,
    )
    figure.text(0.02, 1 - 0.1 / height, title, va="top", fontsize=12, fontweight="bold", color=INK)
    figure.text(0.02, 1 - 0.34 / height, subtitle, va="top", fontsize=9, color=GREY)
    lines = []
    for place, part in enumerate(parts):
        axes = figure.add_subplot(places[place])
        axes.set_anchor("NW")
        axes.set_title(part.title, fontsize=9, color=INK, loc="left")
        if part.pointwise:
            axes.imshow(part.matrix(), interpolation="nearest", aspect="equal")
            axes.set_xlabel("output channels", fontsize=8, color=GREY)
            axes.set_ylabel("input channels", fontsize=8, color=GREY)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
        else:
            _kernel_tiles(axes, part)
        end = number(float(part.vmax[0])) if part.shared_scale else "the largest weight of each kernel"
        lines += [f"{part.title or 'weights'}: white is 0, red up to {end}, blue down to minus that", *part.notes]
    for at, words in enumerate([*lines, *notes]):
        figure.text(0.02, (foot - 0.3 - 0.16 * at) / height, words, va="top", fontsize=7, color=GREY)
    return figure


def _kernel_tiles(axes: Any, part: KernelGrid) -> None:
    names, step = part.names(), 1.12
    for column, name in enumerate(part.columns):
        band, at = divmod(column, ACROSS)
        top = band * (len(names) * step + 0.75)
        axes.text(at * step + 0.5, top - 0.1, name, fontsize=6.5, color=INK, ha="center", va="bottom")
        for row, tile in enumerate(part.tiles(column)):
            down = top + row * step
            axes.imshow(tile, extent=(at * step, at * step + 1, down + 1, down), interpolation="nearest")
            if not at and names[row]:
                axes.text(-0.15, down + 0.5, names[row], fontsize=6.5, color=GREY, ha="right", va="center")
    bands = -(-len(part.columns) // ACROSS)
    axes.set_xlim(-1.0 if any(names) else 0, ACROSS * step)
    axes.set_ylim(bands * (len(names) * step + 0.75) - 0.5, -0.75)
    axes.set_axis_off()


def _tile(figure: Figure, place: Any, pixels: np.ndarray, words: str) -> Any:
    axes = figure.add_subplot(place)
    axes.imshow(pixels, interpolation="nearest", cmap="gray" if pixels.ndim == 2 else None)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel(words, fontsize=8, color=INK, labelpad=2)
    return axes


def _labels(axes: Any, labels: Sequence[tuple[float, float, str]]) -> None:
    """Write words on a map, light with a dark edge, wholly inside it."""
    for x, y, words in labels:
        side = "left" if x < 0.2 else "right" if x > 0.8 else "center"
        axes.text(
            min(max(x, 0.02), 0.98), 1 - min(max(y, 0.06), 0.94), words, transform=axes.transAxes, ha=side, va="center",
            fontsize=6, color="white", path_effects=[Stroke(linewidth=1.5, foreground=INK), Normal()], clip_on=True,
        )  # fmt: skip


def _named(cell: Cell, name: str) -> str:
    return f"{name} {cell.probabilities[name]:.2f}" if name in cell.probabilities else name


def _bars(axes: Any, cell: Cell) -> None:
    names, values = list(cell.probabilities), list(cell.probabilities.values())
    tints = [COLORS.get(canonical(n), "#4a7ba6") if n == cell.label else PLAIN for n in names]
    places = np.arange(len(names))
    axes.barh(places, np.ones(len(names)), color=TRACK, height=0.5)
    axes.barh(places, values, color=tints, height=0.5)
    axes.set_yticks(places, names, fontsize=7)
    axes.set_xticks([])
    axes.set_xlim(0, 1.25)
    axes.invert_yaxis()
    axes.tick_params(length=0)
    for place, value in zip(places, values, strict=True):
        axes.text(1.04, place, f"{value:.2f}", va="center", fontsize=7, color=INK)
    for text, name in zip(axes.get_yticklabels(), names, strict=True):
        text.set_fontweight("bold" if name == cell.label else "normal")
    for spine in axes.spines.values():
        spine.set_visible(False)
    box = axes.get_position()
    axes.set_position([box.x0 + box.width * 0.32, box.y0, box.width * 0.68, box.height])


def _key(figure: Figure, sheet: Sheet, up: float, height: float) -> None:
    width = figure.get_figwidth()
    axes = figure.add_axes((0.02 + 0.7 / width, up / height, 1.4 / width, 0.1 / height))
    ramp = np.broadcast_to(np.linspace(-1 if sheet.signed else 0, 1, 256, dtype=np.float32), (4, 256))
    axes.imshow(blend(np.full((4, 256, 3), GROUND_LEVEL, np.uint8), ramp, 1.0, sheet.signed, sheet.cmap), aspect="auto")
    axes.set_axis_off()
    low = f"{sheet.ends[0]} {number(sheet.vmax)}" if sheet.signed else "0"
    high = f"{number(sheet.vmax)} {sheet.ends[1]}" if sheet.signed else number(sheet.vmax)
    if sheet.own_scales:
        low, high = (sheet.ends[0], sheet.ends[1]) if sheet.signed else ("0", "most, each map on its own scale")
    axes.text(-0.03, 0.5, low, transform=axes.transAxes, ha="right", va="center", fontsize=7, color=GREY)
    axes.text(1.03, 0.5, high, transform=axes.transAxes, ha="left", va="center", fontsize=7, color=GREY)
