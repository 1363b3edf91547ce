"""FastSHAP: the map that a network was taught to draw of itself, in one pass."""

from __future__ import annotations

from functools import cache

import numpy as np

from ferviz.attribution.maps.resize import resize_maps
from ferviz.attribution.request import MethodInput, MethodOutput
from ferviz.attribution.targets import is_class, resolve
from ferviz.engines.base import Array
from ferviz.errors import ModelError
from ferviz.faces.landmarks.points import SIDE, TEMPLATE
from ferviz.faces.regions import region_masks

DOUBTFUL = 0.5
"""Reliability below which an explanation says that the exact values are to be computed."""

DOUBT = (
    f"for some of these maps the taught explainer expects a correlation below {DOUBTFUL} with the exact values (`reliability` in the "
    "results); --method regions computes those"
)


def fastshap(request: MethodInput, *, explainer: str = "") -> MethodOutput:
    """FastSHAP: what each place of the face adds to the target, as the network was taught to tell in one pass (`ferviz teach`); signed.

    A small network, which looks at the maps of two or three layers, was fitted to the answers of this very network to thousands of
    faces of which random regions and patches were hidden. Its values estimate Shapley values: what is added, on average over all orders
    in which the parts of the face can appear. A class's score is its log-odds against all others; that of any other target is its
    weighted sum of logits.

    A map shows the cells' values, each spread over its neighbours, see `drawn_map`. `details` holds the cells' `values`, (N, T, cells,
    cells), and for each map (N, T) the `expected_error` of a region's value and the `reliability`, the correlation with the regions'
    exact values that this error leads to expect.

    Args:
        request: the pictures, the network with its explainer, and the targets.
        explainer: a file that `ferviz teach` wrote for this network; "" = the network's own file, or the one of the same name beside it.

    Raises:
        ModelError: the network was not taught, or the file was taught for another one.

    References:
        Jethani et al., FastSHAP: Real-Time Shapley Value Estimation, ICLR 2022. Covert et al., Learning to Estimate Shapley Values with
        Vision Transformers, ICLR 2023. Covert et al., Stochastic Amortization, NeurIPS 2024 (noisy labels suffice).
    """
    if request.explainer is None:
        raise ModelError("fastshap needs a network that was taught to explain itself (see `ferviz teach`)")
    logits, values, errors = request.explainer(request.engine, request.batch)
    weights = score_weights(resolve(request.weights, logits))
    grid = np.einsum("nijs,nts->ntij", values, weights, optimize=True).astype(np.float32)
    error = np.sqrt(np.einsum("ns,nts->nt", errors.astype(np.float64) ** 2, weights.astype(np.float64) ** 2))
    trust = reliability(grid, error)
    details = {"values": grid, "expected_error": error, "reliability": trust}
    warnings = (DOUBT,) if (trust < DOUBTFUL).any() else ()
    height, width = request.batch.shape[1:3]
    return MethodOutput(drawn_map(grid, height, width), logits, details, warnings=warnings)


def drawn_map(values: Array, height: int, width: int) -> Array:
    """Return a taught map as it is drawn: each value is spread over its neighbours, which keeps the map's sum.

    The weights are 1, 2, 1 along rows and along columns; at the border what would leave stays. What was hidden while the explainer was
    taught is two cells wide: neighbouring values are alike and their errors less so, and spreading takes away more error than value.

    Args:
        values: (..., cells, cells).
        height, width: of the picture in pixels.

    Returns:
        (..., height, width) float32.
    """
    spread = _spread(values.shape[-1])
    spread_values: Array = np.matmul(np.matmul(spread, values), spread)
    return resize_maps(spread_values, height, width)


def score_weights(weights: Array) -> Array:
    """Return targets as weights of the scores that an explainer knows: a class is its log-odds, any other target a sum of logits.

    Args:
        weights: (N, T, K), of the logits.

    Returns:
        (N, T, 2 K): of the log-odds, then of the logits.
    """
    single = is_class(weights)[..., None]
    return np.concatenate([np.where(single, weights, 0), np.where(single, 0, weights)], axis=-1).astype(np.float32)


def reliability(grid: Array, error: np.ndarray) -> np.ndarray:
    """Return how well the regions' values of maps are expected to correlate with the exact ones.

    Args:
        grid: (N, T, cells, cells).
        error: (N, T), the error that is expected of a region's value.

    Returns:
        (N, T) in 0..1, judged by where a typical face has its regions; 0 for an empty map.
    """
    cells = grid.shape[-1]
    regions = np.einsum("ntij,rij->ntr", grid, _typical_regions(cells), optimize=True)
    variance = regions.astype(np.float64).var(-1)
    total = variance + error**2
    result: np.ndarray = np.sqrt(np.divide(variance, total, out=np.zeros_like(variance), where=total > 0))
    return result


@cache
def _spread(cells: int) -> Array:
    """-> (cells, cells), symmetric: of each value half stays, a quarter goes to each side, and beyond the border it stays."""
    away = np.clip(np.arange(cells)[:, None] + [-1, 0, 0, 1], 0, cells - 1)
    matrix: Array = np.eye(cells, dtype=np.float32)[away].mean(1)
    return matrix


@cache
def _typical_regions(cells: int) -> Array:
    """-> (R, cells, cells), the regions of a typical face."""
    points = (TEMPLATE[None] + 0.5) * cells / SIDE - 0.5
    return region_masks(points, (cells, cells))[0]
