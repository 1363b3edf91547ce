"""`ferviz layers`: a network's input, its labels, what had to be assumed, and every layer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ferviz.cli.bare_files import any_part, check_bare, names, write_pictures
from ferviz.cli.console import Console, echo, print_json
from ferviz.cli.inputs import open_model
from ferviz.cli.options.drawing_options import BareOptions, PrintOptions
from ferviz.cli.options.network_options import ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.outputs import check_outputs, files_of, inputs_of, output_path
from ferviz.cli.sections import SectionedCommand, options
from ferviz.errors import UsageError
from ferviz.paths import exists

if TYPE_CHECKING:
    from ferviz.attribution.filters import Filters
    from ferviz.models.diagram import Diagram
    from ferviz.models.model import Model


@click.command("layers", cls=SectionedCommand)
@click.argument("network", metavar="[MODEL]", required=False)
@click.option("--filters", metavar="LAYER", help="Draw the kernels of this convolution.")
@click.option(
    "--max-channels",
    type=click.IntRange(1),
    metavar="N",
    help="With --filters: output channels at most.  [default: 64, of deep kernels 16]",
)
@click.option(
    "--shared-scale/--own-scale",
    default=True,
    show_default=True,
    help="With --filters: one colour scale for all kernels, or one for each.",
)
@click.option("--diagram", is_flag=True, help="Draw the layers as boxes, connected as they are.")
@options(
    out="<model>_filters_<layer>.png, <model>_diagram.png",
    helps={
        "out": "Where to draw; the suffix determines the format.",
        "bare": "With --filters: only the kernels, without words.",
    },
    without=("seed", "bare_heatmap"),
)
def command(
    network: str | None,
    filters: str | None,
    max_channels: int | None,
    shared_scale: bool,
    diagram: bool,
    model: ModelOptions,
    printing: PrintOptions,
    bare: BareOptions,
    output: OutputOptions,
) -> int:
    """Print a network's input, its labels, and its layers with their shapes.

    A layer marked * has a map as output, so that a heatmap can be made of it (--layer NAME); -> marks the one that is used
    unless another is named. MODEL is a network's file or a bundled name, as with --model.

    --filters LAYER draws a convolution's kernels (.npz holds the exact weights; with --bare only the kernels, side by side), --diagram
    the whole network.
    """
    if network is not None:
        if model.model is not None:
            raise UsageError(f"two networks were named, {network} and {model.model}; name one")
        model = replace(model, model=network)
    if filters and diagram:
        raise UsageError("--filters and --diagram are two pictures; ask for one at a time")
    if not filters and (max_channels or not shared_scale):
        raise UsageError("--max-channels and --own-scale belong to --filters LAYER")
    from ferviz.files import check_suffix

    if bare.asked and not filters:
        raise UsageError("--bare belongs to --filters LAYER; a diagram is made of words")
    if bare.asked:
        check_bare(Path(output.out or "kernels.png"), printing)
    if printing != PrintOptions() and not (filters or diagram):
        raise UsageError("--width-mm, --dpi and --font-size need something to draw: --filters LAYER or --diagram")
    if output.out and not (filters or diagram):
        raise UsageError("--out needs something to draw: --filters LAYER or --diagram")
    if output.out:
        check_suffix(output.out, _result(bool(filters)).suffixes())
        check_outputs([output.out], inputs_of(model))
    # The notes are part of what this command prints, so they are not printed a second time.
    loaded = open_model(model, Console(quiet=True))
    if filters or diagram:
        return _draw(loaded, filters, max_channels, shared_scale, printing, bare, output)
    from ferviz.models.model_summary import model_record, model_text

    if output.as_json:
        print_json("layers", model_record(loaded))
    else:
        echo(model_text(loaded, notes=not output.quiet))
    return 0


def _result(filters: bool) -> type[Filters] | type[Diagram]:
    from ferviz.attribution.filters import Filters
    from ferviz.models.diagram import Diagram

    return Filters if filters else Diagram


def _draw(
    model: Model,
    layer: str | None,
    max_channels: int | None,
    shared: bool,
    printing: PrintOptions,
    bare: BareOptions,
    output: OutputOptions,
) -> int:
    """Draw the kernels of one layer, or the network."""
    from ferviz.attribution.filters import filters
    from ferviz.models.diagram import diagram
    from ferviz.rendering.sheets.bare import SIDE

    command, asked = ("filters", [layer]) if layer else ("diagram", [])
    inputs = files_of(model)
    taken = any_part if bare.asked else exists
    out = output_path(output, [f"{model.name}.h5"], (), command, asked=asked, inputs=inputs, taken=taken)
    check_outputs([out], inputs)
    result: Filters | Diagram
    written = [out]
    if layer and bare.asked:
        result = filters(model, layer)
        pictures = result.kernel_images(bare.side or SIDE, max_channels=max_channels, shared_scale=shared)
        written = names(out, [(name,) for name in pictures])
        check_outputs(written, inputs)
        write_pictures(written, list(pictures.values()), result.manifest(), output.force, printing.dpi)
    elif layer:
        result = filters(model, layer)
        result.check_path(out, output.force)
        result.save(out, output.force, max_channels=max_channels, shared_scale=shared, **printing.given())
    else:
        result = diagram(model)
        result.save(out, output.force, **printing.given())
    if output.as_json:
        print_json("layers", {**result.to_dict(), "out": out if len(written) == 1 else written})
    Console(output.quiet).say(f"wrote {', '.join(map(str, written))}")
    return 0
