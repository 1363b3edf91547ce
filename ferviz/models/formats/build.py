"""Build a Keras network from a checked configuration, within a budget of weights; errors name the layer."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ferviz.engines.backend import running, tensorflow
from ferviz.errors import FervizError, ModelError
from ferviz.models.formats.activation_sizes import check_activations
from ferviz.models.formats.allowlist import NETWORK_MODULES, layer_module
from ferviz.models.formats.diagnosis import find_culprit, find_reason
from ferviz.models.formats.keras_classes import AUGMENTATION, LAYERS, OLD_HARD_SIGMOID
from ferviz.native_logs import without_warnings

_SLACK = 1_000_000
_SEQUENTIAL = "ferviz>Sequential"
_BASE_SETTINGS = frozenset({"name", "trainable"})


def build(config: dict[str, Any], where: str, budget: int, trust: bool = False) -> Any:
    """Build the keras.Model that a configuration describes, with weights of zero.

    Args:
        config: the configuration, upgraded and checked.
        where: the file, for messages.
        budget: the most numbers that its weights may have together, plus a million.
        trust: let layers run the file's own code; then there is no budget.

    Raises:
        ModelError: the network would need more weights, or larger tensors for a face, than a network has (neither is allocated), or Keras
            cannot make it; the message names the layer that cannot be made alone, or the reason alone where each of them can.
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
            network = keras.saving.deserialize_keras_object(_rename_sequential(config), safe_mode=not trust)
    except FervizError:
        raise
    except (Exception, RecursionError) as error:
        name = "" if isinstance(error, RecursionError) else _find_culprit(config, budget, where, trust)
        place = f" at layer {name!r}" if name else ""
        raise ModelError(
            f"{where} cannot be built by Keras {keras.__version__}{place}: {find_reason(error)}"
        ) from error
    if not isinstance(network, keras.Model):
        raise ModelError(f"{where} describes a {type(network).__name__}, which is a layer and not a network")
    if not trust:
        check_activations(network, where)
    return network


def _find_culprit(config: dict[str, Any], budget: int, where: str, trust: bool) -> str:
    keras = running()

    def make(layer: dict[str, Any]) -> Any:
        return keras.saving.deserialize_keras_object(_rename_sequential(layer), safe_mode=not trust)

    with _within(None if trust else budget + _SLACK, where), keras.saving.custom_object_scope(_objects(keras)):
        return find_culprit(config, make)


def _objects(keras: Any) -> dict[str, Any]:
    """-> the objects that a file may ask for by name: ferviz' own, and the caller's (a new scope would hide those)."""
    state = keras.src.backend.common.global_state
    return {
        **(state.get_global_attribute("custom_objects_scope_dict") or {}),
        OLD_HARD_SIGMOID["config"]: _old_hard_sigmoid,
        _SEQUENTIAL: _Sequential,
    }


class _Sequential:
    """Stands for keras.Sequential while a configuration is read.

    Keras' own `from_config` adds layer by layer and connects all of them anew each time: a thousand layers take two minutes.
    """

    @staticmethod
    def from_config(config: dict[str, Any]) -> Any:
        keras = running()
        legacy = (
            keras.src.legacy.saving.saving_utils.model_from_config
        )  # reads classes without a module, as .h5 files have them
        modern = keras.saving.deserialize_keras_object
        layers = [(modern if "module" in layer else legacy)(layer) for layer in config["layers"]]
        network = keras.Sequential(layers, name=config["name"])
        shape = config.get("build_input_shape")
        if not network.built and isinstance(shape, list):
            network.build(shape)
        return network


def _rename_sequential(config: Any) -> Any:
    """-> the configuration in which every keras.Sequential is a `_Sequential`."""
    if isinstance(config, list):
        return [_rename_sequential(item) for item in config]
    if not isinstance(config, dict):
        return config
    config = {key: _rename_sequential(value) for key, value in config.items()}
    is_keras = config.get("module") == NETWORK_MODULES["Sequential"] and config.get("class_name") == "Sequential"
    if is_keras and config.get("registered_name") in (None, "Sequential") and isinstance(config.get("config"), dict):
        config["registered_name"] = _SEQUENTIAL
    return config


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
