"""`ferviz dataset`: the commands that work through a whole data set."""

from __future__ import annotations

import click

from ferviz.cli.lazy import LazyGroup

COMMANDS = {
    "explain": "Explain the faces of a data set by any method.",
    "gradcam": "Show where a network looks: Grad-CAM over the faces of a data set.",
}
"""Command name -> the line that `ferviz dataset --help` shows."""


@click.group(cls=LazyGroup, summaries=COMMANDS, package=__name__)
def command() -> None:
    """Explain the faces of a data set: all in a run that can be resumed, or some as a picture.

    The short form does the same: ferviz explain fer2013.csv --out maps.npz
    """
