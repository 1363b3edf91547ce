"""`ferviz dream`: pictures that a network wants to see."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import click

from ferviz.cli.commands.reading import open_data, reading_options
from ferviz.cli.options import (
    Console,
    default_output,
    detector_options,
    model_options,
    open_model,
    output_options,
    print_json,
)
from ferviz.errors import UsageError

if TYPE_CHECKING:
    from ferviz.dreaming.objectives import Objective
    from ferviz.dreaming.result import Dream
    from ferviz.images import Pixels
    from ferviz.models.model import Model

PRIORS = ["faces", "class", "spectrum", "none"]
PRECISIONS = ["auto", "half", "single"]
FRAMES = 48
JUDGE = "Another network that says what it sees; repeat for several. FILE?scaling=-1..1&labels=7 where its file does not say."


@click.command()
@click.option(
    "--target",
    "-t",
    metavar="CLASS",
    help="all, a class, several (happy,sad), or a contrast (happy-sad).  [default: all]",
)
@click.option(
    "--layer", "-l", metavar="NAME", help="Dream of this layer's channels; with --image: more of what the layer sees."
)
@click.option(
    "--channel", "-c", metavar="NUMBERS", help="Of --layer: 12, or 3,7,9, or all, or mean (the layer as a whole)."
)
@click.option(
    "--count",
    type=click.IntRange(1),
    default=16,
    show_default=True,
    help="How many of the layer's most active channels.",
)
@click.option(
    "--image",
    "-i",
    metavar="PICTURE",
    help="Dream on this picture instead of from nothing; for classes on its largest face.",
)
@detector_options
@click.option("--octaves", type=click.IntRange(1), help="Sizes at which --image is dreamt.  [default: 4 for layers]")
@click.option("--size", type=click.IntRange(16, 4096), help="Longer side of the largest octave, in pixels.")
@click.option("--steps", type=int, default=128, show_default=True, help="Steps of gradient ascent.")
@click.option(
    "--samples", type=int, default=4, show_default=True, help="Views of each picture that a step averages over."
)
@click.option(
    "--prior", type=click.Choice(PRIORS), help="Help from real faces.  [default: faces for classes, none for layers]"
)
@click.option("--strength", type=float, default=1.0, show_default=True, help="The prior's weight, 0 or more.")
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="auto",
    show_default=True,
    help="Of the convolutions; auto = half where the processor has instructions for it.",
)
@click.option("--copies", type=int, default=1, show_default=True, help="Dreams of each kind, from different noise.")
@click.option(
    "--facets",
    type=click.IntRange(1),
    help="Dreams of each class, one for each group of its real faces (needs --faces).",
)
@click.option(
    "--faces", metavar="DATA", help="Labelled faces: for --facets, --judge (distances) and the choice of channels."
)
@reading_options
@click.option(
    "--judge",
    "-j",
    "judges",
    multiple=True,
    metavar="FILE",
    help=JUDGE,
)
@click.option("--animate", metavar="FILE", help="Also write the way as .gif or .webp.")
@click.option("--side", type=click.IntRange(16, 1024), help="Pixels of each dream on the sheet.")
@model_options
@output_options("ferviz_dream.png, with --image <picture>_dream.png")
def command(**options: Any) -> int:
    """Dream: pictures that a network wants to see.

    Without options, one dream of every class. --out FILE.png, .jpg or .webp is the sheet with captions, .npz the exact pixels,
    .json the numbers, .pdf or .svg a figure. A dream shows what moves the network; see the documentation for what it does not prove.
    """
    from ferviz.dreaming.result import check_animation, check_suffix
    from ferviz.files import check_output

    console = Console(options["quiet"])
    out = (
        Path(options["out"])
        if options["out"]
        else default_output([options["image"]] if options["image"] else [], "dream")
    )
    check_suffix(out)
    check_output(out, options["force"])
    if options["animate"]:
        check_animation(options["animate"])
        check_output(options["animate"], options["force"])
    _check(options)
    deep = options["layer"] or options["octaves"] or options["size"]
    image = options["image"] if deep or not options["image"] else _face(options)
    from ferviz.dreaming.deepdream import Octaves
    from ferviz.dreaming.dream import dream

    faces = open_data(options["faces"], options, console) if options["faces"] else None
    model = open_model(options, console)
    judges = [open_judge(text, options["trust"]) for text in options["judges"]]
    for other in judges:
        for note in other.notes:
            console.warn(f"{other.name}: {note}")
    octaves = Octaves(options["octaves"], size=options["size"]) if options["octaves"] or options["size"] else None
    with _progress(console) as progress:
        made = dream(
            model, _objectives(model, options, faces), steps=options["steps"], seed=options["seed"], copies=options["copies"],
            prior=options["prior"], strength=options["strength"], samples=options["samples"], image=image,
            octaves=octaves, facets=options["facets"] or 0, faces=faces, frames=FRAMES if options["animate"] else 0, progress=progress,
            precision=options["precision"],
        )  # fmt: skip
    if judges:
        made = made.judged(judges, faces)
    made.save(out, options["force"], side=options["side"])
    if options["animate"]:
        made.animate(options["animate"], force=options["force"])
    if options["as_json"]:
        print_json("dream", {"out": out, **made.to_dict()})
    _report(made, console)
    for path in (out, options["animate"]):
        if path:
            console.say(f"wrote {path}")
    return 0


def _check(options: dict[str, Any]) -> None:
    if options["channel"] and not options["layer"]:
        raise UsageError("--channel needs --layer, the layer whose channel it is (see: ferviz layers)")
    if options["layer"] and options["target"]:
        raise UsageError("--target is about classes and --layer about a layer; give one of them")
    if (options["octaves"] or options["size"]) and not options["image"]:
        raise UsageError("--octaves and --size belong to --image, the picture to dream on")
    if (options["detector"] != "auto" or options["detector_model"]) and (not options["image"] or options["layer"]):
        raise UsageError(
            "--detector and --detector-model find the face of --image that a class is dreamt on; leave them out"
        )
    if (options["reader"] != "auto" or options["skip_bad"]) and not options["faces"]:
        raise UsageError("--reader and --skip-bad say how --faces DATA is read; name the data too")


def _face(options: dict[str, Any]) -> Pixels:
    """Return the crop of the picture's largest face, as every other command would explain it."""
    from ferviz.faces.find import find_faces

    (face,) = find_faces(options["image"], options["detector"], detector_model=options["detector_model"], largest=True)
    return face.pixels


def _objectives(model: Model, options: dict[str, Any], faces: Any) -> list[Objective]:
    from ferviz.dreaming import objectives
    from ferviz.dreaming.channels import most_active

    name, channel = options["layer"], options["channel"]
    if not name:
        return [_class_objective(model, text) for text in _targets(model, options["target"] or "all")]
    shape = model.layer(name).shape
    if channel == "mean" or (options["image"] and not channel):
        return [objectives.layer(name)]
    if channel == "all":
        chosen = list(range(shape[-1] or 0))
    elif channel:
        chosen = _numbers(channel)
    else:
        chosen = most_active(model, name, options["count"], faces)
    return [objectives.channel(name, index) for index in chosen]


def _targets(model: Model, text: str) -> Sequence[str]:
    return model.labels if text == "all" else [part.strip() for part in text.split(",")]


def _class_objective(model: Model, text: str) -> Objective:
    from ferviz.dreaming import objectives

    # A class may have a hyphen in its own name; only then is it no contrast.
    if text not in model.labels and text.count("-") == 1:
        return objectives.contrast(*(part.strip() for part in text.split("-")))
    return objectives.odds(text)


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--channel takes numbers such as 12 or 3,7,9, or all, or mean, not {text!r}") from None


def open_judge(text: str, trust: bool = False) -> Model:
    """Load FILE or FILE?labels=...&scaling=...&weights=... as another network. Raises UsageError for another word after the ?."""
    from ferviz.models.load import load_model

    path, _, query = text.partition("?")
    given: dict[str, Any] = dict(parse_qsl(query))
    unknown = set(given) - {"labels", "scaling", "weights"}
    if unknown:
        raise UsageError(f"--judge FILE?... takes labels, scaling and weights, not {', '.join(sorted(unknown))}")
    return load_model(path, trust=trust, **given)


@contextlib.contextmanager
def _progress(console: Console) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar as a callback; none where nobody watches."""
    if console.quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console as RichConsole
    from rich.progress import Progress

    with Progress(console=RichConsole(stderr=True), transient=True) as bar:
        task = bar.add_task("dreaming", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _report(made: Dream, console: Console) -> None:
    for name, lines in zip(made.objective, made.captions(), strict=True):
        if len(made) <= 32:
            console.say(f"{name}: {'; '.join(lines)}")
    if made.judgement is not None:
        console.say(str(made.judgement))
