"""Pixel-identical faces: which they are, which carry different labels, and which stand in two splits."""

from __future__ import annotations

import hashlib

import numpy as np

from ferviz.data.dataset import Dataset


def groups(images: np.ndarray) -> np.ndarray:
    """Return (N,) int64: the same number for pixel-identical faces, numbered by their first appearance.

    images: (N, ...) uint8. Compared by a 128-bit hash of the bytes: two different faces among millions do not collide by chance.
    """
    seen: dict[bytes, int] = {}
    return np.array(
        [seen.setdefault(hashlib.blake2b(i.tobytes(), digest_size=16).digest(), len(seen)) for i in images],
        np.int64,
    )


def also_in(data: Dataset, part: Dataset) -> np.ndarray:
    """Return (N,) bool: which faces of `data` are pixel-identical to a face of `part` (for example the training faces)."""
    if data.images.shape[1:] != part.images.shape[1:]:
        return np.zeros(len(data), bool)
    group = groups(np.concatenate([part.images, data.images]))
    known = np.zeros(int(group.max(initial=-1)) + 1, bool)
    known[group[: len(part)]] = True
    return known[group[len(part) :]]
