"""A second opinion about deletion and insertion: the same maps and faces through Quantus and xplique.

    python benchmarks/second_opinion.py fer2013.csv [--faces 32]

Both are asked with what ferviz' own test asks: 12 steps, black as what stands in the hidden pixels' place. Quantus gives a curve
of deletion for each face (PixelFlipping, without its first point, which is the whole picture); xplique gives means over the faces
(Deletion, Insertion). Their other metrics are left out where they are known to be wrong: Quantus' ROAD counts the first batch alone, its
randomisation leaves 1 x 1 kernels untouched, xplique's draws every weight from 0 to 1.

A map's pixels are ranked once, so that all three hide the same pixels; "ties" asks with the maps themselves, whose equal values (zeros of a
ReLU) each of them orders in its own way. Needs `pip install quantus xplique`; what is not installed is left out.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from typing import Any

import numpy as np

import ferviz
from ferviz.data.read import read_data
from ferviz.trust.controls import centre_blob
from ferviz.trust.deletion import STEPS, area, deletion_curves, pixel_ranks
from ferviz.trust.scores import network_scores

FILL = "black"
METHODS = ("gradcam", "saliency", "fastshap")
RANDOM = "random pixels"
Areas = dict[str, tuple[np.ndarray | None, np.ndarray | None]]
"""Who says it -> areas under deletion and insertion, one a face or a single mean; None = it does not say."""


def own_areas(model: Any, pictures: np.ndarray, targets: np.ndarray, maps: np.ndarray) -> Areas:
    """Return ferviz' areas of N maps."""
    weights = np.eye(len(model.labels), dtype=np.float32)[targets][:, None]
    curves = deletion_curves(network_scores(model, weights), pictures, pixel_ranks(maps)[:, None], (FILL,), STEPS)
    return {"ferviz": (area(curves.deletion)[:, 0, 0, 0], area(curves.insertion)[:, 0, 0, 0])}


def quantus_areas(
    network: Any, inputs: np.ndarray, hidden: float, targets: np.ndarray, maps: np.ndarray, whole: np.ndarray
) -> Areas:
    """Return Quantus' areas; whole: (N,) the probabilities of the whole pictures, where its curves would begin."""
    if not find_spec("quantus"):
        return {}
    import quantus

    metric = quantus.PixelFlipping(
        features_in_step=maps[0].size // STEPS, perturb_baseline=hidden, normalise=False, disable_warnings=True
    )
    curves = metric(
        model=network, x_batch=inputs, y_batch=targets, a_batch=maps[:, None], channel_first=False, softmax=True
    )
    return {"Quantus": (area(np.column_stack([whole, np.array(curves)])), None)}


def xplique_areas(network: Any, inputs: np.ndarray, hidden: float, targets: np.ndarray, maps: np.ndarray) -> Areas:
    """Return xplique's areas, means over the faces."""
    if not find_spec("xplique"):
        return {}
    from xplique.metrics import Deletion, Insertion

    labels = np.eye(network.output_shape[-1], dtype=np.float32)[targets]
    asked = {"baseline_mode": hidden, "steps": STEPS, "max_percentage_perturbed": 1.0}
    both = [metric(network, inputs, labels, **asked).evaluate(maps[..., None]) for metric in (Deletion, Insertion)]
    return {"xplique": (np.array([both[0]]), np.array([both[1]]))}


def row(name: str, order: str, areas: Areas) -> str:
    """Return a line of the table."""
    own = areas["ferviz"]

    def cell(who: str, which: int) -> str:
        values = areas.get(who, (None, None))[which]
        return "-" if values is None else f"{values.mean():.4f}"

    quantus = areas.get("Quantus", (None,))[0]
    furthest = "-" if quantus is None else f"{np.abs(quantus - own[0]).max():.1e}"
    cells = [cell("ferviz", 0), cell("Quantus", 0), cell("xplique", 0), furthest, cell("ferviz", 1), cell("xplique", 1)]
    return f"| {name} | {order} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="fer2013.csv")
    parser.add_argument("--faces", type=int, default=32)
    arguments = parser.parse_args()
    model = ferviz.load_model(engine="keras")
    network = model.engine.network
    faces = read_data(arguments.data).part("PublicTest").images[: arguments.faces]
    pictures = faces[..., None].astype(np.float32)
    inputs = model.input.scaled(pictures)
    hidden = float(model.input.scaled(np.zeros_like(pictures[:1])).ravel()[0])
    probabilities = model.probabilities_of(model.engine.logits(inputs))
    targets = probabilities.argmax(1)
    whole = probabilities[np.arange(len(faces)), targets]
    blob = np.broadcast_to(centre_blob(*faces.shape[1:]), faces.shape)
    maps = {method: ferviz.explain(ferviz.load_model(), faces, method=method).heatmaps[:, 0] for method in METHODS}
    maps |= {"centre blob": blob, RANDOM: np.random.default_rng(0).random(faces.shape, np.float32)}
    print(f"{len(faces)} faces of PublicTest, the bundled network, {STEPS} steps, {FILL} for what is hidden\n")
    print(
        "| map | order of pixels | deletion: ferviz | Quantus | xplique | furthest face of Quantus | insertion: ferviz | xplique |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, heat in maps.items():
        ranked = -pixel_ranks(heat).reshape(heat.shape).astype(np.float32)
        for order, asked in (("the same", ranked), ("ties", heat)):
            areas = own_areas(model, pictures, targets, asked)
            areas |= quantus_areas(network, inputs, hidden, targets, asked, whole)
            areas |= xplique_areas(network, inputs, hidden, targets, asked)
            print(row(name, order, areas), flush=True)


if __name__ == "__main__":
    main()
