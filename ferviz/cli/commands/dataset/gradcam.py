"""`ferviz dataset gradcam`: where a network looks, over the faces of a data set."""

from __future__ import annotations

import click

from ferviz.cli.commands.dataset.explain import explain_data
from ferviz.cli.options.explain_options import ExplainOptions
from ferviz.cli.options.input_options import DataOptions, WhereOptions
from ferviz.cli.options.network_options import BatchOptions, ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.sections import SectionedCommand, options


@click.command("gradcam", cls=SectionedCommand)
@click.argument("path", metavar="DATA")
@click.option("--resume", is_flag=True, help="Continue an interrupted run.")
@options(out="<data>_gradcam.npz", without=("scheme", "votes", "method", "settings"))
def command(
    path: str,
    resume: bool,
    explain: ExplainOptions,
    model: ModelOptions,
    batch: BatchOptions,
    data: DataOptions,
    where: WhereOptions,
    output: OutputOptions,
) -> int:
    """Show where a network looks: Grad-CAM over the faces of a data set.

    DATA is fer2013.csv, icml_face_data.csv, or folders split/class/*.png. A .npz file holds the maps with the faces, their rows and
    labels; it is written chunk by chunk, so that memory does not grow with the data, and --resume continues after an interruption.
    Other formats show the faces, best of all a few of them: --where "true=fear predicted=sad" --out fear.png.
    """
    return explain_data("gradcam", path, resume, explain, model, batch, data, where, output)
