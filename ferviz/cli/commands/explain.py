"""`ferviz explain`: show with any attribution method what a network's answer rests on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ferviz.cli.commands.explain_data import data_options, explain_data, is_data
from ferviz.cli.commands.video import explain_video, is_video, no_video, video_options
from ferviz.cli.options import (
    Console,
    Number,
    Picture,
    batch_option,
    default_output,
    face_options,
    find_all,
    model_options,
    open_model,
    output_options,
    print_json,
    remember,
)
from ferviz.errors import UsageError

if TYPE_CHECKING:
    from ferviz.attribution.explanation import Explanation
    from ferviz.models.model import Model
    from ferviz.models.prediction import Prediction

F = TypeVar("F", bound=Callable[..., Any])


zoom_option = click.option(
    "--zoom",
    type=Number(0.5, 4),
    default=1.0,
    show_default=True,
    help="Size of the picture: 1 for screens, 2 for print.",
)


def target_options(function: F) -> F:
    """--target, --layer, --batch-size, --own-scale, --limit, --zoom: what is explained, where, and on which colour scale."""
    for option in (
        zoom_option,
        click.option(
            "--limit",
            type=Number(1e-30, 1e30),
            help="The value at the end of the colour scale, to compare pictures.",
        ),
        click.option(
            "--own-scale", is_flag=True, help="Give each face a colour scale of its own, instead of one for all."
        ),
        batch_option(64),
        click.option(
            "--layer", "-l", metavar="NAME", help="The layer to look at (see: ferviz layers).  [default: the last map]"
        ),
        click.option(
            "--target",
            "-t",
            default="predicted",
            show_default=True,
            metavar="CLASS",
            help="What is explained: predicted, a class, several (happy,sad), all, or a contrast (happy-sad).",
        ),
    ):
        function = option(function)
    return function


def _list_methods(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from ferviz.attribution.methods.registry import METHODS

    table = []
    for name, summary in METHODS.summaries().items():
        settings = ", ".join(f"{key}={value}" for key, value in METHODS[name].settings.items())
        table.append((name, f"{summary}{f' ({settings})' if settings else ''}"))
    formatter = context.make_formatter()
    formatter.write_dl(table)
    click.echo(formatter.getvalue(), nl=False)
    context.exit()


@click.command()
@click.option(
    "--methods",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_methods,
    help="List the methods with their settings, and stop.",
)
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE|FOLDER|VIDEO...")
@click.option(
    "--method", default="gradcam", show_default=True, metavar="NAME", help="The attribution method (see --methods)."
)
@click.option(
    "--option", "-O", "extra", multiple=True, metavar="NAME=VALUE", help="A setting of the method; repeat for several."
)
@target_options
@model_options
@face_options
@output_options("<picture>_explain.png")
@video_options
@data_options
def command(pictures: tuple[str, ...], method: str, extra: tuple[str, ...], **options: Any) -> int:
    """Explain faces with any attribution method.

    Takes pictures, folders (with everything below) and patterns such as "shots/*.jpg". --out FILE.png, .jpg or .webp is a picture,
    .pdf or .svg a figure, .npz the numbers, .json the answer. A picture that cannot be read is reported and the rest goes on.
    A video is explained frame by frame: --out FILE.mp4 writes it with heatmaps over its faces.
    A data set (fer2013.csv, or what --reader reads) is explained chunk by chunk into --out FILE.npz; --resume goes on after an
    interruption.
    """
    if is_data(pictures, options):
        return explain_data(pictures, method, options, _settings(extra))
    if any(is_video(path, options) for path in pictures):
        return explain_video(pictures, method, options, _settings(extra))
    no_video(options)
    return explain_pictures("explain", pictures, method, options, _settings(extra))


def explain_pictures(
    name: str, paths: Sequence[str], method: str, options: dict[str, Any], settings: dict[str, Any] | None = None
) -> int:
    """Explain every face of the pictures, write the result and report it; return the exit code.

    name: the command's, for file names and JSON. options: its keyword arguments. settings: of the method.
    """
    from ferviz.attribution.explanation import Explanation
    from ferviz.attribution.methods.registry import METHODS
    from ferviz.images import list_pictures

    METHODS.entry(method)  # a wrong name is told before any work
    console = Console(options["quiet"])
    files = list_pictures(paths)
    out = output_path(options["out"], paths, files, name)
    Explanation.check_path(out, options["force"])
    found = find_all([str(file) for file in files], options, console)
    made: Explanation | None = None
    model: Model | None = None
    if any(picture.faces for picture in found):
        from ferviz.attribution.explain import explain
        from ferviz.rendering.sheets.overlays import page_size

        model = open_model(options, console)
        made = explain(
            model,
            [face for picture in found for face in picture.faces],
            method=method,
            target=options["target"],
            layer=options["layer"],
            batch_size=options["batch_size"],
            seed=options["seed"],
            **(settings or {}),
        )
        made.save(
            out, options["force"], shared_scale=not options["own_scale"], vmax=options["limit"], zoom=options["zoom"]
        )
        tell_pages(len(made), page_size(len(made.targets)), out, console)
    if options["as_json"]:
        print_json(name, _document(found, made, out))
    for warning in made.cautions() if made else ():
        console.warn(warning)
    code = report(found, made.predictions if made else (), out, console)
    if model is not None:
        remember(model, options, console)
    return code


def output_path(out: str | None, paths: Sequence[str], files: Sequence[Path], command: str) -> Path:
    """Return where to write: --out, or a name made from the first path (from the first file, where that is a pattern)."""
    if out:
        return Path(out)
    return default_output(paths if Path(paths[0]).exists() else [str(file) for file in files], command)


def tell_pages(faces: int, page: int, out: Path, console: Console) -> None:
    """Say so where a picture cannot show every face."""
    if faces > page and out.suffix.lower() not in (".npz", ".json"):
        console.warn(f"{out} shows the first {page} of {faces} faces; --out FILE.npz or FILE.json holds all of them")


def report(found: Sequence[Picture], predictions: Sequence[Prediction], out: Path, console: Console) -> int:
    """Say what each picture showed, where the result is and what failed; return the exit code of the first error, else 0.

    Raises the error itself where there was but one picture.
    """
    errors = [picture.error for picture in found if picture.error is not None]
    if len(found) == 1 and errors:
        raise errors[0]
    said = iter(predictions)
    for picture in found:
        if picture.error is not None:
            click.echo(f"ferviz: {picture.error}", err=True)
        for prediction in [next(said, None) for _ in picture.faces]:
            if prediction is not None:
                console.say(f"{picture.source}: {prediction.label} {prediction.probabilities[prediction.label]:.2f}")
    if len(errors) < len(found):
        console.say(f"wrote {out}")
    return errors[0].exit_code if errors else 0


def _document(found: Sequence[Picture], made: Explanation | None, out: Path) -> dict[str, Any]:
    from ferviz.models.prediction import face_record, picture_record

    numbered = iter(enumerate(made.predictions if made else ()))
    pictures = []
    for picture in found:
        shown = [next(numbered) for _ in picture.faces]
        records = [face_record(p.face, p, evidence=made.evidence(n)) for n, p in shown if made is not None]
        pictures.append(picture_record(picture.source, records, picture.error))
    about: dict[str, Any] = dict.fromkeys(("model", "method", "layer", "targets", "engine", "warnings"))
    if made is not None:
        about = {key: value for key, value in made.to_dict().items() if key != "pictures"}
    return {**about, "out": str(out) if made is not None else None, "pictures": pictures}


def _settings(extra: Sequence[str]) -> dict[str, Any]:
    settings = {}
    for text in extra:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"--option {text!r} is not NAME=VALUE; write for example --option steps=32")
        try:
            settings[name] = json.loads(value)
        except ValueError:
            settings[name] = value
    return settings
