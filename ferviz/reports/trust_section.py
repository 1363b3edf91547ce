"""The section of a report about which heatmaps to believe for the network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ferviz.attribution.attribution_job import HASTY
from ferviz.attribution.methods.method import LAYER
from ferviz.attribution.methods.registry import METHODS
from ferviz.documents.parts import PagePicture, PageSection, PageTable
from ferviz.errors import ModelError, NoFaceError
from ferviz.evaluation.metrics import wilson
from ferviz.evaluation.panel.bootstrap import known_mean
from ferviz.evaluation.panel.panel import trust_report, usable_methods
from ferviz.evaluation.panel.panel_result import MethodRow, TrustReport
from ferviz.evaluation.panel.randomisation import DRAWS
from ferviz.printable import printable
from ferviz.reports.accuracy_section import percent
from ferviz.reports.question import Question
from ferviz.reports.section import Answer
from ferviz.trust.recommendation import recommended

QUICK = ("gradcam", "fastshap")
"""Methods of a quick report: those that cost a pass or two through the network, besides the one that the report's maps are made with."""

WHOLE = (*QUICK, "layercam", "smoothgrad", "integrated-gradients", "occlusion", "rise")
"""Methods of a whole report: the usual ones; `ferviz trust` tests all."""

BLACK_BOX = ("occlusion",)
"""Methods that ask nothing of an engine but its answers."""

COLUMNS = [
    "method", "passes a face", "ms a face", "faces", "better than a centre blob", "from", "to", "p (Holm)", "rank with the regions' values",
    "like those of random weights: last layer, half, all",
]  # fmt: skip

MAX_WIDTH = 1400

METHOD = (
    "Pixels are hidden, and shown, in the order in which a map ranks them; a map is better than a centre blob on a face if it knows by "
    "more than {delta:g} better, whatever stands in the hidden pixels' place, which pixels the network needs."
)


def trust_section(question: Question) -> Answer:
    """Return which methods' heatmaps point at what the network needs, tested on some of the faces.

    Args:
        question: what the report is asked with.
    """
    names = panel_methods(question)
    try:
        report = _test(question, names)
    except (ModelError, NoFaceError) as error:  # an engine without gradients, or pictures without landmarks
        apart = [name for name in names if METHODS[name].needs_regions]
        left = [name for name in names if name not in apart] if isinstance(error, NoFaceError) else list(BLACK_BOX)
        report = _test(question, left)
        gone = ", ".join(name for name in names if name not in left)
        report = replace(report, notes=(*report.notes, f"Left out: {gone}, because {error}."))
    own = _own_method(question)
    finding = _finding(report, own)
    alt = f"How much better than a centre blob each method's maps are, with intervals. {finding} The table below has the numbers."
    picture = PagePicture.of(report.picture(), printable(alt), max_width=MAX_WIDTH)
    caption = f"Heatmaps of {report.faces} faces, {report.assessable} of which can be assessed, with 95 % intervals"
    text = (
        finding,
        METHOD.format(delta=report.delta),
        "The rank correlation compares a map's evidence in eight regions with the regions' exact Shapley values.",
    )
    tested = ", ".join(dict.fromkeys(row.title for row in report.rows if not row.control))
    notes = (*report.notes, f"Tested: {tested}; ferviz trust tests every method.")
    table = PageTable(caption, [list(COLUMNS), *(_row(report, row) for row in report.rows)])
    return Answer(
        PageSection("Which heatmaps to believe", text, (table,), (picture,), notes), report.to_dict(), finding
    )


def _test(question: Question, names: Sequence[str]) -> TrustReport:
    layer = question.model.default_layer()[0] if any(METHODS[name].at == LAYER for name in names) else None
    return trust_report(
        question.model, question.data, methods=names, layers=layer, faces=question.size("trust"), seed=question.seed,
        random_draws=1 if question.quick else DRAWS, batch_size=question.batch_size, progress=question.progress,
    )  # fmt: skip


def panel_methods(question: Question) -> list[str]:
    """Return the methods that a report tests, the one that its maps are made with among them.

    Args:
        question: what the report is asked with.
    """
    asked = {_own_method(question), *(QUICK if question.quick else WHOLE)}
    return [name for name in usable_methods(question.model) if name in asked]


def _own_method(question: Question) -> str:
    """-> the method of the maps in the other sections, which leave the choice to `auto`."""
    return recommended(question.model, HASTY).method


def _row(report: TrustReport, row: MethodRow) -> list[object]:
    share, count = report.passed(row), int(row.assessable.sum())
    rank = "" if row.regions is None else _shown(known_mean(row.regions.rank), 2)
    if row.control:
        return [row.title, "", "", count, _shown(share), "", "", "", rank, ""]
    low, high = wilson(share * count if count else 0, count)
    random = "" if row.randomised is None else ", ".join(f"{value:.2f}" for value in row.randomised.correlation)
    random += " (fails)" if row.fails else ""
    p = _shown(report.p_values[row.method, row.layer])
    return [
        row.title, round(row.passes, 1), round(1000 * row.seconds, 1), count, _shown(share), _shown(low), _shown(high), p, rank, random,
    ]  # fmt: skip


def _shown(value: float, digits: int = 3) -> float | str:
    return round(float(value), digits) if math.isfinite(value) else ""


def _finding(report: TrustReport, own: str) -> str:
    """-> what the maps of this report are worth."""
    rows = [row for row in report.rows if row.method == own and not row.control]
    if not rows or not report.assessable:
        return "The heatmaps of this network could not be assessed on these faces."
    row = rows[0]
    share = percent(report.passed(row))
    sentence = f"The maps of this report ({row.title}) beat a blob in the middle of the face on {share} of {report.assessable} faces"
    best = max((each for each in report.rows if not each.control and not each.fails), key=report.passed, default=row)
    if report.passed(best) > report.passed(row):
        return (
            f"{sentence}; {best.title} does so on {percent(report.passed(best))}, with {best.passes:.0f} passes a face."
        )
    return f"{sentence}."
