"""KernelSHAP: Shapley values of many players as a weighted linear regression on a few coalitions, with their standard errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Coalitions:
    """Coalitions of players, each for itself and for its complement, the coalition of all others.

    Attributes:
        members: (P, n) bool, the players of each.
        weights: (P,) float64, of each pair in the regression; they add up to 1.
        sampled: (P,) bool, whether the pair was drawn from those of its size; False where all of that size are there.
    """

    members: npt.NDArray[np.bool_] = field(repr=False)
    weights: Values = field(repr=False)
    sampled: npt.NDArray[np.bool_] = field(repr=False)

    def __len__(self) -> int:
        return len(self.members)


def all_pairs(players: int) -> int:
    """Return how many pairs of a coalition and its complement there are, without the pair of none and all.

    Args:
        players: at least 2.
    """
    return 2 ** (players - 1) - 1


def draw_coalitions(players: int, pairs: int, seed: int = 0) -> Coalitions:
    """Draw pairs of coalitions by the Shapley kernel, sizes of few coalitions completely.

    The kernel gives coalitions of k of n players the weight 1 / (k (n - k)) in all. From the smallest size on, all coalitions of a size
    are taken if its share of the pairs suffices for them; the rest are drawn at random, as many of each size as the kernel says, and
    those of one size so that the players occur in them equally often.

    Args:
        players: n, at least 2.
        pairs: most pairs; with `all_pairs(players)` or more every coalition is there.
        seed: of the draw.

    Returns:
        The coalitions.
    """
    sizes = np.arange(1, players // 2 + 1)
    # A coalition of exactly half of the players has its complement among those of its own size.
    twice = np.where(2 * sizes == players, 1, 2)
    kernel = twice / (sizes * (players - sizes))
    kernel /= kernel.sum()
    counts = [comb(players, int(k)) * int(t) // 2 for k, t in zip(sizes, twice, strict=True)]
    members: list[npt.NDArray[np.bool_]] = []
    weights: list[Values] = []
    left, complete = pairs, 0
    while complete < len(sizes) and left * kernel[complete] >= counts[complete] * kernel[complete:].sum() * (1 - 1e-12):
        members.append(_all_of_size(players, int(sizes[complete]), counts[complete]))
        weights.append(np.full(counts[complete], kernel[complete] / counts[complete]))
        left, complete = left - counts[complete], complete + 1
    if complete < len(sizes):
        rng = np.random.default_rng(seed)
        share = np.cumsum(kernel[complete:]) / kernel[complete:].sum()
        drawn = sizes[
            complete + np.searchsorted(share, (np.arange(left) + rng.random()) / left).clip(0, len(share) - 1)
        ]
        for size, count in zip(*np.unique(drawn, return_counts=True), strict=True):
            members.append(_some_of_size(players, int(size), int(count), rng))
        weights.append(np.full(left, kernel[complete:].sum() / left))
    weight = np.concatenate(weights)
    sampled = np.arange(len(weight)) >= sum(counts[:complete])
    return Coalitions(np.concatenate(members), weight, sampled)


def kernel_values(coalitions: Coalitions, differences: Values, gain: Values) -> tuple[Values, Values]:
    """Return the Shapley values of players, and how uncertain the draw of the coalitions leaves them.

    Of all values that add up to the gain, those are returned whose sums over coalitions fit the scores best. A pair of complements asks
    the regression for one number, half the difference of the two scores, from which all that is symmetrical has gone: a game in which
    players only interact in pairs is fitted as well as an additive one.

    Args:
        coalitions: P pairs of n players.
        differences: (P, G), in G games, half of (a coalition's score less its complement's).
        gain: (G,), the score of all players less that of none.

    Returns:
        values (G, n), which add up to `gain`, and their standard errors (G, n): 0 where all coalitions are there.

    References:
        Lundberg and Lee, A Unified Approach to Interpreting Model Predictions, NeurIPS 2017 (KernelSHAP).
        Covert and Lee, Improving KernelSHAP: Practical Shapley Value Estimation via Linear Regression, AISTATS 2021 (paired sampling, and
        the uncertainty of the values).
    """
    players = coalitions.members.shape[1]
    weights = coalitions.weights[:, None]
    half = coalitions.members - 0.5
    basis = _sum_zero(players)
    even = half.sum(1)[:, None] * (gain / players)  # what every player having the same value would explain
    x = half @ basis
    solve = np.linalg.pinv((x * weights).T @ x) @ (x * weights).T  # (n - 1, P)
    slopes = solve @ (differences - even)
    values = gain[:, None] / players + (basis @ slopes).T

    drawn = coalitions.sampled
    errors = np.zeros_like(values)
    if drawn.any():
        residuals = (differences - even - x @ slopes)[drawn]
        leverage = np.einsum("pk,kp->p", x, solve)[drawn]
        # A regression fits what it has seen: its residuals are too small by this factor (the jackknife's, "HC3").
        residuals /= np.maximum(1 - leverage, 0.05)[:, None]
        pull = (basis @ solve)[:, drawn]
        count = int(drawn.sum())
        parts = (pull[None] * residuals.T[:, None]) - (residuals.T @ pull.T)[:, :, None] / count
        errors = np.sqrt((parts**2).sum(-1) * count / max(count - 1, 1))
    return values, errors


def _sum_zero(players: int) -> Values:
    """-> (n, n - 1), an orthonormal basis of the vectors whose sum is zero."""
    basis = np.zeros((players, players - 1))
    for column in range(players - 1):
        basis[: column + 1, column] = 1
        basis[column + 1, column] = -(column + 1)
        basis[:, column] /= np.sqrt((column + 1) * (column + 2))
    return basis


def _all_of_size(players: int, size: int, count: int) -> npt.NDArray[np.bool_]:
    """-> (count, n): all coalitions of a size, of complements only one."""
    members = np.zeros((count, players), bool)
    # In lexicographic order the complements of the first half are the second half.
    for row, chosen in zip(members, combinations(range(players), size), strict=False):
        row[list(chosen)] = True
    return members


def _some_of_size(players: int, size: int, count: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """-> (count, n): random coalitions of a size, cut from shuffled players, so that each occurs equally often."""
    members = np.zeros((count, players), bool)
    cuts = players // size
    for start in range(0, count, cuts):
        shuffled = rng.permutation(players)
        for row, chosen in zip(
            members[start : start + cuts], shuffled[: cuts * size].reshape(cuts, size), strict=False
        ):
            row[chosen] = True
    return members
