"""`ferviz study`: questions over a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ferviz.cli.console import Console, echo, print_json
from ferviz.cli.inputs import open_data, open_model
from ferviz.cli.options.input_options import UNSEEN, DataOptions, WhereOptions
from ferviz.cli.options.network_options import BatchOptions, ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.outputs import check_outputs, default_output, files_of, inputs_of, typed
from ferviz.cli.sections import SectionedCommand, list_option, options
from ferviz.errors import UsageError


def _studies() -> list[tuple[str, str]]:
    from ferviz.studies.registry import studies

    return list(studies().items())


@click.command("study", cls=SectionedCommand)
@click.argument("name")
@click.argument("path", metavar="DATA")
@list_option("--studies", _studies, "List the studies, and stop.")
@click.option("--faces", type=click.IntRange(1), default=300, show_default=True, help="How many faces are measured.")
@click.option(
    "--by",
    type=click.Choice(["predicted", "true"]),
    help="regions: the predicted class, or the label.  [default: predicted]",
)
@click.option("--method", metavar="NAME", help="regions, mean-maps, compare: the attribution method.  [default: auto]")
@click.option(
    "--fill",
    metavar="NAME",
    help="regions, confusions, compare: what stands where a region is hidden: harmonic, blur, mean, black.  [default: harmonic]",
)
@click.option("--cells", type=click.IntRange(1), help="confusions: how many kinds of mistakes.  [default: 6]")
@click.option(
    "--against", metavar="FILE", help="compare: the second network; FILE?scaling=-1..1&labels=7 as for --model."
)
@click.option("--layer", metavar="NAME", help="channels: a layer with a map.  [default: the last]")
@click.option(
    "--dreams", type=click.IntRange(0), help="channels: of how many channels dreams and faces are shown.  [default: 12]"
)
@click.option("--steps", type=click.IntRange(1), help="channels: of gradient ascent for a dream.  [default: 64]")
@click.option("--resume", is_flag=True, help="Go on with an interrupted study.")
@options(
    out="<data>_study_<name>.png; FILE.csv for the table, FILE.json for everything, FILE.npz with the maps",
    defaults={"split": "auto"},
    helps={"split": UNSEEN},
    without=("scheme",),
)
def command(
    name: str,
    path: str,
    faces: int,
    by: str | None,
    method: str | None,
    fill: str | None,
    cells: int | None,
    against: str | None,
    layer: str | None,
    dreams: int | None,
    steps: int | None,
    resume: bool,
    model: ModelOptions,
    batch: BatchOptions,
    data: DataOptions,
    where: WhereOptions,
    output: OutputOptions,
) -> None:
    """Ask a question over a data set.

    NAME is regions (which part of the face speaks for each class), mean-maps, confusions, labels, compare or channels; ferviz study
    --studies lists them. DATA is fer2013.csv, icml_face_data.csv, or folders split/class/*.png.

    Every figure comes with the number of faces and a 95 % interval; faces that are the same picture count as one.
    """
    from ferviz.attribution.methods.registry import AUTO, METHODS
    from ferviz.data.splits import choose_split
    from ferviz.data.where import parse_where
    from ferviz.errors import UnknownNameError
    from ferviz.files import check_suffix
    from ferviz.fills import check_fill
    from ferviz.studies.kept_answers import answers_of, check_kept
    from ferviz.studies.registry import STUDIES, option_names, study
    from ferviz.studies.study import Study

    console = Console(output.quiet)
    if name not in STUDIES:
        raise UnknownNameError("study", name, STUDIES)
    chosen: dict[str, Any] = {
        "faces": faces,
        "by": by,
        "method": method,
        "fill": fill,
        "cells": cells,
        "second": against,
        "layer": layer,
        "dreams": dreams,
        "steps": steps,
    }
    chosen = {key: value for key, value in chosen.items() if value is not None}
    _check(name, chosen, option_names(name))
    if fill is not None:
        check_fill(fill)
    if method not in (None, AUTO):
        METHODS.entry(method)
    if where.where is not None:
        parse_where(where.where)
    second = None if against is None else model.another(against)
    inputs = [path, *inputs_of(model, data, *([second] if second else []))]
    asked = [name, *typed("split", "where", "by")]
    out = Path(output.out or default_output([path], "study", asked=asked, force=output.force or resume, inputs=inputs))
    check_suffix(out, Study.suffixes())
    check_outputs([out], inputs)
    Study.check_path(out, output.force)
    check_kept(out, resume, output.force)
    split = None if data.split == "all" else data.split
    random = split == "random"
    dataset = open_data(path, data, console, split=split if random else None, seed=output.seed, explained=True)
    dataset = dataset if random else choose_split(dataset, split)
    network = open_model(model, console)
    if layer is not None:
        network.layer(layer)
    inputs += files_of(network)
    if second is not None:
        chosen["second"] = open_model(second, console)
        inputs += files_of(chosen["second"])
    check_outputs([out], inputs)
    console.say(f"labels of the data: {', '.join(dataset.names)}")
    answer = study(
        name,
        network,
        dataset,
        where=where.where,
        seed=output.seed,
        batch_size=batch.batch_size,
        keep=answers_of(out),
        progress=console.say,
        **chosen,
    )
    answer.save(out, output.force)
    if output.as_json:
        print_json("study", {**answer.to_dict(), "out": str(out)})
    else:
        echo(answer.text(network.cautions + (chosen["second"].cautions if second is not None else ())))
        console.say(f"wrote {out}")


def _check(name: str, chosen: dict[str, Any], known: Sequence[str]) -> None:
    """Raise UsageError where an option was given that the study does not use, or one that it needs was not."""
    for key in chosen:
        if key not in known and key != "faces":
            flag = "against" if key == "second" else key
            raise UsageError(f"--{flag} is not used by the study {name!r}; leave it out")
    if "second" in known and "second" not in chosen:
        raise UsageError(f"the study {name!r} needs a second network; name it with --against FILE")
    if "faces" not in known:
        chosen.pop("faces")
