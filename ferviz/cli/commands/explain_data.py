"""`ferviz explain TABLE.csv --out maps.npz`: a whole data set, chunk by chunk, resumable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from ferviz.cli.commands.reading import open_data, reading_options
from ferviz.cli.options import Console, open_model, print_json
from ferviz.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])


def data_options(function: F) -> F:
    """--split, --resume, --reader, --skip-bad: for data sets."""
    for option in (
        reading_options,
        click.option("--resume", is_flag=True, help="Go on with an interrupted run over a data set."),
        click.option(
            "--split", metavar="NAME", help="The part of a data set: Training, PublicTest ...  [default: all]"
        ),
    ):
        function = option(function)
    return function


def is_data(paths: Sequence[str], options: dict[str, Any]) -> bool:
    """Return whether the paths name a data set rather than pictures: a table, or whatever --reader is to read."""
    return options["reader"] != "auto" or any(Path(path).suffix.lower() == ".csv" for path in paths)


def explain_data(paths: Sequence[str], method: str, options: dict[str, Any], settings: dict[str, Any]) -> int:
    """Explain every face of a table and write the maps to a .npz; return the exit code. Arguments: as of `explain`'s command."""
    from ferviz.attribution.explain import AttributionJob
    from ferviz.attribution.methods.registry import METHODS
    from ferviz.attribution.stream import PARTS, explain_dataset
    from ferviz.files import check_output

    if len(paths) > 1:
        raise UsageError("a data set is explained by itself; name one .csv (or what --reader reads) and nothing else")
    METHODS.entry(method)  # a wrong name is told before any work
    console = Console(options["quiet"])
    # Whether there is an interrupted run that --resume may finish over its output is known to explain_dataset.
    out = check_output(options["out"] or f"{Path(paths[0]).stem}_explain.npz", options["force"] or options["resume"])
    data = open_data(paths[0], options, console, split=options["split"])
    model = open_model(options, console)

    def shown(chunks: Iterator[int], total: int) -> Iterator[int]:
        # The bar counts faces; chunks tell how many they hold.
        yield from console.progress(
            (face for chunk in chunks for face in range(chunk)), f"explaining {total} faces", total
        )

    job = AttributionJob.prepare(
        model, method, options["target"], options["layer"], settings, options["batch_size"], options["seed"]
    )
    try:
        made = explain_dataset(out, job, data, resume=options["resume"], force=options["force"], progress=shown)
    except KeyboardInterrupt:
        console.say(f"what was done is kept in {out}{PARTS}; go on with --resume")
        raise
    if options["as_json"]:
        print_json("explain", {"model": model.name, "method": method, "faces": len(data), "out": str(made)})
    console.say(f"wrote {made}: {len(data)} faces")
    return 0
