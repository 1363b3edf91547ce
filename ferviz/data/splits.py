"""Random parts of a data set: splits for data that has none, and a share of the faces for quick trials."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import replace

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.errors import UsageError

AUTO = "auto"
"""Stands for the split that networks are tested on: "PublicTest", or the only one that the data has."""


def choose_split(data: Dataset, split: str | None = AUTO) -> Dataset:
    """Return the faces that a network is tested on.

    Args:
        data: the data set.
        split: a split's name; "auto" = "PublicTest" of data with several splits, and everything of data with one; None = everything. Data
            without splits is one part, whatever is asked for.

    Raises:
        UnknownNameError: there is no such split.
    """
    if split is None or data.splits == ("",) or (split == AUTO and len(data.splits) == 1):
        return data
    return data.part("PublicTest" if split == AUTO else split)


def random_split(data: Dataset, fraction: float = 0.1, seed: int = 0) -> Dataset:
    """Return the data with new splits, "PublicTest" and "Training"; warns that figures on them are not comparable with published ones.

    A face's split depends on its pixels and the seed alone. So pixel-identical faces stay in one split, otherwise the test would
    contain training faces, and the same faces are held out whatever label scheme the data was read with.

    Args:
        data: the data set.
        fraction: the approximate share of "PublicTest", 0 to 1.
        seed: seed of the draw.
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

    Args:
        data: the data set.
        fraction: above 0, up to 1; a class that has faces keeps at least one. A smaller share is part of a larger one.
        seed: seed of the draw.

    Raises:
        UsageError: the fraction is out of range.
    """
    if not 0 < fraction <= 1:
        raise UsageError(f"fraction must be a number above 0 and up to 1, not {fraction!r}")
    if fraction == 1:
        return data
    rng = np.random.default_rng([seed, 3])
    keep = np.zeros(len(data), bool)
    for split in data.splits:
        for k in range(len(data.scheme)):
            at = rng.permutation(np.flatnonzero((data.split == split) & (data.labels == k)))
            keep[at[: max(1, round(fraction * len(at)))]] = True
    return data.take(keep)
