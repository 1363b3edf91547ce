"""Would another estimator of what hiding tells make better maps from as many passes? The table of benchmarks/results.md.

    python benchmarks/estimators.py fer2013.csv [--faces 63] [--passes 512] [--seed 5] [--work FOLDER]

Faces of PublicTest that are no Training rows, as many of each predicted class as there are, on the bundled network. All estimators see
them through smooth random masks of 6 x 6 cells, shifted by less than a cell, and through the complements of these masks. What differs:

- how much of a face is seen: half of the cells (RISE), or any share, each as often (Shapley values);
- what stands where it is hidden: the mean grey, or each of three fills behind a third of the masks;
- what of the answer is explained: the predicted class's log-odds, or its probability;
- how the map follows: as the correlation with the masks (RISE), or as the most probable smooth map, a Gaussian process that is as smooth
  as `width` pixels and explains the differences between masks and complements; the share of noise is the most likely one.

Printed are the share of maps that are better than a centre blob under all fills (12 steps), and the mean margin under the hardest fill.
What the network answered is kept in `--work`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from trust import kept, unseen

import ferviz
from ferviz.attribution.maps.resize import resize_maps
from ferviz.attribution.methods.perturbation import _enlarged
from ferviz.attribution.methods.region_shapley import log_odds
from ferviz.attribution.request import LazyMasks, MethodInput
from ferviz.evaluation.metrics import wilson
from ferviz.models.model import Model
from ferviz.numerics import sigmoid
from ferviz.trust.deletion import FILLS, STEPS
from ferviz.trust.verdict import BETTER, UNKNOWN, judge

CELLS, FINE = 6, 24
DESIGNS = (("half", ("mean",)), ("any", ("mean",)), ("half", FILLS))
WIDTHS = (3.0, 4.0, 7.0)
NOISES = np.geomspace(1e-3, 10, 9)


def evenly(model: Model, images: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return the numbers of some faces, as many of each predicted class."""
    predicted = model.logits(images).argmax(1)
    classes = len(model.labels)
    return np.concatenate([rng.permutation(np.flatnonzero(predicted == k))[: count // classes] for k in range(classes)])


def draw_masks(pairs: int, seen: str, side: int, seed: int) -> np.ndarray:
    """Return (pairs, side, side) masks, 1 where a face is seen."""
    rng = np.random.default_rng(seed)
    share = np.full(pairs, 0.5) if seen == "half" else rng.permutation((np.arange(pairs) + rng.random(pairs)) / pairs)
    grids = (rng.random((pairs, CELLS + 1, CELLS + 1)) < share[:, None, None]).astype(np.float32)
    return _enlarged(grids, rng.random((pairs, 2), np.float32), side, side)


def answers(request: MethodInput, masks: np.ndarray, kinds: tuple[str, ...]) -> np.ndarray:
    """Return the logits (N, 2, P, K) behind masks and complements; the fills take turns."""
    both = np.concatenate([masks, 1 - masks])
    logits = np.empty((len(request), len(both), request.logits.shape[1]), np.float32)
    for turn, kind in enumerate(kinds):
        rows = np.flatnonzero(np.arange(len(both)) % len(masks) % len(kinds) == turn)
        every = LazyMasks(np.ones((len(request), len(rows)), bool), lambda _, m, rows=rows: both[rows[m]])  # type: ignore[misc]
        logits[:, rows] = request.masked_logits(every, kind)
    return logits.reshape(len(request), 2, len(masks), -1)


def smooth_maps(masks: np.ndarray, differences: np.ndarray, gains: np.ndarray, width: float) -> np.ndarray:
    """Return the most probable maps (N, FINE, FINE) behind half the differences (N, P) and the gains (N,)."""
    side = masks.shape[-1]
    coarse = resize_maps(masks, FINE, FINE).reshape(len(masks), -1)
    design = np.concatenate([coarse - 0.5, np.full((1, FINE**2), 0.5)])
    places = (np.arange(FINE) + 0.5) * side / FINE
    near = np.exp(-((places[:, None] - places) ** 2) / (2 * width**2))
    spread = design @ (np.kron(near, near) + 1)
    gram = spread @ design.T
    scale = np.trace(gram) / len(gram)
    noise = np.append(np.ones(len(masks)), 1e-3)  # the gain is known
    sums = np.column_stack([differences, gains / 2])
    factors = [np.linalg.cholesky(gram / scale + share * np.diag(noise)) for share in NOISES]
    maps = np.empty((len(sums), FINE, FINE), np.float32)
    for number, row in enumerate(sums):
        fits = [np.linalg.solve(f.T, np.linalg.solve(f, row)) for f in factors]
        unlikely = [
            len(row) / 2 * np.log(row @ fit) + np.log(np.diag(f)).sum() for f, fit in zip(factors, fits, strict=True)
        ]
        maps[number] = (spread.T @ fits[int(np.argmin(unlikely))]).reshape(FINE, FINE)
    return maps


def correlated(masks: np.ndarray, scores: np.ndarray, fills: int) -> np.ndarray:
    """Return RISE's maps (N, h, w) of scores (N, 2, P), those of each fill less their mean."""
    turns = np.arange(len(masks)) % fills
    centred = scores.copy()
    for turn in range(fills):
        centred[:, :, turns == turn] -= scores[:, :, turns == turn].mean((1, 2), keepdims=True)
    return np.einsum("np,phw->nhw", centred.reshape(len(scores), -1), np.concatenate([masks, 1 - masks]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="FER2013 with its Training rows")
    parser.add_argument("--faces", type=int, default=63)
    parser.add_argument("--passes", type=int, default=512)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--work", type=Path, default=Path("estimators"))
    options = parser.parse_args()
    model, data = ferviz.load_model(), unseen(ferviz.read_data(options.data))
    at = evenly(model, data.images, options.faces, np.random.default_rng(options.seed))
    pictures = model.input.resized(list(data.images[at]))
    classes, (side, _) = len(model.labels), model.input.size
    weights = np.repeat(np.eye(classes + 1, dtype=np.float32)[None, -1:], len(at), axis=0)
    request = MethodInput(model.engine, model.input.scaled(pictures), "input", weights, 64, 0, pictures, model.input)
    target = np.eye(classes, dtype=np.float32)[request.logits.argmax(1)][:, None]
    ends = np.stack([answers(request, np.ones((1, side, side), np.float32), (fill,)) for fill in FILLS], axis=-1)
    print(f"{len(at)} faces, {options.passes} passes\n")
    print("| seen | fills | explained | map | better than a centre blob | hardest margin |\n|---|---|---|---|---|---|")

    def show(row: str, maps: np.ndarray) -> None:
        verdicts = [
            v[0] for v in judge(model, pictures, maps[:, None].astype(np.float32), target, steps=STEPS).verdicts
        ]
        tested = [v for v in verdicts if v.outcome != UNKNOWN]
        passed = sum(v.outcome == BETTER for v in tested)
        low, high = wilson(passed, len(tested))
        margin = np.mean([min(v.margin.values()) for v in tested])
        print(f"{row} {passed} of {len(tested)}, {low:.0%} to {high:.0%} | {margin:+.3f} |", flush=True)

    scales: dict[str, Callable[[np.ndarray], np.ndarray]] = {"log-odds": lambda odds: odds, "probability": sigmoid}
    for seen, kinds in DESIGNS:
        masks = draw_masks(options.passes // 2, seen, side, options.seed)
        file = options.work / f"{seen}-{'-'.join(kinds)}-{len(at)}-{options.passes}-{options.seed}.npz"
        logits = kept(file, model.sha256, lambda m=masks, k=kinds: {"logits": answers(request, m, k)})["logits"]  # type: ignore[misc]
        odds, whole = (
            log_odds(a.reshape(len(at), -1, classes).astype(np.float64), target)[:, 0]
            for a in (logits, np.moveaxis(ends, 3, -1))
        )
        for name, scaled in scales.items():
            scores = scaled(odds).reshape(logits.shape[:-1])
            edge = scaled(whole).reshape(len(at), 2, -1)[..., [FILLS.index(kind) for kind in kinds]].mean(-1)
            row = f"| {seen} | {', '.join(kinds)} | {name} |"
            show(f"{row} correlation |", correlated(masks, scores, len(kinds)))
            for width in WIDTHS:
                differences = (scores[:, 0] - scores[:, 1]) / 2
                maps = smooth_maps(masks, differences, edge[:, 0] - edge[:, 1], width)
                show(f"{row} smooth, {width:g} px |", resize_maps(maps, side, side))


if __name__ == "__main__":
    main()
