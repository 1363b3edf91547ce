"""What compiles, and how near compiled explanations are to Keras' own: every network, every method.

    python benchmarks/parity.py [NETWORK ...] [--faces 4] [--maps] [--channels 1280]

Without NETWORK: every network in the project's own workplace (../shared/data/models). Two tables are printed. The first says what
compiled (--maps compiles the default layer only, which is much quicker, and leaves it out). The second holds, for each network and
method, the largest difference between the two engines' maps as a share of the map's range (all classes for maps of a layer, else the
predicted one); a star marks maps that peak at another pixel, lower by more than 1e-4. Where it is above 1e-4, brackets hold how far
Keras is from itself when the numbers it works on move by as many float32 rounding steps as lie between the two engines, at least one
(see `Trembling`).
Score-CAM and Ablation-CAM get one face where the layer has more than 130 channels, and are left out above --channels.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ferviz.attribution.explain import explain
from ferviz.attribution.explanation import Explanation
from ferviz.attribution.methods.method import PICTURE
from ferviz.attribution.methods.registry import METHODS
from ferviz.engines.base import INPUT
from ferviz.errors import FervizError
from ferviz.models.compiled.compile import compile_model, open_compiled
from ferviz.models.load import load_model
from ferviz.models.model import Model

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
STRICT = 1e-4
EPSILON = float(np.finfo(np.float32).eps)
QUICK: dict[str, dict[str, Any]] = {
    "rise": {"masks": 32},
    "smoothgrad": {"samples": 4},
    "integrated-gradients": {"steps": 4},
    "occlusion": {"patch": 12, "stride": 12},
}
MANY = {"scorecam", "ablationcam"}
"""One run of the network, or of its end, a channel."""
WIDE = 130
"""Channels from which these get one face only."""


class Trembling:
    """An engine whose numbers move by at most some float32 rounding steps of the largest among them, at random.

    What moves is what gradients are made of: the picture for gradients at the picture, the activation and the gradient for those at a
    layer. A method's answer from it, against the one without, is how far rounding alone can throw that method on that face.
    """

    def __init__(self, engine: Any, seed: int, steps: float = 1.0) -> None:
        self.engine, self._rng, self._steps = engine, np.random.default_rng(seed), steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def gradients(self, batch: np.ndarray, layer: str, weights: np.ndarray) -> Any:
        return self._ask("gradients", batch, layer, weights)

    def guided_gradients(self, batch: np.ndarray, layer: str, weights: np.ndarray) -> Any:
        return self._ask("guided_gradients", batch, layer, weights)

    def _ask(self, how: str, batch: np.ndarray, layer: str, weights: np.ndarray) -> Any:
        ask = getattr(self.engine, how)
        if layer == INPUT:
            return (batch, *ask(self._moved(batch), layer, weights)[1:])
        activation, gradient, logits = ask(batch, layer, weights)
        return self._moved(activation), self._moved(gradient), logits

    def _moved(self, values: np.ndarray) -> np.ndarray:
        most = self._steps * EPSILON * np.abs(values).max()
        return (values + most * self._rng.uniform(-1, 1, values.shape)).astype(np.float32)


@dataclass(frozen=True)
class Parity:
    """How two engines' maps of one network compare.

    off: their largest difference, each as a share of its map's range. steps: how far apart the numbers are that both work on, see
    `steps_apart`. own: Keras' largest difference to itself in 8 draws of `Trembling` by as much. Both are 0 where `off` is within STRICT
    and nobody has to ask. peak: every map peaks at the same pixel, or at one that is as high within STRICT (the pixels of a region are
    all as high). labels: the same classes are predicted.
    """

    off: float
    steps: float
    own: float
    peak: bool
    labels: bool

    def __str__(self) -> str:
        own = f" ({self.own:.0e})" if self.off > STRICT else ""
        return f"{self.off:.0e}{own}{'' if self.peak else ' *'}"


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
    return float((np.abs(ours - theirs) / np.maximum(rng, 1e-9)).max())


def lower_at(maps: np.ndarray, places: np.ndarray) -> np.ndarray:
    """How much lower than its peak each of the maps (N, pixels) is at a place, as a share of its range -> (N,)."""
    return (maps.max(1) - maps[np.arange(len(maps)), places]) / np.maximum(np.ptp(maps, axis=1), 1e-9)


def steps_apart(keras: Model, litert: Model, faces: np.ndarray, layer: str) -> float:
    """How far apart a layer's maps and the logits of two engines are, in float32 rounding steps of the largest among them.

    Each engine adds up products in its own order, which depends on the processor: a few steps, more in deep networks.
    """
    batch = keras.preprocess(list(faces))
    weights = np.tile(np.eye(len(keras.labels), dtype=np.float32), (len(faces), 1, 1))
    (ours, _, logits), (theirs, _, others) = (m.engine.gradients(batch, layer, weights) for m in (keras, litert))
    pairs = ((np.asarray(a), np.asarray(b)) for a, b in ((ours, theirs), (logits, others)))
    return max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in pairs) / EPSILON


def compare(keras: Model, litert: Model, faces: np.ndarray, method: str, draws: int = 8, **settings: Any) -> Parity:
    """Explain the faces by both engines."""
    target = "all" if METHODS[method].at != PICTURE and method not in MANY else "predicted"

    def maps(model: Model) -> Explanation:
        return explain(model, faces, method, target, seed=1, test=False, **settings)

    whole, compiled = maps(keras), maps(litert)
    off = difference(compiled.raw, whole.raw)
    steps = own = 0.0
    if off > STRICT:
        steps = steps_apart(keras, litert, faces, INPUT if METHODS[method].at == PICTURE else keras.default_layer()[0])
        trembling = (replace(keras, engine=Trembling(keras.engine, seed, max(1.0, steps))) for seed in range(draws))
        own = max(difference(maps(model).raw, whole.raw) for model in trembling)
    flat = [m.heatmaps.reshape(-1, m.heatmaps.shape[2] * m.heatmaps.shape[3]) for m in (whole, compiled)]
    same = (lower_at(flat[0], flat[1].argmax(1)) <= STRICT) & (lower_at(flat[1], flat[0].argmax(1)) <= STRICT)
    same |= np.ptp(flat[0], axis=1) == 0  # an empty map peaks nowhere
    labels = [p.label for p in whole.predictions] == [p.label for p in compiled.predictions]
    return Parity(off, steps, own, bool(same.all()), labels)


def networks(chosen: list[Path]) -> list[Path]:
    if chosen:
        return chosen
    endings = {".keras", ".h5", ".hdf5", ".json"}
    return sorted(p for p in (SHARED / "models").iterdir() if p.suffix in endings)


def line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", type=Path)
    parser.add_argument("--faces", type=int, default=4)
    parser.add_argument(
        "--maps", action="store_true", help="Compile the default layer only; print the second table only."
    )
    parser.add_argument(
        "--channels", type=int, default=1280, help="Score-CAM and Ablation-CAM only up to so many channels."
    )
    options = parser.parse_args()
    faces = real_faces(options.faces)
    methods = [name for name in METHODS if ":" not in name]
    table = [line("network", *methods), "|---" * (len(methods) + 1) + "|"]
    strict = cells = 0
    if not options.maps:
        print(line("network", "compiled", "seconds", "layers with gradients", "at the picture"))
        print("|---|---|---|---|---|")
    for path in networks(options.networks):
        try:
            keras = load_model(path, engine="keras")
            start = time.perf_counter()
            made = compile_model(keras, layers=[keras.default_layer()[0]] if options.maps else None)
        except FervizError as error:
            if not options.maps:
                print(
                    line(path.name, f"no: {str(error).split(';')[0].replace(str(path), path.name)}", "", "", ""),
                    flush=True,
                )
            continue
        seconds = time.perf_counter() - start
        litert = open_compiled(made)
        c = made.network
        if not options.maps:
            count = f"{len(c.gradients)} of {sum(info.spatial for info in c.layers)}"
            reasons = "; ".join(sorted(set(c.refused.values())))
            size = f"{len(c.content) / 1e6:.2f} MB"
            at_picture = "no" if INPUT in c.refused else "yes"
            print(
                line(path.name, size, f"{seconds:.0f}", f"{count}{f': {reasons}' if reasons else ''}", at_picture),
                flush=True,
            )
        channels = keras.layer(c.default_layer).shape[-1] or 0
        row = []
        for method in methods:
            if method in MANY and channels > options.channels:
                row.append("-")
                continue
            some = faces[:1] if method in MANY and channels > WIDE else faces
            found = compare(keras, litert, some, method, **QUICK.get(method, {}))
            strict, cells = strict + (found.off <= STRICT), cells + 1
            row.append(str(found) if found.labels else f"{found} other class")
        table.append(line(path.name, *row))
        if options.maps:
            print(table[-1], flush=True)
    print("\n".join(["", *table, "", f"{strict} of {cells} within {STRICT:.0e} of the range."]))


if __name__ == "__main__":
    main()
