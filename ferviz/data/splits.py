"""Random splits, for data that has none; with a warning, because a figure on one compares with nobody's."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.data.duplicates import groups


def random_split(data: Dataset, fraction: float = 0.1, seed: int = 0) -> Dataset:
    """Return the data with new splits: about `fraction` of the faces become "PublicTest", the others "Training".

    Pixel-identical faces stay on one side, otherwise the test would ask what the training has answered.
    fraction: 0 to 1. seed: of the draw. Warns that figures on such a split do not compare.
    """
    warnings.warn(
        "a random split ignores the official ones: its figures do not compare with published ones, "
        "and the same person may be on both sides",
        stacklevel=2,
    )
    group = groups(data.images)
    chosen = np.random.default_rng(seed).random(int(group.max(initial=-1)) + 1) < fraction
    return replace(data, split=np.where(chosen[group], "PublicTest", "Training"))
