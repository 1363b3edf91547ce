"""Upgrade a configuration that any version of Keras wrote to one that today's Keras reads.

Each step is a small function of one dictionary, named for what it does; `upgrade_config` runs the steps over all networks and layers,
outermost first. The steps do not import Keras and leave values that they do not understand as they are: `allowlist.check_config`
checks the result. What matters only for training (initialisers, regularisers, constraints, types) is dropped, because the
weights come from the file.
"""

from __future__ import annotations

import copy
from typing import Any

from ferviz.models.formats.allowlist import NETWORK_MODULES, layer_module
from ferviz.models.formats.keras_classes import LAYERS, NETWORKS, OPERATIONS, SHORT_NAMES
from ferviz.models.formats.legacy import keras1
from ferviz.models.formats.legacy.inbound_nodes import upgrade_nodes
from ferviz.models.formats.legacy.layers import LAYER_STEPS, Config, Context, Step, input_shape
from ferviz.models.formats.legacy.tf_ops import replace_tf_op


def upgrade_config(document: Config, version: str = "") -> tuple[Config, list[str]]:
    """Upgrade a configuration to the form that today's Keras reads.

    Args:
        document: {"class_name", "config"} as a file has it; it is not changed.
        version: of the Keras that wrote it, "" if unknown.

    Returns:
        The new configuration, in which everything that was not understood is as before; and notes about what changed in meaning.
    """
    context = Context(version, _upgrade_object)
    return _upgrade_object(copy.deepcopy(document), context), context.notes


# -- one object: a network, a layer, or something else -----------------------------------------------------------------


def _upgrade_object(value: Config, context: Context) -> Config:
    for step in OBJECT_STEPS:
        value = step(value, context)
    name = value.get("class_name")
    if not isinstance(name, str) or str(value.get("module")) in OPERATIONS:
        return _name_module(value)
    if name in NETWORKS:
        for step in NETWORK_STEPS:
            value = step(value, context)
        layers = value["config"].get("layers")
        if isinstance(layers, list):
            value["config"]["layers"] = [
                _upgrade_object(layer, context) if isinstance(layer, dict) else layer for layer in layers
            ]
        for step in FINAL_STEPS:
            value = step(value, context)
        return _name_module(value)
    if name not in LAYERS or not isinstance(value.get("config"), dict):
        return value
    if keras1.is_keras1(value, context.version):
        value = keras1.rename_settings(value)
    for step in LAYER_STEPS:
        value = step(value, context)
    for key in ("layer", "backward_layer", "cell"):  # of Bidirectional, TimeDistributed, RNN
        inner = value["config"].get(key)
        if isinstance(inner, dict):
            value["config"][key] = _upgrade_object(inner, context)
    return _name_module(value)


def _name_module(value: Config) -> Config:
    """-> the object with the module in which today's Keras finds its class; other classes stay as they are."""
    name = value.get("class_name")
    if value.get("registered_name") not in (None, name) or not isinstance(name, str):
        return value
    if str(value.get("module")) in OPERATIONS:
        return {**value, "registered_name": None}
    if name in NETWORKS:
        return {**value, "module": NETWORK_MODULES[name], "registered_name": None}
    if name in LAYERS:
        return {**value, "module": layer_module(name), "registered_name": None}
    return value


# -- names -------------------------------------------------------------------------------------------------------------


def strip_package(value: Config, context: Context) -> Config:
    """Replace `Custom>Rescaling`, `keras>Functional`, `Addons>GroupNormalization` by the class' own name, where Keras has it.

    Args:
        value: {"class_name", "config", ...} of a network or layer.
        context: what is known of the file.
    """
    for key in ("class_name", "registered_name"):
        full = value.get(key)
        if isinstance(full, str) and ">" in full:
            package, _, name = full.rpartition(">")
            if SHORT_NAMES.get(name, name) in LAYERS | NETWORKS and package in ("Custom", "Addons", "keras", "Keras"):
                if package in ("Custom", "Addons"):
                    context.note(f"{full} is read as Keras' own {name}")
                value = {**value, key: name}
    return value


def rename_class(value: Config, context: Context) -> Config:
    """Rename Convolution2D to Conv2D, MaxPool2D to MaxPooling2D, ...

    Args:
        value: {"class_name", "config", ...} of a network or layer.
        context: what is known of the file.
    """
    name = value.get("class_name")
    if isinstance(name, str) and name in SHORT_NAMES and str(value.get("module")) not in OPERATIONS:
        config = value.get("config")
        if name in ("RandomWidth", "RandomHeight") and isinstance(config, dict):
            config = {k: v for k, v in config.items() if k == "name"}
        if name.startswith("Atrous") and isinstance(config, dict) and "atrous_rate" in config:
            config = {**config, "dilation_rate": config["atrous_rate"]}
        registered = None if value.get("registered_name") in (name, None) else value["registered_name"]
        return {**value, "class_name": SHORT_NAMES[name], "config": config, "registered_name": registered}
    return value


def name_operation_module(value: Config, context: Context) -> Config:
    """Name the module of an operation in an .h5 of Keras 3, which leaves it out: TrueDivide, or Add that is called with (x, y).

    Args:
        value: {"class_name", "config", ...} of a layer.
        context: what is known of the file.
    """
    name, nodes = value.get("class_name"), value.get("inbound_nodes")
    if (
        value.get("module") is not None
        or not context.version.startswith("3")
        or not isinstance(nodes, list)
        or not nodes
        or not isinstance(name, str)
    ):
        return value
    module = next((module for module, names in OPERATIONS.items() if name in names), None)
    arguments = nodes[0].get("args") if isinstance(nodes[0], dict) else None
    if module is None or (name in LAYERS and not (isinstance(arguments, list) and len(arguments) > 1)):
        return value
    return {**value, "module": module}


def unwrap_module_wrapper(value: Config, context: Context) -> Config:
    """Replace ModuleWrapper (keras and tf.keras mixed in one program) by the layer inside, where the file names it.

    Args:
        value: {"class_name", "config", ...} of a layer.
        context: what is known of the file.
    """
    config = value.get("config")
    if value.get("class_name") != "ModuleWrapper" or not isinstance(config, dict):
        return value
    inner = config.get("layer") or config.get("module")
    if not isinstance(inner, dict) or "class_name" not in inner:
        return value
    kept = {k: value[k] for k in ("name", "inbound_nodes") if k in value}
    merged = {**inner, **kept}
    if isinstance(merged.get("config"), dict) and "name" in config:
        merged["config"] = {**merged["config"], "name": config["name"]}
    return merged


# -- networks ----------------------------------------------------------------------------------------------------------


def wrap_layer_list(value: Config, context: Context) -> Config:
    """Replace the config of a Sequential that is a bare list of layers (Keras 1 and 2.0 to 2.1) by {"layers": [...]}.

    Args:
        value: {"class_name", "config", ...} of a network.
        context: what is known of the file.
    """
    if isinstance(value.get("config"), list):
        value = {**value, "config": {"name": str(value.get("name", "sequential")), "layers": value["config"]}}
    if not isinstance(value.get("config"), dict):
        value = {**value, "config": {}}
    config = value["config"]
    if value["class_name"] == "Sequential" and not isinstance(config.get("name"), str):
        value = {**value, "config": {**config, "name": str(value.get("name", "sequential"))}}
    return value


def rename_model(value: Config, context: Context) -> Config:
    """Rename `Model` with a graph of layers to Functional.

    Args:
        value: {"class_name", "config", ...} of a network.
        context: what is known of the file.
    """
    if value["class_name"] == "Model" and "input_layers" in value["config"]:
        return {**value, "class_name": "Functional", "registered_name": None}
    return value


def unwrap_endpoints(value: Config, context: Context) -> Config:
    """Replace [["input_1", 0, 0]] by ["input_1", 0, 0]: a single input or output is not a list.

    Args:
        value: {"class_name", "config", ...} of a network.
        context: what is known of the file.
    """
    config = value["config"]
    for key in ("input_layers", "output_layers"):
        ends = config.get(key)
        if isinstance(ends, dict) and len(ends) == 1:
            ends = list(ends.values())
        if isinstance(ends, list) and len(ends) == 1 and isinstance(ends[0], list):
            config = {**config, key: ends[0]}
    return {**value, "config": config}


def name_every_layer(value: Config, context: Context) -> Config:
    """Give each layer of a graph its name and inbound_nodes beside its config; Keras 1 left them out where it could.

    Args:
        value: {"class_name", "config", ...} of a network.
        context: what is known of the file.
    """
    layers = value["config"].get("layers")
    if value["class_name"] != "Functional" or not isinstance(layers, list):
        return value
    named = []
    for layer in layers:
        if isinstance(layer, dict):
            inner = layer.get("config")
            name = inner.get("name") if isinstance(inner, dict) else None
            layer = {**layer, "name": layer.get("name") or name, "inbound_nodes": layer.get("inbound_nodes") or []}
            if isinstance(inner, dict) and name is None:
                layer["config"] = {**inner, "name": layer["name"]}
        named.append(layer)
    return {**value, "config": {**value["config"], "layers": named}}


def upgrade_calls(value: Config, context: Context) -> Config:
    """Bring the calls of layers into Keras 3's form (see `inbound_nodes.upgrade_nodes`).

    Args:
        value: {"class_name", "config", ...} of a network.
        context: what is known of the file.
    """
    config = value["config"]
    if value["class_name"] != "Functional" or not isinstance(config.get("layers"), list):
        return value
    return {**value, "config": upgrade_nodes(config, NETWORKS.__contains__, context.note)}


def replace_operations(value: Config, context: Context) -> Config:
    """Replace TFOpLambda, SlicingOpLambda and TensorFlowOpLayer by the layer or operation of Keras 3 that computes the same.

    Args:
        value: {"class_name", "config", ...} of a network.
        context: what is known of the file.
    """
    layers = value["config"].get("layers")
    if value["class_name"] != "Functional" or not isinstance(layers, list):
        return value
    replaced = [replace_tf_op(layer) if isinstance(layer, dict) else layer for layer in layers]
    return {**value, "config": {**value["config"], "layers": replaced}}


def drop_training_keys(value: Config, context: Context) -> Config:
    """Drop a network's settings of types, compiling and building, which are not needed to run it.

    Args:
        value: {"class_name", "config", ...} of a network.
        context: what is known of the file.
    """
    value = {k: v for k, v in value.items() if k not in ("compile_config", "build_config", "shared_object_id")}
    value["config"] = {k: v for k, v in value["config"].items() if k != "dtype"}
    return value


def add_input_layer(value: Config, context: Context) -> Config:
    """Give a Sequential without InputLayer one with the batch_input_shape of its first layer (Keras 1 and 2).

    Args:
        value: {"class_name", "config", ...} of a network.
        context: what is known of the file.
    """
    config = value["config"]
    layers = config.get("layers")
    if (
        value["class_name"] != "Sequential"
        or not isinstance(layers, list)
        or not layers
        or not isinstance(layers[0], dict)
    ):
        return value
    shape = input_shape(layers[0]) or config.get("build_input_shape")
    first = layers[0].get("config")
    if layers[0].get("class_name") != "InputLayer" and isinstance(shape, list) and isinstance(first, dict):
        input_layer = {
            "class_name": "InputLayer",
            "config": {"batch_shape": shape, "name": f"{first.get('name', 'first')}_input"},
        }
        layers = [_name_module(input_layer), *layers]
    config = {k: v for k, v in config.items() if k != "build_input_shape"}
    return {**value, "config": {**config, "layers": [_without_shape(layer) for layer in layers]}}


def _without_shape(layer: Any) -> Any:
    if (
        not isinstance(layer, dict)
        or layer.get("class_name") == "InputLayer"
        or not isinstance(layer.get("config"), dict)
    ):
        return layer
    shapes = ("batch_input_shape", "batch_shape", "input_shape")
    return {**layer, "config": {k: v for k, v in layer["config"].items() if k not in shapes}}


def replace_merge(value: Config, context: Context) -> Config:
    """Replace Merge of Keras 1 by Add, Concatenate, Multiply, Average, Maximum or Dot.

    Args:
        value: {"class_name", "config", ...} of a layer.
        context: what is known of the file.
    """
    return keras1.replace_merge(value)


OBJECT_STEPS: tuple[Step, ...] = (
    strip_package,
    name_operation_module,
    unwrap_module_wrapper,
    replace_merge,
    rename_class,
)
"""The upgrades of any object, in order."""

NETWORK_STEPS: tuple[Step, ...] = (
    wrap_layer_list,
    rename_model,
    unwrap_endpoints,
    name_every_layer,
    upgrade_calls,
    replace_operations,
    drop_training_keys,
)
"""The upgrades of a network before those of its layers."""

FINAL_STEPS: tuple[Step, ...] = (add_input_layer,)
"""The upgrades of a network after those of its layers."""
