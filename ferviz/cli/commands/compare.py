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
    from ferviz.attribution.comparison import compare_explanations
    from ferviz.attribution.methods.registry import METHODS
    from ferviz.files import check_kind, check_output, manifest
    from ferviz.images import FORMATS, write_image
    from ferviz.rendering.comparing import ROWS, comparison_picture

    several = len(options["layers"]) > 1 or options["against"]
    methods = options["methods"] or (("gradcam",) if several else ("gradcam", "layercam"))
    for method in methods:
        METHODS.entry(method)  # a wrong name is told before any work
    console = Console(options["quiet"])
    out = Path(options["out"] or default_output(pictures, "compare"))
    check_kind(out, FORMATS)
    check_output(out, options["force"])
    found = find_all(pictures, options, console)
    errors = [picture.error for picture in found if picture.error is not None]
    faces = [face for picture in found for face in picture.faces]
    for error in errors if faces else errors[1:]:
        click.echo(f"ferviz: {error}", err=True)
    if not faces:
        raise errors[0]
    models = [open_model(options, console)]
    models += [open_model({**options, "model": path}, console) for path in options["against"]]
    made = compare_explanations(
        models,
        faces,
        methods,
        options["layers"] or (None,),
        options["target"],
        options["batch_size"],
        seed=options["seed"],
    )
    said = made.explanations[0].predictions
    speaks = "the class that the first network says" if options["target"] == "predicted" else options["target"]
    notes = ["Each column has a scale of its own; the colours of two columns do not compare."]
    if len(faces) > ROWS:
        notes.append(f"The first {ROWS} of {len(faces)} faces are drawn; the correlations are over all of them.")
    picture = comparison_picture(
        [face.pixels for face in faces],
        [p.label for p in said],
        made.names,
        [e.heatmaps[:, 0] for e in made.explanations],
        made.correlation,
        title="ExplanationComparison",
        subtitle=f"what speaks for {speaks}",
        notes=tuple(notes),
        warnings=made.warnings,
    )
    about = {"names": list(made.names), "correlation": made.correlation.tolist(), "target": options["target"]}
    write_image(
        out, picture, manifest=manifest(command="compare", seed=options["seed"], **about), force=options["force"]
    )
    if options["as_json"]:
        print_json("compare", {**made.to_dict(), "target": options["target"], "out": str(out)})
    console.say(f"wrote {out}")
    return errors[0].exit_code if errors else 0
