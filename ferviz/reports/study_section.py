"""The sections of a report that are studies."""

from __future__ import annotations

from typing import Any

from ferviz.documents.parts import PagePicture, PageSection, PageTable
from ferviz.printable import printable
from ferviz.reports.question import SIZES, Question
from ferviz.reports.section import Answer
from ferviz.studies.registry import option_names, study

TITLES = {
    "regions": "Which part of the face speaks for each class",
    "mean-maps": "Mean faces and mean heatmaps",
    "confusions": "Why one class is called another",
    "labels": "Labels that the network doubts",
}  # fmt: skip
"""Study -> the heading of its section."""

WITH_FACES = ("confusions", "labels")
"""Studies whose pictures show single faces."""

MAX_WIDTH = 1400
"""Pixels of a study's picture."""

MAX_LISTED = 40
"""Rows of a study's table in the report; the numbers in the file have all."""


def study_section(name: str, question: Question) -> Answer:
    """Return a study as a section.

    Args:
        name: of the study.
        question: what the report is asked with.
    """
    options: dict[str, Any] = {"faces": question.size(name)} if name in SIZES else {}
    if "variants" in option_names(name):
        options["variants"] = question.size("variants")
    answer = study(
        name, question.model, question.data, seed=question.seed, batch_size=question.batch_size, progress=question.progress, **options
    )  # fmt: skip
    pictures: tuple[PagePicture, ...] = ()
    if question.show_faces or name not in WITH_FACES:
        alt = f"{TITLES[name]}, {answer.faces} faces. {answer.finding} The table below has its numbers."
        pictures = (PagePicture.of(answer.picture(), printable(alt), max_width=MAX_WIDTH),)
    rows = answer.table()
    listed = f", the first {MAX_LISTED} of {len(rows) - 1:,} rows" if len(rows) - 1 > MAX_LISTED else ""
    caption = f"{TITLES[name]}: {answer.faces:,} faces, {answer.groups:,} different{listed}"
    table = PageTable(caption, rows[: MAX_LISTED + 1])
    notes = answer.notes
    return Answer(
        PageSection(TITLES[name], (answer.finding,), (table,), pictures, notes), answer.to_dict(), answer.finding
    )
