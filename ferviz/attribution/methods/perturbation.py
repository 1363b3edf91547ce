"""Methods that change the picture, or a layer, and watch the target. They need no gradients."""

from __future__ import annotations

import numpy as np

from ferviz.attribution.maps.resize import resize_maps
from ferviz.attribution.request import LazyMasks, MethodInput, MethodOutput
from ferviz.engines.base import Array
from ferviz.errors import UsageError, check_integer
from ferviz.faces.regions import REGIONS
from ferviz.numerics import softmax


def scorecam(request: MethodInput, *, fill: str | float = "black", relu: bool = True) -> MethodOutput:
    """Score-CAM: relu(sum_k a_k A_k) with a = softmax over k of S(x under A_k's mask) - S(x').

    A channel's mask is the channel at picture size, scaled to 0..1; where it is 1 the picture x is seen, where it is 0 the fill
    x'. A channel that is the same everywhere says nothing about places and is left out. `details` holds the differences of S
    ("increase", (N, T, C), 0 for channels left out).

    Args:
        request: the pictures, the network and the targets.
        fill: what stands where a picture is hidden, see `MethodInput.masked_scores`.
        relu: keep only the evidence for the target.

    Raises:
        ModelError: the layer's output is not a map.
        UsageError: an unknown fill.

    References:
        Wang et al., Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks, CVPR workshops 2020, eq. 2-5.
    """
    activation = request.activation_map()
    height, width = request.batch.shape[1:3]

    def channel_masks(sample: np.ndarray, channel: np.ndarray) -> Array:
        return _unit(resize_maps(activation[sample, :, :, channel], height, width))

    varied = activation.max((1, 2)) > activation.min((1, 2))
    scores = request.masked_scores(LazyMasks(varied, channel_masks), fill)
    hidden_scores = request.masked_scores(np.zeros((1, height, width), np.float32), fill)
    increase = np.where(varied[:, None], scores - hidden_scores, -np.inf)
    maps = np.einsum("nhwk,ntk->nthw", activation, softmax(increase), optimize=True)
    details = {"increase": np.where(np.isfinite(increase), increase, 0)}
    return MethodOutput(np.maximum(maps, 0) if relu else maps, request.logits, details)


def ablationcam(request: MethodInput, *, relu: bool = True) -> MethodOutput:
    """Ablation-CAM: relu(sum_k w_k A_k) with w_k = S - S without channel k.

    Only the network behind the layer runs again. The paper divides w_k by S; that changes the scale of a map, and turns over the map
    of a target whose S is below zero, so it is left out. `details` holds the w_k ("score_drops", (N, T, C)).

    Args:
        request: the pictures, the network and the targets.
        relu: keep only the evidence for the target.

    Raises:
        ModelError: the engine cannot change a layer, or the layer's output is not a map.

    References:
        Desai and Ramaswamy, Ablation-CAM: Visual Explanations for Deep Convolutional Network via Gradient-free Localization, WACV 2020.
    """
    activation = request.activation_map()

    def logits_without(sample: np.ndarray, channel: np.ndarray) -> Array:
        changed = activation[sample]
        changed[np.arange(len(sample)), :, :, channel] = 0
        return request.logits_from(sample, changed)

    active = np.abs(activation).max((1, 2)) > 0  # a silent channel changes nothing by leaving
    score_drops = request.full_scores[..., None] - request.changed_scores(active, logits_without)
    score_drops = np.where(active[:, None], score_drops, 0)
    maps = np.einsum("nhwk,ntk->nthw", activation, score_drops, optimize=True)
    return MethodOutput(np.maximum(maps, 0) if relu else maps, request.logits, {"score_drops": score_drops})


def occlusion(
    request: MethodInput, *, patch: int | None = None, stride: int | None = None, fill: str | float = "harmonic"
) -> MethodOutput:
    """Occlusion: how far the target falls when a patch is hidden; at each pixel the mean over the patches that hide it; signed.

    The last patch of a row ends at the picture's edge. A stride longer than the patch leaves pixels that no patch hides; nothing is
    known there, and the map is 0.

    Args:
        request: the pictures, the network and the targets.
        patch: side of the square, in pixels of the network's input; None = a sixth of the picture.
        stride: pixels from patch to patch; None = half a patch.
        fill: what stands where a picture is hidden, see `MethodInput.masked_scores`.

    Raises:
        UsageError: a patch that does not fit into the picture, or an unknown fill.

    References:
        Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, section 4.2.
    """
    height, width = request.batch.shape[1:3]
    for name, value in (("patch", patch), ("stride", stride)):
        if value is not None:
            check_integer(name, value, 1)
    side = patch or max(2, round(min(height, width) / 6))
    step = stride or max(1, side // 2)
    if side > min(height, width):
        raise UsageError(f"a patch of {side} pixels every {step} does not fit into a picture of {height} x {width}")
    corners = [(y, x) for y in _starts(height, side, step) for x in _starts(width, side, step)]
    hidden = np.zeros((len(corners), height, width), np.float32)
    for mask, (y, x) in zip(hidden, corners, strict=True):
        mask[y : y + side, x : x + side] = 1
    maps, _ = _mean_score_drops(request, hidden, fill)
    return MethodOutput(maps, request.logits)


def region_occlusion(request: MethodInput, *, fill: str | float = "harmonic", template: bool = False) -> MethodOutput:
    """Region occlusion: how far the target falls when one region of the face is hidden; signed.

    The regions are those of `ferviz.faces.regions`, placed by each face's landmarks; a pixel on a border shows the mean of both sides.
    `details` holds each region's own fall, (N, T), under its name. Hiding one region at a time counts what two regions tell together
    in both; `regions` divides it.

    Args:
        request: the pictures, the network and the targets.
        fill: what stands where a picture is hidden, see `MethodInput.masked_scores`.
        template: give pictures that show no face a typical face's regions instead of refusing them.

    Raises:
        UsageError: an unknown fill.
        NoFaceError: a picture shows no face.
    """
    masks = request.face_regions(template).masks
    score_drops = request.full_scores[..., None] - request.masked_scores(1 - masks, fill)
    maps = np.einsum("ntr,nrhw->nthw", score_drops, masks, optimize=True).astype(np.float32)
    return MethodOutput(maps, request.logits, {name: score_drops[..., i] for i, name in enumerate(REGIONS)})


def rise(
    request: MethodInput, *, masks: int = 512, cells: int = 6, keep: float = 0.5, fill: str | float = "mean"
) -> MethodOutput:
    """RISE: the mean of random masks weighted by S under the mask, as the share it adds to the mean of S; signed.

    The map is sum(S M) / (masks keep) minus the mean of S times the mean of M: what the paper's formula gives, less the pedestal
    that a target with a value under every mask would put on every pixel.

    Args:
        request: the pictures, the network and the targets.
        masks: how many; the same, drawn from `request.seed`, for every picture.
        cells: a mask is a grid of cells x cells, each open with probability `keep`, enlarged smoothly and shifted by less than a cell.
        keep: the probability that a cell is open.
        fill: what stands where a mask is closed, see `MethodInput.masked_scores`.

    Raises:
        UsageError: settings out of range, or an unknown fill.

    References:
        Petsiuk, Das and Saenko, RISE: Randomized Input Sampling for Explanation of Black-box Models, BMVC 2018, eq. 6.
    """
    if masks < 2 or cells < 1 or not 0 < keep < 1:
        raise UsageError(f"rise needs masks >= 2, cells >= 1 and 0 < keep < 1, not {masks}, {cells} and {keep}")
    n, height, width = request.batch.shape[:3]
    targets = request.weights.shape[1]
    # All that is random is drawn beforehand: the masks must not depend on how many are used at once.
    rng = np.random.default_rng(request.seed)
    grids = (rng.random((masks, cells + 1, cells + 1)) < keep).astype(np.float32)
    shifts = rng.random((masks, 2), np.float32)
    sum_scores, sum_masks = np.zeros((n, targets)), np.zeros((height, width))
    sum_products = np.zeros((n, targets, height, width))
    group = max(1, request.batch_size // n)
    for start in range(0, masks, group):
        drawn = _enlarged(grids[start : start + group], shifts[start : start + group], height, width)
        scores = request.masked_scores(drawn, fill).astype(np.float64)
        sum_scores += scores.sum(2)
        sum_masks += drawn.sum(0)
        sum_products += np.einsum("ntm,mhw->nthw", scores, drawn, optimize=True)
    maps = (sum_products - (sum_scores / masks)[..., None, None] * sum_masks) / (masks * keep)
    return MethodOutput(maps.astype(np.float32), request.logits)


def _enlarged(grids: Array, shifts: Array, height: int, width: int) -> Array:
    """grids (M, cells + 1, cells + 1) -> masks (M, height, width), each shifted by `shifts` (M, 2), in 0..1 of a cell."""
    count, cells = len(grids), grids.shape[1] - 1
    cell_h, cell_w = -(-height // cells), -(-width // cells)
    large = resize_maps(grids, (cells + 1) * cell_h, (cells + 1) * cell_w)
    down, right = (shifts * np.array([cell_h, cell_w], np.float32)).astype(int).T
    rows = (down[:, None] + np.arange(height))[:, :, None]
    columns = (right[:, None] + np.arange(width))[:, None, :]
    return large[np.arange(count)[:, None, None], rows, columns]


def _mean_score_drops(request: MethodInput, hidden: Array, fill: str | float) -> tuple[Array, Array]:
    """hidden (P, h, w), 1 = hidden -> at each pixel the mean fall over the masks that hide it (N, T, h, w); the falls (N, T, P)."""
    score_drops = request.full_scores[..., None] - request.masked_scores(1 - hidden, fill)
    total = np.einsum("ntp,phw->nthw", score_drops, hidden, optimize=True)
    return total / np.maximum(hidden.sum(0), 1), score_drops


def _starts(length: int, side: int, step: int) -> list[int]:
    starts = list(range(0, length - side + 1, step))
    return starts if starts[-1] == length - side else [*starts, length - side]


def _unit(maps: Array) -> Array:
    """Scale each map of (M, h, w) to 0..1; one that is the same everywhere becomes 0."""
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    return np.divide(maps - low, high - low, out=np.zeros_like(maps), where=high > low)
