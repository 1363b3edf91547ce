"""Feature maps of a network, found by the shapes of its layers alone: which one explanations look at by default."""

from __future__ import annotations

from collections.abc import Sequence

from ferviz.engines.base import LayerInfo
from ferviz.errors import ModelError

MIN_CELLS = 6
"""A map with fewer cells a side than this cannot tell an eye from a brow on an aligned face."""

_ACTIVATIONS = (
    "relu", "activation", "leakyrelu", "prelu", "elu", "selu", "gelu", "celu", "silu", "swish", "hardswish", "hardsigmoid",
    "sigmoid", "tanh", "softplus", "mish", "thresholdedrelu", "clip",
)  # fmt: skip
_NEUTRAL = (
    "batchnorm",
    "layernorm",
    "groupnorm",
    "normalization",
    "add",
    "dropout",
    "spatialdropout",
    "bias",
    "identity",
)


def default_layer(layers: Sequence[LayerInfo], classes: int, name: str) -> tuple[str, str]:
    """Find the layer that explanations look at when none is named: the last feature map that has weights.

    The layer is taken after everything that still happens to the map at its size (activation, normalisation, addition), so before
    a pooling that ends the trunk. Where that map already has one channel per class and no later layer has weights, it is the map
    before it.

    Args:
        layers: all layers of a network, in order of execution.
        classes: number of the network's outputs.
        name: the network's name, for the message.

    Returns:
        The layer's name, and one sentence about anything unusual, or "".

    Raises:
        ModelError: the network has no feature map.
    """
    position = last_feature_map(layers)
    if position is None:
        lacks = (
            "no layer whose output is a map" if layers else "no layers that can be looked into (a SavedModel has none)"
        )
        raise ModelError(
            f"{name} has {lacks}, so there is nothing to draw a heatmap from; methods that need only the answer (occlusion, RISE) "
            "still work"
        )
    notes = []
    if layers[position].shape[-1] == classes and not any(layer.parameters for layer in layers[position + 1 :]):
        before = last_feature_map(layers[: _first_of_map(layers, position)])
        if before is not None:
            notes.append(
                f"the last map, {layers[position].name}, has one channel per class already, so {layers[before].name} is explained"
            )
            position = before
    note = _coarseness(layers, position)
    return layers[position].name, "; ".join([*notes, note] if note else notes)


def last_feature_map(layers: Sequence[LayerInfo]) -> int | None:
    """Find the last feature map that a layer with weights computes, after everything that happens to it at its size.

    Args:
        layers: layers of a network, in order of execution.

    Returns:
        The position of the layer in `layers`, None where there is no feature map.
    """
    maps = [i for i, layer in enumerate(layers) if _is_map(layer) and not _is_container(layers, i)]
    if not maps:
        return None
    last = computed = max((i for i in maps if layers[i].parameters), default=maps[-1])
    # Layers of the same size but behind a change of size (a decoder) belong to another map.
    for i in maps:
        if i > computed:
            if layers[i].shape[:2] != layers[computed].shape[:2]:
                break
            last = i
    return last


def activation_after(layers: Sequence[LayerInfo], name: str) -> str | None:
    """Find the activation that a layer's maps run through before the next layer computes with them.

    Args:
        layers: all layers of a network, in order of execution.
        name: a layer's.

    Returns:
        The activation's name; None where another layer with weights, or a change of shape, comes first.
    """
    position = next((i for i, layer in enumerate(layers) if layer.name == name), None)
    if position is None:
        return None
    shape = layers[position].shape
    for layer in layers[position + 1 :]:
        kind = layer.kind.lower()
        if layer.shape != shape or not kind.startswith((*_NEUTRAL, *_ACTIVATIONS)):
            return None
        if kind.startswith(_ACTIVATIONS):
            return layer.name
    return None


def _coarseness(layers: Sequence[LayerInfo], position: int) -> str:
    """-> a sentence about a map with few cells and the nearest finer one, "" for other maps."""
    height, width = layers[position].shape[:2]
    if not height or not width or min(height, width) >= MIN_CELLS:
        return ""
    fine = [layer.name for layer in layers[:position] if _is_map(layer) and _smaller_side(layer) >= MIN_CELLS]
    finer = f"; {fine[-1]} is finer" if fine else ""
    return f"the map of {layers[position].name} has only {height} x {width} cells, so its heatmap is coarse{finer}"


def _smaller_side(layer: LayerInfo) -> float:
    return min(float("inf") if side is None else side for side in layer.shape[:2])


def _is_map(layer: LayerInfo) -> bool:
    return layer.spatial and len(layer.shape) == 3


def _first_of_map(layers: Sequence[LayerInfo], position: int) -> int:
    """-> the position of the first layer in the run of maps that ends at `position` and has its shape."""
    start = position
    while start and (layers[start - 1].shape == layers[position].shape or not _is_map(layers[start - 1])):
        start -= 1
    return start


def _is_container(layers: Sequence[LayerInfo], position: int) -> bool:
    """A nested network is listed beside its own layers; explanations look at the layers."""
    prefix = layers[position].name + "/"
    return layers[position].container or any(layer.name.startswith(prefix) for layer in layers)
