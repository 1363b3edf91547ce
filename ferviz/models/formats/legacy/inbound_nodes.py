"""Inbound nodes, the connections of a functional network: from the way Keras 1 and 2 wrote them to the way Keras 3 reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Config = dict[str, Any]

TF_OP_LAYERS = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")
"""The layers that Keras 2 wrote for TensorFlow functions; `ferviz.models.formats.legacy.tf_ops` replaces them."""


def upgrade_nodes(config: Config, is_network: Callable[[str], bool], note: Callable[[str], None]) -> Config:
    """Bring the calls of a functional network's layers into the form of Keras 3; calls in that form (dictionaries) stay as they are.

    Args:
        config: with `layers` that have `name` and `inbound_nodes`.
        is_network: returns whether a class holds layers itself.
        note: takes sentences about what was changed.

    Returns:
        The new configuration.
    """
    layers = [layer for layer in config["layers"] if _is_named(layer)]
    renamed = _names_without_slash(layers)
    if renamed:
        old, new = next(iter(renamed.items()))
        note(f"slashes in the names of layers became underscores: {old} is now {new}")
    from_one = _networks_counted_from_one(config, layers, is_network)
    outputs = {name for name in from_one if from_one[name] == "Sequential"}  # for Functional ones Keras does it itself

    def upgrade_layer(layer: Config) -> Config:
        name = renamed.get(layer["name"], layer["name"])
        inner = layer.get("config")
        settings = {**inner, "name": name} if isinstance(inner, dict) else inner
        nodes = layer.get("inbound_nodes")
        if isinstance(nodes, list):
            nodes = [_shift(node, from_one, renamed) if isinstance(node, list) else node for node in nodes]
            if str(layer.get("class_name")).rpartition(">")[2] not in TF_OP_LAYERS:
                nodes = [_upgrade_call(node) if isinstance(node, list) else node for node in nodes]
        return {**layer, "name": name, "config": settings, "inbound_nodes": nodes}

    result = {**config, "layers": [upgrade_layer(layer) if _is_named(layer) else layer for layer in config["layers"]]}
    for key in ("input_layers", "output_layers"):
        if key in config:
            result[key] = _shift(config[key], outputs, renamed)
    return result


def keras_tensor(reference: list[Any]) -> Config:
    """Return the form that a layer's output has among the arguments of a call in Keras 3's JSON.

    Args:
        reference: [layer, call, output].
    """
    # The shape is a placeholder; Keras replaces it by the real tensor when it connects the graph.
    settings = {"shape": [None], "dtype": "float32", "keras_history": list(reference[:3])}
    return {"class_name": "__keras_tensor__", "config": settings}


def _is_named(layer: Any) -> bool:
    return isinstance(layer, dict) and isinstance(layer.get("name"), str)


def _is_reference(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(isinstance(v, int) and not isinstance(v, bool) for v in value[1:3])
    )


def _references(value: Any) -> list[list[Any]]:
    """-> every [layer, call, output] inside `value`, also those among the keyword arguments."""
    if _is_reference(value):
        return [value, *(_references(value[3]) if len(value) == 4 else [])]
    if isinstance(value, dict):
        return [reference for inner in value.values() for reference in _references(inner)]
    return [reference for inner in value for reference in _references(inner)] if isinstance(value, list) else []


def _networks_counted_from_one(
    config: Config, layers: list[Config], is_network: Callable[[str], bool]
) -> dict[str, str]:
    """-> {name: class} of the nested networks whose calls the file counts from 1.

    Keras 1 and 2 counted the call that a network was made with as its call 0; Keras 3 does not.
    """
    highest: dict[str, int] = {}
    nodes = [node if isinstance(node := layer.get("inbound_nodes"), list) else [] for layer in layers]
    calls = [call for calls_of_layer in nodes for call in calls_of_layer if isinstance(call, list)]
    classes = {layer["name"]: str(layer.get("class_name")).rpartition(">")[2] for layer in layers}
    outputs = _references(config.get("output_layers"))
    ends = [reference for reference in outputs if classes.get(reference[0]) == "Sequential"]
    for name, call, *_ in [*_references(calls), *ends]:
        highest[name] = max(call, highest.get(name, 0))
    times = {layer["name"]: len(own) for layer, own in zip(layers, nodes, strict=True)}
    return {
        name: kind for name, kind in classes.items() if is_network(kind) and highest.get(name, 0) >= max(times[name], 1)
    }


def _shift(value: Any, from_one: Any, renamed: dict[str, str]) -> Any:
    """-> `value` with references to the networks in `from_one` counted from 0, and with the layers' new names."""
    if _is_reference(value):
        name, call, output, *rest = value
        back = 1 if name in from_one and call > 0 else 0
        return [renamed.get(name, name), call - back, output, *(_shift(part, from_one, renamed) for part in rest)]
    if isinstance(value, dict):
        return {key: _shift(inner, from_one, renamed) for key, inner in value.items()}
    return [_shift(inner, from_one, renamed) for inner in value] if isinstance(value, list) else value


def _upgrade_call(node: list[Any]) -> Any:
    """-> one call; with tensors as keyword arguments (the `value` of an attention) it becomes {"args", "kwargs"}."""
    arguments = [node] if _is_reference(node) else node
    if not arguments or not all(_is_reference(argument) for argument in arguments):
        return node
    named = next((a[3] for a in arguments if len(a) == 4 and isinstance(a[3], dict) and a[3]), {})
    if not any(_is_reference(value) for value in named.values()):
        return arguments
    tensors = [keras_tensor(argument) for argument in arguments]
    kwargs = {key: keras_tensor(value) if _is_reference(value) else value for key, value in named.items()}
    return {"args": tensors if len(tensors) == 1 else [tensors], "kwargs": kwargs}


def _names_without_slash(layers: list[Config]) -> dict[str, str]:
    """-> {name: new name} for the names with slashes, which Keras 3 does not allow."""
    taken = {layer["name"] for layer in layers}
    result: dict[str, str] = {}
    for layer in layers:
        name = layer["name"]
        if "/" in name:
            plain = name.replace("/", "_")
            while plain in taken:
                plain += "_"
            taken.add(plain)
            result[name] = plain
    return result
