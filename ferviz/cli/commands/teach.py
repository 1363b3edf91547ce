"""`ferviz teach`: teach a network to explain itself in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ferviz.cli.console import Console, echo, print_json
from ferviz.cli.inputs import open_model
from ferviz.cli.options.network_options import ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.outputs import check_outputs, files_of, inputs_of, output_path
from ferviz.cli.sections import Number, SectionedCommand, options
from ferviz.errors import UsageError

if TYPE_CHECKING:
    from ferviz.training.explainer.teach import Teaching, TeachingProgress


@click.command("teach", cls=SectionedCommand)
@click.argument("path", metavar="DATA")
@click.option(
    "--minutes",
    type=Number(0, 1_000_000, min_open=True),
    default=30,
    show_default=True,
    help="How long it may take; more time, better maps.",
)
@click.option("--faces", type=click.IntRange(1), help="Most faces to learn from.  [default: 16384]")
@click.option("--resume", is_flag=True, help="Use the answers that a stopped run left beside --out.")
@options(
    out="<model>.ferviz",
    helps={
        "force": "Replace --out, and what a stopped run left beside it.",
        "seed": "Seed of what is hidden, of the faces' order and of the first weights.",
    },
)
def command(
    path: str, minutes: float, faces: int | None, resume: bool, model: ModelOptions, output: OutputOptions
) -> None:
    """Teach a network to explain itself in one pass.

    Afterwards --method fastshap shows in one pass what hiding parts of a face would tell.

    DATA holds faces like those that are to be explained: fer2013.csv, icml_face_data.csv, folders split/class/*.png, or one folder of
    face crops. Labels are not needed and not looked at. The network stays as it is; the file that is written holds it, compiled, with
    its explainer, and is passed to other commands as --model.

    Interrupt it whenever you like: --resume goes on with the answers of the network that it has.
    """
    from ferviz.models.compiled.file import SUFFIX
    from ferviz.training.explainer.teach import TeachConfig, teach

    if model.engine == "litert":
        raise UsageError("teaching compiles the network anew, from its own file; leave --engine litert out")
    inputs = [path, *inputs_of(model)]
    stem = Path(model.model or "bundled").name.split(".")[0]
    out = output_path(output, [f"{stem}.h5"], (), "", SUFFIX, inputs=inputs)
    check_outputs([out], inputs)
    console = Console(output.quiet)
    network = open_model(model, console)
    check_outputs([out], files_of(network))
    config = TeachConfig() if faces is None else replace(TeachConfig(), faces=faces)
    try:
        result = teach(
            network,
            path,
            out=out,
            minutes=minutes,
            seed=output.seed,
            config=config,
            resume=resume,
            force=output.force,
            progress=_reporter(console),
        )
    except KeyboardInterrupt:
        console.say(f"what the network answered so far is kept beside {out}; go on with --resume")
        raise
    measured = result.lesson.measured
    if measured["rank"] <= max(measured["rank_mean"], measured["rank_other"]):
        console.warn(
            "the explainer ranks regions no better than the mean of the class or another face's map, so it has learned little about "
            "single faces; teach it for longer or with more faces"
        )
    if output.as_json:
        print_json("teach", result.to_dict())
    else:
        echo(_summary(result))
    console.say(f"wrote {out}: --model {out} --method fastshap explains faces with it")


def _summary(result: Teaching) -> str:
    measured = result.lesson.measured
    return (
        f"taught with {result.lesson.faces:,} faces; on {measured['faces']:.0f} others, hidden by a fill that it never saw: rank "
        f"correlation {measured['rank']:.2f} with the exact values of the regions ({measured['rank_mean']:.2f} by the mean of the class, "
        f"{measured['rank_other']:.2f} by another face's map), most important region right on {measured['top']:.0%}"
    )


def _reporter(console: Console) -> Callable[[TeachingProgress], None] | None:
    """-> what `teach` calls after every step: a line now and then."""
    if console.quiet:
        return None
    reporters: dict[str, Callable[[int, int | None], None]] = {}

    def report(p: TeachingProgress) -> None:
        if p.note:
            console.say(f"{p.stage}: epoch {p.done} of up to {p.total}, {p.note}")
            return
        if p.stage not in reporters:
            reporters[p.stage] = console.lines(p.stage)
        reporters[p.stage](p.done, p.total)

    return report
