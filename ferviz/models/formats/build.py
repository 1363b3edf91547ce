"""Build a Keras network from a checked configuration, within a budget of weights; errors name the layer."""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ferviz.engines.backend import running, tensorflow
from ferviz.errors import FervizError, ModelError
from ferviz.models.formats.allowlist import layer_module
from ferviz.models.formats.keras_classes import AUGMENTATION, LAYERS, OLD_HARD_SIGMOID
from ferviz.models.formats.read import one_line
from ferviz.native_logs import without_warnings

MAX_ACTIVATION = 1 << 28
"""The most numbers in one layer's output for one face: a gigabyte."""

_SLACK = 1_000_000
_BASE_SETTINGS = frozenset({"name", "trainable"})


def build(config: dict[str, Any], where: str, budget: int, trust: bool = False) -> Any:
    """Build the keras.Model that a configuration describes, with weights of zero.

    Args:
        config: the configuration, upgraded and checked.
        where: the file, for messages.
        budget: the most numbers that its weights may have together, plus a million.
        trust: let layers run the file's own code; then there is no budget.

    Raises:
        ModelError: the network would need more weights (they are not allocated), or Keras cannot make a layer; the message names it.
    """
    keras = running()
    if not trust:
        config = _without_empty_settings(config, keras)
    try:
        with (
            without_warnings(),  # they are advice to the author of the network
            _within(None if trust else budget + _SLACK, where),
            keras.saving.custom_object_scope(_objects(keras)),
        ):
            network = keras.saving.deserialize_keras_object(config, safe_mode=not trust)
    except FervizError:
        raise
    except (Exception, RecursionError) as error:
        name = _culprit(config, keras, trust)
        place = f" at layer {name!r}" if name else ""
        raise ModelError(f"{where} cannot be built by Keras {keras.__version__}{place}: {_reason(error)}") from error
    if not isinstance(network, keras.Model):
        raise ModelError(f"{where} describes a {type(network).__name__}, which is a layer and not a network")
    _check_activations(network, where)
    return network


def _objects(keras: Any) -> dict[str, Any]:
    """-> the objects that a file may ask for by name: ferviz' own, and the caller's (a new scope would hide those)."""
    state = keras.src.backend.common.global_state
    return {
        **(state.get_global_attribute("custom_objects_scope_dict") or {}),
        OLD_HARD_SIGMOID["config"]: _old_hard_sigmoid,
    }


def _old_hard_sigmoid(x: Any) -> Any:
    return running().ops.clip(0.2 * x + 0.5, 0.0, 1.0)


@contextlib.contextmanager
def _within(budget: int | None, where: str) -> Iterator[None]:
    """Count every variable before it is made (more numbers than `budget` are a ModelError, None = any), and make it zero.

    The values come from the file, so no time is spent on initial ones.
    """
    total = 0

    def spend(numbers: float) -> None:
        nonlocal total
        total += int(numbers)
        if budget is not None and total > budget:
            raise ModelError(
                f"{where} describes a network with more than {budget:,} weights, but does not hold as many; "
                "architecture and weights do not belong together, or the file is made to do harm"
            )

    if budget is None:
        yield
    elif running().config.backend() == "tensorflow":
        with tensorflow().variable_creator_scope(_creator(spend)):
            yield
    else:
        with _adding_weights(spend):
            yield


def _creator(spend: Callable[[float], None]) -> Callable[..., Any]:
    """-> a variable creator for TensorFlow: it sees every variable, whatever code makes it."""
    tf = tensorflow()

    def creator(following: Any, **settings: Any) -> Any:
        value = settings.get("initial_value")
        if not callable(value):
            return following(**settings)
        with tf.Graph().as_default():  # in a graph the value is only described, not computed
            described = value()
        spend(np.prod(described.shape.as_list(), dtype=np.float64))
        settings["initial_value"] = np.zeros(described.shape.as_list(), described.dtype.as_numpy_dtype)
        return following(**settings)

    return creator


@contextlib.contextmanager
def _adding_weights(spend: Callable[[float], None]) -> Iterator[None]:
    """For other backends: wrap the method through which Keras' layers make their weights inside the block."""
    layer = running().layers.Layer
    original = layer.add_weight

    def add_weight(self: Any, *args: Any, **settings: Any) -> Any:
        shape = settings.get("shape", args[0] if args else ())
        spend(np.prod((shape,) if isinstance(shape, int) else tuple(shape or ()), dtype=np.float64))
        return original(self, *args, **(settings | {"initializer": "zeros"}))

    layer.add_weight = add_weight
    try:
        yield
    finally:
        layer.add_weight = original


def _without_empty_settings(config: Any, keras: Any) -> Any:
    """-> the configuration without the settings that a layer does not know and whose value is None, False or empty.

    Augmentation layers, which are passed through, lose every setting that they do not know.
    """
    if isinstance(config, list):
        return [_without_empty_settings(item, keras) for item in config]
    if not isinstance(config, dict):
        return config
    config = {k: _without_empty_settings(v, keras) for k, v in config.items()}
    name, settings = config.get("class_name"), config.get("config")
    if name in LAYERS and isinstance(settings, dict):
        module = keras.src.legacy.layers if layer_module(name) != "keras.layers" else keras.layers
        parameters = _BASE_SETTINGS | set(inspect.signature(getattr(module, name).__init__).parameters)
        empty: tuple[Any, ...] = (None, False, [], {}, "")
        config["config"] = {
            k: v for k, v in settings.items() if k in parameters or (v not in empty and name not in AUGMENTATION)
        }
    return config


def _culprit(config: dict[str, Any], keras: Any, trust: bool) -> str:
    """-> the name of the first layer that cannot be built alone, "" if all of them can (then the error lies in the graph)."""
    inner = config.get("config")
    for layer in inner.get("layers", []) if isinstance(inner, dict) else []:
        if not isinstance(layer, dict):
            continue
        alone = {k: v for k, v in layer.items() if k != "inbound_nodes"}
        name = str((layer.get("config") or {}).get("name", layer.get("name", "")))
        try:
            with without_warnings(), _within(_SLACK, ""):
                keras.saving.deserialize_keras_object(alone, safe_mode=not trust)
        except Exception:
            nested = _culprit(layer, keras, trust)
            return f"{name}/{nested}" if nested else name
    return ""


def _reason(error: BaseException) -> str:
    """-> Keras' message in one line: the exception inside its long report, where there is one."""
    text = str(error)
    unknown = re.search(r"(?:Could not locate|Unknown) (class|function|layer):? '([^']+)'", text)
    if unknown:
        return f"the {unknown[1]} {unknown[2]!r} is not registered, so import the code that defines it first"
    if "marshal" in text or "defaults) must be None" in text:
        return "the Python code in one of its Lambda layers cannot be read by this version of Python"
    inner = re.search(r"Exception encountered: (?!<class)(.*)", text)
    called = re.search(r"Exception encountered when calling (\S+)", text)
    if called and not inner:
        lines = [re.sub(r"\x1b\[\d+m", "", line).strip() for line in text.splitlines() if line.strip()]
        inner_text = next((line for line in lines[1:] if not line.startswith("Arguments received")), lines[0])
        return f"{called.group(1)}: {one_line(inner_text)}"
    return one_line(inner.group(1) if inner else text)


def _check_activations(network: Any, where: str) -> None:
    for step in getattr(network, "operations", network.layers):  # layers, and operations between them
        if getattr(step, "operations", None):
            _check_activations(step, where)
        with contextlib.suppress(AttributeError, ValueError, TypeError):
            shape = [side for side in tuple(step.output.shape)[1:] if side]
            if np.prod(shape, dtype=np.float64) > MAX_ACTIVATION:
                raise ModelError(
                    f"the output of layer {step.name!r} of {where} has {tuple(shape)} numbers a face; the most are {MAX_ACTIVATION}"
                )


def leaf_layers(network: Any) -> list[Any]:
    """Return the layers of a network in order, with nested networks replaced by their own layers.

    Args:
        network: a keras.Model.
    """
    keras = running()
    result = []
    for layer in network.layers:
        result.extend(leaf_layers(layer) if isinstance(layer, keras.Model) and layer.layers else [layer])
    return result
