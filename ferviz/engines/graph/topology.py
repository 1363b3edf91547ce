"""What a traced network says about its layers: their shapes, their kernels, and what each is given by which."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ferviz.engines.base import INPUT, Array, LayerInfo
from ferviz.engines.graph.graph_trace import Call

if TYPE_CHECKING:
    from ferviz.engines.graph.graph_engine import GraphEngine


def layer_infos(calls: Iterable[Call]) -> tuple[LayerInfo, ...]:
    """Describe every layer call of a traced network, in order of execution.

    Args:
        calls: of a Trace.
    """
    calls = list(calls)
    attention = _attention_prefixes(calls)
    return tuple(_layer_info(call, attention) for call in calls)


def output_shape(call: Call) -> tuple[int | None, ...]:
    """Return the shape of a call's output without the batch, the channels last where it is a map.

    Args:
        call: of a Trace.
    """
    shape = tuple(call.tensor.shape[1:])
    return (*shape[1:], shape[0]) if len(shape) == 3 and call.channels_first else shape


def kernels(engine: GraphEngine, layer: str) -> dict[str, Array]:
    """Return the kernels of one layer, their axes in one order whatever the layer.

    Args:
        engine: executes the network.
        layer: the name of one of its layers.

    Returns:
        {"kernel": (h, w, inputs, outputs)} for convolutions, also transposed and grouped ones (whose inputs are those of one group);
        {"depthwise": (h, w, channels, multiplier)} for depthwise ones, which give each channel kernels of its own; separable ones have
        "depthwise" and "pointwise" (1, 1, inputs, outputs). All float32. Empty for a layer of any other kind.
    """
    return engine.traced.call(layer).kernels()


def connections(engine: GraphEngine) -> list[tuple[LayerInfo, tuple[str, ...]]]:
    """Return every layer call together with the names of the calls that it gets its tensors from.

    They are read off a traced run and not off the network's file. Networks inside the network are left out and their layers stand for
    them; what a layer of its own class does inside stays inside. Operations between layers (a relu that a subclassed network calls
    itself) are passed through, not listed.

    Args:
        engine: executes the network.

    Returns:
        [(layer, sources)] in order of execution; INPUT among the sources is the picture.
    """
    traced = engine.trace_at(engine.input_shape, separate=True)
    calls = _outermost_layers(list(traced.calls.values()))
    makers = {id(call.tensor): call.address for call in calls} | {id(traced.picture): INPUT}
    known = {layer.name: layer for layer in engine.layers}
    return [(known[call.address], _sources(call, makers)) for call in calls]


def operations_before(engine: GraphEngine, layer: str) -> frozenset[str]:
    """Return the kinds of TensorFlow's operations between the picture and what a layer is given ("Conv2D", "AddV2", ...).

    Args:
        engine: executes the network.
        layer: the name of one of its layers.
    """
    call = engine.traced.call(layer)
    kinds, seen, waiting = set(), set(), list(call.inputs)
    while waiting:
        operation = waiting.pop().op
        if operation.name not in seen:
            seen.add(operation.name)
            kinds.add(operation.type)
            waiting += operation.inputs
    return frozenset(kinds)


def _attention_prefixes(calls: Iterable[Call]) -> tuple[str, ...]:
    """What the addresses inside attention layers begin with: their (heads, tokens, sizes) are no maps."""
    kinds = ("MultiHeadAttention", "GroupQueryAttention")
    return tuple(call.address.rpartition(":")[0] or call.address for call in calls if call.kind in kinds)


def _layer_info(call: Call, attention: tuple[str, ...]) -> LayerInfo:
    shape = output_shape(call)
    spatial = len(shape) == 3 and (None in shape[:2] or (shape[0] or 0) * (shape[1] or 0) > 1)
    spatial = spatial and call.is_map and not any(call.address.startswith(f"{outer}/") for outer in attention)
    return LayerInfo(call.address, call.kind, shape, spatial, call.parameters)


def _outermost_layers(calls: list[Call]) -> list[Call]:
    """The calls of layers that are no networks themselves and lie in no layer but networks."""
    layer_addresses = {_without_number(call.address) for call in calls if not call.is_network}
    chosen = []
    for call in calls:
        parts = _without_number(call.address).split("/")
        outer = {"/".join(parts[:end]) for end in range(1, len(parts))}
        if not call.is_network and not outer & layer_addresses:
            chosen.append(call)
    return chosen


def _without_number(address: str) -> str:
    """The address without the number of the call."""
    name, colon, number = address.rpartition(":")
    return name if colon and number.isdigit() else address


def _sources(call: Call, makers: dict[int, str]) -> tuple[str, ...]:
    """What the call's tensors were made by, each once, in the order of its arguments."""
    sources: dict[str, None] = {}
    seen: set[int] = set()

    def collect(tensors: Any) -> None:
        waiting = list(tensors)[::-1]
        while waiting:
            tensor = waiting.pop()
            if id(tensor) in seen:
                continue
            seen.add(id(tensor))
            if id(tensor) in makers:
                sources.setdefault(makers[id(tensor)])
            else:
                waiting += list(tensor.op.inputs)[::-1]

    collect(call.inputs)
    return tuple(sources)
