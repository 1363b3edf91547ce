"""Does a network's own Grad-CAM tell what hiding parts of the face would? Networks side by side, on the same faces.

    python benchmarks/additive.py fer2013.csv [NETWORK ...] [--faces 120] [--exact 40] [--seed 0]

Meant for a network before and after additive training (`ferviz train --init-from ... --additive-weight 1`); without NETWORK the bundled
one.
Faces of PublicTest that are pixel-identical to a Training row, or to each other, are left out. Printed for the predicted class, with 95 %
intervals: accuracy on these faces of PublicTest; for Grad-CAM at the last map and for occlusion, how many maps are better than a centre
blob under all fills; and on `--exact` of the faces the rank correlation of the maps' sums over eight regions with the regions' exact
Shapley values, and how often the most important region is named.
"""

from __future__ import annotations

import argparse

import numpy as np
from teach import better, mean, share
from trust import unseen

import ferviz
from ferviz.attribution.explain import explain
from ferviz.attribution.maps.metrics import rank_correlation
from ferviz.attribution.targets import PREDICTED
from ferviz.data.dataset import Dataset
from ferviz.faces.crops import as_faces
from ferviz.faces.landmarks.ladder import locate_landmarks
from ferviz.faces.regions import FaceRegions
from ferviz.models.model import Model
from ferviz.training.explainer.examination import exact_values

METHODS = ("gradcam", "occlusion")
FILL = "harmonic"


def rows(name: str, model: Model, test: Dataset, at: np.ndarray, exact: int) -> None:
    """Print the rows of one network."""
    accuracy = share(list(model.probabilities(test.images).argmax(1) == test.labels))
    faces = as_faces(test.images[at])
    few, size = locate_landmarks(faces[:exact]), model.input.size
    masks = FaceRegions.of(few, size).masks
    values = np.concatenate([exact_values(model, [face], FILL).values for face in few])
    for method in METHODS:
        explanation = explain(model, faces, method, PREDICTED, test=False)
        predicted = np.array([model.labels.index(p.label) for p in explanation.predictions])
        maps = explanation.heatmaps[:, 0]
        truth = values[np.arange(len(few)), predicted[: len(few)]]
        sums = np.einsum("nij,nrij->nr", maps[: len(few)], masks)
        rank = [rank_correlation(a, b) for a, b in zip(sums, truth, strict=True)]
        top = share(list(sums.argmax(1) == truth.argmax(1)))
        print(
            f"| {name} | {accuracy} | {method} | {share(better(model, faces, maps, predicted))} | {mean(rank)} | {top} |",
            flush=True,
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="FER2013 with its Training rows")
    parser.add_argument(
        "models", nargs="*", metavar="NETWORK", help="networks of 48 x 48 pixels; none = the bundled one"
    )
    parser.add_argument("--faces", type=int, default=120)
    parser.add_argument("--exact", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    test = unseen(ferviz.read_data(options.data))
    at = np.random.default_rng(options.seed).permutation(len(test))[: options.faces]
    print(f"{len(at)} faces, regions on {min(options.exact, len(at))}\n")
    print("| network | accuracy | method | better than a centre blob | rank correlation | top region |")
    print("|---|---|---|---|---|---|")
    for name in options.models or ["bundled"]:
        rows(name, ferviz.load_model(None if name == "bundled" else name), test, at, options.exact)


if __name__ == "__main__":
    main()
