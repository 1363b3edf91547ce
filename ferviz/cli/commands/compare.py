"""`ferviz compare`: several methods, layers or networks on the same faces, and how far their maps agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ferviz.cli.options import (
    Console,
    batch_option,
    default_output,
    face_options,
    find_all,
    model_options,
    open_model,
    output_options,
    print_json,
)


@click.command()
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
@click.option(
    "--target",
    "-t",
    default="predicted",
    show_default=True,
    metavar="CLASS",
    help="One class or contrast, or what the first network says.",
)
@batch_option(64)
@model_options
@face_options
@output_options("<picture>_compare.png")
def command(pictures: tuple[str, ...], **options: Any) -> int:
    """Compare methods, layers or networks on the same faces.

    Draws their maps side by side, with the rank correlation of each pair: 1 where they order the pixels alike. Every combination of
    the methods, layers and networks named is drawn.
    """
    from ferviz.attribution.comparison import ExplanationComparison, compare_explanations
    from ferviz.attribution.methods.registry import METHODS

    several = len(options["layers"]) > 1 or options["against"]
    methods = options["methods"] or (("gradcam",) if several else ("gradcam", "layercam"))
    for method in methods:
        METHODS.entry(method)  # a wrong name is told before any work
    console = Console(options["quiet"])
    out = Path(options["out"] or default_output(pictures, "compare"))
    ExplanationComparison.check_path(out, options["force"])
    found = find_all(pictures, options, console)
    errors = [picture.error for picture in found if picture.error is not None]
    faces = [face for picture in found for face in picture.faces]
    for error in errors if faces else errors[1:]:
        click.echo(f"ferviz: {error}", err=True)
    if not faces:
        raise errors[0]
    models = [open_model(options, console)]
    models += [open_model({**options, "model": path}, console) for path in options["against"]]
    comparison = compare_explanations(
        models,
        faces,
        methods,
        options["layers"] or (None,),
        options["target"],
        options["batch_size"],
        seed=options["seed"],
    )
    comparison.save(out, options["force"])
    if options["as_json"]:
        print_json("compare", {**comparison.to_dict(), "out": str(out)})
    console.say(f"wrote {out}")
    return errors[0].exit_code if errors else 0
