"""Intervals for means over faces of which some are the same picture: duplicates are drawn together."""

from __future__ import annotations

import numpy as np

DRAWS = 2000


def cluster_interval(
    values: np.ndarray, groups: np.ndarray, level: float = 0.95, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile interval of a mean by a bootstrap over groups.

    Args:
        values: (N,).
        groups: (N,), the number of each value's group; a group is drawn with all its values, or not at all.
        level: of the interval.
        draws: bootstrap samples.
        seed: of the draws.

    Returns:
        The lower and the upper end; NaN where there are fewer than ten groups, which bear no interval.
    """
    _, index = np.unique(groups, return_inverse=True)
    count = index.max(initial=-1) + 1
    if count < 10:
        return float("nan"), float("nan")
    sums, sizes = np.bincount(index, values, count), np.bincount(index, minlength=count)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), draws)
    means = (drawn @ sums) / (drawn @ sizes)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def json_number(value: float) -> float | None:
    """Return a number with four digits for JSON, which knows no NaN.

    Args:
        value: any number.
    """
    return round(float(value), 4) if np.isfinite(value) else None


def known_mean(values: np.ndarray) -> float:
    """Return the mean of what is not NaN; NaN where nothing is.

    Args:
        values: any shape.
    """
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
