"""Draws the pictures of the documentation anew, with the bundled network: run this after replacing it.

python tools/draw_docs_pictures.py [--only gradcam filters ...]
"""

import argparse
import csv
import sys
from pathlib import Path

from ferviz.cli import run
from ferviz.files import atomic
from ferviz.training.plots import curves_figure

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "docs" / "images"
FACE = "examples/astronaut.png"
PICTURES = {
    "gradcam.png": ["gradcam", FACE, "--target", "all"],
    "gradcam-one.png": ["gradcam", FACE],
    "tested-rise.png": ["explain", FACE, "--method", "rise"],
    "fastshap.png": ["explain", FACE, "--method", "fastshap"],
    "regions.png": ["explain", FACE, "--method", "regions"],
    "contrast.png": ["explain", FACE, "--method", "hirescam", "--target", "happy-surprise"],
    "activations.png": ["activations", FACE],
    "channels.png": ["activations", FACE, "--mode", "channels", "--max-channels", "24"],
    "network-bundled.png": ["layers", "--diagram"],
    "filters-conv1.png": ["layers", "--filters", "conv1"],
}


def draw_curves(path: Path) -> None:
    """Draw the training of the bundled network.

    Args:
        path: a PNG file.
    """
    with (ROOT / "benchmarks" / "training-history.csv").open(newline="") as file:
        history = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    with atomic(path) as temporary:
        curves_figure(history, "residual, distilled from an earlier one, seed 0").savefig(temporary)


def main() -> int:
    """Draw the pictures; return the worst exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", help="parts of the names")
    only = parser.parse_args().only
    codes = [
        run([*command, "--force", "--out", str(HERE / name)])
        for name, command in PICTURES.items()
        if not only or any(part in name for part in only)
    ]
    if not only or any(part in "training-curves.png" for part in only):
        draw_curves(HERE / "training-curves.png")
    return max(codes, default=0)


if __name__ == "__main__":
    sys.exit(main())
