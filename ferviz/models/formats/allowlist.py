"""The allow-list: a configuration may ask only for Keras' own picture layers, of reasonable sizes, before Keras gets to see it."""

from __future__ import annotations

from typing import Any

from ferviz.errors import ModelError, UntrustedModelError
from ferviz.models.formats.keras_classes import (
    LAYERS,
    MAX_SIZE,
    NETWORKS,
    OLD_HARD_SIGMOID,
    OPERATIONS,
    SIZE_KEYS,
    VALUE_TYPES,
    VALUES,
)
from ferviz.printable import is_printable, printable

MAX_LAYERS = 2000
"""More layers than any published network for pictures has; Keras connects them in about ten seconds."""

MAX_CALLS = 20_000
"""The most calls of layers: a network inside that is called twice, holding one that is called twice, ... calls a layer 2^n times."""

MAX_DEPTH = 60
MAX_NAME = 1000
MAX_NUMBERS = 4_000_000
"""The most numbers in a configuration (constants of __numpy__ and the like)."""

NETWORK_MODULES = {
    "Sequential": "keras.src.models.sequential",
    "Functional": "keras.src.models.functional",
    "Model": "keras.src.models.functional",
}
LAYER_MODULE = "keras.layers"

_DANGEROUS = {
    "Lambda": "runs Python code that the file carries",
    "__lambda__": "runs Python code that the file carries",
    "TFSMLayer": "loads another file, a SavedModel",
    "TorchModuleWrapper": "unpickles PyTorch code, which can run anything",
    "FlaxLayer": "runs code from outside of Keras",
    "JaxLayer": "runs code from outside of Keras",
    "StringLookup": "reads other files",
    "IntegerLookup": "reads other files",
    "TextVectorization": "reads other files",
    "function": "asks for a function by its name",
    "__typespec__": "asks for a Python class by its name",
    "__bytes__": "carries raw bytes",
}


def check_config(config: Any, where: str) -> None:
    """Refuse a configuration that asks for anything but Keras' own picture layers, or for absurd sizes.

    Args:
        config: the upgraded configuration, as it will go to Keras.
        where: the file, for messages.

    Raises:
        UntrustedModelError: a class, function or module is not on the allow-list, wherever it is hidden: in nested networks, wrappers,
            activations, or the arguments of a call.
        ModelError: a size, depth or count is larger than any network's.
    """
    counts = {"layers": 0, "numbers": 0}
    waiting: list[tuple[Any, str, str, int]] = [(config, "", "", 0)]
    while waiting:
        value, key, layer, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise ModelError(f"{where} is nested more than {MAX_DEPTH} deep; it is damaged or made to do harm")
        if isinstance(value, dict):
            layer = _check_object(value, where, layer, counts)
            waiting.extend((inner, str(k), layer, depth + 1) for k, inner in value.items())
        elif isinstance(value, list):
            waiting.extend((inner, key, layer, depth + 1) for inner in value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            counts["numbers"] += 1
            if counts["numbers"] > MAX_NUMBERS:
                raise ModelError(
                    f"{where} has more than {MAX_NUMBERS} numbers in its configuration, far more than any network"
                )
            if not abs(value) <= (MAX_SIZE if key in SIZE_KEYS else 2**53):  # NaN is not smaller either
                number = f"{value:.3g}" if isinstance(value, float) or abs(value) < 2**1000 else "a huge number"
                raise ModelError(f"{where} asks for {key} = {number} in layer {layer!r}; no network for faces has that")
    calls = _count_calls(config)
    if calls > MAX_CALLS:
        raise ModelError(
            f"{where} calls its layers {calls:,} times for one face, because its networks contain each other; the most are {MAX_CALLS:,}"
        )


def _count_calls(layer: Any) -> int:
    """-> how often layers are called when an object is called once."""
    inner = layer.get("config") if isinstance(layer, dict) else None
    if not isinstance(inner, dict):
        return 1
    layers, wrapped = inner.get("layers"), inner.get("layer")
    if layer.get("class_name") not in NETWORKS or not isinstance(layers, list):
        return _count_calls(wrapped) if isinstance(wrapped, dict) else 1
    return sum(_count_nodes(step) * _count_calls(step) for step in layers)


def _count_nodes(layer: Any) -> int:
    nodes = layer.get("inbound_nodes") if isinstance(layer, dict) else None
    return len(nodes) if isinstance(nodes, list) and nodes else 1


def _check_object(value: dict[str, Any], where: str, layer: str, counts: dict[str, int]) -> str:
    """Check one dictionary; -> the name of the layer that its content belongs to."""
    name = value.get("class_name")
    if name is None:
        if value.get("module") is not None or value.get("registered_name") is not None:
            # Keras also finds objects by these keys; Keras itself never writes them without a class name.
            raise UntrustedModelError(_refusal(where, layer, f"the object {value.get('registered_name')!r}", ""))
        return layer
    if isinstance(name, str) and name in VALUES:
        _check_value(name, value.get("config"), where, layer)
        return layer
    if value == OLD_HARD_SIGMOID:
        return layer
    inner = value.get("config")
    own = inner.get("name") if isinstance(inner, dict) else None
    layer = own if isinstance(own, str) else layer
    if not is_printable(layer) or len(layer) > MAX_NAME:
        raise ModelError(
            f"{where} has a layer whose name, {printable(layer, 60)!r}, cannot be shown: a name has at most {MAX_NAME} characters, none of "
            "them a control character"
        )
    _check_operands(value, where, layer)
    if name == "Rescaling" and isinstance(inner, dict):
        for key in ("scale", "offset"):
            if not isinstance(inner.get(key), dict) and not _are_numbers(inner.get(key, 0)):
                raise ModelError(f"{where} has a {key} in layer {layer!r} that is no number; it is damaged")
    if not isinstance(name, str) or name in _DANGEROUS:
        raise UntrustedModelError(_refusal(where, layer, str(name), _DANGEROUS.get(str(name), "")))
    module, registered = str(value.get("module")), value.get("registered_name")
    is_allowed = (
        (name in NETWORKS and module == NETWORK_MODULES[name])
        or (name in LAYERS and module == layer_module(name))
        or (module in OPERATIONS and name in OPERATIONS[module])
    )
    if not is_allowed or registered not in (None, name):
        shown = registered if isinstance(registered, str) and registered != name else name
        raise UntrustedModelError(_refusal(where, layer, shown, ""))
    counts["layers"] += 1
    if counts["layers"] > MAX_LAYERS:
        raise ModelError(f"{where} has more than {MAX_LAYERS} layers, the most that ferviz reads")
    return layer


def _check_value(name: str, config: Any, where: str, layer: str) -> None:
    """Refuse a constant that is not made of numbers of a usual type: the type S2000000000 makes 2 GB of each."""
    dtype = config.get("dtype") if isinstance(config, dict) else None
    if name.endswith(("numpy__", "tensor__")) and (not isinstance(dtype, str) or dtype not in VALUE_TYPES):
        shown = printable(str(dtype), 40)
        raise ModelError(f"{where} has a constant of type {shown!r} in layer {layer!r}; a constant is made of numbers")
    if name in ("__numpy__", "__tensor__") and isinstance(config, dict) and not _are_numbers(config.get("value")):
        raise ModelError(f"{where} has a constant in layer {layer!r} that is not made of numbers")


def _are_numbers(value: Any) -> bool:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(item)
        elif not isinstance(item, int | float):
            return False
    return True


def _check_operands(layer: dict[str, Any], where: str, name: str) -> None:
    """Refuse a call without any layer's output among its operands: Keras would compute it while it reads the file, whatever its size."""
    nodes = layer.get("inbound_nodes")
    for node in nodes if isinstance(nodes, list) else []:
        if isinstance(node, dict) and not _has_tensor([node.get("args"), node.get("kwargs")]):
            raise ModelError(f"{where} calls layer {name!r} with constants alone; it is damaged or made to do harm")


def _has_tensor(operands: Any) -> bool:
    """Whether Keras finds a layer's output in the operands of a call: in lists and dictionaries, but not inside other values."""
    waiting = [operands]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if item.get("class_name") == "__keras_tensor__":
                return True
            waiting.extend(() if "class_name" in item else item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return False


def layer_module(name: str) -> str:
    """Return the module in which Keras 3 finds a layer class.

    Args:
        name: the class, one of `keras_classes.LAYERS`.
    """
    return "keras.src.legacy.layers" if name == "ThresholdedReLU" else LAYER_MODULE


def _refusal(where: str, layer: str, name: str, reason: str) -> str:
    place = f" (layer {layer!r})" if layer and layer != name else ""
    why = f", which {reason}" if reason else ", which is not one of Keras' own layers for pictures"
    trust = (
        "pass trust=True (--trust) only if you know where the file comes from"
        if reason
        else "if you know the file, import the code that registers this class and pass trust=True"
    )
    return f"{where} asks for {name}{place}{why}; {trust}"
