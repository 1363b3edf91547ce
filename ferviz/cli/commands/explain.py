"""`ferviz explain`: heatmaps by any attribution method."""

from __future__ import annotations

import click

from ferviz.cli.console import echo
from ferviz.cli.heatmaps import explain_pictures
from ferviz.cli.options.drawing_options import BareOptions, DrawingOptions, PrintOptions
from ferviz.cli.options.explain_options import ExplainOptions, PlaceOptions, TestOptions
from ferviz.cli.options.input_options import FaceOptions
from ferviz.cli.options.network_options import BatchOptions, ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.sections import options
from ferviz.cli.short_forms import PictureCommand


def _list_methods(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if not asked or context.resilient_parsing:
        return
    from ferviz.attribution.methods.registry import METHODS

    table = []
    for name, summary in METHODS.summaries().items():
        settings = ", ".join(f"{key}={value}" for key, value in METHODS[name].settings.items())
        table.append((name, f"{summary}{f' ({settings})' if settings else ''}"))
    formatter = context.make_formatter()
    formatter.write_dl(table)
    echo(formatter.getvalue().removesuffix("\n"))
    context.exit()


_METHOD = (
    "The attribution method (see: ferviz explain --methods); auto = what is best for the network (see: ferviz trust)."
)


@click.command("explain", cls=PictureCommand, kinds=("dataset", "video"))
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE|FOLDER...")
@click.option(
    "--methods",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_methods,
    help="List the methods with their settings, and stop.",
)
@options(out="<picture>_explain.png", defaults={"method": "auto"}, helps={"method": _METHOD})
def command(
    pictures: tuple[str, ...],
    explain: ExplainOptions,
    test: TestOptions,
    place: PlaceOptions,
    drawing: DrawingOptions,
    printing: PrintOptions,
    bare: BareOptions,
    model: ModelOptions,
    batch: BatchOptions,
    faces: FaceOptions,
    output: OutputOptions,
) -> int:
    """Explain faces with any attribution method.

    Takes pictures, folders (with everything below) and patterns such as "shots/*.jpg". --out FILE.png, .jpg or .webp is a picture,
    .pdf or .svg a figure, .npz the numbers, .json the answer. A picture that cannot be read is reported, and the others are explained.

    A video or a data set has options of its own: see ferviz video explain --help and ferviz dataset explain --help; the short forms
    ferviz explain clip.mp4 and ferviz explain fer2013.csv --out maps.npz work too.
    """
    return explain_pictures(
        "explain", pictures, explain, test, place, batch, drawing, printing, bare, model, faces, output
    )
