"""Tests of paired differences by flipping their signs, and what becomes of their answers when there are many of them."""

from __future__ import annotations

import numpy as np

DRAWS = 10_000


def sign_flip_p(values: np.ndarray, groups: np.ndarray, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """Return how likely means as great as these are where differences are as often below zero as above it (one-sided).

    Args:
        values: (N, ...), paired differences.
        groups: (N,), the number of each value's group; the values of a group flip their signs together.
        draws: random choices of signs.
        seed: of the choice.

    Returns:
        (...), in 1 / (draws + 1) .. 1; 1 without values.

    References:
        Phipson and Smyth, Permutation P-values Should Never Be Zero, 2010 (the 1 added to both counts).
    """
    _, index = np.unique(groups, return_inverse=True)
    count = int(index.max(initial=-1)) + 1
    if not count:
        return np.ones(values.shape[1:])
    flat = values.reshape(len(values), -1).astype(np.float64)
    sums = np.stack([np.bincount(index, column, count) for column in flat.T], axis=1)  # (groups, columns)
    signs = np.random.default_rng(seed).integers(0, 2, (draws, count)) * 2 - 1
    observed = sums.sum(0)
    # Equal sums may differ in their last digits by the order of summation.
    exceed = (signs @ sums >= observed - 1e-12 * np.abs(sums).sum(0)).sum(0)
    p: np.ndarray = ((1 + exceed) / (draws + 1)).reshape(values.shape[1:])
    return p


def holm(p: np.ndarray) -> np.ndarray:
    """Return p values for a family of tests: below .05 for the wrong reason in at most one family of twenty.

    Args:
        p: (N,), of each test by itself.

    References:
        Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    order = np.argsort(p)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order]), 1)
    return adjusted
