"""`ferviz scale`: explaining more faces than one process gets through."""

from __future__ import annotations

import click

from ferviz.cli.lazy import LazyGroup

COMMANDS = {
    "plan": "Cut a source into shards, and fix how its faces are explained.",
    "run": "Explain the shards that are left; again after any interruption.",
    "status": "Tell how far a run is, from any machine.",
    "retry": "Try the shards in quarantine again, or find the pictures that are the cause.",
    "merge": "Write all tables of a run into one Parquet file.",
}
"""Command name -> the line that `ferviz scale --help` shows."""


@click.group(cls=LazyGroup, summaries=COMMANDS, package=__name__)
def command() -> None:
    """Explain millions of faces: plan, run, merge.

    ferviz scale plan faces/ --out run, then ferviz scale run run --workers 8, then ferviz scale merge run --out faces.parquet.
    Needs pyarrow: pip install 'ferviz[scale]'
    """
