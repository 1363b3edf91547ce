"""The page that an audit draws."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from ferviz.evaluation.audit.questions import DOUBTFUL, FINE, UNKNOWN
from ferviz.evaluation.plots import BLUE, PALE, TRACK, title_line
from ferviz.printable import printable, sentence
from ferviz.rendering.text import AMBER, GREY, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ferviz.evaluation.audit.audit_result import AuditResult

WIDTH, LINE, COLUMN = 11.5, 0.175, 108  # inches, inches, characters of an answer in one line
COLORS = {FINE: BLUE, DOUBTFUL: AMBER, UNKNOWN: GREY}
WORDS = {FINE: "fine", DOUBTFUL: "doubtful", UNKNOWN: "unknown"}


def audit_figure(audit: AuditResult) -> Figure:
    """Return one page: to the left the questions with their answers, to the right the accuracy measured in each way.

    Args:
        audit: the result to draw.
    """
    from ferviz.rendering.shown_figure import ShownFigure

    blocks = [(q, textwrap.wrap(printable(sentence(q.answer)), COLUMN)) for q in audit.questions]
    height = max(1.2 + sum(LINE * (len(lines) + 1) + 0.14 for _, lines in blocks), 4.0)
    figure = ShownFigure(figsize=(WIDTH, height))
    test = audit.measured.test
    title_line(figure, f"{test.model}: would this accuracy be believed?", f"{test.split}, {len(test):,} faces", height)
    figure.text(0.02, 1 - 0.45 / height, printable(audit.headline()), fontsize=9.5, color=INK, va="top")
    y = height - 0.95
    for question, lines in blocks:
        color = COLORS[question.status]
        figure.text(
            0.075, y / height, WORDS[question.status], fontsize=8, color=color, ha="right", va="top", fontweight="bold"
        )
        figure.text(0.09, y / height, printable(question.text), fontsize=9.5, color=INK, va="top", fontweight="bold")
        figure.text(0.09, (y - LINE) / height, "\n".join(lines), fontsize=8.5, color=INK, va="top", linespacing=1.4)
        y -= LINE * (len(lines) + 1) + 0.14
    count = len(audit.rates())
    bottom = height - 0.95 - 0.36 * count - 0.1
    _rates(figure.add_axes((0.815, bottom / height, 0.165, 0.36 * count / height)), audit)
    return figure


def _rates(axes: Any, audit: AuditResult) -> None:
    rates = audit.rates()
    names, claim = list(rates), audit.measured.claim
    for place, name in enumerate(names):
        rate, (low, high) = rates[name]
        color = PALE if "training" in name else BLUE
        axes.barh(place, 100, color=TRACK, height=0.34)
        axes.barh(place, rate * 100, color=color, height=0.34)
        axes.plot([low * 100, high * 100], [place, place], color=INK, linewidth=1)
        if claim is not None:
            axes.plot([claim * 100, claim * 100], [place - 0.17, place + 0.17], color=AMBER, linewidth=1.6)
        axes.text(0, place - 0.25, printable(name), fontsize=7.5, color=INK, va="bottom")
        axes.text(100, place - 0.25, f"{rate * 100:.1f} %", fontsize=7.5, color=INK, va="bottom", ha="right")
    if claim is not None:
        axes.text(claim * 100, len(names) - 0.7, "claimed", fontsize=7.5, color=AMBER, ha="center", va="top")
    axes.set_xlim(0, 100)
    axes.set_ylim(len(names) - 0.2, -0.75)
    axes.axis("off")
