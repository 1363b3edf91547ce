"""The interface of every face detector: pixels in, detections out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from ferviz.images import Pixels

LANDMARKS = ("right eye", "left eye", "nose", "right mouth corner", "left mouth corner")
"""What the five points of a detection are, in order; right and left are the person's own."""


@dataclass(frozen=True)
class Detection:
    """One detected face, before it is cropped.

    Attributes:
        box: (left, top, right, bottom) in pixels of the searched picture, tight around the face as the detector defines it; it may
            extend over the picture's edge.
        score: 0..1, the detector's confidence; scores of different detectors do not compare.
        landmarks: (5, 2) float32 (x, y) in the order of LANDMARKS, or None.
        angle: degrees by which the head is tilted clockwise in the picture, 0 = upright.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: np.ndarray | None = field(default=None, repr=False)
    angle: float = 0.0

    @property
    def size(self) -> float:
        """The longer side of the box, in pixels."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])

    def scaled(self, factor: float) -> Detection:
        """Return the same detection in a picture of another size.

        Args:
            factor: the other picture's size by this one's.
        """
        left, top, right, bottom = (v * factor for v in self.box)
        landmarks = None if self.landmarks is None else (self.landmarks * np.float32(factor)).astype(np.float32)
        return replace(self, box=(left, top, right, bottom), landmarks=landmarks)


class Detector(Protocol):
    """A face detector; register a class or function that takes a model path (or None) and returns one of these.

    Attributes:
        name: as in the registry.
        threshold: minimum score of a face by default, 0..1.
        max_pixels: pictures with more pixels (height x width) are searched scaled down to that many, which bounds time and memory.
    """

    name: str
    threshold: float
    max_pixels: int

    def detect(self, pixels: Pixels, threshold: float, min_size: float) -> list[Detection]:
        """Detect the faces of one picture.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            threshold: minimum score, 0..1.
            min_size: minimum side of a box, in pixels.

        Returns:
            The detections in pixels of the picture, in any order.
        """
        ...


def iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Return the intersection over union of two boxes.

    Args:
        a, b: (left, top, right, bottom).

    Returns:
        0..1, 0 where they do not overlap.
    """
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def nms(detections: list[Detection], max_iou: float = 0.35) -> list[Detection]:
    """Non-maximum suppression: drop detections that overlap a better one.

    Args:
        detections: in any order.
        max_iou: the intersection over union that two detections may have, 0..1.

    Returns:
        The others, best first.
    """
    kept: list[Detection] = []
    for detection in sorted(detections, key=lambda d: -d.score):
        if all(iou(detection.box, other.box) <= max_iou for other in kept):
            kept.append(detection)
    return kept
