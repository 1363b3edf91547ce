"""One picture, a whole process: ferviz' commands against `import tensorflow` alone and against tf-keras-vis doing the same.

    python benchmarks/oneshot.py [--repeats 5] [--picture FILE] [--skip-peer]

All contenders run in turn, each in a process of its own, so that a busy moment hits all. Prints the median, the best wall-clock time
and the processor time (user + system) of each, and ratios to `import tensorflow` as medians of the repeats' own ratios. On a machine
that is busy with something else the processor time is the figure to trust.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

PEER = """
import sys, numpy as np, keras
from PIL import Image
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.utils.model_modifiers import ReplaceToLinear
from tf_keras_vis.utils.scores import CategoricalScore
network = keras.saving.load_model({network!r}, compile=False)
face = np.asarray(Image.open(sys.argv[1]).convert("L").resize(network.input_shape[2:0:-1]), "float32")[None, :, :, None]
label = int(network.predict(face, verbose=0).argmax())
maps = Gradcam(network, model_modifier=ReplaceToLinear(), clone=True)(CategoricalScore(label), face, penultimate_layer=-1)
heat = np.uint8(255 * np.clip(maps[0], 0, 1))
Image.blend(Image.fromarray(np.uint8(face[0, :, :, 0])).convert("RGB"), Image.fromarray(heat).convert("RGB"), 0.4).save(sys.argv[2])
"""


def contenders(picture: Path, folder: Path, peer: bool) -> dict[str, list[str]]:
    python, out = sys.executable, str(folder / "out.png")
    chosen = {
        "import tensorflow": [python, "-c", "import tensorflow"],
        "ferviz gradcam face.png": [python, "-m", "ferviz", "gradcam", str(picture), "--out", out, "--force", "--quiet"],
        "ferviz gradcam --target all": [
            python, "-m", "ferviz", "gradcam", str(picture), "--target", "all", "--out", out, "--force", "--quiet",
        ],
        "ferviz predict face.png": [python, "-m", "ferviz", "predict", str(picture), "--json", "--quiet"],
        "ferviz explain --method scorecam": [
            python, "-m", "ferviz", "explain", str(picture), "--method", "scorecam", "--out", out, "--force", "--quiet",
        ],
        "ferviz --help": [python, "-m", "ferviz", "--help"],
    }  # fmt: skip
    if peer:
        from ferviz.models.bundled import bundled_path

        script = folder / "peer.py"
        script.write_text(PEER.format(network=str(bundled_path())))
        chosen["tf-keras-vis, the same work"] = [python, str(script), str(picture), out]
    return chosen


def timed(command: list[str]) -> tuple[float, float]:
    """-> (seconds on the clock, seconds of processor time) of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, env=quiet)
    wall = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(command[:5])} ... failed:\n{done.stderr[-1500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--picture", type=Path, help="A face; without it a smooth 48 x 48 picture is made.")
    parser.add_argument("--skip-peer", action="store_true", help="Leave tf-keras-vis out.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        picture = options.picture or folder / "face.png"
        if options.picture is None:
            small = np.random.default_rng(0).integers(0, 256, (6, 6), dtype=np.uint8)
            Image.fromarray(small).resize((48, 48), Image.Resampling.BICUBIC).save(picture)
        commands = contenders(picture.resolve(), folder, not options.skip_peer)
        found: dict[str, list[tuple[float, float]]] = {title: [] for title in commands}
        for command in commands.values():
            timed(command)  # the files of each lie in the system's cache from here on
        for _ in range(options.repeats):
            for title, command in commands.items():
                found[title].append(timed(command))
    print(
        f"{options.repeats} processes each, in turn; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n"
    )
    heads = ("median s", "best s", "processor s", "of import tensorflow", "by processor time")
    print(f"{'':<36}" + "".join(f"{head:>22}" for head in heads))
    base = found["import tensorflow"]
    for title, times in found.items():
        wall, used = zip(*times, strict=True)
        by_wall = statistics.median(a[0] / b[0] for a, b in zip(times, base, strict=True))
        by_used = statistics.median(a[1] / b[1] for a, b in zip(times, base, strict=True))
        cells = (
            f"{statistics.median(wall):.2f}",
            f"{min(wall):.2f}",
            f"{statistics.median(used):.2f}",
            f"{by_wall:.3f}",
            f"{by_used:.3f}",
        )
        print(f"{title:<36}" + "".join(f"{cell:>22}" for cell in cells))


if __name__ == "__main__":
    main()
