"""Regression-adjusted FastSHAP: the taught map, corrected by what the network answers when each region is hidden and shown."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from ferviz import fills
from ferviz.attribution.maps.resize import cell_shares
from ferviz.attribution.methods.fastshap import drawn_map, fastshap
from ferviz.attribution.methods.region_shapley import coalition_logits, log_odds
from ferviz.attribution.request import MethodInput, MethodOutput
from ferviz.engines.base import Array
from ferviz.faces.regions import REGIONS

REACH = 1.5
"""Distance in cells of a map of 12 x 12 within which the errors of a taught map are alike (the deviation of a Gaussian)."""

INTERACTION = 0.2
"""Variance of what regions do together, which no sum over cells can tell, as a share of the variance that an answer about one has."""

_COUNT = len(REGIONS)
_ALL = 2**_COUNT - 1
_Values = npt.NDArray[np.float64]


def adjusted_fastshap(request: MethodInput, *, explainer: str = "", fill: str | float = "harmonic") -> MethodOutput:
    """Regression-adjusted FastSHAP: the map that the network was taught to draw, corrected by 18 passes through the network; signed.

    FastSHAP's map is what is believed before anything is asked. Then each region of the face is hidden once and shown alone once, and all
    of the face is hidden once. From the answers follows by how much the map is wrong in each region; the correction is spread over its
    cells as the errors of neighbouring cells are expected to be alike (the posterior mean of a Gaussian process). So the regions'
    values come close to the exact ones, which take 256 passes, and within a region the taught map decides.

    `details` holds the cells' `values`, (N, T, cells, cells), and for each map (N, T) the scores `seen` and `hidden`, and the
    `correction`, the largest change of a region's value.

    Args:
        request: the pictures, the network with its explainer, the targets, and the faces' regions.
        explainer: a file that `ferviz teach` wrote for this network; "" = the network's own file, or the one of the same name beside it.
        fill: what stands where a picture is hidden, see `MethodInput.masked_scores`.

    Raises:
        UsageError: an unknown fill.
        ModelError: the network was not taught, the file was taught for another one, or the faces' regions are not known.

    References:
        Witter, Liu and Musco, Regression-adjusted Monte Carlo Estimators for Shapley Values and Probabilistic Values, 2025. Jethani et al.,
        FastSHAP: Real-Time Shapley Value Estimation, ICLR 2022.
    """
    fills.check_fill(fill)
    # Here the regions only say what is asked: those of a typical face do where there is none, or where it was not found.
    regions = request.face_regions(template=True)
    taught = fastshap(request, explainer=explainer)
    prior = taught.details["values"]
    cells = prior.shape[-1]
    shares = cell_shares(regions.masks, cells).reshape(len(request), _COUNT, -1).astype(np.float64)
    shown, covered, hidden, seen = _answers(request, regions.masks, fill)
    asked = np.concatenate([(shown - covered) / 2, (seen - hidden)[..., None]], axis=-1)
    values = np.stack([posterior(*face) for face in zip(prior, shares, asked, strict=True)]).astype(np.float32)
    change = np.einsum("ntc,nrc->ntr", (values - prior).reshape(*prior.shape[:2], -1), shares, optimize=True)
    details = {"values": values, "seen": seen, "hidden": hidden, "correction": np.abs(change).max(-1)}
    height, width = request.batch.shape[1:3]
    return MethodOutput(drawn_map(values, height, width), taught.logits, details)


def posterior(prior: Array, shares: _Values, asked: _Values) -> _Values:
    """Return the maps of one face that are expected after the network's answers about its regions.

    Args:
        prior: (T, cells, cells), the maps that are expected before.
        shares: (R, cells^2), how much of each cell belongs to each region; they sum to 1 over the regions.
        asked: (T, R + 1), half of what the score of each region alone has more than that of everything else, and last what the whole
            face has more than the hidden one.

    Returns:
        (T, cells, cells). Its sum is within a thousandth of the gain of the whole face.
    """
    cells = prior.shape[-1]
    design = np.concatenate([(np.eye(_COUNT) - 0.5) @ shares, np.ones((1, cells**2))])
    alike = _alike(cells)
    known = design @ alike @ design.T
    doubt = np.full(_COUNT + 1, INTERACTION * np.diag(known)[:-1].mean())
    doubt[-1] = 1e-3 * known[-1, -1]  # the sum is no estimate: it is what was asked
    flat = prior.reshape(len(prior), -1).astype(np.float64)
    gain = np.linalg.solve(known + np.diag(doubt), design @ alike)
    corrected: _Values = flat + (asked - flat @ design.T) @ gain
    return corrected.reshape(prior.shape)


def _answers(request: MethodInput, masks: Array, fill: str | float) -> tuple[_Values, _Values, _Values, _Values]:
    """-> scores (N, T, R) with one region alone, (N, T, R) without it, (N, T) with all hidden, (N, T) of the whole face."""
    single = 1 << np.arange(_COUNT)
    wanted = np.zeros(_ALL + 1, bool)
    wanted[[0, *single, *(_ALL ^ single)]] = True
    logits = coalition_logits(request, masks, fill, wanted).astype(np.float64)
    logits[:, _ALL] = request.logits
    scores = log_odds(np.nan_to_num(logits), request.logit_weights)
    return scores[..., single], scores[..., _ALL ^ single], scores[..., 0], scores[..., _ALL]


@cache
def _alike(cells: int) -> _Values:
    """-> (cells^2, cells^2), the covariance of a map's errors, up to a factor."""
    y, x = np.divmod(np.arange(cells**2), cells)
    distance = (y[:, None] - y) ** 2 + (x[:, None] - x) ** 2
    reach = REACH * cells / 12
    covariance: _Values = np.exp(-distance / (2 * reach**2))
    return covariance
