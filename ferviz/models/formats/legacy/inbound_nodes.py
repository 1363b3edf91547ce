"""The wiring of a functional network: how its layers call each other, as Keras 1 and 2 wrote it and as Keras 3 reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Config = dict[str, Any]

LAMBDAS = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")
"""What Keras 2 wrote for a TensorFlow function between layers; `ferviz.models.formats.legacy.tf_ops` replaces them."""


def rewired(config: Config, is_network: Callable[[str], bool], note: Callable[[str], None]) -> Config:
    """Return the configuration of a functional network with its calls in the words of Keras 3.

    config: with `layers` that carry their `name` and `inbound_nodes`. is_network: tells whether a class holds layers itself.
    note: takes sentences. Calls that are written in today's way already (dictionaries) stay as they are.
    """
    layers = [layer for layer in config["layers"] if _is_named(layer)]
    renamed = _plain_names(layers)
    if renamed:
        old, new = next(iter(renamed.items()))
        note(f"slashes in the names of layers are underscores here: {old} is called {new}")
    early = _counted_from_one(config, layers, is_network)
    outputs = {name for name in early if early[name] == "Sequential"}  # for Functional ones Keras does it itself

    def layer_with(layer: Config) -> Config:
        name = renamed.get(layer["name"], layer["name"])
        inner = layer.get("config")
        settings = {**inner, "name": name} if isinstance(inner, dict) else inner
        nodes = layer.get("inbound_nodes")
        if isinstance(nodes, list):
            nodes = [_shifted(node, early, renamed) if isinstance(node, list) else node for node in nodes]
            if str(layer.get("class_name")).rpartition(">")[2] not in LAMBDAS:
                nodes = [_call(node) if isinstance(node, list) else node for node in nodes]
        return {**layer, "name": name, "config": settings, "inbound_nodes": nodes}

    result = {**config, "layers": [layer_with(one) if _is_named(one) else one for one in config["layers"]]}
    for key in ("input_layers", "output_layers"):
        if key in config:
            result[key] = _shifted(config[key], outputs, renamed)
    return result


def tensor(reference: list[Any]) -> Config:
    """Return what stands for the output [layer, call, output] among the arguments of a call in Keras 3's JSON."""
    # The shape only stands in for the real tensor until the graph is connected.
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
    """-> every [layer, call, output] inside `value`, those among the arguments by name too."""
    if _is_reference(value):
        return [value, *(_references(value[3]) if len(value) == 4 else [])]
    if isinstance(value, dict):
        return [found for inner in value.values() for found in _references(inner)]
    return [found for inner in value for found in _references(inner)] if isinstance(value, list) else []


def _counted_from_one(config: Config, layers: list[Config], is_network: Callable[[str], bool]) -> dict[str, str]:
    """-> {name: class} of the nested networks whose calls the file counts from 1.

    Keras 1 and 2 counted the call that a network was made with as its call 0; Keras 3 does not.
    """
    highest: dict[str, int] = {}
    nodes = [found if isinstance(found := layer.get("inbound_nodes"), list) else [] for layer in layers]
    calls = [node for one in nodes for node in one if isinstance(node, list)]
    inner = {layer["name"]: str(layer.get("class_name")).rpartition(">")[2] for layer in layers}
    ends = [one for one in _references(config.get("output_layers")) if inner.get(one[0]) == "Sequential"]
    for name, call, *_ in [*_references(calls), *ends]:
        highest[name] = max(call, highest.get(name, 0))
    times = {layer["name"]: len(one) for layer, one in zip(layers, nodes, strict=True)}
    return {
        name: kind for name, kind in inner.items() if is_network(kind) and highest.get(name, 0) >= max(times[name], 1)
    }


def _shifted(value: Any, early: Any, renamed: dict[str, str]) -> Any:
    """Return `value` with its references counted from 0 for the networks in `early`, and with the layers' new names."""
    if _is_reference(value):
        name, call, output, *rest = value
        back = 1 if name in early and call > 0 else 0
        return [renamed.get(name, name), call - back, output, *(_shifted(one, early, renamed) for one in rest)]
    if isinstance(value, dict):
        return {key: _shifted(inner, early, renamed) for key, inner in value.items()}
    return [_shifted(inner, early, renamed) for inner in value] if isinstance(value, list) else value


def _call(node: list[Any]) -> Any:
    """One call: where tensors are passed by name (the `value` of an attention), it becomes {"args", "kwargs"}."""
    arguments = [node] if _is_reference(node) else node
    if not arguments or not all(_is_reference(one) for one in arguments):
        return node
    named = next((one[3] for one in arguments if len(one) == 4 and isinstance(one[3], dict) and one[3]), {})
    if not any(_is_reference(value) for value in named.values()):
        return arguments
    tensors = [tensor(one) for one in arguments]
    kwargs = {key: tensor(value) if _is_reference(value) else value for key, value in named.items()}
    return {"args": tensors if len(tensors) == 1 else [tensors], "kwargs": kwargs}


def _plain_names(layers: list[Config]) -> dict[str, str]:
    """-> {name: another} for the names with slashes, which Keras 3 does not allow."""
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
