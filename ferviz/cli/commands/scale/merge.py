"""`ferviz scale merge`: one Parquet file of all tables."""

from __future__ import annotations

from pathlib import Path

import click

from ferviz.cli.console import Console, print_json
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.outputs import check_outputs
from ferviz.cli.sections import SectionedCommand, options


@click.command("merge", cls=SectionedCommand)
@click.argument("folder", metavar="DIR")
@options(out="<DIR>.parquet", without=("seed",))
def command(folder: str, output: OutputOptions) -> int:
    """Write all tables of a run into one Parquet file, in the order of the source, each checked against its receipt.

    The tables can also be read as they lie, from DIR/parts.
    """
    from ferviz.files import check_output
    from ferviz.scale import load_plan, merge
    from ferviz.scale.run_status import status_of

    console = Console(output.quiet)
    plan = load_plan(folder)
    out = Path(output.out or f"{Path(folder).name or 'faces'}.parquet")
    check_outputs([out], [Path(folder, "parts"), plan.source])
    check_output(out, output.force)
    merge(plan, out, force=output.force, progress=lambda parts, n: console.progress(parts, "merging shards", n))
    result = status_of(plan)
    if output.as_json:
        print_json("scale merge", {**result.to_dict(), "out": str(out)})
    missing = f"; {len(result.quarantined):,} shards in quarantine are missing" if result.quarantined else ""
    console.say(f"wrote {out}: {result.counts.input:,} pictures{missing}")
    return 0
