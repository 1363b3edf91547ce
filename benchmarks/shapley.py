"""How near do Shapley values on a grid come with few passes, by which estimator? The table of benchmarks/results.md.

    python benchmarks/shapley.py fer2013.csv [--faces 4] [--samples 512] [--reference 4096] [--seed 0] [--only-reference]

Faces of PublicTest on the bundled network. The estimators see the same 6 x 6 cells, fill and score: the kernel regression of
`method="shapley"`, antithetic permutations (an order and its reverse), and regression on RISE's coalitions (each cell open with
probability 1/2, and their complements). The reference is the kernel regression on other coalitions. Printed are the rank correlation
with it (mean and least), the root mean square error as a share of the values' deviation, and how often 95 % intervals hold the
reference. Then the share of maps that are better than a centre blob under all fills, beside RISE's with as many passes, and that of the
reference's own maps: what an estimator without an error would reach.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
from trust import unseen

import ferviz
from ferviz.attribution.explain import explain
from ferviz.attribution.maps.metrics import rank_correlation
from ferviz.attribution.maps.resize import resize_maps
from ferviz.attribution.methods.grid_shapley import coalition_scores
from ferviz.attribution.methods.kernel_shap import Coalitions, draw_coalitions, kernel_values
from ferviz.attribution.request import MethodInput
from ferviz.models.model import Model
from ferviz.trust.verdict import judge

CELLS = 6
PLAYERS = CELLS * CELLS


def request_of(model: Model, picture: np.ndarray) -> MethodInput:
    """Return the question about the predicted class of one face."""
    pictures = model.input.resized([picture])
    weights = np.zeros((1, 1, len(model.labels) + 1), np.float32)
    weights[..., -1] = 1
    return MethodInput(model.engine, model.input.scaled(pictures), "input", weights, 64, 0, pictures, model.input)


def regression(request: MethodInput, coalitions: Coalitions, gain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return values (36,) and standard errors (36,) from pairs of coalitions."""
    members = np.concatenate([coalitions.members, ~coalitions.members])
    pairs = coalition_scores(request, members.reshape(-1, CELLS, CELLS), "mean")[0, 0].reshape(2, -1)
    values, errors = kernel_values(coalitions, (pairs[0] - pairs[1])[:, None] / 2, gain)
    return values[0], errors[0]


def permutations(request: MethodInput, count: int, ends: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return values (36,) as the mean over `count` random orders and their reverses."""
    values = np.zeros(PLAYERS)
    for _ in range(count):
        order = rng.permutation(PLAYERS)
        first = np.zeros((PLAYERS - 1, PLAYERS), bool)
        first[:, order[:-1]] = np.tri(PLAYERS - 1, dtype=bool)
        members = np.concatenate([first, ~first[::-1]]).reshape(-1, CELLS, CELLS)
        forth, back = coalition_scores(request, members, "mean")[0, 0].reshape(2, -1)
        for sequence, scores in ((order, forth), (order[::-1], back)):
            values[sequence] += np.diff(np.concatenate([ends[:1], scores, ends[1:]])) / (2 * count)
    return values


def main() -> None:
    """Print the table and the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="FER2013 with its Training rows")
    parser.add_argument("--faces", type=int, default=4)
    parser.add_argument("--samples", type=int, default=512)
    parser.add_argument("--reference", type=int, default=4096)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only-reference", action="store_true", help="how often the reference's own maps pass, alone")
    options = parser.parse_args()
    model, data = ferviz.load_model(), unseen(ferviz.read_data(options.data))
    rng = np.random.default_rng(options.seed)
    rows, passed = defaultdict(list), defaultdict(list)
    for number in rng.choice(len(data), options.faces, replace=False):
        picture = np.repeat(data.images[number][..., None], 3, -1)
        request = request_of(model, picture)
        ends = coalition_scores(request, np.stack([np.zeros((CELLS, CELLS)), np.ones((CELLS, CELLS))]), "mean")[0, 0]
        gain, pairs = ends[1:] - ends[:1], options.samples // 2 - 1
        reference, doubt = regression(request, draw_coalitions(PLAYERS, options.reference // 2, 10**6), gain)
        if not options.only_reference:
            half = rng.random((pairs, PLAYERS)) < 0.5
            rise = Coalitions(half, np.full(pairs, 1 / pairs), np.ones(pairs, bool))
            estimates = {
                "kernel regression": regression(request, draw_coalitions(PLAYERS, pairs, options.seed), gain),
                "antithetic permutations": (permutations(request, pairs // (PLAYERS - 1), ends, rng), None),
                "RISE's coalitions": regression(request, rise, gain),
            }
            for name, (values, errors) in estimates.items():
                difference = values - reference
                within = np.nan if errors is None else np.mean(np.abs(difference) < 1.96 * np.hypot(errors, doubt))
                error = np.sqrt(np.mean(difference**2)) / reference.std()
                rows[name].append((rank_correlation(values, reference), error, within))
            for name, settings in (("shapley", {"samples": options.samples}), ("rise", {"masks": options.samples})):
                verdict = explain(model, picture[None], name, test=True, **settings).trust.verdicts[0][0]  # type: ignore[union-attr, arg-type]
                passed[name].append(verdict.outcome)
        target = np.eye(len(model.labels), dtype=np.float32)[request.logits.argmax(1)][:, None]
        exact = resize_maps(reference.reshape(1, 1, CELLS, CELLS).astype(np.float32), *model.input.size)
        name = f"shapley from {options.reference} passes"
        passed[name].append(judge(model, request.pictures, exact, target).verdicts[0][0].outcome)
    if rows:
        print("| estimator | rank correlation | least | error | within 95 % intervals |\n|---|---|---|---|---|")
    for name, row in rows.items():
        rank, error, within = np.mean(row, axis=0)
        print(f"| {name} | {rank:.3f} | {min(r[0] for r in row):.2f} | {error:.2f} | {within:.0%} |")
    for name, outcomes in passed.items():
        print(f"{name}: {outcomes.count('better')} of {len(outcomes)} better than a centre blob")


if __name__ == "__main__":
    main()
