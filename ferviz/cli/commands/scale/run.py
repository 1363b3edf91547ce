"""`ferviz scale run`: the shards that are left."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from ferviz.cli.console import Console, echo, print_json
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.sections import SectionedCommand, options

if TYPE_CHECKING:
    from ferviz.scale.run_status import RunStatus

QUARANTINE = 3
"""The exit code of a run that had to give up some shards: that of pictures that cannot be read."""


@click.command("run", cls=SectionedCommand)
@click.argument("folder", metavar="DIR")
@click.option("--workers", type=click.IntRange(1), help="Processes.  [default: one for each processor]")
@click.option(
    "--engine",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="What schedules the shards: inline (this process), pool (processes), ray, dask, or auto.",
)
@options(without=("out", "force", "seed"))
def command(folder: str, workers: int | None, engine: str, output: OutputOptions) -> int:
    """Explain the shards of a plan that are left; again after any interruption.

    Ends with exit code 3 where shards had to be given up; `ferviz scale status` names them and says why.
    """
    from ferviz.scale import load_plan, run
    from ferviz.scale.receipts import Receipt

    console = Console(output.quiet)
    plan = load_plan(folder)

    def go(report: Callable[[Receipt], None]) -> RunStatus:
        return run(plan, engine, workers, on_receipt=report, log=console.say)

    return finish(go, plan.shards, "scale run", output)


def finish(work: Callable[[Callable[..., None]], RunStatus], shards: int, name: str, output: OutputOptions) -> int:
    """Run something that takes a function for receipts, under a progress bar, and print what it came to.

    Args:
        work: takes the function, and returns the status.
        shards: of the plan.
        name: of the command.
        output: its options.

    Returns:
        The exit code.
    """
    console = Console(output.quiet)
    try:
        with console.steps("explaining shards") as step:
            count = 0

            def report(*_: object) -> None:
                nonlocal count
                count += 1
                if step is not None:
                    step(count, shards)

            result = work(report)
    except KeyboardInterrupt:
        console.say("the shards that are done stay done; the same command goes on")
        raise
    if output.as_json:
        print_json(name, result.to_dict())
    elif not output.quiet:
        echo(result.text(), err=True)
    for shard, why in result.quarantined.items():
        console.warn(f"shard {shard} is in quarantine: {why}")
    return QUARANTINE if result.quarantined else 0
