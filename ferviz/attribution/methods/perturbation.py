"""Methods that change the picture, or a layer, and watch the target. No gradients; the pictures stream through in chunks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ferviz.attribution.request import MethodInput, MethodOutput
from ferviz.attribution.resize import resize_maps
from ferviz.engines.base import Array, LayerInterventions, require
from ferviz.errors import ModelError, UsageError, check_integer
from ferviz.faces.regions import regions
from ferviz.numerics import softmax


def scorecam(question: MethodInput, *, baseline: str | float = "black", relu: bool = True) -> MethodOutput:
    """Score-CAM: relu(sum_k a_k A_k) with a = softmax over k of S(x under A_k's mask) - S(x').

    A channel's mask is the channel at picture size, scaled to 0..1; under it the picture x shows through, elsewhere there is the
    baseline x'. A channel that is the same everywhere says nothing about places and is left out. relu: as in `cam`.
    Wang et al., Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks, CVPR workshops 2020, eq. 2-5.
    """
    (activation,) = question.engine.activations(question.batch, [question.layer])
    logits = question.engine.logits(question.batch)
    weights, nothing = question.resolved(logits), question.baseline(baseline)
    n, channels = _is_map(activation, question.layer)
    height, width = question.batch.shape[1:3]
    low, high = activation.min((1, 2)), activation.max((1, 2))
    owners, channel = np.nonzero(high > low)
    increase = np.full((n, weights.shape[1], channels), -np.inf, np.float32)
    base = question.scores(nothing, np.arange(n), weights)
    for some in _slices(len(owners), question.chunk):
        who, k = owners[some], channel[some]
        mask = _unit(resize_maps(activation[who, :, :, k], height, width))[..., None]
        masked = nothing[who] + mask * (question.batch[who] - nothing[who])
        increase[who, :, k] = question.scores(masked, who, weights) - base[who]
    shares = softmax(increase)
    maps = np.einsum("nhwk,ntk->nthw", activation, shares, optimize=True)
    details = {"increase": np.where(np.isfinite(increase), increase, 0)}
    return MethodOutput(np.maximum(maps, 0) if relu else maps, logits, details)


def ablationcam(question: MethodInput, *, relu: bool = True) -> MethodOutput:
    """Ablation-CAM: relu(sum_k w_k A_k) with w_k = S - S without channel k.

    Only the network behind the layer runs again. The paper divides w_k by S; that changes the scale of a map, and turns over the map
    of a target whose S is below zero, so it is left out. relu: as in `cam`. Raises ModelError for an engine that cannot change a layer.
    Desai and Ramaswamy, Ablation-CAM: Visual Explanations for Deep Convolutional Network via Gradient-free Localization, WACV 2020.
    """
    answer_from = require(question.engine, LayerInterventions, "ablationcam").logits_from
    (activation,) = question.engine.activations(question.batch, [question.layer])
    logits = question.engine.logits(question.batch)
    weights = question.resolved(logits)
    n, channels = _is_map(activation, question.layer)
    whole = np.einsum("nk,ntk->nt", logits, weights, optimize=True)
    drop = np.zeros((n, weights.shape[1], channels), np.float32)
    owners, channel = np.nonzero(np.abs(activation).max((1, 2)) > 0)  # a silent channel changes nothing by leaving
    for some in _slices(len(owners), question.chunk):
        who, k = owners[some], channel[some]
        changed = activation[who]
        changed[np.arange(len(who)), :, :, k] = 0
        without = answer_from(question.batch[who], question.layer, changed)
        drop[who, :, k] = whole[who] - np.einsum("mk,mtk->mt", without, weights[who], optimize=True)
    maps = np.einsum("nhwk,ntk->nthw", activation, drop, optimize=True)
    return MethodOutput(np.maximum(maps, 0) if relu else maps, logits, {"drop": drop})


def occlusion(
    question: MethodInput, *, patch: int | None = None, stride: int | None = None, baseline: str | float = "mean"
) -> MethodOutput:
    """Occlusion: how far the target falls when a patch is hidden; at each pixel the mean over the patches that hide it; signed.

    patch: side of the square, in pixels of the network's input; None = a sixth of the picture. stride: pixels from patch to patch;
    None = half a patch. The last patch of a row ends at the picture's edge. baseline: see `MethodInput.baseline`.
    Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, section 4.2. Raises UsageError.
    """
    height, width = question.batch.shape[1:3]
    for name, value in (("patch", patch), ("stride", stride)):
        if value is not None:
            check_integer(name, value, 1)
    side = patch or max(2, round(min(height, width) / 6))
    step = stride or max(1, side // 2)
    if side > min(height, width):
        raise UsageError(f"a patch of {side} pixels every {step} does not fit into a picture of {height} x {width}")
    corners = [(y, x) for y in _starts(height, side, step) for x in _starts(width, side, step)]
    masks = np.zeros((len(corners), height, width), np.float32)
    for mask, (y, x) in zip(masks, corners, strict=True):
        mask[y : y + side, x : x + side] = 1
    logits = question.engine.logits(question.batch)
    drops = _drops(question, masks, logits, baseline)
    # A stride longer than the patch leaves pixels that no patch hides; nothing is known there, and nothing is claimed.
    total = np.einsum("ntp,phw->nthw", drops, masks, optimize=True)
    return MethodOutput(total / np.maximum(masks.sum(0), 1), logits)


def region_occlusion(question: MethodInput, *, baseline: str | float = "mean") -> MethodOutput:
    """Region occlusion: how far the target falls when the brows, the eyes, the nose or the mouth are hidden; signed.

    The regions are the bands of `ferviz.faces.regions`, which suit aligned faces; where two overlap their mean is shown.
    details: each region's own fall, (N, T), under its name. baseline: see `MethodInput.baseline`.
    """
    height, width = question.batch.shape[1:3]
    bands = regions(height, width)
    masks = np.stack(list(bands.values())).astype(np.float32)
    logits = question.engine.logits(question.batch)
    drops = _drops(question, masks, logits, baseline)
    maps = np.einsum("ntp,phw->nthw", drops, masks, optimize=True) / np.maximum(masks.sum(0), 1)
    return MethodOutput(maps, logits, {name: drops[..., i] for i, name in enumerate(bands)})


def rise(
    question: MethodInput, *, masks: int = 512, cells: int = 6, keep: float = 0.5, baseline: str | float = "mean"
) -> MethodOutput:
    """RISE: the mean of random masks weighted by S under the mask, as the share it adds to the mean of S; signed.

    masks: how many; the same, drawn from `question.seed`, for every picture. cells: a mask is a grid of cells x cells, each open with
    probability `keep`, blown up smoothly and shifted by less than a cell. baseline: what shows where a mask is closed.
    The map is sum(S M) / (masks keep) minus the mean of S times the mean of M: what the paper's formula gives, less the pedestal
    that a target with a value under every mask would put on every pixel.
    Petsiuk, Das and Saenko, RISE: Randomized Input Sampling for Explanation of Black-box Models, BMVC 2018, eq. 6. Raises UsageError.
    """
    if masks < 2 or cells < 1 or not 0 < keep < 1:
        raise UsageError(f"rise needs masks >= 2, cells >= 1 and 0 < keep < 1, not {masks}, {cells} and {keep}")
    n, height, width = question.batch.shape[:3]
    logits = question.engine.logits(question.batch)
    weights, nothing = question.resolved(logits), question.baseline(baseline)
    targets = weights.shape[1]
    # All that is random is drawn beforehand: the masks must not depend on how many are used at once.
    rng = np.random.default_rng(question.seed)
    grids = (rng.random((masks, cells + 1, cells + 1)) < keep).astype(np.float32)
    shifts = rng.random((masks, 2), np.float32)
    sum_s, sum_m = np.zeros((n, targets)), np.zeros((height, width))
    sum_sm = np.zeros((n, targets, height, width))
    at_once = max(1, question.chunk // n)
    for start in range(0, masks, at_once):
        some = _blown_up(grids[start : start + at_once], shifts[start : start + at_once], height, width)
        shown = nothing[:, None] + some[None, ..., None] * (question.batch - nothing)[:, None]
        owners = np.repeat(np.arange(n), len(some))
        scores = question.scores(shown.reshape(-1, *question.batch.shape[1:]), owners, weights)
        scores = scores.reshape(n, len(some), targets).astype(np.float64)
        sum_s += scores.sum(1)
        sum_m += some.sum(0)
        sum_sm += np.einsum("nmt,mhw->nthw", scores, some, optimize=True)
    maps = (sum_sm - (sum_s / masks)[..., None, None] * sum_m) / (masks * keep)
    return MethodOutput(maps.astype(np.float32), logits)


def _blown_up(grids: Array, shifts: Array, height: int, width: int) -> Array:
    """grids (M, cells + 1, cells + 1) -> masks (M, height, width), each shifted by `shifts` (M, 2), in 0..1 of a cell."""
    count, cells = len(grids), grids.shape[1] - 1
    cell_h, cell_w = -(-height // cells), -(-width // cells)
    large = resize_maps(grids, (cells + 1) * cell_h, (cells + 1) * cell_w)
    down, right = (shifts * np.array([cell_h, cell_w], np.float32)).astype(int).T
    rows = (down[:, None] + np.arange(height))[:, :, None]
    columns = (right[:, None] + np.arange(width))[:, None, :]
    return large[np.arange(count)[:, None, None], rows, columns]


def _drops(question: MethodInput, masks: Array, logits: Array, baseline: str | float) -> Array:
    """masks (P, h, w), 1 = hidden -> how far each target falls under each mask, (N, T, P)."""
    n, p = len(question), len(masks)
    weights, nothing = question.resolved(logits), question.baseline(baseline)
    whole = np.einsum("nk,ntk->nt", logits, weights, optimize=True)
    drops = np.zeros((n, weights.shape[1], p), np.float32)
    for some in _slices(n * p, question.chunk):
        who, which = np.divmod(np.arange(some.start, some.stop), p)
        mask = masks[which][..., None]
        hidden = question.batch[who] * (1 - mask) + nothing[who] * mask
        drops[who, :, which] = whole[who] - question.scores(hidden, who, weights)
    return drops


def _starts(length: int, side: int, step: int) -> list[int]:
    starts = list(range(0, length - side + 1, step))
    return starts if starts[-1] == length - side else [*starts, length - side]


def _slices(total: int, size: int) -> Iterator[slice]:
    for start in range(0, total, size):
        yield slice(start, min(start + size, total))


def _unit(maps: Array) -> Array:
    """Scale each map of (M, h, w) to 0..1; one that is the same everywhere becomes 0."""
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    return np.divide(maps - low, high - low, out=np.zeros_like(maps), where=high > low)


def _is_map(activation: Array, layer: str) -> tuple[int, int]:
    if activation.ndim != 4:
        raise ModelError(f"the output of {layer!r} is not a map; choose a layer that `ferviz layers` marks as one")
    return activation.shape[0], activation.shape[3]
