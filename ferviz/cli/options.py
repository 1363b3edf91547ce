"""What the commands share: options, loading a network, messages on standard error, JSON on standard output."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ferviz.engines.registry import ENGINE_CHOICES
from ferviz.errors import FervizError

if TYPE_CHECKING:
    from ferviz.faces.face import Face
    from ferviz.models.model import Model

F = TypeVar("F", bound=Callable[..., Any])


class Number(click.FloatRange):
    """A range of numbers without NaN and infinity, which no comparison keeps out."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


def seed_option(what: str) -> Callable[[F], F]:
    """--seed, of `what` is drawn at random: a number that every generator takes."""
    return click.option(
        "--seed",
        type=click.IntRange(0, 2**32 - 1),
        metavar="INTEGER",
        default=0,
        show_default=True,
        help=f"Seed of {what}.",
    )


def _stack(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def model_options(function: F) -> F:
    """--model, --labels, --scaling, --weights, --engine, --no-cache, --trust: which network, and what its file does not say."""
    return _stack(
        click.option("--model", "-m", metavar="FILE",
                     help="A network: .keras, .h5, .json, SavedModel folder, .ferviz.  [default: the bundled one]"),
        click.option("--labels", metavar="NAMES", help="The outputs' order: 7, 7-alphabetical, 8-ferplus ... or happy,sad,..."),
        click.option("--scaling", metavar="RANGE", help="What the network was fed: 0..1, -1..1, 0..255 or standardize."),
        click.option("--weights", metavar="FILE", help="The weights, where --model is an architecture as JSON."),
        click.option("--engine", type=click.Choice(ENGINE_CHOICES), default="auto", show_default=True, help="What runs the network."),
        click.option("--no-cache", is_flag=True, help="Neither use nor leave a compiled form of the network in the cache folder."),
        click.option("--trust", is_flag=True, help="Let the network's file run its own code (Lambda layers)."),
    )(function)  # fmt: skip


def batch_option(default: int) -> Callable[[F], F]:
    """--batch-size."""
    return click.option(
        "--batch-size",
        type=click.IntRange(1),
        default=default,
        show_default=True,
        help="Faces in one pass through the network.",
    )


def detector_options(function: F) -> F:
    """--detector, --detector-model: what finds the faces of a picture."""
    return _stack(
        click.option("--detector", default="auto", show_default=True, metavar="NAME", help="auto, none (the picture is a face), haar, ..."),
        click.option("--detector-model", metavar="FILE", help="The detector's own network, where it needs one."),
    )(function)  # fmt: skip


def face_options(function: F) -> F:
    """--detector, --detector-model, --threshold, --min-size, --largest, --max-side, --tilt: which faces of a picture."""
    return _stack(
        detector_options,
        click.option("--threshold", type=float, help="How sure the detector has to be (0 to 1; each has its own default)."),
        click.option("--min-size", type=click.IntRange(1), help="Smallest face, in pixels.  [default: 24]"),
        click.option("--largest", is_flag=True, help="Only the largest face of each picture."),
        click.option("--max-side", type=click.IntRange(32), help="Search faces in the picture scaled down to this many pixels a side."),
        click.option("--tilt", type=click.Choice(["retry", "all", "none"]), default="retry", show_default=True,
                     help="Search the turned picture too: where no sure face stands upright, always, or never (never in video)."),
    )(function)  # fmt: skip


def output_options(default: str) -> Callable[[F], F]:
    """--out (with `default` described in the help), --force, --json, --seed, --quiet."""
    return _stack(
        click.option("--out", "-o", metavar="FILE", help=f"Where to write; the suffix decides the format.  [default: {default}]"),
        click.option("--force", "-f", is_flag=True, help="Replace the output if it is already there."),
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output."),
        seed_option("everything that is drawn at random"),
        click.option("--quiet", "-q", is_flag=True, help="No progress and no messages."),
    )  # fmt: skip


@dataclass(frozen=True)
class Console:
    """Where a command talks: messages and progress to standard error, results to standard output."""

    quiet: bool = False

    def say(self, message: str) -> None:
        """One line for the person at the terminal."""
        if not self.quiet:
            click.echo(message, err=True)

    def warn(self, message: str) -> None:
        """One line about something that may spoil the result."""
        if not self.quiet:
            click.echo(f"note: {message}", err=True)

    def progress(self, items: Iterable[Any], label: str, total: int | None = None) -> Iterable[Any]:
        """Yield `items` under a progress bar with the time left; silent when quiet or not at a terminal."""
        if self.quiet or not sys.stderr.isatty():
            yield from items
            return
        from rich.console import Console as RichConsole
        from rich.progress import track

        yield from track(items, description=label, total=total, console=RichConsole(stderr=True), transient=True)


def print_json(command: str, document: dict[str, Any]) -> None:
    """Print one JSON document on standard output, with schema_version and command first."""
    from ferviz.files import to_json

    click.echo(to_json({"schema_version": 1, "command": command, **document}, indent=2))


def open_model(options: dict[str, Any], console: Console) -> Model:
    """Load the network that the shared model options name, and say what had to be assumed about it.

    options: the command's keyword arguments, of which model, labels, scaling, weights, engine, no_cache and trust are read.
    """
    from ferviz.models.load import load_model

    model = load_model(
        options.get("model"),
        labels=options.get("labels"),
        scaling=options.get("scaling"),
        weights=options.get("weights"),
        engine=options.get("engine") or "auto",
        trust=bool(options.get("trust")),
        cache=not options.get("no_cache"),
    )
    for note in model.notes:
        console.warn(note)
    return model


def remember(model: Model, options: dict[str, Any], console: Console) -> None:
    """Compile a network that ran on Keras into the cache folder, so that its next explanation starts at once.

    Called after the results are written. Does nothing with --no-cache, --engine keras, and for networks that are compiled already.
    """
    if options.get("no_cache") or options.get("engine") == "keras" or model.origin is None:
        return
    from ferviz.models.compiled.cache import keep

    keep(model, model.origin, console.say)


@dataclass
class Picture:
    """One picture of a command's input: its faces, or the error that kept them away."""

    source: str
    faces: list[Face]
    error: FervizError | None = None


def find_all(paths: Iterable[str], options: dict[str, Any], console: Console) -> list[Picture]:
    """Find the faces of every picture; what fails for one is kept in its `error`, and the rest goes on.

    paths: files, folders and globs. options: the command's keyword arguments, of which the face options are read.
    Raises UsageError / PictureError when `paths` hold no picture at all.
    """
    from ferviz.faces.find import find_faces
    from ferviz.images import list_pictures

    chosen = {
        key: options[key]
        for key in ("detector", "detector_model", "threshold", "min_size", "largest", "max_side", "tilt")
        if options.get(key) is not None
    }
    pictures = []
    files = list_pictures(paths)
    for path in console.progress(files, "finding faces", len(files)):
        try:
            pictures.append(Picture(str(path), find_faces(path, **chosen)))
        except FervizError as error:
            pictures.append(Picture(str(path), [], error))
    return pictures


def default_output(paths: Iterable[str], command: str, suffix: str = ".png") -> Path:
    """Return `<stem>_<command>.png` in the working directory, from the first path's stem."""
    first = next(iter(paths), "ferviz")
    return Path(f"{Path(first).stem or 'ferviz'}_{command}{suffix}")
