"""`ferviz data`: describe and draw a data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ferviz.cli.console import Console, print_json
from ferviz.cli.inputs import open_data
from ferviz.cli.options import DataOptions, OutputOptions
from ferviz.cli.pictures import default_output
from ferviz.cli.sections import SectionedCommand, options

if TYPE_CHECKING:
    from ferviz.data.summary import Summary


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
    from ferviz.data.summary import describe
    from ferviz.evaluation.output import check_figure, write_figure

    console = Console(output.quiet)
    out = Path(output.out) if output.out else default_output([path], "data")
    check_figure(out, output.force)
    faces = open_data(path, replace(data, scheme=labels), console, split=data.split, seed=output.seed)
    summary = describe(faces)
    document = summary.to_dict()
    write_figure(out, summary.plot(), output.force, document)
    if output.as_json:
        print_json("data", {**document, "out": str(out)})
    else:
        click.echo(table(summary))
        console.say(f"wrote {out}")


def table(summary: Summary) -> str:
    """Return a summary as text: one line for each class with its faces in each split, then the findings.

    Args:
        summary: of the data set.
    """
    from ferviz.data.plots import lines

    data = summary.data
    splits = [s or "all" for s in data.splits]
    wide = max(map(len, (*data.names, "all classes")))
    cells = [max(len(s), 8) + 8 for s in splits]
    out = [" " * wide + "".join(s.rjust(w) for s, w in zip(splits, cells, strict=True))]
    totals = summary.balance.sum(axis=1)
    for k, name in enumerate(data.names):
        row = [f"{n:,} {n / max(t, 1):6.1%}" for n, t in zip(summary.balance[:, k], totals, strict=True)]
        out.append(name.ljust(wide) + "".join(c.rjust(w) for c, w in zip(row, cells, strict=True)))
    row = [f"{t:,} {' ':6}" for t in totals]
    out.append("all classes".ljust(wide) + "".join(c.rjust(w) for c, w in zip(row, cells, strict=True)))
    if data.left_out:
        out.append("left out: " + ", ".join(f"{name} {n:,}" for name, n in data.left_out.items()))
    if data.bad:
        out.append(f"bad rows skipped: {len(data.bad):,}")
    return "\n".join([*out, "", *lines(summary)])
