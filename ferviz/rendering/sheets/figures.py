"""The same pictures as matplotlib figures, for papers: vector text in the reader's own style. Never through pyplot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from ferviz.rendering.charts import number
from ferviz.rendering.lettering import one_font
from ferviz.rendering.sheets.filter_tiles import ACROSS, KernelGrid
from ferviz.rendering.text import GREY, INK


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
    return one_font(figure)


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
