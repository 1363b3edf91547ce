"""Options: where results and messages go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import click

from ferviz.cli.sections import OptionGroup, option
from ferviz.errors import UsageError

SEEDS = click.IntRange(0, 2**32 - 1)
"""Numbers that every generator of random numbers takes."""


@dataclass(frozen=True)
class OutputOptions(OptionGroup):
    """Where results and messages go."""

    section: ClassVar[str] = "Output"
    out: str | None = option("--out", "-o", metavar="FILE", help="Where to write; the suffix determines the format.")
    force: bool = option("--force", "-f", default=False, help="Replace the output if it exists already.")
    as_json: bool = option("--json", default=False, help="Print the result as JSON on standard output.")
    seed: int = option("--seed", default=0, type=SEEDS, metavar="INTEGER", help="Seed of everything that is random.")
    quiet: bool = option("--quiet", "-q", default=False, help="No progress and no messages.")

    def __post_init__(self) -> None:
        if self.out == "-":
            raise UsageError(
                "--out - does not write to standard output, which --json does; name a file (one that is called so is ./-)"
            )
