"""Pixel-identical faces."""

from __future__ import annotations

import hashlib

import numpy as np

from ferviz.data.dataset import Dataset


def duplicate_groups(images: np.ndarray) -> np.ndarray:
    """Return the number of each face's group of pixel-identical faces, (N,) int64, numbered by their first appearance.

    Faces are compared by a 128-bit hash of their bytes: two different faces among millions do not collide by chance.

    Args:
        images: (N, ...) uint8.
    """
    numbers: dict[bytes, int] = {}
    return np.array(
        [numbers.setdefault(hashlib.blake2b(i.tobytes(), digest_size=16).digest(), len(numbers)) for i in images],
        np.int64,
    )


def also_in(data: Dataset, part: Dataset) -> np.ndarray:
    """Return which faces are pixel-identical to a face of another data set, (N,) bool.

    Args:
        data: the N faces.
        part: the other faces, for example those for training.
    """
    if data.images.shape[1:] != part.images.shape[1:]:
        return np.zeros(len(data), bool)
    group = duplicate_groups(np.concatenate([part.images, data.images]))
    known = np.zeros(int(group.max(initial=-1)) + 1, bool)
    known[group[: len(part)]] = True
    return known[group[len(part) :]]
