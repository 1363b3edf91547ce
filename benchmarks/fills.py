"""Which fill makes the better map: a perturbation method under each of its fills, tested under every fill, on unseen faces.

    python benchmarks/fills.py FER2013 [--method rise] [--faces 48] [--fills harmonic,blur,mean,black] [--set masks=256]

FER2013 is the CSV, or a folder with its sheets and the fer2013.py that reads them. SRG is insertion less deletion, 12 steps.
A map made with a fill has an advantage under the same fill: "held out" is its mean over the other two, and what to compare by.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

import ferviz
from ferviz.faces.crops import as_faces
from ferviz.trust.controls import centre_blob
from ferviz.trust.deletion import FILLS, STEPS, deletion_curves, pixel_ranks
from ferviz.trust.scores import network_scores

MARGIN = 0.05


def public_test(path: Path) -> np.ndarray:
    """Return the pictures of PublicTest, (N, 48, 48) uint8, those that are also Training rows left out where these are known."""
    if not path.is_dir():
        from trust import unseen

        return unseen(ferviz.read_data(path)).images
    spec = importlib.util.spec_from_file_location("fer2013", path / "fer2013.py")
    assert spec is not None
    assert spec.loader is not None
    reader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reader)
    images, training = (np.asarray(reader.load(part)[0]) for part in ("PublicTest", "Training"))
    known = {image.tobytes() for image in training}
    return np.stack([image for image in images if image.tobytes() not in known])


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--method", default="rise")
    parser.add_argument("--fills", default="harmonic,blur,mean,black")
    parser.add_argument("--faces", type=int, default=48)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=INTEGER")
    options = parser.parse_args()
    model = ferviz.load_model(options.model)
    images = public_test(options.data)
    pictures = images[np.linspace(0, len(images) - 1, options.faces).astype(int)]
    faces = as_faces(pictures)
    settings: dict[str, Any] = {name: int(value) for name, value in (pair.split("=") for pair in options.set)}
    kinds = options.fills.split(",")
    resized = model.input.resized([face.pixels for face in faces])
    labels = model.engine.logits(model.input.scaled(resized)).argmax(1)
    maps = [
        ferviz.explain(model, faces, options.method, test=False, fill=kind, **settings).heatmaps[:, 0] for kind in kinds
    ]
    blob = np.broadcast_to(centre_blob(*resized.shape[1:3]), maps[0].shape)
    ranks = pixel_ranks(np.stack([*maps, blob], axis=1))
    weights = np.eye(len(model.labels), dtype=np.float32)[labels][:, None]
    srg = deletion_curves(network_scores(model, weights), resized, ranks, FILLS, STEPS).srg[:, :, 0]
    print(f"{options.method} {settings or ''}, {len(faces)} faces of PublicTest, {model.name}\n")
    print(f"| fill of the map | {' | '.join(FILLS)} | mean SRG | held out | less the first | better than a blob |")
    print("|" + "---|" * (len(FILLS) + 5))
    first = held_out(srg[:, 0], kinds[0])
    for number, kind in enumerate([*kinds, "(a centred blob)"]):
        values, blobs = srg[:, number], srg[:, -1]
        mean, other = values.mean(1), held_out(values, kind)
        # Where both fills are tested by the same third ones, the difference is fair.
        both = [i for i, name in enumerate(FILLS) if name not in (kind, kinds[0])]
        gap = (values[:, both] - srg[:, 0][:, both]).mean(1)
        cells = [*(f"{v:.3f}" for v in values.mean(0)), plus_minus(mean), plus_minus(other)]
        better = "" if number == len(kinds) else f"{((values - blobs).min(1) > MARGIN).mean():.0%}"
        print(f"| {kind} | {' | '.join(cells)} | {plus_minus(gap) if number else ''} | {better} |")
    print(f"\nheld out, {kinds[0]}: {plus_minus(first)}")


def held_out(values: np.ndarray, kind: str) -> np.ndarray:
    """values (N, F) -> (N,), the mean over the fills other than the map's own."""
    return values[:, [i for i, name in enumerate(FILLS) if name != kind]].mean(1)


def plus_minus(values: np.ndarray) -> str:
    return f"{values.mean():+.3f} +- {values.std(ddof=1) / np.sqrt(len(values)):.3f}"


if __name__ == "__main__":
    main()
