"""`ferviz gradcam`: where a network looks, in one word."""

from __future__ import annotations

from typing import Any

import click

from ferviz.cli.commands.explain import explain_pictures, target_options
from ferviz.cli.options import face_options, model_options, output_options


@click.command()
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE|FOLDER...")
@target_options
@model_options
@face_options
@output_options("<picture>_gradcam.png")
def command(pictures: tuple[str, ...], **options: Any) -> int:
    """Show where a network looks: Grad-CAM over the face.

    Takes pictures, folders (with everything below) and patterns such as "shots/*.jpg". --out FILE.png, .jpg or .webp is a picture,
    .pdf or .svg a figure, .npz the numbers, .json the answer. A picture that cannot be read is reported and the rest goes on.
    """
    return explain_pictures("gradcam", pictures, "gradcam", options)
