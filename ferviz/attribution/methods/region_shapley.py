"""Region Shapley values: what each region of the face adds to the target, divided fairly among them."""

from __future__ import annotations

from functools import cache
from math import comb

import numpy as np
import numpy.typing as npt

from ferviz import fills
from ferviz.attribution.request import LazyMasks, MethodInput, MethodOutput
from ferviz.attribution.targets import is_class
from ferviz.engines.base import Array
from ferviz.errors import UsageError, check_integer
from ferviz.faces.regions import REGIONS, region_masks
from ferviz.numerics import logsumexp

SPREAD = tuple((fill, border) for fill in ("harmonic", "blur", "mean") for border in (-1.0, 0.0, 1.0))
"""The fills and the borders' shifts in pixels under which `spread` computes the values."""

_COUNT = len(REGIONS)
_ALL = 2**_COUNT - 1
_Values = npt.NDArray[np.float64]


def region_shapley(
    request: MethodInput,
    *,
    fill: str | float = "harmonic",
    permutations: int = 0,
    spread: bool = False,
    template: bool = False,
) -> MethodOutput:
    """Region Shapley values: what each region of the face adds to the target, divided fairly among all of them; signed.

    The target is seen with every set of regions hidden (256 passes, which answer for all classes at once). A region's value is the mean
    of what it adds to the sets without it, over all orders in which regions can appear; the values of a face add up to what the
    network's answer gains from the hidden face to the whole one. A class's score is its log-odds against all others, which does not
    saturate; that of a contrast is its weighted sum of logits. A map shows each region's value, painted with its mask.

    `details` holds for each region its value under its name, `hide_one` (what is lost when it alone is hidden) and `show_one` (what is
    gained when it alone is seen), each (N, T); the scores `seen` and `hidden`, (N, T); where all sets are seen `pairs` (N, T, R, R), how
    much more two regions are worth together than one by one at the whole face; and with `spread` the `low` and `high` of each value.

    Args:
        request: the pictures, the network and the targets, with the faces' regions.
        fill: what stands where a picture is hidden, see `MethodInput.masked_scores`.
        permutations: 0 = exact; else values from so many random orders of the regions, an even number (each order comes with its
            reverse): 16 need 114 passes instead of 256, and are off by about a fifth of the values' deviation.
        spread: compute the values under three fills and with the regions' borders a pixel higher and lower too (9 times the passes).
        template: give pictures that show no face a typical face's regions instead of refusing them.

    Raises:
        UsageError: an unknown fill, or an odd number of permutations.
        ModelError: the faces' regions are not known.
        NoFaceError: a picture shows no face.

    References:
        Shapley, A value for n-person games, 1953. Lundberg and Lee, A Unified Approach to Interpreting Model Predictions, NeurIPS 2017.
        Mitchell et al., Sampling Permutations for Shapley Value Estimation, JMLR 2022 (antithetic permutations).
    """
    fills.check_fill(fill)
    check_integer("permutations", permutations, 0)
    if permutations % 2:
        raise UsageError(f"permutations come in pairs, an order and its reverse; {permutations} is odd")
    places = request.face_regions(template)
    operator = _sampled(permutations, request.seed) if permutations else exact_operator()
    scores = coalition_scores(request, places.masks, fill, operator)
    values = shapley_values(scores, operator)
    details = _details(scores, values)
    if spread:
        variants = [
            shapley_values(
                coalition_scores(request, region_masks(places.points, places.size, border), kind, operator), operator
            )
            for kind, border in SPREAD
        ]
        details |= _by_region("low", np.min(variants, axis=0)) | _by_region("high", np.max(variants, axis=0))
    if not permutations:
        details["pairs"] = pair_interactions(scores)
    maps = np.einsum("ntr,nrhw->nthw", values, places.masks, optimize=True).astype(np.float32)
    return MethodOutput(maps, request.logits, details)


def coalition_scores(request: MethodInput, masks: Array, fill: str | float, operator: _Values) -> _Values:
    """Return the targets' scores with every set of regions to be seen.

    Args:
        request: the pictures, the network and the targets.
        masks: (N, R, h, w), the regions, which sum to 1.
        fill: what stands where a picture is hidden.
        operator: (R, 2^R); sets that no region has a weight for are left out.

    Returns:
        (N, T, 2^R), the set as a binary number whose bit r says that region r is seen; NaN for those left out.
    """
    wanted = (operator != 0).any(0)
    wanted[[0, _ALL, *(1 << np.arange(_COUNT)), *(_ALL ^ (1 << np.arange(_COUNT)))]] = True
    logits = coalition_logits(request, masks, fill, wanted).astype(np.float64)
    return log_odds(logits, request.logit_weights)


def coalition_logits(request: MethodInput, masks: Array, fill: str | float, wanted: np.ndarray | None = None) -> Array:
    """Return the network's logits with every set of regions to be seen: one computation answers for every target.

    Args:
        request: the pictures and the network.
        masks: (N, R, h, w), the regions, which sum to 1.
        fill: what stands where a picture is hidden.
        wanted: (2^R,) bool, the sets that are computed; None = all.

    Returns:
        (N, 2^R, K) float32, the set as a binary number whose bit r says that region r is seen; NaN for sets left out.
    """
    members = _members().astype(np.float32)
    wanted = np.ones(_ALL + 1, bool) if wanted is None else wanted

    def seen(sample: np.ndarray, coalition: np.ndarray) -> Array:
        shown: Array = np.einsum("mr,mrhw->mhw", members[coalition], masks[sample], optimize=True)
        shown[coalition == _ALL] = 1  # the sum is 1 up to rounding; the whole face has to be the picture itself
        return shown

    used = np.repeat(wanted[None], len(request), axis=0)
    return request.masked_logits(LazyMasks(used, seen), fill)


def log_odds(logits: np.ndarray, weights: np.ndarray) -> _Values:
    """Return the scores of targets: the log-odds of a class against all others, the weighted sum of logits for any other target.

    Args:
        logits: (N, P, K).
        weights: (N, T, K); a row with a single 1 and zeros is a class.

    Returns:
        (N, T, P).
    """
    scores: _Values = np.einsum("npk,ntk->ntp", logits, weights, optimize=True)
    for sample, target in np.argwhere(is_class(weights)):
        others = np.delete(logits[sample], int(weights[sample, target].argmax()), axis=-1)
        scores[sample, target] -= logsumexp(others)
    return scores


def shapley_values(scores: np.ndarray, operator: _Values) -> _Values:
    """Return the values of the regions.

    Args:
        scores: (N, T, 2^R); those of sets without a weight may be NaN.
        operator: (R, 2^R), the weight of each set in each region's value.

    Returns:
        (N, T, R) float64.
    """
    used = (operator != 0).any(0)
    values: _Values = np.asarray(scores, np.float64)[..., used] @ operator[:, used].T
    return values


def pair_interactions(scores: np.ndarray) -> _Values:
    """Return how much more two regions are worth together than one by one, at the whole face; below 0, they repeat each other.

    Args:
        scores: (N, T, 2^R), all of them.

    Returns:
        (N, T, R, R), symmetrical, zeros on the diagonal.
    """
    bits = 1 << np.arange(_COUNT)
    without = scores[..., _ALL ^ bits]
    both = scores[..., _ALL ^ (bits[:, None] | bits[None, :])]
    pairs: _Values = scores[..., _ALL, None, None] - without[..., :, None] - without[..., None, :] + both
    pairs[..., np.arange(_COUNT), np.arange(_COUNT)] = 0
    return pairs


@cache
def _members() -> npt.NDArray[np.bool_]:
    """-> (2^R, R), which regions each set has."""
    return (np.arange(_ALL + 1)[:, None] >> np.arange(_COUNT) & 1).astype(bool)


@cache
def exact_operator() -> _Values:
    """Return (R, 2^R), the weights |S|! (R - 1 - |S|)! / R! of what a region adds to a set."""
    members = _members()
    size = members.sum(1)
    weight = np.array([1 / (_COUNT * comb(_COUNT - 1, k)) for k in range(_COUNT)])
    joining, present = weight[np.maximum(size - 1, 0)], weight[np.minimum(size, _COUNT - 1)]
    return np.where(members.T, joining, -present)


def _sampled(permutations: int, seed: int) -> _Values:
    """-> (R, 2^R), the weights of the sets that random orders and their reverses pass through."""
    rng = np.random.default_rng(seed)
    operator = np.zeros((_COUNT, _ALL + 1))
    for _ in range(permutations // 2):
        order = rng.permutation(_COUNT)
        for sequence in (order, order[::-1]):
            before = 0
            for region in sequence:
                after = before | 1 << int(region)
                operator[region, after] += 1 / permutations
                operator[region, before] -= 1 / permutations
                before = after
    return operator


def _details(scores: np.ndarray, values: np.ndarray) -> dict[str, np.ndarray]:
    bits = 1 << np.arange(_COUNT)
    seen, hidden = scores[..., _ALL], scores[..., 0]
    details = {name: values[..., region] for region, name in enumerate(REGIONS)}
    details |= _by_region("hide_one", seen[..., None] - scores[..., _ALL ^ bits])
    details |= _by_region("show_one", scores[..., bits] - hidden[..., None])
    return {**details, "seen": seen, "hidden": hidden}


def _by_region(kind: str, values: np.ndarray) -> dict[str, np.ndarray]:
    return {f"{kind}/{name}": values[..., region] for region, name in enumerate(REGIONS)}
