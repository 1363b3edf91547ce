"""`ferviz compare`: several methods, layers or networks on the same faces, and how far their maps agree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from ferviz.cli.console import Console, print_json
from ferviz.cli.inputs import open_model
from ferviz.cli.options import BatchOptions, ExplainOptions, FaceOptions, ModelOptions, OutputOptions
from ferviz.cli.pictures import default_output, find_all
from ferviz.cli.sections import SectionedCommand, options


@click.command("compare", cls=SectionedCommand)
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE|FOLDER...")
@click.option(
    "--method",
    "methods",
    multiple=True,
    metavar="NAME",
    help="A method; repeat for several.  [default: gradcam and layercam]",
)
@click.option(
    "--layer",
    "-l",
    "layers",
    multiple=True,
    metavar="NAME",
    help="A layer; repeat for several.  [default: the last map]",
)
@click.option("--against", multiple=True, metavar="FILE", help="Another network beside --model; repeat for several.")
@options(
    out="<picture>_compare.png",
    helps={"target": "One class or contrast; predicted is the class that the first network predicts."},
    without=("method", "settings", "layer"),
)
def command(
    pictures: tuple[str, ...],
    methods: tuple[str, ...],
    layers: tuple[str, ...],
    against: tuple[str, ...],
    explain: ExplainOptions,
    model: ModelOptions,
    batch: BatchOptions,
    faces: FaceOptions,
    output: OutputOptions,
) -> int:
    """Compare methods, layers or networks on the same faces.

    Draws their maps side by side, with the rank correlation of each pair: 1 where they order the pixels alike. Every combination of
    the methods, layers and networks named is drawn.
    """
    from ferviz.attribution.comparison import ExplanationComparison, compare_explanations
    from ferviz.attribution.methods.registry import METHODS
    from ferviz.images import list_pictures

    several = len(layers) > 1 or against
    methods = methods or (("gradcam",) if several else ("gradcam", "layercam"))
    for method in methods:
        METHODS.entry(method)  # a wrong name is an error before any work
    console = Console(output.quiet)
    out = Path(output.out or default_output(pictures, "compare"))
    ExplanationComparison.check_path(out, output.force)
    photos = find_all(list_pictures(pictures), faces, console)
    errors = [picture.error for picture in photos if picture.error is not None]
    crops = [face for picture in photos for face in picture.faces]
    for error in errors if crops else errors[1:]:
        console.error(error)
    if not crops:
        raise errors[0]
    networks = [open_model(options, console) for options in (model, *(replace(model, model=path) for path in against))]
    comparison = compare_explanations(
        networks, crops, methods, layers or (None,), explain.target, batch.batch_size, seed=output.seed
    )
    comparison.save(out, output.force)
    if output.as_json:
        print_json("compare", {**comparison.to_dict(), "out": str(out)})
    console.say(f"wrote {out}")
    return errors[0].exit_code if errors else 0
