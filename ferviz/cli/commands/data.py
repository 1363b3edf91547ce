"""`ferviz data`: describe and draw a data set."""

from __future__ import annotations

from dataclasses import replace

import click

from ferviz.cli.console import Console, echo, print_json
from ferviz.cli.inputs import open_data
from ferviz.cli.options.input_options import DataOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.outputs import check_outputs, inputs_of, output_path, typed
from ferviz.cli.sections import SectionedCommand, options


@click.command("data", cls=SectionedCommand)
@click.argument("path")
@click.option(
    "--labels",
    default="7",
    show_default=True,
    metavar="NAMES",
    help="Label scheme: 7, 6-merged, 8-ferplus ... or happy,sad,...",
)
@options(
    out="<data>_data.png",
    helps={"votes": "FERPlus' fer2013new.csv: compare its votes with the labels."},
    without=("scheme",),
)
def command(path: str, labels: str, data: DataOptions, output: OutputOptions) -> None:
    """Describe and draw a data set.

    PATH: fer2013.csv, icml_face_data.csv, or folders split/class/*.png.

    Prints how many faces each class has in each split, which are pixel-identical (and stand in two splits, or carry two labels),
    which pictures are empty, and, with --votes, how far FERPlus' labels agree.
    """
    from ferviz.data.summary import DataSummary, describe_data
    from ferviz.files import check_suffix

    console = Console(output.quiet)
    inputs = [path, *inputs_of(data)]
    out = output_path(output, [path], (), "data", asked=typed("split", "labels"), inputs=inputs)
    check_suffix(out, DataSummary.suffixes())
    check_outputs([out], inputs)
    faces = open_data(path, replace(data, scheme=labels), console, split=data.split, seed=output.seed)
    DataSummary.check_path(out, output.force)
    summary = describe_data(faces)
    summary.save(out, output.force)
    if output.as_json:
        print_json("data", {**summary.to_dict(), "out": str(out)})
    else:
        echo(summary.text())
        console.say(f"wrote {out}")
