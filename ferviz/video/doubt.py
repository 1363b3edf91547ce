"""Which tracks of a video may be no faces: a detector's mistakes are short or uncertain, and show no eyes, nose and mouth."""

from __future__ import annotations

from collections.abc import Sequence

from ferviz.faces.face import Face
from ferviz.faces.landmarks.ladder import DETECTOR, locate_landmarks

MIN_LANDMARK_SCORE = 0.5
"""The score of located landmarks below which they are none; faces have 0.8 or more, walls and clothes 0.25 or less."""

NO_LANDMARKS = "no eyes, nose and mouth can be found there"
LOW_SCORE = "the detector was never certain of a face there"


def doubts(faces: Sequence[Face], confident: Sequence[bool]) -> list[str]:
    """Return why each track may be no face, "" where nothing says so.

    Landmarks that the detector gave count if they can be a face's; where it gave none, they are searched for in the crop.

    Args:
        faces: the best face of each track; those without a score were not detected (the whole frame is the face) and are never in doubt.
        confident: whether the detector was certain of the track at any time.
    """
    located = locate_landmarks([face for face in faces if face.score is not None])
    results = iter(located)
    reasons = []
    for face, certain in zip(faces, confident, strict=True):
        reason = "" if face.score is None else _reason(next(results), certain)
        reasons.append(reason)
    return reasons


def _reason(face: Face, confident: bool) -> str:
    searched = face.landmark_source != DETECTOR
    if searched and (face.landmark_score or 0.0) < MIN_LANDMARK_SCORE:
        return NO_LANDMARKS
    return "" if confident else LOW_SCORE
