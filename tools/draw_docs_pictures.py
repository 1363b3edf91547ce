"""Draws the pictures of the documentation anew, with the bundled network: run this after replacing it."""

import sys
from pathlib import Path

from ferviz.cli import run

HERE = Path(__file__).resolve().parents[1] / "docs" / "images"
FACE = "examples/astronaut.png"
PICTURES = {
    "gradcam.png": ["gradcam", FACE, "--target", "all"],
    "gradcam-one.png": ["gradcam", FACE],
    "tested-rise.png": ["explain", FACE, "--method", "rise"],
    "contrast.png": ["explain", FACE, "--method", "hirescam", "--target", "happy-surprise"],
    "activations.png": ["activations", FACE],
    "channels.png": ["activations", FACE, "--mode", "channels", "--max-channels", "24"],
    "network-bundled.png": ["layers", "--diagram"],
    "filters-conv1.png": ["layers", "--filters", "conv1"],
}

if __name__ == "__main__":
    codes = [run([*command, "--force", "--out", str(HERE / name)]) for name, command in PICTURES.items()]
    sys.exit(max(codes))
