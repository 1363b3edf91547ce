"""The sections of a report about how often a network is right, and whether it is fed right."""

from __future__ import annotations

from ferviz.documents.parts import PagePicture, PageSection, PageTable
from ferviz.evaluation.check.check import check
from ferviz.evaluation.evaluate import evaluate
from ferviz.evaluation.evaluation import Evaluation
from ferviz.reports.question import Question
from ferviz.reports.section import Answer


def accuracy_section(question: Question) -> Answer:
    """Return accuracy, the figures of each class and the confusion matrix.

    Args:
        question: what the report is asked with.
    """
    result = evaluate(question.model, question.data, split=None, seed=question.seed, batch_size=question.batch_size)
    record = result.to_dict()
    low, high = record["interval"]
    finding = (
        f"{result.model} is right on {percent(record['accuracy'])} of {len(result):,} faces of {question.split} "
        f"(95 % interval {percent(low)} to {percent(high)}){_weakest(result)}."
    )
    pictures: tuple[PagePicture, ...] = ()
    if question.show_faces:
        alt = f"Confusion matrix, figures of each class, calibration, confident mistakes. {finding} The tables have its numbers."
        pictures = (PagePicture.of(result.picture(), alt, max_width=1400),)
    return Answer(
        PageSection("Accuracy", (finding,), (_classes(result), _confusion(result)), pictures, result.notes),
        record,
        finding,
    )


def check_section(question: Question) -> Answer:
    """Return whether another preprocessing or another order of the labels would do better.

    Args:
        question: what the report is asked with.
    """
    faces = question.size("check")
    result = check(
        question.model, question.data, split=None, faces=faces, seed=question.seed, batch_size=question.batch_size
    )
    verdict = result.text().split("\n\n")[-1].split("\nwarning:")[0].removeprefix("verdict: ")
    rows: list[list[object]] = [["preprocessing", "label order", "faces", "accuracy", "from", "to"]]
    for candidate in result.candidates[:10]:
        cells = [candidate.n, candidate.accuracy, *candidate.interval]
        rows.append([candidate.preprocessing.title, candidate.order.name, *cells])
    caption = (
        f"The best conventions of {len(result.candidates)} that were tried on {result.n:,} faces, with 95 % intervals"
    )
    text = tuple(f"{line[:1].upper()}{line[1:]}." for line in verdict.splitlines())
    record = result.to_dict()
    return Answer(PageSection("Is it fed right?", text, (PageTable(caption, rows),), notes=result.warnings), record)


def percent(share: float) -> str:
    """Return a share as text.

    Args:
        share: 0 to 1.
    """
    return f"{100 * share:.1f} %"


def _weakest(result: Evaluation) -> str:
    known = [
        (figure.recall, name) for figure, name in zip(result.classes, result.labels, strict=True) if figure.support
    ]
    if len(known) < 2:
        return ""
    recall, name = min((recall or 0.0, name) for recall, name in known)
    return f"; it finds {name} least, {percent(recall)} of these faces"


def _classes(result: Evaluation) -> PageTable:
    rows: list[list[object]] = [["class", "faces", "found (recall)", "from", "to", "right when said (precision)", "F1"]]
    for name, figure in zip(result.labels, result.classes, strict=True):
        interval = figure.interval if figure.support else (None, None)
        rows.append([name, figure.support, figure.recall, *interval, figure.precision, figure.f1])
    return PageTable("Each class, with 95 % intervals of the recall", rows)


def _confusion(result: Evaluation) -> PageTable:
    rows: list[list[object]] = [["label", *result.labels]]
    rows += [[name, *map(int, counts)] for name, counts in zip(result.labels, result.confusion, strict=True)]
    return PageTable("Confusion: rows are labels, columns what the network says, cells are faces", rows)
