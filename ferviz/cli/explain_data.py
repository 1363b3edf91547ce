"""`ferviz explain TABLE.csv --out maps.npz`: a whole data set, chunk by chunk, resumable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from ferviz.cli.common import Console, open_model, print_json
from ferviz.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])


def data_options(function: F) -> F:
    """--split, --resume: for data sets."""
    for option in (
        click.option("--resume", is_flag=True, help="Go on with an interrupted run over a data set."),
        click.option(
            "--split", metavar="NAME", help="The part of a data set: Training, PublicTest ...  [default: all]"
        ),
    ):
        function = option(function)
    return function


def is_table(path: str) -> bool:
    """Return whether the path is a data set's table rather than a picture."""
    return Path(path).suffix.lower() == ".csv"


def explain_data(paths: Sequence[str], method: str, options: dict[str, Any], settings: dict[str, Any]) -> int:
    """Explain every face of a table and write the maps to a .npz; return the exit code. Arguments: as of `explain`'s command."""
    from ferviz.attribution.methods import METHODS
    from ferviz.attribution.streaming import explain_to
    from ferviz.data.read import read_data
    from ferviz.files import check_output

    if len(paths) > 1:
        raise UsageError("a data set is explained by itself; name one .csv and nothing else")
    METHODS.entry(method)  # a wrong name is told before any work
    console = Console(options["quiet"])
    # Whether there is an interrupted run that --resume may finish over its output is known to explain_to.
    out = check_output(options["out"] or f"{Path(paths[0]).stem}_explain.npz", options["force"] or options["resume"])
    data = read_data(paths[0], split=options["split"])
    model = open_model(options, console)

    def shown(chunks: Iterator[int], total: int) -> Iterator[int]:
        # The bar counts faces; chunks tell how many they hold.
        yield from console.progress(
            (face for chunk in chunks for face in range(chunk)), f"explaining {total} faces", total
        )

    made = explain_to(
        out,
        model,
        data,
        method,
        options["target"],
        options["layer"],
        options["batch_size"],
        seed=options["seed"],
        resume=options["resume"],
        force=options["force"],
        progress=shown,
        **settings,
    )
    if options["as_json"]:
        print_json("explain", {"model": model.name, "method": method, "faces": len(data), "out": str(made)})
    console.say(f"wrote {made}: {len(data)} faces")
    return 0
