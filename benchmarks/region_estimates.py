"""Measures how far the studio's first estimates of the regions' values are off.

    python benchmarks/region_estimates.py fer2013.csv [--faces 40]

The page shows values from 18 and from 74 of the 256 sets of regions before it knows them all. Prints for both the largest error of a
region, as a share of the longest bar (median and nine tenths of the faces), and on how many faces the region on top is the right one.
"""

from __future__ import annotations

import argparse

import numpy as np

import ferviz
from ferviz import fills
from ferviz.attribution.methods.region_shapley import exact_operator, log_odds, shapley_values
from ferviz.faces.regions import REGIONS
from ferviz.studies.region_scores import locate

COUNT = len(REGIONS)
MEMBERS = np.arange(2**COUNT)[:, None] >> np.arange(COUNT) & 1
SIZES = MEMBERS.sum(1)


def set_scores(model: ferviz.Model, picture: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """-> (2^R,) the log-odds of the predicted class with every set of regions to be seen."""
    seen = np.einsum("mr,rhw->mhw", MEMBERS.astype(np.float32), masks)
    seen[-1] = 1
    pictures = fills.fill(np.repeat(picture[None], len(seen), axis=0), 1 - seen)
    parts = np.array_split(model.input.scaled(pictures), 8)
    logits = np.concatenate([model.engine.logits(part) for part in parts]).astype(np.float64)
    return log_odds(logits[None], np.eye(logits.shape[1])[logits[-1].argmax()][None, None])[0, 0]


def estimate(scores: np.ndarray, most: int) -> np.ndarray:
    """-> (R,) the page's estimate from the sets that hide or show at most so many regions."""
    known = np.minimum(SIZES, COUNT - SIZES) <= most
    values = np.zeros(COUNT)
    for region in range(COUNT):
        without = np.flatnonzero(~MEMBERS[:, region].astype(bool))
        without = without[known[without] & known[without | 1 << region]]
        added = scores[without | 1 << region] - scores[without]
        values[region] = np.mean([added[SIZES[without] == size].mean() for size in np.unique(SIZES[without])])
    return values + (scores[-1] - scores[0] - values.sum()) / COUNT


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--faces", type=int, default=40)
    arguments = parser.parse_args()
    model, data = ferviz.load_model(), ferviz.read_data(arguments.data, split="PublicTest")
    located = locate(model, data.take(np.sort(np.random.default_rng(0).permutation(len(data))[: arguments.faces])))
    errors: dict[int, list[tuple[float, bool]]] = {1: [], 2: []}
    for picture, masks in zip(located.pictures.astype(np.float32), located.regions.masks, strict=True):
        scores = set_scores(model, picture, masks)
        exact = shapley_values(scores, exact_operator())
        for most, rows in errors.items():
            values = estimate(scores, most)
            rows.append((np.abs(values - exact).max() / np.abs(exact).max(), values.argmax() == exact.argmax()))
    for most, rows in errors.items():
        passes = int((np.minimum(SIZES, COUNT - SIZES) <= most).sum())
        median, most_faces = np.percentile([error for error, _ in rows], [50, 90])
        right = np.mean([same for _, same in rows])
        error = f"largest error {median:.0%} (9 of 10 faces: {most_faces:.0%})"
        print(f"{passes} passes, {len(rows)} faces: {error}, top region right on {right:.0%}")


if __name__ == "__main__":
    main()
