"""From a checked configuration to a Keras network: built within a budget of weights, errors told with the layer's name."""

from __future__ import annotations

import contextlib
import inspect
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ferviz.engines.backend import running, tensorflow
from ferviz.errors import FervizError, ModelError
from ferviz.models.formats.allowlist import layer_module
from ferviz.models.formats.keras_classes import AUGMENTATION, LAYERS, OLD_HARD_SIGMOID
from ferviz.models.formats.read import one_line

MAX_ACTIVATION = 1 << 28
"""Numbers that one layer may put out for one face: a gigabyte."""

_SLACK = 1_000_000
_BASE_SETTINGS = frozenset({"name", "trainable"})


def build(config: dict[str, Any], where: str, budget: int, trust: bool = False) -> Any:
    """Return the keras.Model that `config` describes, its weights all zero.

    config: mended and checked. where: the file, for messages. budget: how many numbers its weights may have together, plus a
    million; more raises ModelError before they are allocated. trust: let layers run the file's own code.
    Raises ModelError naming the layer that Keras cannot make.
    """
    keras = running()
    if not trust:
        config = _without_empty_settings(config, keras)
    try:
        with (
            warnings.catch_warnings(),
            _within(None if trust else budget + _SLACK, where),
            keras.saving.custom_object_scope(_objects(keras)),
        ):
            warnings.simplefilter("ignore")  # Keras' advice to the one who wrote the network
            network = keras.saving.deserialize_keras_object(config, safe_mode=not trust)
    except FervizError:
        raise
    except (Exception, RecursionError) as error:
        name = _culprit(config, keras, trust)
        place = f" at layer {name!r}" if name else ""
        raise ModelError(f"{where} cannot be rebuilt by Keras {keras.__version__}{place}: {_reason(error)}") from error
    if not isinstance(network, keras.Model):
        raise ModelError(f"{where} describes a {type(network).__name__}, which is a layer and no network")
    _check_activations(network, where)
    return network


def _objects(keras: Any) -> dict[str, Any]:
    """-> what a file may ask for by name: ours, and what the caller's own scope offers (a new scope would hide it)."""
    state = keras.src.backend.common.global_state
    return {
        **(state.get_global_attribute("custom_objects_scope_dict") or {}),
        OLD_HARD_SIGMOID["config"]: _old_hard_sigmoid,
    }


def _old_hard_sigmoid(x: Any) -> Any:
    return running().ops.clip(0.2 * x + 0.5, 0.0, 1.0)


@contextlib.contextmanager
def _within(budget: int | None, where: str) -> Iterator[None]:
    """Count every variable before it is made, and make it zero: values come from the file, so no time is spent on others.

    budget: the most numbers, None = any. where: the file, for the ModelError that more of them raise.
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
    """Return what TensorFlow is to ask for each variable: it sees all of them, whoever makes them."""
    tf = tensorflow()

    def creator(following: Any, **settings: Any) -> Any:
        value = settings.get("initial_value")
        if not callable(value):
            return following(**settings)
        with tf.Graph().as_default():  # here the value is only described, not made
            described = value()
        spend(np.prod(described.shape.as_list(), dtype=np.float64))
        settings["initial_value"] = np.zeros(described.shape.as_list(), described.dtype.as_numpy_dtype)
        return following(**settings)

    return creator


@contextlib.contextmanager
def _adding_weights(spend: Callable[[float], None]) -> Iterator[None]:
    """On other backends: the one method through which Keras' layers make their weights, wrapped for the time of the block."""
    layer = running().layers.Layer
    plain = layer.add_weight

    def add_weight(self: Any, *args: Any, **settings: Any) -> Any:
        shape = settings.get("shape", args[0] if args else ())
        spend(np.prod((shape,) if isinstance(shape, int) else tuple(shape or ()), dtype=np.float64))
        return plain(self, *args, **(settings | {"initializer": "zeros"}))

    layer.add_weight = add_weight
    try:
        yield
    finally:
        layer.add_weight = plain


def _without_empty_settings(config: Any, keras: Any) -> Any:
    """Leave out settings that a layer does not know and that say nothing anyway (None, False, empty).

    Of augmentation, which is passed through here, whatever it does not know is left out.
    """
    if isinstance(config, list):
        return [_without_empty_settings(one, keras) for one in config]
    if not isinstance(config, dict):
        return config
    config = {k: _without_empty_settings(v, keras) for k, v in config.items()}
    name, settings = config.get("class_name"), config.get("config")
    if name in LAYERS and isinstance(settings, dict):
        module = keras.src.legacy.layers if layer_module(name) != "keras.layers" else keras.layers
        known = _BASE_SETTINGS | set(inspect.signature(getattr(module, name).__init__).parameters)
        nothing: tuple[Any, ...] = (None, False, [], {}, "")
        config["config"] = {
            k: v for k, v in settings.items() if k in known or (v not in nothing and name not in AUGMENTATION)
        }
    return config


def _culprit(config: dict[str, Any], keras: Any, trust: bool) -> str:
    """Return the name of the first layer that cannot be made on its own, "" if all of them can (then it is the graph)."""
    inner = config.get("config")
    for layer in inner.get("layers", []) if isinstance(inner, dict) else []:
        if not isinstance(layer, dict):
            continue
        alone = {k: v for k, v in layer.items() if k != "inbound_nodes"}
        name = str((layer.get("config") or {}).get("name", layer.get("name", "")))
        try:
            with warnings.catch_warnings(), _within(_SLACK, ""):
                warnings.simplefilter("ignore")
                keras.saving.deserialize_keras_object(alone, safe_mode=not trust)
        except Exception:
            within = _culprit(layer, keras, trust)
            return f"{name}/{within}" if within else name
    return ""


def _reason(error: BaseException) -> str:
    """Return what Keras says in one line: the exception inside its long account, where there is one."""
    text = str(error)
    unknown = re.search(r"(?:Could not locate|Unknown) (class|function|layer):? '([^']+)'", text)
    if unknown:
        return f"nobody registered the {unknown[1]} {unknown[2]!r}, so import the code that defines it first"
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
                raise ModelError(f"{where} asks layer {step.name!r} for {tuple(shape)} numbers a face; that is not run")


def leaf_layers(network: Any) -> list[Any]:
    """Return the layers of a network and of the networks inside it, innermost only, in order."""
    keras = running()
    result = []
    for layer in network.layers:
        result.extend(leaf_layers(layer) if isinstance(layer, keras.Model) and layer.layers else [layer])
    return result
