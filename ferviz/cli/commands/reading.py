"""What the commands over labelled faces share: how their data is read, and what is said about it."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ferviz.cli.options import Console

if TYPE_CHECKING:
    from ferviz.data.dataset import Dataset

F = TypeVar("F", bound=Callable[..., Any])
SHOWN = 10
"""Bad rows that are told one by one."""


def reading_options(function: F) -> F:
    """--reader, --skip-bad: how labelled faces are read."""
    for option in (
        click.option("--skip-bad", is_flag=True, help="Leave out and count rows that cannot be read."),
        click.option(
            "--reader",
            default="auto",
            show_default=True,
            metavar="NAME",
            help="What reads the data: csv, folder, or one of your own.",
        ),
    ):
        function = option(function)
    return function


def open_data(path: str, options: dict[str, Any], console: Console, **settings: Any) -> Dataset:
    """Read labelled faces as the shared options say, and say which rows were skipped.

    options: the command's keyword arguments, of which reader, skip_bad and seed are read. settings: the rest of `read_data`'s.
    """
    from ferviz.data.read import read_data

    with told(console):
        data = read_data(path, reader=options["reader"], skip_bad=options["skip_bad"], seed=options["seed"], **settings)
    for row in data.bad[:SHOWN]:
        console.warn(f"skipped {row}")
    if len(data.bad) > SHOWN:
        console.warn(f"skipped {len(data.bad) - SHOWN:,} more bad rows")
    return data


@contextlib.contextmanager
def told(console: Console) -> Iterator[None]:
    """Within the block, what the library warns of becomes a note for the person at the terminal."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    for sentence in dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, UserWarning)):
        console.warn(sentence)
