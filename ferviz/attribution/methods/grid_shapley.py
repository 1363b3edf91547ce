"""Shapley values on a grid: what each cell of the picture adds to the target, divided fairly among them, and how sure that is."""

from __future__ import annotations

import numpy as np

from ferviz import fills
from ferviz.attribution.maps.resize import resize_maps
from ferviz.attribution.methods.kernel_shap import all_pairs, draw_coalitions, kernel_values
from ferviz.attribution.methods.region_shapley import log_odds
from ferviz.attribution.request import LazyMasks, MethodInput, MethodOutput
from ferviz.engines.base import Array
from ferviz.errors import UsageError, check_integer

PASSES_A_CELL = 3
"""Fewest passes for each cell: with fewer the regression has too few coalitions to tell cells apart and to know its error."""


def grid_shapley(
    request: MethodInput, *, cells: int = 6, samples: int = 512, fill: str | float = "mean", error: bool = False
) -> MethodOutput:
    """Shapley values on a grid: what each cell of the picture adds to the target, divided fairly among all cells; signed.

    The target is seen with many sets of cells hidden, whose borders are soft (a cell fades out towards the centres of its neighbours, and
    all of them add up to the picture); one set of passes answers for all targets. A cell's value is the mean of what it
    adds to the sets without it, over all orders in which cells can appear, estimated by KernelSHAP from pairs of complementary sets; the
    values of a map add up exactly to what the score gains from the hidden picture to the whole one. A class's score is its log-odds
    against all others, which does not saturate; that of a contrast is its weighted sum of logits. With as many samples as there are sets
    (512 for 3 x 3 cells) the values are exact.

    A map shows each cell's value, painted with its mask. `details` holds the cells' `values` and the `standard_error` of each, both
    (N, T, cells, cells), and for each map (N, T): the scores `seen` and `hidden`,
    and `reliability`, the correlation with the exact values that the standard errors lead to expect.

    Args:
        request: the pictures, the network and the targets.
        cells: the grid has cells x cells of them.
        samples: passes through the network a face.
        fill: what stands where a picture is hidden, see `MethodInput.masked_scores`.
        error: draw the standard errors instead of the values.

    Raises:
        UsageError: settings out of range, or an unknown fill.

    References:
        Lundberg and Lee, A Unified Approach to Interpreting Model Predictions, NeurIPS 2017 (KernelSHAP).
        Covert and Lee, Improving KernelSHAP: Practical Shapley Value Estimation via Linear Regression, AISTATS 2021 (pairs, errors).
        Castro, Gomez and Tejada, Polynomial calculation of the Shapley value based on sampling, Computers & OR 2009, and Mitchell et al.,
        Sampling Permutations for Shapley Value Estimation, JMLR 2022: permutations, alone and antithetic, whose values scatter more here.
    """
    fills.check_fill(fill)
    check_integer("cells", cells, 2)
    height, width = request.batch.shape[1:3]
    if cells > min(height, width):
        raise UsageError(f"a grid of {cells} x {cells} cells does not fit into a picture of {height} x {width}")
    players = cells * cells
    every = 2 * all_pairs(players) + 2
    check_integer("samples", samples, min(PASSES_A_CELL * players, every))
    coalitions = draw_coalitions(players, min(samples, every) // 2 - 1, request.seed)
    none = np.zeros((1, players), bool)
    grids = np.concatenate([coalitions.members, ~coalitions.members, none]).reshape(-1, cells, cells)
    scores = coalition_scores(request, grids, fill)
    targets = scores.shape[1]
    seen = log_odds(request.logits[:, None].astype(np.float64), request.logit_weights)[..., 0]
    hidden = scores[..., -1]
    pairs = scores[..., :-1].reshape(-1, 2, len(coalitions))
    values, errors = kernel_values(coalitions, (pairs[:, 0] - pairs[:, 1]).T / 2, (seen - hidden).ravel())
    shape = (len(request), targets, cells, cells)
    grid, error_grid = (array.reshape(shape).astype(np.float32) for array in (values, errors))
    details: dict[str, np.ndarray] = {
        "values": grid,
        "standard_error": error_grid,
        "seen": seen,
        "hidden": hidden,
        "reliability": reliability(values, errors).reshape(shape[:2]),
    }
    return MethodOutput(resize_maps(error_grid if error else grid, height, width), request.logits, details)


def reliability(values: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return how well estimated values are expected to correlate with the exact ones.

    Args:
        values: (..., n).
        errors: (..., n), their standard errors.

    Returns:
        (...) in 0..1: the root of the share of the values' variance that is not due to the errors; 0 where all values are the same.
    """
    variance = values.var(-1)
    noise = (errors**2).mean(-1)
    share = np.divide(variance - noise, variance, out=np.zeros_like(variance), where=variance > 0)
    root: np.ndarray = np.sqrt(np.clip(share, 0, 1))
    return root


def coalition_scores(request: MethodInput, grids: np.ndarray, fill: str | float) -> np.ndarray:
    """Return the targets' scores for pictures of which some cells are seen.

    Args:
        request: the pictures, the network and the targets.
        grids: (P, cells, cells), 1 (or True) where a cell is seen.
        fill: what stands where a picture is hidden.

    Returns:
        (N, T, P) float64: the log-odds of a class, the weighted sum of logits of any other target.
    """
    height, width = request.batch.shape[1:3]
    shown = grids.astype(np.float32)

    def masks(_sample: np.ndarray, index: np.ndarray) -> Array:
        return resize_maps(shown[index], height, width)

    used = np.ones((len(request), len(grids)), bool)
    logits = request.masked_logits(LazyMasks(used, masks), fill).astype(np.float64)
    return log_odds(logits, request.logit_weights)
