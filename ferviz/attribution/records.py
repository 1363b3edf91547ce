"""Faces and what a network says about them as plain data (JSON), and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.faces.face import Face
from ferviz.models.model import Prediction


def face(face: Face, said: Prediction | None = None) -> dict[str, Any]:
    """Return one face: box, score, landmarks, angle, and with a prediction its label and probabilities."""
    record: dict[str, Any] = {
        "box": None if face.box is None else [int(v) for v in face.box],
        "score": None if face.score is None else float(face.score),
        "landmarks": None if face.landmarks is None else np.asarray(face.landmarks, float).round(2).tolist(),
        "angle": round(float(face.angle), 1),
    }
    if said is not None:
        record |= {"label": said.label, "probabilities": {k: float(v) for k, v in said.probabilities.items()}}
    return record


def pictures(
    faces: Sequence[Face],
    predictions: Sequence[Prediction | None] | None = None,
    evidence: Sequence[dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """Return [{source, error, faces: [...]}]: neighbouring faces of one source are one picture. source: None for an array.

    evidence: what else each face's record holds under that name, or None.
    """
    made: list[dict[str, Any]] = []
    for number, (one, said) in enumerate(zip(faces, predictions or [None] * len(faces), strict=True)):
        if not made or made[-1]["source"] != (one.source or None):
            made.append({"source": one.source or None, "error": None, "faces": []})
        made[-1]["faces"].append(face(one, said) | ({"evidence": evidence[number]} if evidence else {}))
    return made


def read_pictures(
    records: Sequence[dict[str, Any]], images: np.ndarray, sizes: np.ndarray
) -> tuple[tuple[Face, ...], tuple[Prediction, ...]]:
    """Return the faces and predictions behind `pictures`' records; images and sizes as `padded` made them."""
    faces: list[Face] = []
    predictions: list[Prediction] = []
    for picture in records:
        for record in picture["faces"]:
            number = len(faces)
            height, width = (int(side) for side in sizes[number])
            box, marks = record["box"], record["landmarks"]
            one = Face(
                images[number][:height, :width],
                picture["source"] or "",
                None if box is None else (box[0], box[1], box[2], box[3]),
                None if marks is None else np.array(marks, np.float32),
                record["score"],
                record["angle"],
            )
            faces.append(one)
            predictions.append(Prediction(record["label"], dict(record["probabilities"]), one))
    return tuple(faces), tuple(predictions)


def padded(pixels: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures (H, W, 3) uint8 of any sizes as one array (N, Hmax, Wmax, 3), zero beyond each, and their sizes (N, 2)."""
    sizes = np.array([p.shape[:2] for p in pixels], np.int32).reshape(-1, 2)
    images = np.zeros((len(pixels), *sizes.max(axis=0, initial=0), 3), np.uint8)
    for image, one in zip(images, pixels, strict=True):
        image[: one.shape[0], : one.shape[1]] = one
    return images, sizes


def captions(faces: Sequence[Face]) -> list[str]:
    """Return a short name for each face: its file's, with the face's number where the file has several."""
    many = Counter(one.source for one in faces)
    seen: Counter[str] = Counter()
    made = []
    for one in faces:
        seen[one.source] += 1
        name = Path(one.source).name if one.source else "face"
        numbered = many[one.source] > 1
        made.append(f"{name} {'#' if one.source else ''}{seen[one.source]}" if numbered else name)
    return made
