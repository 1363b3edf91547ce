"""The record of an analyzed frame: the same for JSON lines and the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ferviz.models.prediction import face_record
from ferviz.video.pipeline import FrameResult


def frame_record(result: FrameResult) -> dict[str, Any]:
    """Return one analyzed frame as plain data.

    Args:
        result: the frame and its faces.

    Returns:
        {frame: its number, time: seconds, faces: the record of each face with {track, label, probabilities (both smoothed),
        frame_probabilities}}.
    """
    faces = [
        face_record(
            face.face,
            track=face.track,
            label=face.label,
            probabilities=face.smoothed,
            frame_probabilities=face.prediction.probabilities,
        )
        for face in result.faces
    ]
    return {"frame": result.frame.index, "time": round(result.frame.time, 3), "faces": faces}


def frame_columns(labels: Sequence[str]) -> list[str]:
    """Return the names of the columns of `frame_rows`.

    Args:
        labels: the network's classes in order; each has a column `p_<class>` (smoothed) and `raw_<class>` (of the frame alone).
    """
    box = ["left", "top", "right", "bottom"]
    probabilities = [f"{kind}_{name}" for kind in ("p", "raw") for name in labels]
    return ["frame", "time", "track", *box, "score", "label", "frame_label", *probabilities]


def frame_rows(result: FrameResult, labels: Sequence[str]) -> list[list[Any]]:
    """Return an analyzed frame as rows of a table, one for each face.

    Args:
        result: the frame and its faces.
        labels: as for `frame_columns`.
    """
    rows = []
    for face in result.faces:
        score = "" if face.face.score is None else round(face.face.score, 4)
        box = face.face.box or [""] * 4
        smoothed = [f"{face.smoothed[name]:.6f}" for name in labels]
        raw = [f"{face.prediction.probabilities[name]:.6f}" for name in labels]
        place = [result.frame.index, f"{result.frame.time:.3f}", face.track]
        rows.append([*place, *box, score, face.label, face.prediction.label, *smoothed, *raw])
    return rows
