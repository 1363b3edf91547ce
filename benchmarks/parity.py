"""What compiles, and how near compiled explanations are to Keras' own: every network, every method.

    python benchmarks/parity.py [NETWORK ...] [--faces 4] [--channels 160]

Without NETWORK: every network in the project's own workplace (../shared/data/models). For each it prints the size of the compiled
file, the layers whose gradient it has, and for each method the largest difference between the two engines' maps, as a share of
the map's range, whether all maps peak at the same place, and how near Keras comes to itself when it gets the same faces one
at a time instead of together: gradients jump where a ReLU or a maximum changes sides, and rounding decides that.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ferviz.attribution.explain import explain
from ferviz.attribution.methods import METHODS
from ferviz.errors import FervizError
from ferviz.models.compiled import compile_model, open_explainer
from ferviz.models.load import load_model
from ferviz.models.model import Model

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
QUICK = {
    "rise": {"masks": 32},
    "smoothgrad": {"samples": 4},
    "integrated-gradients": {"steps": 4},
    "occlusion": {"patch": 12, "stride": 12},
}
MANY = {"scorecam", "ablationcam"}


def real_faces(n: int) -> np.ndarray:
    """(n, 48, 48) uint8 from FER2013's PublicTest where it is at hand, else smooth random pictures."""
    sheet = SHARED / "fer2013" / "PublicTest.png"
    if sheet.is_file():
        pixels = np.asarray(Image.open(sheet))
        return np.stack([pixels[:48, 48 * 37 * i : 48 * 37 * i + 48] for i in range(n)])
    small = np.random.default_rng(0).integers(0, 256, (n, 8, 8), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(one).resize((48, 48), Image.Resampling.BICUBIC)) for one in small])


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest difference of the maps (N, T, h, w), each as a share of its own range."""
    rng = np.ptp(theirs, axis=(2, 3), keepdims=True)
    return float((np.abs(ours - theirs) / np.maximum(rng, 1e-12)).max())


def compare(keras: Model, litert: Model, faces: np.ndarray, method: str) -> tuple[float, float, bool]:
    """-> (difference, Keras' difference to itself, do all maps peak at the same place)."""
    settings: dict[str, Any] = QUICK.get(method, {})

    def maps(model: Model, some: np.ndarray, how: Callable[..., Any] = explain) -> Any:
        return how(model, some, method, seed=0, **settings)

    whole, compiled = maps(keras, faces), maps(litert, faces)
    singles = np.concatenate([maps(keras, faces[i : i + 1]).raw for i in range(len(faces))])
    flat = [m.heatmaps.reshape(len(faces), -1) for m in (whole, compiled)]
    same = bool((flat[0].argmax(1) == flat[1].argmax(1)).all())
    return difference(compiled.raw, whole.raw), difference(singles, whole.raw), same


def networks(chosen: list[Path]) -> list[Path]:
    if chosen:
        return chosen
    endings = {".keras", ".h5", ".hdf5", ".json"}
    return sorted(p for p in (SHARED / "models").iterdir() if p.suffix in endings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", type=Path)
    parser.add_argument("--faces", type=int, default=4)
    parser.add_argument(
        "--channels", type=int, default=160, help="Score-CAM and Ablation-CAM only up to so many channels."
    )
    options = parser.parse_args()
    faces = real_faces(options.faces)
    methods = [name for name in METHODS if ":" not in name]
    print(
        "| network | compiled | seconds | layers with gradients | at the picture | maps beyond 1e-4 (Keras against itself) | same peak |"
    )
    print("|---|---|---|---|---|---|---|")
    for path in networks(options.networks):
        try:
            keras = load_model(path, engine="keras")
        except FervizError as error:
            print(
                f"| {path.name} | not read: {str(error).split(';')[0].replace(str(path), path.name)} | | | | | |",
                flush=True,
            )
            continue
        start = time.perf_counter()
        try:
            made = compile_model(keras)
        except FervizError as error:
            print(f"| {path.name} | no: {error} | | | | | |", flush=True)
            continue
        seconds = time.perf_counter() - start
        litert = open_explainer(made)
        c = made.contents
        maps = [info.name for info in c.layers if info.spatial]
        beyond, peaks = [], 0
        asked = [m for m in methods if m not in MANY or keras.layer(c.default).shape[-1] <= options.channels]
        for method in asked:
            ours, own, same = compare(keras, litert, faces, method)
            peaks += same
            if ours > 1e-4:
                beyond.append(f"{method} {ours:.0e} ({own:.0e})")
        reasons = "; ".join(sorted(set(c.refused.values())))
        cells = (
            path.name,
            f"{len(made.content) / 1e6:.2f} MB",
            f"{seconds:.0f}",
            f"{len(c.gradients)} of {len(maps)}{f': {reasons}' if reasons else ''}",
            "no" if "input" in c.refused else "yes",
            f"{', '.join(beyond) or 'none'} of {len(asked)} methods",
            f"{peaks} of {len(asked)}",
        )
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
