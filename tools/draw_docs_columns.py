"""Each kind of figure in a journal's column: saved as PDF with 85 mm, and drawn from that PDF, for docs/how-to/figures-in-a-column.md.

    python tools/draw_docs_columns.py [--out docs/images] [--only gradcam regions ...] [--data fer2013.csv]

Needs pdftoppm (poppler). Each figure is one `ferviz` command; the commands are printed. Without --data there is no evaluation. The
group and the clip are made of the portrait.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from tutorial.stand_ins import clip

from ferviz.cli import run

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 85
"""Millimetres of a journal's column."""

PAGE = 174
"""Millimetres of both columns."""

DPI = 250
"""Dots an inch of the pictures: a screen with two dots a point shows them sharp at their real size."""


def commands(face: str, folder: str, data: str, dreams: int) -> dict[str, list[str]]:
    """Return {picture: a command without its output}.

    Args:
        face: a portrait.
        folder: with group.png and clip.mp4.
        data: fer2013.csv.
        dreams: steps of a dream.
    """
    return {
        "gradcam": ["gradcam", face],
        "classes": ["explain", face, "--method", "fastshap", "--target", "all"],
        "contrast": ["explain", face, "--method", "hirescam", "--target", "happy-surprise"],
        "regions": ["explain", face, "--method", "regions"],
        "compare": ["compare", face, "--method", "gradcam,fastshap,regions"],
        "activations": ["activations", face, "--layer", "conv1,relu4,relu8"],
        "channels": ["activations", face, "--layer", "relu4", "--mode", "channels", "--max-channels", "22"],
        "filters": ["layers", "--filters", "conv1"],
        "diagram": ["layers", "--diagram"],
        "several": ["explain", f"{folder}/group.png", "--method", "fastshap"],
        "timeline": ["predict", f"{folder}/clip.mp4", "--timeline"],
        "evaluation": ["evaluate", data, "--no-faces"],
        "dream": ["dream", "--target", "happy,surprise", "--steps", str(dreams)],
    }


def main() -> int:
    """Draw the figures; return the worst exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--only", nargs="*", help="parts of the names")
    parser.add_argument("--data", default="", help="fer2013.csv")
    parser.add_argument("--dreams", type=int, default=48, help="steps of the dream")
    arguments = parser.parse_args()
    codes = []
    with tempfile.TemporaryDirectory() as folder:
        portrait = ROOT / "examples" / "astronaut.png"
        group(portrait).save(Path(folder) / "group.png")
        clip(Path(folder) / "clip.mp4")
        for name, words in commands(str(portrait), folder, arguments.data, arguments.dreams).items():
            if arguments.only and not any(part in name for part in arguments.only):
                continue
            if name == "evaluation" and not arguments.data:
                continue
            pdf = Path(folder) / f"{name}.pdf"
            width = PAGE if name == "diagram" else WIDTH  # 35 layers below each other are no figure of a column
            out = [str(pdf)] if name == "timeline" else ["--out", str(pdf)]
            command = [*words, *out, "--width-mm", str(width), "--font-size", "7"]
            print("ferviz", shlex.join([Path(word).name if "/" in word else word for word in command]), flush=True)
            codes.append(run(command))
            if not codes[-1]:
                write(pdf, arguments.out / f"column-{name}.webp")
    return max(codes, default=2)


def group(portrait: Path) -> Image.Image:
    """Return four faces on one picture: the portrait in other light, mirrored, nearer or farther.

    Args:
        portrait: the picture.
    """
    sheet = Image.new("RGB", (4 * 240, 240))
    with Image.open(portrait) as picture:
        for number, (side, light) in enumerate(((180, 1.0), (210, 0.7), (240, 1.1), (200, 0.5))):
            left, top = 222 - side // 2, max(0, 125 - side // 2)
            part = picture.convert("RGB").crop((left, top, left + side, top + side)).resize((240, 240))
            part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if number % 2 else part
            sheet.paste(part.point(lambda value, light=light: value * light), (number * 240, 0))
    return sheet


def write(pdf: Path, out: Path) -> None:
    """Draw the first page of a PDF file as a small picture.

    Args:
        pdf: the file.
        out: the picture.
    """
    subprocess.run(
        ["pdftoppm", "-r", str(DPI), "-f", "1", "-l", "1", "-singlefile", "-png", pdf, pdf.with_suffix("")], check=True
    )
    with Image.open(pdf.with_suffix(".png")) as picture:
        picture.save(out, quality=82, method=6)
    print(f"wrote {out.name}: {picture.size}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
