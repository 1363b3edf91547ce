"""The TrustReport as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.rendering.chart_page import LINE, ChartPage, ChartRow
from ferviz.rendering.lettering import cut, wrap_lines
from ferviz.rendering.printing import PrintSize
from ferviz.rendering.text import GREY, INK

if TYPE_CHECKING:
    from ferviz.evaluation.panel.panel_result import TrustReport

SCREEN = PrintSize(240, 144, 9)
"""A panel for screens."""

NAMES = 0.34
"""Most of the width that the methods' names take."""

_COLORS = ("#4a7ba6", "#c8963e", "#6b9a6f", "#8c6bb1")


def panel_page(report: TrustReport, size: PrintSize = SCREEN) -> ChartPage:
    """Return a dot for each fill of each method: how far it exceeds the centre blob, with its interval.

    Args:
        report: what is drawn.
        size: of the page.
    """
    points = size.font_size
    below = wrap_lines(
        "area between insertion and deletion, less that of a centred blob", points, size.inches * 72 * (1 - NAMES) * 0.8
    )
    height = points / 72 * (2.1 * len(report.rows) + LINE * (len(report.fills) + len(below) + 3) + 3)

    def draw(part: Any) -> None:
        _draw_margins(part.subplots(), report, size, "\n".join(below))

    title = f"{report.model}: which map to believe"
    sentences = (f"{report.assessable} faces; to the right, on how many a map is better than the blob",)
    return ChartPage(title, sentences, (ChartRow(height, (draw,)),), tuple(report.warnings), size)


def _draw_margins(axes: Any, report: TrustReport, size: PrintSize, below: str) -> None:
    rows = sorted(report.rows, key=report.passed)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.axvspan(-report.delta, report.delta, color="#eceff2", zorder=0)
    for place, row in enumerate(rows):
        for number, (fill, (mean, low, high)) in enumerate(report.margins(row).items()):
            at, color = place + 0.2 * (number - (len(report.fills) - 1) / 2), _COLORS[number % len(_COLORS)]
            if np.isfinite(low):
                axes.plot([low, high], [at, at], color=color, linewidth=1.2)
            axes.plot([mean], [at], "o", color=color, markersize=3.5, label=fill if not place else None)
        share = report.passed(row)
        text = f"{100 * share:.0f}%" if np.isfinite(share) else "-"
        axes.text(1.02, place, text, transform=axes.get_yaxis_transform(), va="center", color=INK)
    names = [cut(row.title, size.font_size, NAMES * size.inches * 72) for row in rows]
    axes.set_yticks(np.arange(len(rows)), names, parse_math=False)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel(below, color=INK)
    axes.tick_params(axis="y", length=0)
    handles, _ = axes.get_legend_handles_labels()
    hidden = [f"hidden: {fill}" for fill in report.fills[: len(handles)]]
    axes.legend(
        handles, hidden, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), handlelength=1, handletextpad=0.5,
        borderaxespad=0.2,
    )  # fmt: skip
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
