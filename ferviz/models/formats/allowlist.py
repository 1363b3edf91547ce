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
    VALUES,
)

MAX_LAYERS = 5000
MAX_DEPTH = 60
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
            if abs(value) > (MAX_SIZE if key in SIZE_KEYS else 2**53):
                raise ModelError(
                    f"{where} asks for {key} = {value:.3g} in layer {layer!r}; no network for faces has that"
                )


def _check_object(value: dict[str, Any], where: str, layer: str, counts: dict[str, int]) -> str:
    """Check one dictionary; -> the name of the layer that its content belongs to."""
    name = value.get("class_name")
    if name is None:
        if value.get("module") is not None or value.get("registered_name") is not None:
            # Keras also finds objects by these keys; Keras itself never writes them without a class name.
            raise UntrustedModelError(_refusal(where, layer, f"the object {value.get('registered_name')!r}", ""))
        return layer
    if (isinstance(name, str) and name in VALUES) or value == OLD_HARD_SIGMOID:
        return layer
    inner = value.get("config")
    own = inner.get("name") if isinstance(inner, dict) else None
    layer = own if isinstance(own, str) else layer
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
