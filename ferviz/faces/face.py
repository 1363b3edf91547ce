"""A Face: the pixels of one cropped face and where they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ferviz.printable import printable

NOTEBOOK_SIDE = 192
"""Pixels of a face's longer side where a notebook shows it."""


@dataclass(frozen=True)
class Face:
    """One face, as it goes into a network.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, the crop.
        source: the picture's path, or "" for an array.
        box: (left, top, right, bottom) of the crop in pixels of the source picture, after its EXIF rotation; it may extend over the
            picture's edge (there the edge pixels are repeated). None = the whole picture.
        landmarks: (5, 2) float32 (x, y) in the source picture: right eye, left eye, nose, right and left mouth corner (the
            person's right, so on the picture's left side), or None. Detectors give them; `locate_landmarks` adds them to any face.
        landmark_source: where they come from: "detector", "yunet", "network" (the one that comes with ferviz) or "template" (a typical
            face's, for want of better ones); None without landmarks.
        landmark_score: how far to trust them, 0..1, or None.
        score: the detector's confidence, 0..1, or None.
        angle: degrees by which the head was tilted clockwise; the crop was rotated back by them about the box's centre.
    """

    pixels: np.ndarray = field(repr=False)
    source: str = ""
    box: tuple[int, int, int, int] | None = None
    landmarks: np.ndarray | None = field(default=None, repr=False)
    score: float | None = None
    angle: float = 0.0
    landmark_source: str | None = None
    landmark_score: float | None = None

    def __repr__(self) -> str:
        height, width = self.pixels.shape[:2]
        facts = [f"{width} x {height} pixels"]
        facts += [repr(printable(Path(self.source).name))] if self.source else []
        facts += [f"box={tuple(self.box)}"] if self.box is not None else []
        facts += [f"score={self.score:.2f}"] if self.score is not None else []
        facts += [f"landmarks={self.landmark_source!r}"] if self.landmarks is not None else []
        return f"Face({', '.join(facts)})"

    def _repr_png_(self) -> bytes:
        from ferviz.images import encode
        from ferviz.rendering.tiles import fit_face

        return encode(fit_face(self.pixels, NOTEBOOK_SIDE), ".png")


def captions(faces: Sequence[Face]) -> list[str]:
    """Return a short name for each face: its file's name, with the face's number where the file has several.

    Args:
        faces: the faces.
    """
    total = Counter(face.source for face in faces)
    count: Counter[str] = Counter()
    names = []
    for face in faces:
        count[face.source] += 1
        name = printable(Path(face.source).name) if face.source else "face"
        numbered = total[face.source] > 1
        names.append(f"{name} {'#' if face.source else ''}{count[face.source]}" if numbered else name)
    return names
