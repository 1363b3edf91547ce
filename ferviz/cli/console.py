"""What commands print: messages and progress on standard error, JSON on standard output."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import click

from ferviz.printable import is_printable, printable

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
            echo(printable(message), err=True)

    def warn(self, message: str) -> None:
        """Print one line about something that may spoil the result.

        Args:
            message: the line.
        """
        if not self.quiet:
            echo(f"note: {printable(message)}", err=True)

    def error(self, error: Exception) -> None:
        """Print an error that does not end the command, even if the console is quiet.

        Args:
            error: what went wrong.
        """
        echo(f"ferviz: {printable(error)}", err=True)

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


def echo(text: str, err: bool = False) -> None:
    """Print text for people; names from files in it can neither move the cursor nor colour, hide or reorder anything.

    Args:
        text: one or more lines.
        err: on standard error instead of standard output.
    """
    click.echo("\n".join(map(printable, text.split("\n"))), err=err)


def echo_data(text: str) -> None:
    """Print data for programs exactly as they are; where a terminal shows them, as `echo` does.

    Args:
        text: lines, each ended by a newline.
    """
    if sys.stdout.isatty():
        echo(text.removesuffix("\n"))
    else:
        click.echo(text, nl=False, color=True)  # else it would drop escapes itself


def print_json(command: str, document: Mapping[str, object], indent: int | None = 2) -> None:
    """Print one JSON document on standard output, with schema_version and command first.

    Args:
        command: the command's name.
        document: everything else.
        indent: spaces of a level; None prints one line.
    """
    from ferviz.files import to_json

    text = to_json({"schema_version": 1, "command": command, **document}, indent=indent)
    # What JSON may hold as it is and a terminal would obey stands only inside strings, where its escape means the same.
    if not all(map(is_printable, text.split("\n"))):
        text = "".join(c if c == "\n" or is_printable(c) else json.dumps(c)[1:-1] for c in text)
    click.echo(text)
