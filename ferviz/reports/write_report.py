"""`write_report`: what there is to say about a network on a data set, as one HTML file."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from ferviz.documents.parts import Page, PageSection, PageTable
from ferviz.documents.render import check_jinja
from ferviz.documents.result_page import made_by
from ferviz.errors import DataError, ModelError, NoFaceError, OutputError, UsageError
from ferviz.files import PathLike, atomic, check_output, check_suffix
from ferviz.manifests import manifest
from ferviz.paths import exists, fit_name, is_file
from ferviz.reports.accuracy_section import accuracy_section, check_section
from ferviz.reports.budget import render_within
from ferviz.reports.dream_section import dream_section
from ferviz.reports.gallery_section import gallery_section
from ferviz.reports.question import SIZES, UNITS, Question
from ferviz.reports.section import Answer
from ferviz.reports.study_section import study_section
from ferviz.reports.trust_section import trust_section
from ferviz.studies.kept_answers import remembering
from ferviz.writers import names_only

SECTIONS: dict[str, tuple[str, Callable[[Question], Answer]]] = {
    "check": ("Is it fed right?", check_section),
    "accuracy": ("Accuracy", accuracy_section),
    "trust": ("Which heatmaps to believe", trust_section),
    "regions": ("Which part of the face speaks for each class", partial(study_section, "regions")),
    "mean-maps": ("Mean faces and mean heatmaps", partial(study_section, "mean-maps")),
    "confusions": ("Why one class is called another", partial(study_section, "confusions")),
    "labels": ("Labels that the network doubts", partial(study_section, "labels")),
    "dreams": ("What it dreams of", dream_section),
    "gallery": ("Faces", gallery_section),
}
"""Name -> heading and function of a section, in the order of the report."""

REMEMBERING = ("regions", "mean-maps", "confusions", "labels", "gallery")
"""Sections that ask the network the same things; those that measure time, or try other inputs, ask it themselves."""

CAVEATS = (
    "A heatmap says what this network uses, not what a face shows, and not what its person feels.",
    "Agreement with the regions that people look at is no proof that a network is right, and disagreement none that it is wrong.",
    "The labels of such data sets are opinions; a network cannot agree with them more than people do.",
    "Intervals say how much the figures would move with other faces of the same kind; faces of another kind are another question.",
)
"""What every reader of a report has to know."""

CITE = (
    "ferviz: what a facial-expression network looks at. Version {version}. Cite the papers of the methods that you use, too; "
    "their names stand in the sections."
)

PARTS = ".parts"


def write_report(
    question: Question,
    out: PathLike,
    *,
    max_mb: float = 5.0,
    resume: bool = False,
    force: bool = False,
    track: Callable[[list[str]], Iterable[str]] = iter,
) -> Path:
    """Write a report. While it is made, its finished sections lie in a folder `<out>.parts` beside it.

    Args:
        question: what is asked.
        out: the file to write, .html.
        max_mb: how large it may be, in millions of bytes.
        resume: use the finished sections of an interrupted report that asked the same.
        force: replace an existing file, and the sections of an interrupted report.
        track: wraps the names of the sections, to show how far the report is.

    Returns:
        The path. The file is there whole or not at all.

    Raises:
        UsageError: the suffix is not .html, Jinja2 is not installed, or the report is larger than `max_mb` without any picture.
        DataError: there are no faces.
        OutputError: an interrupted report is there, and neither `resume` nor `force` is set; or a file cannot be written.
    """
    check_report_path(out, resume, force)
    if not len(question.data):
        raise DataError("the data set has no faces; name another split")
    path, parts = Path(out), parts_of(out)
    if force and not resume and exists(parts):
        shutil.rmtree(parts)
    parts.mkdir(exist_ok=True)
    fingerprint = question.fingerprint()
    with remembering(parts / "answers", question.model) as (model,):
        asked = replace(question, model=model)  # one pass over all faces serves every section that needs it
        answers = {
            name: _answer(name, asked if name in REMEMBERING else question, parts / f"{name}.json", fingerprint)
            for name in track(list(SECTIONS))
        }
    text = render_within(_page(question, answers), round(max_mb * 1e6))
    with atomic(path, force) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    shutil.rmtree(parts, ignore_errors=True)
    return path


def check_report_path(out: PathLike, resume: bool = False, force: bool = False) -> None:
    """Check that a report may be written; call it before the work.

    Args:
        out, resume, force: as of `write_report`.

    Raises:
        UsageError, OutputError: as `write_report`.
    """
    check_suffix(out, (".html",))
    check_jinja()
    check_output(out, force)
    parts = parts_of(out)
    if exists(parts) and not (resume or force):
        raise OutputError(f"{parts} is an interrupted report; continue it with --resume, or delete that folder")


def parts_of(out: PathLike) -> Path:
    """Return the folder of the finished sections of a report.

    Args:
        out: the report.
    """
    path = Path(out)
    return path.with_name(fit_name(path.name, PARTS))


def _answer(name: str, question: Question, kept: Path, fingerprint: str) -> Answer:
    """-> a section, from its file where that answers the same question."""
    if is_file(kept):
        known = Answer.from_text(kept.read_text(encoding="utf-8", errors="replace"), fingerprint)
        if known is not None:
            return known
    title, function = SECTIONS[name]
    question.progress(title)
    try:
        answer = function(question)
    except (DataError, ModelError, NoFaceError, UsageError) as error:
        answer = Answer(PageSection(title, (f"This was not measured: {error}.",)), {"not_measured": str(error)})
    with atomic(kept) as temporary:
        temporary.write_text(answer.to_text(fingerprint), encoding="utf-8")
    return answer


def _page(question: Question, answers: dict[str, Answer]) -> Page:
    about = manifest(command="report")
    record = names_only(
        about | {"settings": question.settings(), "asked": question.command, "caveats": list(CAVEATS)}
        | {"sections": {name: answer.record for name, answer in answers.items()}}
    )  # fmt: skip
    title = f"{question.model.name} on {len(question.data):,} faces of {question.split}"
    finding = answers["accuracy"].finding or "How often the network is right was not measured."
    count = sum(
        len(a.section.pictures) for n, a in answers.items() if n in ("accuracy", "confusions", "labels", "gallery")
    )
    note = (
        "This file shows faces of people; pass it on only where the data set's terms allow that."
        if count
        else "This file shows no single face; means over many faces may be among its pictures."
    )
    cite = PageSection("How to cite", (CITE.format(version=about["versions"].get("ferviz", "")),))
    short = [_shortened()] if question.quick else []
    sections = [PageSection("Privacy", (note,)), *short, *(answer.section for answer in answers.values())]
    return Page(
        title, finding, (*sections, _method(question), PageSection("Caveats", CAVEATS), cite, made_by(about)), record
    )


def _shortened() -> PageSection:
    """-> what a quick report left out."""
    names = {name: title for name, (title, _) in SECTIONS.items()} | {
        "variants": "Other fills and borders of the regions",
        "cells": "Mistakes that are looked at",
    }
    rows: list[list[object]] = [["section", "rests on", "in a whole report"]]
    for name, (quick, full) in SIZES.items():
        if name in names:
            unit = UNITS.get(name, "faces")
            rows.append([names[name], f"{quick} {unit}", f"{full} {unit}"])
    text = "A quick report: its slow sections rest on fewer faces, so that intervals are wider, and the panel tests fewer methods."
    return PageSection("What was made short", (text,), (PageTable("At most so many, of those that there are", rows),))


def _method(question: Question) -> PageSection:
    rows = [["setting", "value"], *names_only(question.settings()).items()]
    text = ("These words make the report again:",) if question.command else ()
    return PageSection("Method", text, (PageTable("What was asked", rows),), code=question.command)
