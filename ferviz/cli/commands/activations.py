"""`ferviz activations`: what the layers of a network make of a face."""

from __future__ import annotations

from typing import Any

import click

from ferviz.cli.commands.explain import output_path, report, tell_pages, zoom_option
from ferviz.cli.options import (
    Console,
    batch_option,
    face_options,
    find_all,
    model_options,
    open_model,
    output_options,
    print_json,
)


@click.command()
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE|FOLDER...")
@click.option(
    "--layer",
    "-l",
    "layers",
    multiple=True,
    metavar="NAME",
    help='A layer (see: ferviz layers); repeat for several; "all" for every map.  [default: up to eight between the convolutions]',
)
@click.option(
    "--mode",
    type=click.Choice(["mean", "channels"]),
    default="mean",
    show_default=True,
    help="The mean over each layer's channels, or the channels of one layer.",
)
@click.option(
    "--channels",
    type=click.IntRange(1),
    metavar="N",
    help="With --mode channels: how many, the most active first.  [default: 64]",
)
@click.option("--own-scale", is_flag=True, help="With --mode channels: give each channel a colour scale of its own.")
@batch_option(64)
@zoom_option
@model_options
@face_options
@output_options("<picture>_activations.png")
def command(pictures: tuple[str, ...], layers: tuple[str, ...], mode: str, **options: Any) -> int:
    """Draw what the layers make of a face.

    Rows are faces and columns are layers; with --mode channels the channels of one layer. Takes pictures, folders (with everything
    below) and patterns. --out FILE.png, .jpg or .webp is a picture, .pdf or .svg a figure, .npz the numbers, .json what they are.
    """
    from ferviz.attribution.activations import Activations, activations
    from ferviz.errors import UsageError
    from ferviz.images import list_pictures

    if mode == "channels" and (len(layers) > 1 or "all" in layers):
        raise UsageError("--mode channels draws one layer; name it with --layer, once")
    console = Console(options["quiet"])
    files = list_pictures(pictures)
    out = output_path(options["out"], pictures, files, "activations")
    Activations.check_path(out, options["force"])
    found = find_all([str(file) for file in files], options, console)
    document: dict[str, Any] = {"model": None, "engine": None, "layers": None, "out": None}
    faces = [face for picture in found for face in picture.faces]
    if faces:
        model = open_model(options, console)
        chosen: Any = "all" if "all" in layers else layers or None
        if mode == "channels" and not layers:
            chosen, note = model.default_layer()
            if note:
                console.warn(note)
        made = activations(model, faces, chosen, batch_size=options["batch_size"])
        made.save(
            out,
            options["force"],
            mode=mode,
            max_channels=options["channels"],
            shared_scale=not options["own_scale"],
            zoom=options["zoom"],
        )
        tell_pages(len(faces), made.page_size(mode), out, console)
        document |= {key: value for key, value in made.to_dict().items() if key != "pictures"} | {"out": str(out)}
    if options["as_json"]:
        from ferviz.models.prediction import face_record, picture_record

        document["pictures"] = [picture_record(p.source, [face_record(f) for f in p.faces], p.error) for p in found]
        print_json("activations", {**document, "mode": mode})
    return report(found, (), out, console)
