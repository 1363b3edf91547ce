"""What the size of the last map is worth: does the default Grad-CAM foretell what hiding pixels does to the prediction?

    python benchmarks/final_maps.py fer2013.csv bundled other.keras --faces 300

Insertion minus deletion (Petsiuk et al. 2018), grey fill: the pixels of a face are shown, or hidden, in the order of a map, and the
probability of the class that the network predicts is averaged over the steps. A centred Gaussian and random maps are what a
map that never looked at the face reaches.
"""

from __future__ import annotations

import argparse

import numpy as np

import ferviz
from ferviz.data.read import read_data
from ferviz.models.model import Model

STEPS = 24
GREY = 129


def insertion_minus_deletion(model: Model, faces: np.ndarray, maps: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """faces (N, h, w) uint8, maps (N, h, w), classes (N,) -> (N,), -1 .. 1."""
    n, pixels = len(faces), faces[0].size
    flat, order = faces.reshape(n, pixels), np.argsort(-maps.reshape(n, pixels), axis=1, kind="stable")
    ranks = np.argsort(order, axis=1)
    total = np.zeros(n)
    for step in range(STEPS + 1):
        first = ranks < round(pixels * step / STEPS)
        shown, hidden = np.where(first, flat, GREY), np.where(first, GREY, flat)
        weight = 0.5 if step in (0, STEPS) else 1.0
        for sign, pictures in ((1, shown), (-1, hidden)):
            p = model.probabilities(pictures.reshape(faces.shape).astype(np.uint8))
            total += sign * weight * p[np.arange(n), classes]
    return total / STEPS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--faces", type=int, default=300)
    arguments = parser.parse_args()
    part = read_data(arguments.data).part("PublicTest")
    chosen = part.take(np.linspace(0, len(part) - 1, arguments.faces).astype(int))
    y, x = np.mgrid[:48, :48] - 23.5
    gaussian = np.exp(-(x**2 + y**2) / (2 * 12.0**2))
    rng = np.random.default_rng(0)
    for name in arguments.models:
        model = ferviz.load_model(None if name == "bundled" else name)
        layer, _ = model.default_layer()
        size = model.layer(layer).shape[:2]
        accuracy = (model.logits(part.images).argmax(1) == part.labels).mean()
        classes = model.logits(chosen.images).argmax(1)
        heat = ferviz.explain(model, chosen.images, method="gradcam", target="predicted").heatmaps[:, 0]
        rivals = {
            "Grad-CAM": heat,
            "centred Gaussian": np.broadcast_to(gaussian, heat.shape),
            "random": rng.random(heat.shape),
        }
        print(f"{name}: {layer}, {size[0]} x {size[1]}; accuracy {accuracy:.4f}; {len(chosen)} faces")
        for what, maps in rivals.items():
            values = insertion_minus_deletion(model, chosen.images, maps, classes)
            print(f"  {what:18s} {values.mean():+.4f} +- {values.std() / np.sqrt(len(values)):.4f}")


if __name__ == "__main__":
    main()
