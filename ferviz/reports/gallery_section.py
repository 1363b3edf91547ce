"""The gallery of a report: faces that a rule chose, so that nobody can choose the pretty ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from ferviz.documents.parts import PagePicture, PageSection
from ferviz.printable import printable
from ferviz.reports.question import Question
from ferviz.reports.section import Answer
from ferviz.studies.study_faces import StudyFaces, predict_faces

RULES = {
    "typical": "right, with the median confidence of the right ones",
    "uncertain": "the smallest gap between the first and the second answer",
    "wrong": "the most confident mistake",
}
"""What is shown of each label, and how it is chosen."""

SIDE = 96
"""Pixels of the longer side of a face."""


def gallery_section(question: Question) -> Answer:
    """Return for each label a typical face, the most uncertain one and the worst mistake; without pictures where faces may not be shown.

    Args:
        question: what the report is asked with.
    """
    known = predict_faces(question.model, question.data, progress=question.progress)
    records: list[dict[str, Any]] = []
    pictures = []
    for label, name in enumerate(known.labels):
        for rule, at in chosen_faces(known, label).items():
            predicted, confidence = known.labels[known.predicted[at]], float(known.confidence[at])
            records.append(
                {"label": name, "rule": rule, "row": int(known.data.rows[at]), "predicted": predicted, "confidence": confidence}
            )  # fmt: skip
            if question.show_faces:
                caption = printable(f"{name}, {rule}: said {predicted}, {confidence:.2f} (row {known.data.rows[at]})")
                pictures.append(PagePicture.of(tile(known.data.images[at]), f"A face labelled {caption}", caption))
    rules = "; ".join(f"{name}: {rule}" for name, rule in RULES.items())
    text = [f"Of each label, faces chosen by rule among {len(known):,}, none by hand. {rules[0].upper()}{rules[1:]}."]
    if not question.show_faces:
        text.append("No face is shown, as was asked; the rows stand in the numbers of this file.")
    return Answer(PageSection("Faces", tuple(text), pictures=tuple(pictures), notes=known.notes), {"faces": records})


def chosen_faces(known: StudyFaces, label: int) -> dict[str, int]:
    """Return {rule: position of the face} for one label, without rules that no face fits; the earlier face wins a tie.

    Args:
        known: the faces and the network's answers.
        label: its number.
    """
    own = np.flatnonzero(known.true == label)
    right, wrong = own[known.predicted[own] == label], own[known.predicted[own] != label]
    chosen = {}
    if len(right):
        order = right[np.argsort(known.confidence[right], kind="stable")]
        chosen["typical"] = int(order[(len(order) - 1) // 2])
    if len(own) and len(known.labels) > 1:
        first_two = np.sort(known.probabilities[own], axis=1)[:, -2:]
        chosen["uncertain"] = int(own[np.argmin(first_two[:, 1] - first_two[:, 0])])
    if len(wrong):
        chosen["wrong"] = int(wrong[np.argmax(known.confidence[wrong])])
    return chosen


def tile(image: np.ndarray, side: int = SIDE) -> Image.Image:
    """Return a face or a dream as a report shows it.

    Args:
        image: (H, W) or (H, W, 3) uint8.
        side: pixels of the longer side.
    """
    picture = Image.fromarray(image)
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.convert("RGB").resize(size, Image.Resampling.BICUBIC)
