"""Figures before and after their rules, side by side, for docs/explanation/why-figures-look-so.md.

    git worktree add /tmp/before 551bd02
    python tools/draw_docs_before.py /tmp/before [--out docs/images] [--only signed ...]

Each side is one `ferviz` command, run on the sources of the earlier commit and on these; the commands are printed. Needs
pdftoppm (poppler).
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from ferviz.rendering.layout import hstack, vstack
from ferviz.rendering.text import GREY, line

ROOT = Path(__file__).resolve().parents[1]
FACE = str(ROOT / "examples" / "astronaut.png")
LANCZOS = Image.Resampling.LANCZOS
HEIGHT = 560
"""Pixels of a side at most."""

PAIRS: dict[str, tuple[list[str], list[str]]] = {
    "bare": (["gradcam", FACE], ["explain", FACE, "--method", "fastshap", "--bare", "--side", "480"]),
    "print": (
        ["gradcam", FACE, "--target", "all", "--out", "x.pdf"],
        ["gradcam", FACE, "--target", "all", "--width-mm", "84", "--font-size", "7", "--out", "x.pdf"],
    ),
    "signed": (["explain", FACE, "--method", "occlusion", "--target", "happy"],) * 2,
    "activations": (["activations", FACE, "--layer", "relu4", "--mode", "channels"],) * 2,
    "dream": (["dream", "--layer", "relu8", "--image", FACE, "--size", "256", "--steps", "40"],) * 2,
    "copies": (["dream", "--target", "happy", "--copies", "4", "--steps", "128"],) * 2,
    "compare": (
        [
            "compare",
            FACE,
            "--method",
            "gradcam",
            "--method",
            "occlusion",
            "--method",
            "region-occlusion",
            "--target",
            "happy",
        ],
    )
    * 2,
}
"""Picture -> the command on the earlier sources, and on these."""


def main() -> int:
    """Draw the pairs; return 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path, help="the sources of the earlier commit")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--only", nargs="*", help="parts of the names")
    arguments = parser.parse_args()
    for name, pair in PAIRS.items():
        if arguments.only and not any(part in name for part in arguments.only):
            continue
        sides = [drawn(words, root) for words, root in zip(pair, (arguments.before, ROOT), strict=True)]
        if name == "print":  # as it would stand in a column
            sides[0] = sides[0].resize(
                (sides[1].width, round(sides[0].height * sides[1].width / sides[0].width)), LANCZOS
            )
        height = min(HEIGHT, max(side.height for side in sides))
        labelled = [
            vstack([line(label, 15, GREY), fitted(side, height)], 6)
            for label, side in zip(("before", "now"), sides, strict=True)
        ]
        path = arguments.out / f"before-{name}.webp"
        hstack(labelled, 28).save(path, quality=82, method=6)
        print(f"wrote {path.name}", flush=True)
    return 0


def drawn(words: list[str], root: Path) -> Image.Image:
    """Return the picture that a command draws.

    Args:
        words: of the command.
        root: the sources that it runs on.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "ferviz", *words, *([] if "--out" in words else ["--out", "x.png"])]
        print(root.name, "ferviz", shlex.join(words), flush=True)
        subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(root)}, check=True)
        if (Path(folder) / "x.pdf").exists():
            pages = ["pdftoppm", "-r", "150", "-f", "1", "-l", "1", "-singlefile", "-png", "x.pdf", "x"]
            subprocess.run(pages, cwd=folder, check=True)
        with Image.open(Path(folder) / "x.png") as picture:
            return picture.convert("RGB")


def fitted(picture: Image.Image, height: int) -> Image.Image:
    """Return a picture that is no taller than a height.

    Args:
        picture: the picture.
        height: in pixels.
    """
    ratio = min(1.0, height / picture.height)
    return picture.resize((round(picture.width * ratio), round(picture.height * ratio)), LANCZOS)


if __name__ == "__main__":
    sys.exit(main())
