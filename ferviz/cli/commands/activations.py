"""`ferviz activations`: the maps that a network's layers compute from a face."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ferviz.cli.console import Console, print_json
from ferviz.cli.inputs import check_detector, open_model
from ferviz.cli.options.drawing_options import DrawingOptions, PrintOptions
from ferviz.cli.options.input_options import FaceOptions
from ferviz.cli.options.network_options import BatchOptions, ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.outputs import check_outputs, files_of, inputs_of, output_path, typed
from ferviz.cli.pictures import find_all, note_pages, report
from ferviz.cli.sections import SectionedCommand, names_option, options
from ferviz.paths import exists

if TYPE_CHECKING:
    from ferviz.models.model import Model


@click.command("activations", cls=SectionedCommand)
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE|FOLDER...")
@names_option(
    "--layer",
    "-l",
    "layers",
    help='A layer (see: ferviz layers); several: conv3,conv5, or repeat; "all" for every map.  '
    "[default: up to eight between the convolutions]",
)
@click.option(
    "--mode",
    type=click.Choice(["mean", "channels"]),
    default="mean",
    show_default=True,
    help="The mean over each layer's channels, or the channels of one layer.",
)
@click.option(
    "--max-channels",
    type=click.IntRange(1),
    metavar="N",
    help="With --mode channels: how many, those first that pass on most.  [default: 64]",
)
@options(
    out="<picture>_activations.png",
    helps={"shared_scale": "With --mode channels: one colour scale for all channels, or one for each."},
    without=("vmax",),
)
def command(
    pictures: tuple[str, ...],
    layers: tuple[str, ...],
    mode: str,
    max_channels: int | None,
    drawing: DrawingOptions,
    printing: PrintOptions,
    model: ModelOptions,
    batch: BatchOptions,
    faces: FaceOptions,
    output: OutputOptions,
) -> int:
    """Draw the activations of a network's layers for a face.

    Rows are faces and columns are layers; with --mode channels the channels of one layer. Takes pictures, folders (with everything
    below) and patterns. --out FILE.png, .jpg or .webp is a picture, .pdf or .svg a figure, .npz the numbers, .json what they are.
    """
    from ferviz.attribution.activations import Activations, activations, choose_layers
    from ferviz.errors import UsageError
    from ferviz.files import check_suffix
    from ferviz.images.listing import list_pictures
    from ferviz.models.prediction import face_record, picture_record

    console = Console(output.quiet)
    files = list_pictures(pictures)
    inputs = [*files, *inputs_of(model, faces)]
    asked = [*typed("layers"), *(["channels"] if mode == "channels" else [])]
    out = output_path(output, pictures, files, "activations", asked=asked, inputs=inputs)
    check_suffix(out, Activations.suffixes())
    check_outputs([out], inputs)
    check_detector(faces)
    network: Model | None = None
    wanted: str | Sequence[str] | None = layers or None
    if any(map(exists, files)):
        network = open_model(model, console)
        names = [layer.name for layer in choose_layers(network, wanted)]
        if mode == "channels" and layers and (len(names) > 1 or "all" in layers):
            raise UsageError("--mode channels draws one layer; name it with --layer, once")
        check_outputs([out], files_of(network))
        Activations.check_path(out, output.force)
    photos = find_all(files, faces, console)
    document: dict[str, object] = {"model": None, "engine": None, "layers": None, "warnings": None, "out": None}
    crops = [face for picture in photos for face in picture.faces]
    if crops and network is not None:
        if mode == "channels" and not layers:
            wanted, note = network.default_layer()
            if note:
                console.warn(note)
        result = activations(network, crops, wanted, batch_size=batch.batch_size)
        result.save(
            out,
            output.force,
            mode=mode,
            max_channels=max_channels,
            shared_scale=drawing.shared_scale,
            zoom=drawing.zoom,
            cmap=drawing.cmap,
            **printing.given(),
        )
        note_pages(len(crops), result.page_size(mode), out, console)
        document |= {key: value for key, value in result.to_dict().items() if key != "pictures"} | {"out": str(out)}
    if output.as_json:
        records = [picture_record(p.source, [face_record(f) for f in p.faces], p.error) for p in photos]
        print_json("activations", {**document, "pictures": records, "mode": mode})
    return report(photos, (), out, console)
