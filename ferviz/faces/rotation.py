"""Searching a rotated picture, and mapping what is detected there back."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np

from ferviz.faces.detectors.detector import Detection
from ferviz.images import Pixels

LONG = 2.0
"""A picture is long if its longer side is more than so many times the shorter one."""

_MIN_TILE = 600  # pixels; see _tiles

Search = Callable[[Pixels], list[Detection]]


def search_rotated(pixels: Pixels, search: Search, angles: Sequence[float]) -> list[Detection]:
    """Search a picture rotated counter-clockwise by each of several angles.

    Long pictures are rotated in tiles, so that no more than about four times their own pixels are searched at each angle.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        search: returns the detections in the picture that it is called with.
        angles: degrees.

    Returns:
        Detections in pixels of `pixels`: their boxes are upright in the picture that is rotated back by `angle` about the box's
        centre.
    """
    detections = []
    for left, top, right, bottom in _tiles(pixels.shape[1], pixels.shape[0]):
        tile = np.ascontiguousarray(pixels[top:bottom, left:right])
        for angle in angles:
            detections += [_shifted(d, left, top) for d in _search_at(tile, search, angle)]
    return detections


def _tiles(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """A long picture in tiles twice as long as high, which overlap by its height: rotated as a whole it would need a huge canvas.

    Those of a strip are longer, at least _MIN_TILE pixels: each search has costs of its own, and hundreds of small ones add up.
    """
    short, long = min(width, height), max(width, height)
    length = max(2 * short, _MIN_TILE)
    if long <= max(2 * LONG * short, length):
        return [(0, 0, width, height)]
    count = math.ceil((long - length) / (length - short)) + 1
    starts = [round(i * (long - length) / (count - 1)) for i in range(count)]
    if width > height:
        return [(start, 0, start + length, height) for start in starts]
    return [(0, start, width, start + length) for start in starts]


def _shifted(detection: Detection, x: float, y: float) -> Detection:
    left, top, right, bottom = detection.box
    points = detection.landmarks
    points = None if points is None else (points + np.array([x, y])).astype(np.float32)
    return replace(detection, box=(left + x, top + y, right + x, bottom + y), landmarks=points)


def _search_at(pixels: Pixels, search: Search, angle: float) -> list[Detection]:
    height, width = pixels.shape[:2]
    forward = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
    cos, sin = abs(forward[0, 0]), abs(forward[0, 1])
    size = math.ceil(width * cos + height * sin - 1e-6), math.ceil(width * sin + height * cos - 1e-6)
    forward[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    back = cv2.invertAffineTransform(forward)
    detections = []
    for detection in search(cv2.warpAffine(pixels, forward, size, borderValue=(128, 128, 128))):
        left, top, right, bottom = detection.box
        # boxes count from a pixel's edge, the matrices from its centre
        x, y = back @ np.array([(left + right - 1) / 2, (top + bottom - 1) / 2, 1.0]) + 0.5
        half_width, half_height = (right - left) / 2, (bottom - top) / 2
        points = detection.landmarks
        if points is not None:
            points = ((points - 0.5) @ back[:, :2].T + back[:, 2] + 0.5).astype(np.float32)
        box = (float(x - half_width), float(y - half_height), float(x + half_width), float(y + half_height))
        detections.append(replace(detection, box=box, landmarks=points, angle=float(angle)))
    return detections
