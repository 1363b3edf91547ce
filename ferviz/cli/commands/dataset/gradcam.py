"""`ferviz dataset gradcam`: where a network looks, over the faces of a data set."""

from __future__ import annotations

import click

from ferviz.cli.commands.dataset.explain import DatasetOptions, explain_data
from ferviz.cli.sections import SectionedCommand, options


@click.command("gradcam", cls=SectionedCommand)
@click.argument("path", metavar="DATA")
@click.option("--resume", is_flag=True, help="Continue an interrupted run.")
@options(out="<data>_gradcam.npz", without=("scheme", "votes", "method", "settings"))
def command(path: str, resume: bool, asked: DatasetOptions) -> int:
    """Show where a network looks: Grad-CAM over the faces of a data set.

    DATA is fer2013.csv, icml_face_data.csv, or folders split/class/*.png. A .npz file holds the maps with the faces, their rows and
    labels; it is written chunk by chunk, so that memory does not grow with the data, and --resume continues after an interruption.
    Other formats show the faces, best of all a few of them: --where "true=fear predicted=sad" --out fear.png.
    """
    return explain_data("gradcam", path, resume, asked)
