"""Mends: what stands between a configuration that some Keras wrote, years ago, and the one that today's Keras reads.

Each mend is a small function on one dictionary, named for what it does; `mend` runs them over all networks and layers,
outermost first. They never see Keras and never look at values they do not understand: those are left for `safety.check`,
which looks at the result. What only matters for training (initialisers, regularisers, constraints, types) is dropped, because a
network that is read gets its weights from the file.
"""

from __future__ import annotations

import copy
from typing import Any

from ferviz.models.formats.allowlist import NETWORK_MODULES, layer_module
from ferviz.models.formats.keras_classes import LAYERS, NETWORKS, OPERATIONS, SHORT_NAMES
from ferviz.models.formats.legacy import inbound_nodes as graph
from ferviz.models.formats.legacy import keras1
from ferviz.models.formats.legacy import tf_ops as operations
from ferviz.models.formats.legacy.layers import SINGLE, Config, Context, Step, input_shape


def upgrade_config(document: Config, version: str = "") -> tuple[Config, list[str]]:
    """Return (configuration for today's Keras, notes about what was changed in meaning).

    document: {"class_name", "config"} as found in a file; it is not changed. version: of the Keras that wrote it, "" if unknown.
    Anything that cannot be understood stays as it is.
    """
    context = Context(version, _object)
    return _object(copy.deepcopy(document), context), context.notes


# -- one object: a network, a layer, or something else -----------------------------------------------------------------


def _object(value: Config, context: Context) -> Config:
    for step in NAMES:
        value = step(value, context)
    name = value.get("class_name")
    if not isinstance(name, str) or str(value.get("module")) in OPERATIONS:
        return _own(value)
    if name in NETWORKS:
        for step in WHOLE:
            value = step(value, context)
        layers = value["config"].get("layers")
        if isinstance(layers, list):
            value["config"]["layers"] = [_object(one, context) if isinstance(one, dict) else one for one in layers]
        for step in FINISHED:
            value = step(value, context)
        return _own(value)
    if name not in LAYERS or not isinstance(value.get("config"), dict):
        return value
    if keras1.is_old(value, context.version):
        value = keras1.modernised(value, context.note)
    for step in SINGLE:
        value = step(value, context)
    for key in ("layer", "backward_layer", "cell"):  # of Bidirectional, TimeDistributed, RNN
        inner = value["config"].get(key)
        if isinstance(inner, dict):
            value["config"][key] = _object(inner, context)
    return _own(value)


def _own(value: Config) -> Config:
    """Say where Keras itself finds the class, whatever module the file names; other classes stay as they are."""
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
    """`Custom>Rescaling`, `keras>Functional`, `Addons>GroupNormalization` -> the class' own name, where Keras has it."""
    for key in ("class_name", "registered_name"):
        full = value.get(key)
        if isinstance(full, str) and ">" in full:
            package, _, name = full.rpartition(">")
            if SHORT_NAMES.get(name, name) in LAYERS | NETWORKS and package in ("Custom", "Addons", "keras", "Keras"):
                if package in ("Custom", "Addons"):
                    context.note(f"{full} was read as Keras' own {name}")
                value = {**value, key: name}
    return value


def rename_class(value: Config, context: Context) -> Config:
    """Convolution2D -> Conv2D, MaxPool2D -> MaxPooling2D ... and a nameless `registered_name` goes with it."""
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


def operation_module(value: Config, context: Context) -> Config:
    """An operation in an .h5 of Keras 3, which leaves out where the class is: TrueDivide, or Add that is called with (x, y)."""
    name, nodes = value.get("class_name"), value.get("inbound_nodes")
    if (
        value.get("module") is not None
        or not context.version.startswith("3")
        or not isinstance(nodes, list)
        or not nodes
    ):
        return value
    module = next((module for module, names in OPERATIONS.items() if name in names), None)
    arguments = nodes[0].get("args") if isinstance(nodes[0], dict) else None
    if module is None or (name in LAYERS and not (isinstance(arguments, list) and len(arguments) > 1)):
        return value
    return {**value, "module": module}


def unwrap_module_wrapper(value: Config, context: Context) -> Config:
    """ModuleWrapper (keras and tf.keras mixed in one program) -> the layer inside, where the file names it."""
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


def list_config(value: Config, context: Context) -> Config:
    """A Sequential whose config is the bare list of its layers (Keras 1 and 2.0 to 2.1) -> {"layers": [...]}."""
    if isinstance(value.get("config"), list):
        value = {**value, "config": {"name": str(value.get("name", "sequential")), "layers": value["config"]}}
    if not isinstance(value.get("config"), dict):
        value = {**value, "config": {}}
    config = value["config"]
    if value["class_name"] == "Sequential" and not isinstance(config.get("name"), str):
        value = {**value, "config": {**config, "name": str(value.get("name", "sequential"))}}
    return value


def model_is_functional(value: Config, context: Context) -> Config:
    """`Model` with a graph of layers -> Functional."""
    if value["class_name"] == "Model" and "input_layers" in value["config"]:
        return {**value, "class_name": "Functional", "registered_name": None}
    return value


def unwrap_endpoints(value: Config, context: Context) -> Config:
    """[["input_1", 0, 0]] -> ["input_1", 0, 0]: a single input or output is no list of them."""
    config = value["config"]
    for key in ("input_layers", "output_layers"):
        ends = config.get(key)
        if isinstance(ends, dict) and len(ends) == 1:
            ends = list(ends.values())
        if isinstance(ends, list) and len(ends) == 1 and isinstance(ends[0], list):
            config = {**config, key: ends[0]}
    return {**value, "config": config}


def name_every_layer(value: Config, context: Context) -> Config:
    """A graph's layers carry name and inbound_nodes beside their config; Keras 1 left them out where it could."""
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


def rewire(value: Config, context: Context) -> Config:
    """Calls of nested networks that are counted from 1, tensors passed by name, names with slashes -> Keras 3's way."""
    config = value["config"]
    if value["class_name"] != "Functional" or not isinstance(config.get("layers"), list):
        return value
    return {**value, "config": graph.rewired(config, NETWORKS.__contains__, context.note)}


def replace_operations(value: Config, context: Context) -> Config:
    """TFOpLambda, SlicingOpLambda, TensorFlowOpLayer -> the layer or operation of Keras 3 that does the same."""
    layers = value["config"].get("layers")
    if value["class_name"] != "Functional" or not isinstance(layers, list):
        return value
    replaced = [operations.replaced(layer) if isinstance(layer, dict) else layer for layer in layers]
    return {**value, "config": {**value["config"], "layers": replaced}}


def drop_training_keys(value: Config, context: Context) -> Config:
    """What a network says about types, compiling and building itself is not needed to run it."""
    value = {k: v for k, v in value.items() if k not in ("compile_config", "build_config", "shared_object_id")}
    value["config"] = {k: v for k, v in value["config"].items() if k != "dtype"}
    return value


def make_input_layer(value: Config, context: Context) -> Config:
    """A Sequential without InputLayer gets one from its first layer's batch_input_shape (Keras 1 and 2)."""
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
        entrance = {
            "class_name": "InputLayer",
            "config": {"batch_shape": shape, "name": f"{first.get('name', 'first')}_input"},
        }
        layers = [_own(entrance), *layers]
    config = {k: v for k, v in config.items() if k != "build_input_shape"}
    return {**value, "config": {**config, "layers": [_without_shape(layer) for layer in layers]}}


def _without_shape(layer: Any) -> Any:
    if (
        not isinstance(layer, dict)
        or layer.get("class_name") == "InputLayer"
        or not isinstance(layer.get("config"), dict)
    ):
        return layer
    gone = ("batch_input_shape", "batch_shape", "input_shape")
    return {**layer, "config": {k: v for k, v in layer["config"].items() if k not in gone}}


def merge_by_mode(value: Config, context: Context) -> Config:
    """Merge of Keras 1 -> Add, Concatenate, Multiply, Average, Maximum or Dot."""
    return keras1.merged(value)


NAMES: tuple[Step, ...] = (strip_package, operation_module, unwrap_module_wrapper, merge_by_mode, rename_class)
"""What any object goes through."""

WHOLE: tuple[Step, ...] = (
    list_config,
    model_is_functional,
    unwrap_endpoints,
    name_every_layer,
    rewire,
    replace_operations,
    drop_training_keys,
)
"""What a network goes through before its layers."""

FINISHED: tuple[Step, ...] = (make_input_layer,)
"""What a network goes through after its layers."""
