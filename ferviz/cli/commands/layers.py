"""`ferviz layers`: what was found in a network's file, what had to be assumed, and every layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferviz.cli.options import Console, model_options, open_model, print_json
from ferviz.errors import ModelError, UsageError

if TYPE_CHECKING:
    from ferviz.models.model import Model


@click.command()
@click.argument("network", metavar="[MODEL]", required=False)
@model_options
@click.option("--filters", metavar="LAYER", help="Draw the kernels of this convolution.")
@click.option(
    "--channels",
    type=click.IntRange(1),
    metavar="N",
    help="With --filters: output channels at most.  [default: 64, of deep kernels 16]",
)
@click.option("--own-scale", is_flag=True, help="With --filters: give each kernel a colour scale of its own.")
@click.option("--diagram", is_flag=True, help="Draw the layers as boxes, connected as they are.")
@click.option(
    "--out",
    "-o",
    metavar="FILE",
    help="Where to draw; the suffix decides the format.  [default: <model>_filters.png, <model>_diagram.png]",
)
@click.option("--force", "-f", is_flag=True, help="Replace the output if it is already there.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
@click.option("--quiet", "-q", is_flag=True, help="No notes.")
def command(network: str | None, **options: Any) -> int:
    """Print what a network is fed, what its outputs are called, and its layers with their shapes.

    A layer marked * puts out a map, so that a heatmap can be made of it (--layer NAME); -> marks the one that is used
    unless another is named. MODEL is a network's file or a bundled name, as with --model.

    --filters LAYER draws a convolution's kernels (.npz holds the exact weights), --diagram the whole network.
    """
    if network is not None:
        if options["model"] is not None:
            raise UsageError(f"two networks were named, {network} and {options['model']}; name one")
        options["model"] = network
    _check(options)
    # The notes are part of what this command prints, so they are not said a second time.
    model = open_model(options, Console(quiet=True))
    if options["filters"] or options["diagram"]:
        return _draw(model, options)
    try:
        default, remark = model.default_layer()
    except ModelError as error:
        default, remark = "", str(error)
    if options["as_json"]:
        print_json("layers", _document(model, default, remark))
    else:
        click.echo("\n".join(_lines(model, default, remark, options["quiet"])))
    return 0


def _check(options: dict[str, Any]) -> None:
    """Say what is wrong with the options before the network is loaded."""
    if options["filters"] and options["diagram"]:
        raise UsageError("--filters and --diagram are two pictures; ask for one at a time")
    if not options["filters"] and (options["channels"] or options["own_scale"]):
        raise UsageError("--channels and --own-scale belong to --filters LAYER")
    if options["out"] and not (options["filters"] or options["diagram"]):
        raise UsageError("--out needs something to draw: --filters LAYER or --diagram")
    if options["out"]:
        _check_output(Path(options["out"]), options)


def _check_output(out: Path, options: dict[str, Any]) -> None:
    from ferviz.attribution.filters import Filters
    from ferviz.files import check_output
    from ferviz.models.diagram import check_diagram

    if options["filters"]:
        Filters.check_path(out, options["force"])
    else:
        check_diagram(out)
        check_output(out, options["force"])


def _draw(model: Model, options: dict[str, Any]) -> int:
    """Draw the kernels of one layer, or the network."""
    from ferviz.attribution.filters import filters
    from ferviz.models.diagram import diagram

    layer = options["filters"]
    out = Path(options["out"] or f"{model.name}_{'filters' if layer else 'diagram'}.png")
    _check_output(out, options)
    made: Any = filters(model, layer) if layer else diagram(model)
    settings = {"max_channels": options["channels"], "shared_scale": not options["own_scale"]} if layer else {}
    made.save(out, options["force"], **settings)
    if options["as_json"]:
        print_json("layers", {**made.to_dict(), "out": out})
    Console(options["quiet"]).say(f"wrote {out}")
    return 0


def _document(model: Model, default: str, remark: str) -> dict[str, Any]:
    spec = model.input
    return {
        "model": {"name": model.name, "sha256": model.sha256, "engine": model.engine.name, "head": model.head},
        "input": {
            "height": spec.height,
            "width": spec.width,
            "channels": spec.channels,
            "scaling": spec.scaling,
            "order": spec.order,
            "resize": spec.resize,
            "assumed": list(spec.assumed),
        },
        "labels": list(model.labels),
        "notes": list(model.notes),
        "default_layer": default or None,
        "default_layer_note": remark or None,
        "parameters": _parameters(model),
        "layers": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "shape": list(layer.shape),
                "spatial": layer.spatial,
                "parameters": layer.parameters,
            }
            for layer in model.layers
        ],
    }


def _lines(model: Model, default: str, remark: str, quiet: bool) -> list[str]:
    spec = model.input
    size = " x ".join("any" if side is None else str(side) for side in (spec.height, spec.width))
    colour = "grey" if spec.channels == 1 else f"colour ({spec.order})"
    assumed = ", assumed" if "scaling" in spec.assumed else ""
    lines = [
        f"{model.name}: {_parameters(model):,} weights, ends in {_ENDS[model.head]}, run by {model.engine.name}",
        f"  input   {size} {colour}, values {spec.scaling}{assumed}",
        f"  labels  {', '.join(model.labels)}",
        f"  sha256  {model.sha256}",
    ]
    if not quiet:
        lines += [f"  note    {note}" for note in model.notes]
    if remark and not quiet:
        lines.append(f"  note    {remark}")
    if model.layers:
        rows = [(layer.name, layer.kind, _shape(layer.shape), f"{layer.parameters:,}") for layer in model.layers]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines.append("")
        for layer, row in zip(model.layers, rows, strict=True):
            mark = "->" if layer.name == default else " *" if layer.spatial else "  "
            cells = [cell.ljust(width) for cell, width in zip(row[:3], widths, strict=False)]
            lines.append(f"  {mark} {'  '.join(cells)}  {row[3].rjust(widths[3])}")
    return lines


_ENDS = {"softmax": "softmax", "sigmoid": "sigmoid (independent outputs)", "linear": "logits (softmax is added)"}


def _shape(shape: tuple[int | None, ...]) -> str:
    return " x ".join("any" if side is None else str(side) for side in shape)


def _parameters(model: Model) -> int:
    """Weights of the innermost layers, each layer once however often it is called."""
    counted: dict[str, int] = {}
    for layer in model.layers:
        counted[layer.name.partition(":")[0]] = layer.parameters
    holders = {name.rpartition("/")[0] for name in counted}
    return sum(number for name, number in counted.items() if name not in holders)
