"""A network described: its input, its labels, what had to be assumed about it, and its layers."""

from __future__ import annotations

from typing import Any

from ferviz.errors import ModelError
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model

_ENDS = {"softmax": "softmax", "sigmoid": "sigmoid (independent outputs)", "linear": "logits (softmax is added)"}


def model_record(model: Model) -> dict[str, Any]:
    """Return a network as plain data, for JSON.

    Args:
        model: the network.

    Returns:
        {model, input, labels, notes, default_layer, default_layer_note, parameters, layers}.
    """
    spec = model.input
    default, note = _default_layer(model)
    return {
        "model": {"name": model.name, "sha256": model.sha256, "engine": model.engine.name, "head": model.head},
        "input": {
            "height": spec.height,
            "width": spec.width,
            "channels": spec.channels,
            "scaling": spec.scaling,
            "order": spec.order,
            "resize": spec.resize,
            "equalize": spec.equalize,
            "crop_pct": spec.crop_pct,
            "assumed": list(spec.assumed),
        },
        "labels": list(model.labels),
        "notes": list(model.notes),
        "default_layer": default or None,
        "default_layer_note": note or None,
        "parameters": count_parameters(model),
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


def model_text(model: Model, notes: bool = True) -> str:
    """Return a network as lines to read; -> marks the layer that heatmaps are made of by default, * the others that have a map.

    Args:
        model: the network.
        notes: with the sentences about what had to be assumed.
    """
    spec = model.input
    default, note = _default_layer(model)
    colour = "grey" if spec.channels == 1 else f"colour ({spec.order})"
    assumed = ", assumed" if "scaling" in spec.assumed else ""
    lines = [
        f"{model.name}: {count_parameters(model):,} weights, ends in {_ENDS[model.head]}, run by {model.engine.name}",
        f"  input   {_shape((spec.height, spec.width))} {colour}, values {spec.scaling}{assumed}{_preparation(spec)}",
        f"  labels  {', '.join(model.labels)}",
        f"  sha256  {model.sha256}",
    ]
    if notes:
        lines += [f"  note    {sentence}" for sentence in (*model.notes, note) if sentence]
    if model.layers:
        rows = [(layer.name, layer.kind, _shape(layer.shape), f"{layer.parameters:,}") for layer in model.layers]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines.append("")
        for layer, row in zip(model.layers, rows, strict=True):
            mark = "->" if layer.name == default else " *" if layer.spatial else "  "
            cells = [cell.ljust(width) for cell, width in zip(row[:3], widths, strict=False)]
            lines.append(f"  {mark} {'  '.join(cells)}  {row[3].rjust(widths[3])}")
    return "\n".join(lines)


def _preparation(spec: InputSpec) -> str:
    crop = f", centre crop of {spec.crop_pct:.0%}" if spec.crop_pct < 1 else ""
    return crop + (", histogram equalised" if spec.equalize else "")


def count_parameters(model: Model) -> int:
    """Return the number of weights of the innermost layers, each layer once however often it is called.

    Args:
        model: the network.
    """
    counted: dict[str, int] = {}
    for layer in model.layers:
        counted[layer.name.partition(":")[0]] = layer.parameters
    holders = {name.rpartition("/")[0] for name in counted}
    return sum(number for name, number in counted.items() if name not in holders)


def _default_layer(model: Model) -> tuple[str, str]:
    """-> (name, note) of the layer that is explained by default, ("", why) where there is none."""
    try:
        return model.default_layer()
    except ModelError as error:
        return "", str(error)


def _shape(shape: tuple[int | None, ...]) -> str:
    return " x ".join("any" if side is None else str(side) for side in shape)
