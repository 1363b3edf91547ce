"""The TrustReport as a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ferviz.evaluation.plots import title_line
from ferviz.rendering.lettering import FOOT_LINE, foot_lines, one_font, write_foot
from ferviz.rendering.text import GREY, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ferviz.evaluation.panel.panel_result import TrustReport

_WIDTH = 9.5  # inches
_COLORS = ("#4a7ba6", "#c8963e", "#6b9a6f", "#8c6bb1")


def panel_figure(report: TrustReport) -> Figure:
    """Return a dot for each fill of each method: how far it exceeds the centre blob, with its interval.

    Args:
        report: what is drawn.
    """
    from ferviz.rendering.shown_figure import ShownFigure

    rows = sorted(report.rows, key=report.passed)
    foot = foot_lines(report.warnings, _WIDTH)
    bottom = 1.0 + FOOT_LINE * len(foot)
    height = bottom + 0.9 + 0.34 * len(rows)
    figure = ShownFigure(figsize=(_WIDTH, height))
    write_foot(figure, foot)
    title_line(figure, f"{report.model}: which map to believe", f"{report.assessable} faces", height)
    axes = figure.add_axes((0.3, bottom / height, 0.56, (height - bottom - 0.75) / height))
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
        axes.text(1.02, place, text, transform=axes.get_yaxis_transform(), va="center", fontsize=9, color=INK)
    axes.text(
        1.02, len(rows) - 0.35, "better", transform=axes.get_yaxis_transform(), va="bottom", fontsize=8, color=GREY
    )
    axes.set_yticks(np.arange(len(rows)), [row.title for row in rows], fontsize=9)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("area between insertion and deletion, less that of a centred blob", fontsize=9, color=INK)
    axes.legend(fontsize=8, frameon=False, loc="lower right", title="hidden pixels", title_fontsize=8)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return one_font(figure)
