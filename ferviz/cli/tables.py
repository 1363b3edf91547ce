"""What commands say about pictures and their faces, as JSON, JSON lines, CSV and plain lines: one record a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ferviz.errors import FervizError
from ferviz.faces.detectors.detector import LANDMARKS

if TYPE_CHECKING:
    from ferviz.faces.face import Face
    from ferviz.models.model import Prediction

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is a formula to a spreadsheet program, and file names may come from anybody."""


def picture_record(
    source: str, predictions: Sequence[Prediction] = (), error: FervizError | None = None
) -> dict[str, Any]:
    """Return {source, error, faces: [...]} of one picture. error: why it has no faces, or None."""
    faces = [face_record(p.face, p) for p in predictions]
    return {"source": source, "error": str(error) if error is not None else None, "faces": faces}


def face_record(face: Face, prediction: Prediction) -> dict[str, Any]:
    """Return {box, score, landmarks, angle, label, second, probabilities} of one face; box null = the whole picture."""
    ranked = sorted(prediction.probabilities, key=lambda name: -prediction.probabilities[name])
    return {
        "box": None if face.box is None else [int(v) for v in face.box],
        "score": None if face.score is None else round(float(face.score), 4),
        "landmarks": None
        if face.landmarks is None
        else [[round(float(v), 2) for v in point] for point in face.landmarks],
        "angle": round(float(face.angle), 1),
        "label": prediction.label,
        "second": ranked[1] if len(ranked) > 1 else None,
        "probabilities": prediction.probabilities,
    }


def plain_lines(record: dict[str, Any]) -> list[str]:
    """Return a record as lines to read: one a face with its two likeliest classes and its box."""
    lines = []
    for face in record["faces"]:
        p, label, second = face["probabilities"], face["label"], face["second"]
        also = f", {second} {p[second]:.2f}" if second else ""
        where = f"  at {face['box'][0]},{face['box'][1]} to {face['box'][2]},{face['box'][3]}" if face["box"] else ""
        lines.append(f"{record['source']}: {label} {p[label]:.2f}{also}{where}")
    return lines


def csv_header(labels: Iterable[str], crops: bool = False) -> str:
    """Return the CSV's first line. labels: the network's classes, in order; each has a column `p_<class>`. crops: the faces' files too."""
    points = [f"{name.replace(' ', '_')}_{axis}" for name in LANDMARKS for axis in "xy"]
    box = ["left", "top", "right", "bottom", "score", "angle"]
    return _csv_line(
        [
            "source",
            "face",
            *box,
            *points,
            "label",
            "second",
            *(f"p_{safe(n)}" for n in labels),
            *["crop"] * crops,
            "error",
        ]
    )


def csv_lines(record: dict[str, Any], labels: Sequence[str], crops: bool = False) -> str:
    """Return one CSV line a face, numbered from 1; one line with the error for a picture without faces."""
    if not record["faces"]:
        empty = [""] * (1 + 6 + 2 * len(LANDMARKS) + 2 + len(labels) + crops)
        return _csv_line([safe(record["source"]), *empty, safe(record["error"] or "")])
    lines = []
    for number, face in enumerate(record["faces"], start=1):
        points = [v for point in face["landmarks"] for v in point] if face["landmarks"] else [""] * (2 * len(LANDMARKS))
        values = [f"{face['probabilities'][name]:.6f}" for name in labels]
        score = "" if face["score"] is None else face["score"]
        head = [safe(record["source"]), number, *(face["box"] or [""] * 4), score, face["angle"], *points]
        lines.append(
            _csv_line(
                [
                    *head,
                    safe(face["label"]),
                    safe(face["second"] or ""),
                    *values,
                    *[safe(face.get("crop", ""))] * crops,
                    "",
                ]
            )
        )
    return "".join(lines)


def safe(text: str) -> str:
    """Return a cell's text with an apostrophe before it where a spreadsheet program would calculate it."""
    return f"'{text}" if text.startswith(FORMULAS) else text


def _csv_line(cells: Sequence[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()
