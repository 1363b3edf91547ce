"""Intervals and tests over faces of which some belong together: pictures that are the same, or of the same person.

The group is the unit: it is drawn, flipped or shuffled with all its faces. Pure functions over NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

DRAWS, FLIPS = 2000, 10_000
MIN_GROUPS, MIN_BCA = 10, 30
"""Fewer groups bear no interval; fewer than the second a percentile interval, more a bias-corrected and accelerated one (BCa)."""

Values = npt.NDArray[np.float64]


def group_sums(values: np.ndarray, groups: np.ndarray) -> tuple[Values, Values]:
    """Return the sums over the faces of each group, and how many these are.

    Args:
        values: (N, M).
        groups: (N,), the number of each face's group.

    Returns:
        (G, M) and (G,).
    """
    _, index = np.unique(groups, return_inverse=True)
    count = int(index.max(initial=-1)) + 1
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, index, values.astype(np.float64))
    return sums, np.bincount(index, minlength=count).astype(np.float64)


def mean_intervals(
    values: np.ndarray, groups: np.ndarray, level: float = 0.95, draws: int = DRAWS, seed: int = 0
) -> Values:
    """Return intervals of means by a bootstrap over groups.

    Args:
        values: (N, M), M numbers a face.
        groups: (N,), the number of each face's group.
        level: of the intervals.
        draws: bootstrap samples.
        seed: of the draws.

    Returns:
        (M, 2), lower and upper ends; NaN where there are fewer than MIN_GROUPS groups.

    References:
        Efron, Better Bootstrap Confidence Intervals, JASA 1987 (BCa).
    """
    sums, sizes = group_sums(values, groups)
    count = len(sizes)
    if count < MIN_GROUPS:
        return np.full((values.shape[1], 2), np.nan)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), draws)
    means = (drawn @ sums) / (drawn @ sizes)[:, None]
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    levels = np.broadcast_to(tails, (values.shape[1], 2))
    if count >= MIN_BCA:
        levels = _bca_levels(means, sums, sizes, tails)
    return np.stack([np.quantile(means[:, k], levels[k]) for k in range(values.shape[1])])


def _bca_levels(means: Values, sums: Values, sizes: Values, tails: Values) -> Values:
    from scipy.special import ndtr, ndtri

    total, faces = sums.sum(0), sizes.sum()
    below = ((means < total / faces).mean(0) + (means <= total / faces).mean(0)) / 2
    bias = ndtri(np.clip(below, 1 / len(means), 1 - 1 / len(means)))
    without = (total - sums) / (faces - sizes)[:, None]  # the means without each group
    spread = without.mean(0) - without
    scale = 6 * (spread**2).sum(0) ** 1.5
    acceleration = np.divide((spread**3).sum(0), scale, out=np.zeros_like(scale), where=scale > 0)
    shifted = bias[:, None] + ndtri(tails)
    levels: Values = ndtr(bias[:, None] + shifted / (1 - acceleration[:, None] * shifted))
    return levels


@dataclass(frozen=True)
class TestResult:
    """The p-values of M tests on the same faces.

    Attributes:
        single: (M,), of each test by itself.
        family: (M,), corrected for all M by the distribution of the largest statistic (max-T).
    """

    single: Values
    family: Values


def sign_flip_test(values: np.ndarray, groups: np.ndarray, draws: int = FLIPS, seed: int = 0) -> TestResult:
    """Test whether means differ from 0, by flipping the signs of groups: for paired differences.

    Args:
        values: (N, M).
        groups: (N,), the number of each face's group.
        draws: random flips.
        seed: of the flips.

    Returns:
        Two-sided p-values, none below 1 / (draws + 1); 1 where there are no faces.
    """
    sums, _ = group_sums(values, groups)
    scale = np.sqrt((sums**2).sum(0))
    sums = np.divide(sums, scale, out=np.zeros_like(sums), where=scale > 0)
    rng = np.random.default_rng(seed)

    def statistics(count: int) -> Values:
        return (rng.integers(0, 2, (count, len(sums))) * 2.0 - 1) @ sums

    return _p_values(sums.sum(0), statistics, draws)


def shuffle_test(values: np.ndarray, chosen: np.ndarray, draws: int = DRAWS, seed: int = 0) -> TestResult:
    """Test whether the means of two sets of faces differ, by shuffling which face is in which.

    Args:
        values: (N, M), one row for each independent face.
        chosen: (N,) bool, the faces of the first set.
        draws: random shuffles.
        seed: of the shuffles.

    Returns:
        Two-sided p-values; 1 where one of the sets is empty.
    """
    count = int(chosen.sum())
    rest = len(chosen) - count
    if not count or not rest:
        ones = np.ones(values.shape[1])
        return TestResult(ones, ones)
    # The deviation of all faces is the same under every shuffle, so that it scales each column once.
    centred = values - values.mean(0)
    scale = centred.std(0)
    scaled = np.divide(centred, scale, out=np.zeros_like(centred, np.float64), where=scale > 0)
    weights = np.where(chosen, 1 / count, -1 / rest)
    rng = np.random.default_rng(seed)

    def statistics(times: int) -> Values:
        return np.stack([rng.permutation(weights) for _ in range(times)]) @ scaled

    return _p_values(weights @ scaled, statistics, draws)


def _p_values(observed: Values, statistics: object, draws: int, part: int = 500) -> TestResult:
    size = np.abs(observed) * (1 - 1e-12)  # a flip of all signs gives the same value up to rounding
    single, family, left = np.ones_like(size), np.ones_like(size), draws
    while left > 0:
        drawn = np.abs(statistics(min(part, left)))  # type: ignore[operator]
        single += (drawn >= size).sum(0)
        family += (drawn.max(1, initial=0)[:, None] >= size).sum(0)
        left -= len(drawn)
    return TestResult(single / (draws + 1), family / (draws + 1))


def holm(p: np.ndarray) -> Values:
    """Return p-values corrected for their number by Holm's method: the chance of any false finding stays below the level.

    Args:
        p: any shape; NaN is no test and stays NaN.
    """
    return _stepwise(p, lambda ordered, count: np.maximum.accumulate(ordered * (count - np.arange(count))))


def benjamini_hochberg(p: np.ndarray) -> Values:
    """Return p-values corrected by Benjamini and Hochberg's method: the share of false findings among the findings.

    Args:
        p: any shape; NaN is no test and stays NaN.
    """

    def correct(ordered: Values, count: int) -> Values:
        scaled = ordered * count / (np.arange(count) + 1)
        smallest: Values = np.minimum.accumulate(scaled[::-1])[::-1]
        return smallest

    return _stepwise(p, correct)


def _stepwise(p: np.ndarray, correct: object) -> Values:
    flat = np.asarray(p, np.float64).ravel()
    known = np.flatnonzero(np.isfinite(flat))
    order = known[np.argsort(flat[known], kind="stable")]
    result = np.full(flat.shape, np.nan)
    if len(order):
        result[order] = np.minimum(correct(flat[order], len(order)), 1)  # type: ignore[operator]
    return result.reshape(np.shape(p))
