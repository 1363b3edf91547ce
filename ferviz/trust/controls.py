"""Maps that know nothing about a picture, to compare heatmaps with: what a map is worth is what it is worth above these."""

from __future__ import annotations

import cv2
import numpy as np

from ferviz.engines.base import Array

SIGMA = 0.25
"""The standard deviation of the centred Gaussian, as a share of the picture's width and height."""

LANDMARK_SIGMA = 4.5 / 48
"""The standard deviation of a landmark's blob, as a share of the picture's side."""


def centre_blob(height: int, width: int) -> Array:
    """Return the map that says "in the middle of the face": a centred Gaussian.

    Args:
        height, width: pixels.

    Returns:
        (height, width) float32.
    """
    rows, columns = (((np.arange(side) + 0.5) / side - 0.5) / SIGMA for side in (height, width))
    blob: Array = np.exp(-(rows[:, None] ** 2 + columns**2) / 2).astype(np.float32)
    return blob


def landmark_prior(points: np.ndarray, height: int, width: int) -> Array:
    """Return the map that says "eyes, nose and mouth": a blob at each of five landmarks and in the middle of the mouth.

    Args:
        points: (5, 2), x and y of the eyes, the tip of the nose and the corners of the mouth, in pixels.
        height, width: pixels.

    Returns:
        (height, width) float32.
    """
    places = np.concatenate([points, points[3:].mean(0, keepdims=True)])
    rows, columns = np.indices((height, width))
    sigma = LANDMARK_SIGMA * max(height, width)
    distance = (columns[..., None] - places[:, 0]) ** 2 + (rows[..., None] - places[:, 1]) ** 2
    prior: Array = np.exp(-distance / (2 * sigma**2)).sum(-1).astype(np.float32)
    return prior


def random_maps(count: int, height: int, width: int, resolution: tuple[int, int], seed: int = 0) -> Array:
    """Return maps of noise with the resolution and the interpolation of a method's own.

    Args:
        count: how many.
        height, width: pixels of the maps.
        resolution: (h, w) of the noise: a method's own map, before it was enlarged.
        seed: of the noise.

    Returns:
        (count, height, width) float32.
    """
    noise = np.random.default_rng(seed).standard_normal((count, *resolution)).astype(np.float32)
    return np.stack([cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR) for part in noise])


def other_faces(labels: np.ndarray, groups: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    """Choose for each face another one whose map is to be tried on it: of the same predicted class, where there is one.

    Args:
        labels: (N,), the predicted classes.
        groups: (N,), numbers of the groups of identical faces, which are no other faces; None = all differ.
        seed: of the choice.

    Returns:
        (N,) int64, the other face's number; -1 where every face is the same.
    """
    groups = np.arange(len(labels)) if groups is None else groups
    rng = np.random.default_rng(seed)
    chosen = np.full(len(labels), -1)
    for face in range(len(labels)):
        others = np.flatnonzero(groups != groups[face])
        alike = others[labels[others] == labels[face]]
        pool = alike if len(alike) else others
        if len(pool):
            chosen[face] = rng.choice(pool)
    return chosen
