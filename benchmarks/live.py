"""A warm process: Grad-CAM of one face, and of a thousand from a folder to a file, with the compiled bundled network.

    python benchmarks/live.py [--repeats 200] [--faces 1000]
    python benchmarks/live.py --regions

Prints the median and best milliseconds on the clock and of processor time (all threads together), and faces a second from
class folders of PNG files to an NPZ with all heatmaps. On a machine that is busy with something else the processor time is
the figure to trust: divided by the number of cores it is what a quiet machine needs at best. `--regions` measures nothing but the exact
Shapley values of eight regions, of ten portraits one at a time and then together.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import ferviz
from ferviz.faces.crops import as_faces


def faces(n: int, seed: int = 0) -> np.ndarray:
    """(n, 48, 48) uint8, smooth pictures as different from each other as faces are."""
    small = np.random.default_rng(seed).integers(0, 256, (n, 8, 8), dtype=np.uint8)
    bicubic = Image.Resampling.BICUBIC
    return np.stack([np.asarray(Image.fromarray(pixels).resize((48, 48), bicubic)) for pixels in small])


def measured(work: Callable[[int], Any], repeats: int) -> str:
    work(0)
    wall, used = [], []
    for i in range(repeats):
        start, processor = time.perf_counter(), time.process_time()
        work(i + 1)
        wall.append(1000 * (time.perf_counter() - start))
        used.append(1000 * (time.process_time() - processor))
    cells = (statistics.median(wall), min(wall), statistics.median(used))
    return "".join(f"{cell:>14.2f}" for cell in cells)


def portraits(n: int) -> list[ferviz.Face]:
    """n faces that differ: the portrait of the examples with grain, so that each shows landmarks."""
    face = ferviz.find_faces(Path(__file__).parents[1] / "examples" / "astronaut.png")[0].pixels
    grain = np.random.default_rng(0).normal(0, 4, (n, *face.shape))
    return as_faces(list(np.clip(face + grain, 0, 255).astype(np.uint8)))


def measure_regions(model: ferviz.Model, n: int = 10) -> None:
    """Print what exact region values cost, of n faces one at a time, and of other n at once."""
    faces = portraits(2 * n + 1)
    print(f"{'exact values of eight regions':<44}{'median ms':>14}{'best ms':>14}{'processor ms':>14}")
    cells = measured(lambda i: ferviz.explain(model, [faces[i]], method="regions", test=False), n)
    print(f"{'one face':<44}{cells}", flush=True)
    start, used = time.perf_counter(), time.process_time()
    ferviz.explain(model, faces[-n:], method="regions", test=False)
    wall, used = 1000 * (time.perf_counter() - start) / n, 1000 * (time.process_time() - used) / n
    print(f"{f'{n} faces at once, each':<44}{wall:>14.2f}{'':>14}{used:>14.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--faces", type=int, default=1000)
    parser.add_argument("--regions", action="store_true", help="exact region values, and nothing else")
    options = parser.parse_args()
    model = ferviz.load_model(engine="litert")
    layer, _ = model.default_layer()
    early = next(info.name for info in model.layers if info.spatial and info.shape[0] > model.layer(layer).shape[0])
    crops = faces(options.repeats + 2)
    print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    if options.regions:
        measure_regions(model)
        return
    print(f"{'one 48x48 face, warm':<44}{'median ms':>14}{'best ms':>14}{'processor ms':>14}")
    batches = [model.preprocess(face) for face in crops]
    weights = np.eye(len(model.labels), dtype=np.float32)[None, :1]
    for title, work in (
        ("answer (logits)", lambda i: model.engine.logits(batches[i])),
        ("gradient at the default layer", lambda i: model.engine.gradients(batches[i], layer, weights)),
        ("Grad-CAM (explain)", lambda i: ferviz.explain(model, crops[i])),
        ("Grad-CAM of all seven classes", lambda i: ferviz.explain(model, crops[i], target="all")),
        (f"Grad-CAM at {early}", lambda i: ferviz.explain(model, crops[i], layer=early)),
        ("saliency", lambda i: ferviz.explain(model, crops[i], method="saliency")),
    ):
        print(f"{title:<44}{measured(work, options.repeats)}", flush=True)

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for i, face in enumerate(faces(options.faces, 1)):
            folder = root / "faces" / model.labels[i % len(model.labels)]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(face).save(folder / f"{i:05d}.png")
        rates, used = [], []
        for turn in range(4):
            start, processor = time.perf_counter(), time.process_time()
            data = ferviz.read_data(root / "faces", cache=False)
            explanation = ferviz.explain(model, data.images)
            explanation.save(root / f"{turn}.npz")
            rates.append(options.faces / (time.perf_counter() - start))
            used.append(options.faces / (time.process_time() - processor))
        size = (root / "0.npz").stat().st_size / 1024**2
    print(f"\n{options.faces} faces, class folders of PNG to NPZ ({size:.1f} MiB), read + Grad-CAM + written:")
    print(
        f"{statistics.median(rates[1:]):.0f} faces a second (best {max(rates):.0f}), {statistics.median(used[1:]):.0f} a processor second"
    )


if __name__ == "__main__":
    main()
