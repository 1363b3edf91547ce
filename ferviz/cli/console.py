"""What commands print: messages and progress on standard error, JSON on standard output."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import click

from ferviz.printable import is_printable, printable

T = TypeVar("T")

FIRST_LINE = 10.0
"""Seconds after which work that nobody watches on a terminal prints its first line of progress; what is over by then prints none."""

_LONGER = 1.1  # the next line comes when the work has lasted so many times longer: an hour has some fifty lines
_SLOWEST = 300.0  # seconds between two lines at most


@dataclass(frozen=True)
class Console:
    """Where a command reports what it does: standard error.

    Attributes:
        quiet: nothing is printed.
        clock: the seconds since any moment.
    """

    quiet: bool = False
    clock: Callable[[], float] = field(default=time.monotonic, repr=False, compare=False)

    @property
    def interactive(self) -> bool:
        """Whether somebody watches a terminal that can redraw a line, so that a progress bar makes sense."""
        return not self.quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

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
        """Yield the items under a progress bar with the time left; in a log or a pipe, some lines instead of the bar.

        Args:
            items: what is worked through.
            label: the text before the bar.
            total: how many items there are, if that is known.
        """
        if not self.interactive:
            report = self.lines(label)
            for count, item in enumerate(items, 1):
                yield item
                report(count, total)
            return
        from rich.console import Console as RichConsole
        from rich.progress import track

        yield from track(items, description=label, total=total, console=RichConsole(stderr=True), transient=True)

    @contextlib.contextmanager
    def steps(self, label: str) -> Iterator[Callable[[int, int], None] | None]:
        """Yield a function that moves a progress bar to (step, of steps), or prints lines, as `progress` does; None if quiet.

        Args:
            label: the text before the bar.
        """
        if not self.interactive:
            yield None if self.quiet else self.lines(label)
            return
        from rich.console import Console as RichConsole
        from rich.progress import Progress

        with Progress(console=RichConsole(stderr=True), transient=True) as bar:
            task = bar.add_task(label, total=None)
            yield lambda step, steps: bar.update(task, completed=step, total=steps)

    def lines(self, label: str) -> Callable[[int, int | None], None]:
        """Return a function of (count, total) that prints a line now and then, the first one after FIRST_LINE seconds.

        Args:
            label: the text before the count.
        """
        begin = self.clock()
        due = FIRST_LINE

        def report(count: int, total: int | None) -> None:
            nonlocal due
            elapsed = self.clock() - begin
            if elapsed < due or count == total:
                return
            due = elapsed + min(max(FIRST_LINE, (_LONGER - 1) * elapsed), _SLOWEST)
            if total and count <= total:
                left = duration(elapsed * (total - count) / max(count, 1))
                self.say(f"{label}: {count:,} of {total:,} ({count / total:.0%}), {left} left")
            else:  # a header that promised fewer says nothing about the rest
                self.say(f"{label}: {count:,} in {duration(elapsed)}")

        return report


def duration(seconds: float) -> str:
    """Return a duration as "1 h 05 min", "12 min" or "40 s".

    Args:
        seconds: the duration.
    """
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


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
    from ferviz.manifests import to_json

    text = to_json({"schema_version": 1, "command": command, **document}, indent=indent)
    # What JSON may hold as it is and a terminal would obey stands only inside strings, where its escape means the same.
    if not all(map(is_printable, text.split("\n"))):
        text = "".join(c if c == "\n" or is_printable(c) else json.dumps(c)[1:-1] for c in text)
    click.echo(text)
