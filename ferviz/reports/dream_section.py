"""The section of a report that shows what the network dreams of, and what other networks see in it."""

from __future__ import annotations

import math

import numpy as np

from ferviz.documents.parts import PagePicture, PageSection, PageTable
from ferviz.dreaming.dream import dream
from ferviz.dreaming.result import Dream
from ferviz.printable import printable
from ferviz.reports.gallery_section import tile
from ferviz.reports.question import Question
from ferviz.reports.section import Answer

SIDE = 144
"""Pixels of the side of a dream."""

PROOF = (
    "A dream shows what excites the network most, not what it looks at in a face. One that only its own network recognises shows a blind "
    "spot; one that networks with other training recognise, too, shows something that the class means to all of them."
)

ALONE = "No other network judged these dreams; name one with --judge FILE (judges=)."


def dream_section(question: Question) -> Answer:
    """Return a dream of each class, with what the network itself and its judges see in it.

    Args:
        question: what the report is asked with.
    """
    question.progress(f"dreams of {len(question.model.labels)} classes")
    result = dream(question.model, steps=question.size("dreams"), seed=question.seed)
    if question.judges:
        result = result.judged(question.judges)
    finding = _finding(result)
    captions = [
        printable(f"{name}: {'; '.join(lines)}") for name, lines in zip(result.targets, result.captions(), strict=True)
    ]
    pictures = tuple(
        PagePicture.of(tile(image, SIDE), f"A dream of {caption}", caption)
        for image, caption in zip(result.images, captions, strict=True)
    )
    notes = (PROOF,) if question.judges else (PROOF, ALONE)
    text = (f"{finding} Gradient ascent, {question.size('dreams')} steps from the mean of all faces.",)
    return Answer(
        PageSection("What it dreams of", text, (_table(result),), pictures, notes), result.to_dict(), finding if question.judges else ""
    )  # fmt: skip


def _table(result: Dream) -> PageTable:
    judgement = result.judgement
    judges = judgement.judges if judgement else ()
    columns = ["dream of", "the network's own probability", "it says"]
    columns += [f"{judge}: {word}" for judge in judges for word in ("probability", "says")]
    rows: list[list[object]] = [list(columns)]
    for k, name in enumerate(result.targets):
        row: list[object] = [name, _known(result.probability[k]), result.predicted[k]]
        for j in range(len(judges)):
            assert judgement is not None
            row += [_known(judgement.probability[j, k]), judgement.predicted[j][k]]
        rows.append(row)
    return PageTable("Dreams, and what networks see in them", rows)


def _known(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None


def _finding(result: Dream) -> str:
    own = sum(predicted == target for predicted, target in zip(result.predicted, result.targets, strict=True))
    sentence = f"The network recognises {own} of its {len(result)} dreams"
    judgement = result.judgement
    if judgement is None:
        return f"{sentence}."
    known = (~np.isnan(judgement.probability)).sum(1)
    hits = judgement.recognised.sum(1)
    counts = [f"{name} {h} of {k}" for name, h, k in zip(judgement.judges, hits, known, strict=True)]
    return f"{sentence}; of those whose classes it knows, {', '.join(counts)}."
