"""`ferviz scale retry`: the shards in quarantine once more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from ferviz.cli.commands.scale.run import finish
from ferviz.cli.console import Console
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.sections import SectionedCommand, options

if TYPE_CHECKING:
    from ferviz.scale.receipts import Receipt
    from ferviz.scale.run_status import RunStatus


@click.command("retry", cls=SectionedCommand)
@click.argument("folder", metavar="DIR")
@click.option("--workers", type=click.IntRange(1), help="Processes.  [default: one for each processor]")
@click.option("--engine", default="auto", show_default=True, metavar="NAME", help="As of ferviz scale run.")
@click.option(
    "--bisect",
    is_flag=True,
    help="Find the pictures that end the process: they get a row that says so, and the others of the shard are explained.",
)
@options(without=("out", "force", "seed"))
def command(folder: str, workers: int | None, engine: str, bisect: bool, output: OutputOptions) -> int:
    """Try the shards in quarantine again, after their cause was removed; or, with --bisect, find the pictures that are the cause."""
    from ferviz.scale import load_plan, retry

    console = Console(output.quiet)
    plan = load_plan(folder)

    def go(report: Callable[[Receipt], None]) -> RunStatus:
        return retry(plan, engine, workers, bisect=bisect, on_receipt=report, log=console.say)

    return finish(go, plan.shards, "scale retry", output)
