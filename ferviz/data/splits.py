"""Parts of a data set that are drawn at random: splits for data that has none, and a share of the faces for quick trials."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import replace

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.errors import UsageError


def random_split(data: Dataset, fraction: float = 0.1, seed: int = 0) -> Dataset:
    """Return the data with new splits: about `fraction` of the faces become "PublicTest", the others "Training".

    A face's side depends on its pixels and the seed alone. So pixel-identical faces stay on one side, otherwise the test would ask
    what the training has answered, and the same faces are held out whatever label scheme the data was read with.
    fraction: 0 to 1. seed: of the draw. Warns that figures on such a split do not compare.
    """
    warnings.warn(
        "a random split ignores the official ones: its figures do not compare with published ones, "
        "and the same person may be on both sides",
        stacklevel=2,
    )
    key = str(seed).encode()[:64]
    drawn = [hashlib.blake2b(image.tobytes(), digest_size=8, key=key).digest() for image in data.images]
    chosen = np.array([int.from_bytes(d, "big") / 2**64 for d in drawn]) < fraction
    return replace(data, split=np.where(chosen, "PublicTest", "Training"))


def sample(data: Dataset, fraction: float, seed: int = 0) -> Dataset:
    """Return a share of the faces, drawn from each class of each split alike, in their old order.

    fraction: above 0, up to 1; a class that has faces keeps one at least. A smaller share is part of a larger one. seed: of the draw.
    Raises UsageError for another fraction.
    """
    if not 0 < fraction <= 1:
        raise UsageError(f"the fraction of the faces is a number above 0 and up to 1, got {fraction!r}")
    if fraction == 1:
        return data
    rng = np.random.default_rng([seed, 3])
    keep = np.zeros(len(data), bool)
    for split in data.splits:
        for k in range(len(data.scheme)):
            at = rng.permutation(np.flatnonzero((data.split == split) & (data.labels == k)))
            keep[at[: max(1, round(fraction * len(at)))]] = True
    return data.take(keep)
