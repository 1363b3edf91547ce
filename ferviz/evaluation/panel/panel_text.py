"""The TrustReport as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferviz.evaluation.panel.bootstrap import known_mean
from ferviz.evaluation.panel.randomisation import MAX_CORRELATION, share_title
from ferviz.trust.recommendation import BUDGETS

if TYPE_CHECKING:
    from ferviz.evaluation.panel.panel_result import MethodRow, TrustReport

SURE = 0.05
"""The p value below which a method's lead over the centre blob is marked."""


def report_text(report: TrustReport) -> str:
    """Return a report as lines for a terminal.

    Args:
        report: the report.
    """
    width = max(len(row.title) for row in report.rows)
    head = f"{'':{width}}  passes  ms/face  better  " + "  ".join(f"{fill:>8}" for fill in report.fills)
    if _compares_regions(report):
        head += "   rank   top"
    if report.cascade:
        head += "  " + "".join(f"{share_title(share):>6}" for share in report.cascade.shares)
    lines = [f"{report.model} on {report.faces} faces of {report.data}, {report.assessable} assessable", "", head]
    lines += [_line(report, row, width) for row in report.rows]
    lines += ["", *_explained(report), ""]
    recommended = {budget: report.recommendation(budget) for budget in BUDGETS}
    for budget, best in recommended.items():
        answer = (
            "no method passes more often than noise"
            if best is None
            else f"{best.title} ({100 * report.passed(best):.0f}%)"
        )
        lines.append(f"up to {budget} passes a face: {answer}")
    lines += dict.fromkeys(report.caveat(row) for row in recommended.values() if row and report.caveat(row))
    lines += [placement.caution for placement in report.placements if placement.caution]
    return "\n".join([*lines, *report.notes])


def _compares_regions(report: TrustReport) -> bool:
    return any(row.regions is not None for row in report.rows)


def _line(report: TrustReport, row: MethodRow, width: int) -> str:
    cost = f"{'':6}  {'':7}" if row.control else f"{row.passes:6.0f}  {1000 * row.seconds:7.1f}"
    mark = "*" if report.p_values.get((row.method, row.layer), 1) < SURE else " "
    line = f"{row.title:{width}}  {cost}  {100 * report.passed(row):5.0f}%{mark}"
    if report.assessable:
        line += " " + "  ".join(f"{value:+8.3f}" for value in row.srg[row.assessable].mean(0))
    if row.regions is not None:
        line += f"  {known_mean(row.regions.rank):+5.2f}  {100 * known_mean(row.regions.top):3.0f}%"
    elif row.randomised is not None and _compares_regions(report):
        line += " " * 13
    if row.randomised is not None:
        line += "  " + "".join(f"{value:+6.2f}" for value in row.randomised.correlation)
    return f"{line}  fails: the maps hardly depend on the weights" if row.fails else line.rstrip()


def _explained(report: TrustReport) -> list[str]:
    """-> what the columns mean."""
    count = len(report.p_values)
    lines = [
        f"better: the share of faces on which the map beats a centre blob by more than {report.delta:g} under every fill",
        f"*: better than the blob in the mean, under every fill, with all {count} comparisons looked at together (Holm, 5 %)",
        "the intervals in files and pictures are 95 % each by itself",
    ]
    if _compares_regions(report):
        lines.append(
            "rank, top: the evidence in eight regions of the face against their exact Shapley values: rank correlation, and how often "
            "the same region is on top"
        )
    if report.cascade:
        stages = ", ".join(share_title(share) for share in report.cascade.shares)
        kept = ", ".join(f"{100 * share:.0f}%" for share in report.cascade.same_class)
        lines.append(
            f"{stages}: the maps' rank correlation with those after so many layers, from the output down, were drawn anew (mean of "
            f"{report.cascade.draws} draws, after which {kept} of the faces keep their class); above {MAX_CORRELATION:g} in the end, "
            "with or without signs, a method fails, and below nothing is proved"
        )
    return lines
