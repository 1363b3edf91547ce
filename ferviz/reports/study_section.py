"""The sections of a report that are studies."""

from __future__ import annotations

from collections.abc import Sequence
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

COLUMNS = {
    "regions": {
        "class": "class", "region": "region", "faces": "faces", "shapley": "adds, log-odds", "low": "from", "high": "to",
        "spec_low": "least over fills", "spec_high": "most over fills", "p_holm": "p (Holm)", "flips": "flips without it",
        "area": "share of the area", "mass": "share of the heatmap", "over_blob": "log2 over a centre blob",
        "expected": "share of the action units",
    },
    "mean-maps": {
        "class": "class", "right": "right faces", "wrong": "wrong faces", "p_smallest": "smallest p (max-T)",
        "pixels_survive": "pixels with p < 0.05", "share_of_face": "share of the face", "largest_difference": "largest difference",
    },
    "confusions": {
        "true": "label", "predicted": "called", "region": "region", "contrast": "push, logits", "difference": "more than on right ones",
        "difference_low": "from", "difference_high": "to", "q": "q (BH)", "repair": "mistakes repaired", "harm": "right ones harmed",
    },
    "labels": {
        "rank": "rank", "row": "row", "label": "label", "doubt": "doubt", "predicted": "network says", "confidence": "confidence",
        "second": "second answer", "same_picture_other_label": "same picture labelled", "votes_majority": "most votes",
        "votes_for_label": "votes for the label",
    },
}  # fmt: skip
"""Study -> {column of its main table: heading in a report}; the numbers of the file have every column."""

LISTED = {"labels": 40}
"""Rows of a study's table in a report, MOST where it is not named; the numbers in the file have all."""

MOST = 120

MAX_WIDTH = 1400
"""Pixels of a study's picture."""


def study_section(name: str, question: Question) -> Answer:
    """Return a study as a section.

    Args:
        name: of the study.
        question: what the report is asked with.
    """
    options: dict[str, Any] = {"faces": question.size(name)} if name in SIZES else {}
    options |= {option: question.size(option) for option in ("variants", "cells") if option in option_names(name)}
    answer = study(
        name, question.model, question.data, seed=question.seed, batch_size=question.batch_size, progress=question.progress, **options
    )  # fmt: skip
    pictures: tuple[PagePicture, ...] = ()
    if question.show_faces or name not in WITH_FACES:
        alt = f"{TITLES[name]}, {answer.faces} faces. {answer.finding} The table below has its numbers."
        pictures = (PagePicture.of(answer.picture(), printable(alt), max_width=MAX_WIDTH),)
    rows = readable(name, answer.table())
    most = LISTED.get(name, MOST)
    listed = f", the first {most} of {len(rows) - 1:,} rows" if len(rows) - 1 > most else ""
    caption = f"{TITLES[name]}: {answer.faces:,} faces, {answer.groups:,} different{listed}"
    return Answer(
        PageSection(TITLES[name], (answer.finding,), (PageTable(caption, rows[: most + 1]),), pictures, answer.notes),
        answer.to_dict(), answer.finding,
    )  # fmt: skip


def readable(name: str, table: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Return the columns of a study's main table that a reader wants, under words; those without any value are left out.

    Args:
        name: of the study.
        table: its rows, the names of the columns first.
    """
    names = list(table[0])
    chosen = [
        (names.index(column), heading)
        for column, heading in COLUMNS[name].items()
        if column in names and (len(table) == 1 or any(row[names.index(column)] != "" for row in table[1:]))
    ]
    return [[heading for _, heading in chosen], *([row[at] for at, _ in chosen] for row in table[1:])]
