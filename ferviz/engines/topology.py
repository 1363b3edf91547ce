"""How the layers of a network are connected: what each is given, read off a traced run and not off the network's file."""

from __future__ import annotations

from typing import Any

from ferviz.engines.backend import keras as get_keras
from ferviz.engines.base import INPUT, LayerInfo
from ferviz.engines.keras_trace import Call, trace


def wiring(engine: Any) -> list[tuple[LayerInfo, tuple[str, ...]]]:
    """Return every layer call together with the names of the calls that it gets its tensors from.

    engine: a KerasEngine. -> [(layer, sources)] in order of execution; INPUT among the sources is the picture. Networks inside
    the network are left out and their layers stand for them; what a layer of its own class does inside stays inside.
    Operations between layers (a relu that a subclassed network calls itself) are passed through, not listed.
    """
    apart = trace(engine.network, engine.input_shape, engine.channels_first, apart=True)
    calls = _boxes(list(apart.calls.values()))
    makers = {id(call.tensor): call.address for call in calls} | {id(apart.picture): INPUT}
    known = {layer.name: layer for layer in engine.layers}
    return [(known[call.address], _sources(call, makers)) for call in calls]


def passed(engine: Any, layer: str) -> frozenset[str]:
    """Return the kinds of TensorFlow's operations between the picture and what a layer is given ("Conv2D", "AddV2", ...)."""
    t = engine.traced
    call = t.calls[t.aliases.get(layer, layer)]
    kinds, seen, waiting = set(), set(), list(call.arrived)
    while waiting:
        operation = waiting.pop().op
        if operation.name not in seen:
            seen.add(operation.name)
            kinds.add(operation.type)
            waiting += operation.inputs
    return frozenset(kinds)


def _boxes(calls: list[Call]) -> list[Call]:
    """-> the calls of layers that are no networks themselves and lie in no layer but networks."""
    network = get_keras().Model
    closed = {_plain(call.address) for call in calls if not isinstance(call.layer, network)}
    chosen = []
    for call in calls:
        parts = _plain(call.address).split("/")
        outer = {"/".join(parts[:end]) for end in range(1, len(parts))}
        if not isinstance(call.layer, network) and not outer & closed:
            chosen.append(call)
    return chosen


def _plain(address: str) -> str:
    """-> the address without the number of the call."""
    name, colon, number = address.rpartition(":")
    return name if colon and number.isdigit() else address


def _sources(call: Call, makers: dict[int, str]) -> tuple[str, ...]:
    """-> what the call's tensors were made by, each once, in the order of its arguments."""
    found: dict[str, None] = {}
    seen: set[int] = set()

    def look(tensors: Any) -> None:
        waiting = list(tensors)[::-1]
        while waiting:
            tensor = waiting.pop()
            if id(tensor) in seen:
                continue
            seen.add(id(tensor))
            if id(tensor) in makers:
                found.setdefault(makers[id(tensor)])
            else:
                waiting += list(tensor.op.inputs)[::-1]

    look(call.arrived)
    return tuple(found)


def own_code(network: Any) -> bool:
    """Return whether a network, or one inside it, runs a `call` of its own or operations that are no layers."""
    keras = get_keras()
    plain = type(network).__name__ in ("Functional", "Sequential")
    steps = getattr(network, "operations", []) if plain else []
    if not plain or any(not isinstance(step, keras.layers.Layer) for step in steps):
        return True
    return any(own_code(layer) for layer in network.layers if isinstance(layer, keras.Model))
