"""The layers that a method looks at: named, or the network's default; and what a reader of their maps has to know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ferviz.attribution.methods.method import PICTURE, Method
from ferviz.engines.base import INPUT, LayerInfo
from ferviz.errors import ModelError, UsageError
from ferviz.models.features import MIN_CELLS
from ferviz.models.model import Model
from ferviz.registry import split_names


def resolve_layers(
    model: Model, method: Method, layer: str | Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the layers that a method looks at, and the warnings about them and about the method.

    Args:
        model: the network.
        method: the method.
        layer: a name, several (in a sequence, with commas between, or both), or None for the model's default.

    Returns:
        names of layers, and sentences.

    Raises:
        UnknownNameError: the network does not have a layer of that name.
        ModelError: a layer's output is not a map.
        UsageError: a layer is named twice, or a method of the picture is given a layer.
    """
    cautions = [method.caution] if method.caution else []
    names = _names(layer, [info.name for info in model.layers])
    if method.at == PICTURE:
        if [name for name in names if name != INPUT]:
            raise UsageError(f"this method looks at the picture and not at a layer; leave out the layer {names[0]!r}")
        return (INPUT,), tuple(cautions)
    if not names:
        name, note = model.default_layer()
        return (name,), ((note, *cautions) if note else tuple(cautions))
    if len(set(names)) != len(names):
        raise UsageError(f"a layer is named twice in {', '.join(names)}; name each once")
    for name in names:
        info = model.layer(name)
        if not info.spatial or len(info.shape) != 3:
            maps = [other.name for other in model.layers if other.spatial]
            nearest = f"; the last map is {maps[-1]}" if maps else ""
            raise ModelError(
                f"the output of layer {name!r} is {info.shape}, which is not a map, so it cannot give a heatmap{nearest}"
            )
        cautions = [*_layer_cautions(info, len(model.labels)), *cautions]
    return tuple(names), tuple(cautions)


def _names(layer: str | Iterable[str] | None, known: Sequence[str]) -> list[str]:
    if layer is None:
        return []
    if isinstance(layer, str) or not isinstance(layer, Sequence):
        return split_names(str(layer), known)
    return split_names([str(name) for name in layer], known)


def _layer_cautions(layer: LayerInfo, classes: int) -> list[str]:
    cautions = []
    height, width, channels = layer.shape
    if channels == classes and layer.name != INPUT:
        cautions.append(
            f"{layer.name} has one channel per class, so Grad-CAM and its relatives show that channel and nothing else"
        )
    if height and width and min(height, width) < MIN_CELLS:
        cautions.append(f"the map of {layer.name} has only {height} x {width} cells, so its heatmap is coarse")
    return cautions
