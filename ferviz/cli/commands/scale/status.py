"""`ferviz scale status`: how far a run is."""

from __future__ import annotations

import click

from ferviz.cli.console import echo, print_json
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.sections import SectionedCommand, options


@click.command("status", cls=SectionedCommand)
@click.argument("folder", metavar="DIR")
@options(without=("out", "force", "seed", "quiet"))
def command(folder: str, output: OutputOptions) -> int:
    """Tell how far a run is: from any machine that sees its folder, also while it goes on.

    Only receipts count, which are written last; what is being written, or was left by a process that died, does not.
    """
    from ferviz.scale import status

    result = status(folder)
    if output.as_json:
        print_json("scale status", result.to_dict())
    else:
        echo(result.text())
    return 0
