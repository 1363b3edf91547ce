"""`ferviz dataset`: the commands that work through a whole data set."""

from __future__ import annotations

import click

from ferviz.cli.lazy import LazyGroup

COMMANDS = {"explain": "Explain every face of a data set into one .npz file."}
"""Command name -> the line that `ferviz dataset --help` shows."""


@click.group(cls=LazyGroup, summaries=COMMANDS, package=__name__)
def command() -> None:
    """Explain every face of a data set, in a run that can be resumed.

    The short form does the same: ferviz explain fer2013.csv --out maps.npz
    """
