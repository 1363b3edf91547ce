"""`ferviz data`: describe and draw a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ferviz.cli.commands.reading import open_data, reading_options
from ferviz.cli.options import Console, default_output, output_options, print_json


@click.command()
@click.argument("path")
@click.option(
    "--labels",
    default="7",
    show_default=True,
    metavar="NAMES",
    help="Label scheme: 7, 6-merged, 8-ferplus ... or happy,sad,...",
)
@click.option("--votes", metavar="FILE", help="FERPlus' fer2013new.csv: compare its votes with the labels.")
@click.option("--split", metavar="NAME", help="The part of the data set: Training, PublicTest ...  [default: all]")
@reading_options
@output_options("<data>_data.png")
def command(path: str, **options: Any) -> None:
    """Describe and draw a data set.

    PATH: fer2013.csv, icml_face_data.csv, or folders split/class/*.png.

    Says how many faces each class has in each split, which are pixel-identical (and stand in two splits, or carry two labels),
    which pictures are empty, and, with --votes, how far FERPlus' labels agree.
    """
    from ferviz.data.summary import describe
    from ferviz.evaluation.output import check_figure, write_figure

    console = Console(options["quiet"])
    out = Path(options["out"]) if options["out"] else default_output([path], "data")
    check_figure(out, options["force"])
    data = open_data(path, options, console, labels=options["labels"], votes=options["votes"], split=options["split"])
    summary = describe(data)
    document = summary.to_dict()
    write_figure(out, summary.plot(), options["force"], document)
    if options["as_json"]:
        print_json("data", {**document, "out": str(out)})
    else:
        click.echo(table(summary))
        console.say(f"wrote {out}")


def table(summary: Any) -> str:
    """Return the summary as text: one line a class with its faces in each split, then the findings."""
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
