"""`ferviz check`: does a network get the input that it was trained on?"""

from __future__ import annotations

from dataclasses import replace

import click

from ferviz.cli.console import Console, echo, print_json
from ferviz.cli.inputs import open_data, open_model
from ferviz.cli.options.input_options import DataOptions
from ferviz.cli.options.network_options import BatchOptions, ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.sections import SectionedCommand, options


@click.command("check", cls=SectionedCommand)
@click.argument("network", metavar="MODEL")
@click.argument("path", metavar="DATA")
@click.option("--faces", type=click.IntRange(20), default=3000, show_default=True, help="How many faces at most.")
@click.option(
    "--write",
    is_flag=True,
    help="Write the best settings beside MODEL (MODEL.ferviz.json), so that ferviz uses them from now on.",
)
@click.option("--all", "show_all", is_flag=True, help="Print every candidate, not only the best of each preprocessing.")
@options(
    defaults={"batch_size": 256, "split": "auto"},
    helps={
        "labels": "The order of its outputs as it is used now.  [default: its sidecar's, or assumed]",
        "scaling": "The value range as it is used now: 0..1, -1..1, 0..255 or standardize.",
        "weights": "Its weights, where MODEL is an architecture as JSON.",
        "split": "Faces to test on; auto = PublicTest, or the only split; all = everything.",
        "force": "Replace MODEL.ferviz.json if it exists already.",
    },
    without=("model", "engine", "no_cache", "out"),
)
def command(
    network: str,
    path: str,
    faces: int,
    write: bool,
    show_all: bool,
    model: ModelOptions,
    batch: BatchOptions,
    data: DataOptions,
    output: OutputOptions,
) -> None:
    """Test whether a network gets the input that it was trained on.

    Finds out from the labelled faces of DATA which input the network MODEL expects and what its outputs mean.

    Tries value ranges, label orders, the moment of resizing and the order of channels, prints them by accuracy with 95 % intervals, and
    what the present settings cost. DATA is fer2013.csv, icml_face_data.csv, or folders split/class/*.png.
    """
    from ferviz.data.splits import choose_split
    from ferviz.evaluation.check.check import check
    from ferviz.evaluation.check.result import check_sidecar

    console = Console(output.quiet)
    model = replace(model, model=network)
    network = str(model.model)
    dataset = open_data(path, data, console, seed=output.seed)
    split = None if data.split == "all" else data.split
    choose_split(dataset, split)
    loaded = open_model(model, console)
    if write:
        check_sidecar(network, output.force)
    result = check(
        loaded,
        dataset,
        split=split,
        faces=faces,
        seed=output.seed,
        batch_size=batch.batch_size,
        progress=console.say,
    )
    written = result.write_sidecar(network, output.force) if write else None
    if output.as_json:
        print_json("check", {**result.to_dict(), "out": None if written is None else str(written)})
    else:
        echo(result.text(show_all))
        if written is not None:
            console.say(f"wrote {written}")
