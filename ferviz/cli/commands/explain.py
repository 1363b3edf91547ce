"""`ferviz explain`: heatmaps by any attribution method."""

from __future__ import annotations

import click

from ferviz.cli.heatmaps import HeatmapOptions, explain_pictures
from ferviz.cli.sections import list_option, options
from ferviz.cli.short_forms import PictureCommand


def _methods() -> list[tuple[str, str]]:
    from ferviz.attribution.methods.registry import METHODS

    table = []
    for name, summary in METHODS.summaries().items():
        settings = ", ".join(f"{key}={value}" for key, value in METHODS[name].settings.items())
        table.append((name, f"{summary}{f' ({settings})' if settings else ''}"))
    return table


_METHOD = (
    "The attribution method (see: ferviz explain --methods); auto = what is best for the network (see: ferviz trust)."
)


@click.command("explain", cls=PictureCommand, kinds=("dataset", "video"))
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE|FOLDER...")
@list_option("--methods", _methods, "List the methods with their settings, and stop.")
@options(out="<picture>_explain.png", defaults={"method": "auto"}, helps={"method": _METHOD})
def command(pictures: tuple[str, ...], asked: HeatmapOptions) -> int:
    """Explain faces with any attribution method.

    Takes pictures, folders (with everything below) and patterns such as "shots/*.jpg". --out FILE.png, .jpg or .webp is a picture,
    .pdf or .svg a figure, .npz the numbers, .json the answer. A picture that cannot be read is reported, and the others are explained.

    A video or a data set has options of its own: see ferviz video explain --help and ferviz dataset explain --help; the short forms
    ferviz explain clip.mp4 and ferviz explain fer2013.csv --out maps.npz work too.
    """
    return explain_pictures("explain", pictures, asked)
