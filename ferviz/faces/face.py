"""A Face: the pixels of one cropped face and where they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Face:
    """One face as it goes into a network.

    pixels: (H, W, 3) uint8 RGB, the crop. source: the picture's path, or "" for an array.
    box: (left, top, right, bottom) in pixels of the source picture, after its EXIF rotation: the part that was cut out, which may
    reach over the picture's edge (there the edge pixels are repeated); None = the whole picture.
    landmarks: (5, 2) float32 (x, y) in the source picture: right eye, left eye, nose, right and left mouth corner
    (the person's right, so on the picture's left side), or None. score: the detector's confidence, or None.
    angle: degrees by which the head was tilted clockwise; the crop was turned back by them about the box's centre.
    """

    pixels: np.ndarray = field(repr=False)
    source: str = ""
    box: tuple[int, int, int, int] | None = None
    landmarks: np.ndarray | None = field(default=None, repr=False)
    score: float | None = None
    angle: float = 0.0


def captions(faces: Sequence[Face]) -> list[str]:
    """Return a short name for each face: its file's, with the face's number where the file has several."""
    total = Counter(face.source for face in faces)
    seen: Counter[str] = Counter()
    names = []
    for face in faces:
        seen[face.source] += 1
        name = Path(face.source).name if face.source else "face"
        numbered = total[face.source] > 1
        names.append(f"{name} {'#' if face.source else ''}{seen[face.source]}" if numbered else name)
    return names
