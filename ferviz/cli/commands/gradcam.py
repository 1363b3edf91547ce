"""`ferviz gradcam`: where a network looks, in one word."""

from __future__ import annotations

import click

from ferviz.cli.heatmaps import HeatmapOptions, explain_pictures
from ferviz.cli.sections import options
from ferviz.cli.short_forms import PictureCommand


@click.command("gradcam", cls=PictureCommand, kinds=("dataset", "video"))
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE|FOLDER...")
@options(out="<picture>_gradcam.png", without=("method", "settings"))
def command(pictures: tuple[str, ...], asked: HeatmapOptions) -> int:
    """Show where a network looks: Grad-CAM over the face.

    Takes pictures, folders (with everything below) and patterns such as "shots/*.jpg". --out FILE.png, .jpg or .webp is a picture,
    .pdf or .svg a figure, .npz the numbers, .json the answer. A picture that cannot be read is reported, and the others are explained.

    A video or a data set has options of its own: see ferviz video gradcam --help and ferviz dataset gradcam --help; the short forms
    ferviz gradcam clip.mp4 and ferviz gradcam fer2013.csv --out maps.npz work too.
    """
    return explain_pictures("gradcam", pictures, asked)
