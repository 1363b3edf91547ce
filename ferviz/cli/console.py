"""What commands print: messages and progress on standard error, JSON on standard output."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import click

T = TypeVar("T")


@dataclass(frozen=True)
class Console:
    """Where a command reports what it does: standard error.

    Attributes:
        quiet: nothing is printed.
    """

    quiet: bool = False

    @property
    def interactive(self) -> bool:
        """Whether somebody watches, so that a progress bar makes sense."""
        return not self.quiet and sys.stderr.isatty()

    def say(self, message: str) -> None:
        """Print one line.

        Args:
            message: the line.
        """
        if not self.quiet:
            click.echo(message, err=True)

    def warn(self, message: str) -> None:
        """Print one line about something that may spoil the result.

        Args:
            message: the line.
        """
        if not self.quiet:
            click.echo(f"note: {message}", err=True)

    def error(self, error: Exception) -> None:
        """Print an error that does not end the command, even if the console is quiet.

        Args:
            error: what went wrong.
        """
        click.echo(f"ferviz: {error}", err=True)

    def progress(self, items: Iterable[T], label: str, total: int | None = None) -> Iterable[T]:
        """Yield the items under a progress bar with the time left; without a bar where nobody watches.

        Args:
            items: what is worked through.
            label: the text before the bar.
            total: how many items there are, if that is known.
        """
        if not self.interactive:
            yield from items
            return
        from rich.console import Console as RichConsole
        from rich.progress import track

        yield from track(items, description=label, total=total, console=RichConsole(stderr=True), transient=True)

    @contextlib.contextmanager
    def steps(self, label: str) -> Iterator[Callable[[int, int], None] | None]:
        """Yield a function that moves a progress bar to (step, of steps), or None where nobody watches.

        Args:
            label: the text before the bar.
        """
        if not self.interactive:
            yield None
            return
        from rich.console import Console as RichConsole
        from rich.progress import Progress

        with Progress(console=RichConsole(stderr=True), transient=True) as bar:
            task = bar.add_task(label, total=None)
            yield lambda step, steps: bar.update(task, completed=step, total=steps)


def print_json(command: str, document: Mapping[str, object], indent: int | None = 2) -> None:
    """Print one JSON document on standard output, with schema_version and command first.

    Args:
        command: the command's name.
        document: everything else.
        indent: spaces of a level; None prints one line.
    """
    from ferviz.files import to_json

    click.echo(to_json({"schema_version": 1, "command": command, **document}, indent=indent))
