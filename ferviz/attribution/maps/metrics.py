"""Numbers about maps: whether evidence lies where it should, and whether two maps agree."""

from __future__ import annotations

import numpy as np

from ferviz.engines.base import Array


def pointing_game(maps: Array, masks: np.ndarray) -> np.ndarray:
    """Return whether each map's highest value lies inside its mask.

    Args:
        maps: (N, H, W).
        masks: (N, H, W) bool.

    Returns:
        (N,) bool; a map that is the same everywhere points nowhere and misses.

    References:
        Zhang et al., Top-down Neural Attention by Excitation Backprop, ECCV 2016.
    """
    flat, inside = maps.reshape(len(maps), -1), masks.reshape(len(masks), -1)
    hit = inside[np.arange(len(flat)), flat.argmax(1)]
    return np.logical_and(hit, flat.max(1) > flat.min(1))


def mass_inside(maps: Array, masks: np.ndarray) -> Array:
    """Return the share of each map's positive evidence that lies inside its mask.

    Compare it with the share of the picture that the mask covers: that much would lie there by chance.

    Args:
        maps: (N, H, W).
        masks: (N, H, W) bool.

    Returns:
        (N,) float32 in 0..1; 0 for a map without positive evidence.
    """
    positive = np.maximum(maps, 0).astype(np.float64)
    total = positive.sum((1, 2))
    inside = (positive * masks).sum((1, 2))
    return np.divide(inside, total, out=np.zeros_like(inside), where=total > 0).astype(np.float32)


def rank_correlation(a: Array, b: Array) -> float:
    """Return Spearman's correlation of two maps: 1 where they order the pixels alike, whatever their scales.

    Args:
        a, b: arrays of one shape; equal values share their mean rank.

    Returns:
        -1..1, or 0 where one of them is the same everywhere.

    References:
        Spearman, The Proof and Measurement of Association between Two Things, 1904.
    """
    x, y = _ranks(np.ravel(a)), _ranks(np.ravel(b))
    x, y = x - x.mean(), y - y.mean()
    length = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum() / length) if length > 0 else 0.0


def _ranks(values: np.ndarray) -> np.ndarray:
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    after = np.cumsum(counts)
    ranks: np.ndarray = (after - (counts - 1) / 2)[where.ravel()]
    return ranks
