"""Faces and maps carried into the frame of the landmark template, where the eyes of all faces lie in one place."""

from __future__ import annotations

import cv2
import numpy as np

from ferviz.engines.base import Array
from ferviz.faces.landmarks.points import SIDE, affine

SCALE = 2
"""Pixels of the aligned pictures for each pixel of the template's frame."""

ALIGNED = SIDE * SCALE
"""Pixels a side of aligned faces and maps."""


def align(planes: Array, points: np.ndarray) -> tuple[Array, np.ndarray]:
    """Carry pictures or maps into the template's frame.

    Args:
        planes: (N, h, w) float32.
        points: (N, 5, 2), their landmarks in pixels.

    Returns:
        (N, ALIGNED, ALIGNED) float32, and bool of the same shape: where the picture reaches.
    """
    aligned = np.zeros((len(planes), ALIGNED, ALIGNED), np.float32)
    inside = np.zeros(aligned.shape, bool)
    for number, (plane, landmarks) in enumerate(zip(planes, points, strict=True)):
        matrix = _from_frame(landmarks)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        aligned[number] = cv2.warpAffine(np.ascontiguousarray(plane), matrix, (ALIGNED, ALIGNED), flags=flags)
        known = cv2.warpAffine(np.ones(plane.shape, np.float32), matrix, (ALIGNED, ALIGNED), flags=flags)
        inside[number] = known > 0.999
    return aligned, inside


def _from_frame(points: np.ndarray) -> np.ndarray:
    """-> (2, 3), from pixels of the aligned picture to pixels of the face; both count from the centre of their first pixel."""
    matrix = affine(points)
    first = np.full(2, 0.5 / SCALE - 0.5)  # the first aligned pixel's centre, in pixels of the frame
    return np.column_stack([matrix[:, :2] / SCALE, matrix[:, :2] @ first + matrix[:, 2]])


def masked_mean(values: Array, inside: np.ndarray, least: int = 1) -> np.ndarray:
    """Return the mean in each pixel over the faces that reach there.

    Args:
        values: (N, h, w).
        inside: (N, h, w) bool.
        least: fewest faces of a pixel that gets a mean.

    Returns:
        (h, w) float64, NaN where there are fewer.
    """
    count = inside.sum(0)
    total = np.where(inside, values, 0).sum(0, dtype=np.float64)
    return np.where(count >= least, total / np.maximum(count, 1), np.nan)


def unit_mean(maps: Array) -> tuple[Array, np.ndarray]:
    """Return maps whose positive part has the mean 1, so that a confident face counts no more than another.

    Args:
        maps: (N, h, w); what is below 0 is evidence against, and is left out.

    Returns:
        (N, h, w) float32, and (N,) bool: maps that are not empty.
    """
    positive = np.maximum(maps, 0)
    mean = positive.mean((1, 2), dtype=np.float64)
    usable = mean > 1e-12
    return (positive / np.where(usable, mean, 1)[:, None, None]).astype(np.float32), usable
