"""Dream everything that docs/how-to/dream.md shows: classes with and without a prior, channels, a picture, the way as an animation.

    python tools/draw_docs_dreams.py [--model FILE] [--judge FILE ...] [--out docs/images] [--only classes ...] [--faces fer2013.csv]

Each picture is one `ferviz dream` command; the commands are printed, so that they can be repeated one by one.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from ferviz.cli import run
from ferviz.models.load import load_model

ROOT = Path(__file__).resolve().parents[1]


def commands(layer: str, faces: str | None = None) -> dict[str, list[str]]:
    """Return {picture: arguments of `ferviz dream`}. layer: whose channels and whose DeepDream are shown. faces: labelled faces for
    the facets; None leaves them out."""
    face = str(ROOT / "examples" / "astronaut.png")
    facets = ["--target", "happy,surprise", "--facets", "4", "--faces", faces] if faces else []
    return {
        "dreams-classes.png": ["--animate", "dreams-classes.webp"],
        "dreams-class-prior.png": ["--prior", "class"],
        "dreams-without-prior.png": ["--prior", "none"],
        "dreams-spectrum.png": ["--prior", "spectrum"],
        "dreams-contrast.png": ["--target", "happy-sad,sad-happy,fear-surprise,surprise-fear"],
        **({"dreams-facets.png": facets} if facets else {}),
        "dreams-channels.png": ["--layer", layer, "--count", "16"],
        "dreams-picture.png": ["--layer", layer, "--image", face, "--size", "320", "--steps", "80"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="a network instead of the bundled one")
    parser.add_argument(
        "--judge", action="append", default=[], help="another network for the captions (FILE?scaling=...)"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--only", nargs="*", help="parts of the pictures' names")
    parser.add_argument("--layer", help="the layer for channels and DeepDream; default: the network's default layer")
    parser.add_argument("--faces", help="labelled faces (fer2013.csv, a folder) for the picture of facets")
    arguments = parser.parse_args()
    layer = arguments.layer or load_model(arguments.model).default_layer()[0]
    shared = ["--model", arguments.model] if arguments.model else []
    codes = []
    for name, options in commands(layer, arguments.faces).items():
        if arguments.only and not any(part in name for part in arguments.only):
            continue
        judged = "--layer" not in options
        judges = [part for judge in arguments.judge for part in ("--judge", judge)] if judged else []
        here = [str(arguments.out / option) if option.endswith(".webp") else option for option in options]
        command = ["dream", *shared, *here, *judges, "--out", str(arguments.out / name), "--force"]
        print("ferviz", shlex.join(command), flush=True)
        codes.append(run(command))
    return max(codes, default=2)


if __name__ == "__main__":
    sys.exit(main())
