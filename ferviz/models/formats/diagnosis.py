"""Say which layer of a configuration Keras cannot make, and why, from the exception that Keras raised."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ferviz.errors import FervizError
from ferviz.models.formats.read import one_line
from ferviz.native_logs import without_warnings

_WRAPPERS = re.compile(
    r"Error when deserializing class|could not be deserialized properly|Unable to revive|Exception encountered"
)
"""What Keras says around the exception of a layer; the exception itself is that one's context."""

_MOST_TRIED = 2000


def find_culprit(config: Any, make: Callable[[dict[str, Any]], Any]) -> str:
    """Find the first layer of a network that cannot be made alone.

    Args:
        config: the configuration, {"class_name", "config": {"layers": [...]}} or any other JSON.
        make: makes the object that one layer's configuration describes; raises if it cannot.

    Returns:
        The layer's address, "backbone/conv3"; "" if every layer can be made alone, and the error lies in how they are connected.
    """
    for layer in _layers(config)[:_MOST_TRIED]:
        if not isinstance(layer, dict):
            continue
        try:
            with without_warnings():
                make({k: v for k, v in layer.items() if k != "inbound_nodes"})
        except FervizError:  # a limit of the whole network, not an error of this layer
            continue
        except Exception:
            name, inside = _name(layer), find_culprit(layer, make)
            return f"{name}/{inside}" if inside else name
    return ""


def find_reason(error: BaseException) -> str:
    """Return the innermost reason of an exception that Keras raised while it made a network, as one line.

    Args:
        error: the exception, inside whose chain Keras hides the one that a layer raised.
    """
    if isinstance(error, RecursionError):
        return "more layers follow each other, or are nested in each other, than Keras can connect (about 900)"
    text = str(error)
    unknown = re.search(r"(?:Could not locate|Unknown) (class|function|layer):? '([^']+)'", text)
    if unknown:
        return f"the {unknown[1]} {unknown[2]!r} is not registered, so import the code that defines it first"
    if "marshal" in text or "defaults) must be None" in text:
        return "the Python code in one of its Lambda layers cannot be read by this version of Python"
    inner = error.__cause__ or error.__context__
    if _WRAPPERS.search(text) and inner is not None:
        return find_reason(inner)
    encountered = re.search(r"Exception encountered: (?!<class)(.*\S)", text)
    called = re.search(r"Exception encountered when calling (\S+)", text)
    if called and not encountered:
        lines = [re.sub(r"\x1b\[\d+m", "", line).strip() for line in text.splitlines() if line.strip()]
        inner_text = next((line for line in lines[1:] if not line.startswith("Arguments received")), lines[0])
        return f"{called.group(1)}: {one_line(inner_text)}"
    if isinstance(error, KeyError) and error.args:
        return f"the key {one_line(str(error.args[0]), 60)!r} is missing"
    return one_line(encountered.group(1) if encountered else error)


def _layers(config: Any) -> list[Any]:
    inner = config.get("config") if isinstance(config, dict) else None
    layers = inner.get("layers") if isinstance(inner, dict) else None
    return layers if isinstance(layers, list) else []


def _name(layer: dict[str, Any]) -> str:
    inner = layer.get("config")
    own = inner.get("name") if isinstance(inner, dict) else None
    return one_line(str(own if own is not None else layer.get("name", layer.get("class_name", "?"))), 60)
