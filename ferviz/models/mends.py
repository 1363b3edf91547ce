"""Mends: what stands between a configuration that some Keras wrote, years ago, and the one that today's Keras reads.

Each mend is a small function on one dictionary, named for what it does; `mend` runs them over all networks and layers,
outermost first. They never see Keras and never look at values they do not understand: those are left for `safety.check`,
which looks at the result. What only matters for training (initialisers, regularisers, constraints, types) is dropped, because a
network that is read gets its weights from the file.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ferviz.models import keras1, operations
from ferviz.models.known import ACTIVATIONS, LAYERS, NETWORKS, OPERATIONS, SHORT_NAMES
from ferviz.models.safety import NETWORK_MODULES, layer_module

Config = dict[str, Any]


@dataclass
class Context:
    """What the mends know of the file and say about it. version: of the Keras that wrote it, "" if unknown."""

    version: str = ""
    notes: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        """Keep a sentence for the user, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)


def mend(document: Config, version: str = "") -> tuple[Config, list[str]]:
    """Return (configuration for today's Keras, notes about what was changed in meaning).

    document: {"class_name", "config"} as found in a file; it is not changed. version: of the Keras that wrote it, "" if unknown.
    Anything that cannot be understood stays as it is.
    """
    context = Context(version)
    return _object(copy.deepcopy(document), context), context.notes


# -- one object: a network, a layer, or something else -----------------------------------------------------------------


def _object(value: Config, context: Context) -> Config:
    for step in NAMES:
        value = step(value, context)
    name = value.get("class_name")
    if not isinstance(name, str) or value.get("module") in OPERATIONS:
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
    inner = value["config"].get("layer")
    if isinstance(inner, dict):
        value["config"]["layer"] = _object(inner, context)
    return _own(value)


def _own(value: Config) -> Config:
    """Say where Keras itself finds the class, whatever module the file names; other classes stay as they are."""
    name = value.get("class_name")
    if value.get("registered_name") not in (None, name) or not isinstance(name, str):
        return value
    if value.get("module") in OPERATIONS:
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
    if isinstance(name, str) and name in SHORT_NAMES and value.get("module") not in OPERATIONS:
        config = value.get("config")
        if name in ("RandomWidth", "RandomHeight") and isinstance(config, dict):
            config = {k: v for k, v in config.items() if k == "name"}
        if name.startswith("Atrous") and isinstance(config, dict) and "atrous_rate" in config:
            config = {**config, "dilation_rate": config["atrous_rate"]}
        registered = None if value.get("registered_name") in (name, None) else value["registered_name"]
        return {**value, "class_name": SHORT_NAMES[name], "config": config, "registered_name": registered}
    return value


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


def input_shape(layer: Config) -> list[Any] | None:
    """Return the shape with batch that a layer's configuration names, from the first layer of nested networks too."""
    config = layer.get("config")
    if not isinstance(config, dict):
        return None
    for key in ("batch_input_shape", "batch_shape"):
        if isinstance(config.get(key), list):
            return list(config[key])
    for key in ("input_shape", "shape"):
        if isinstance(config.get(key), list):
            return [None, *config[key]]
    inner = config.get("layers")
    if isinstance(inner, list) and inner and isinstance(inner[0], dict):
        return input_shape(inner[0])
    wrapped = config.get("layer")
    return input_shape(wrapped) if isinstance(wrapped, dict) else None


def _without_shape(layer: Any) -> Any:
    if (
        not isinstance(layer, dict)
        or layer.get("class_name") == "InputLayer"
        or not isinstance(layer.get("config"), dict)
    ):
        return layer
    gone = ("batch_input_shape", "batch_shape", "input_shape")
    return {**layer, "config": {k: v for k, v in layer["config"].items() if k not in gone}}


# -- layers ------------------------------------------------------------------------------------------------------------

_TRAINING_ONLY = re.compile(r".*_(initializer|regularizer|constraint)$|^(activity_regularizer|quantization_config)$")
_OBSOLETE = frozenset({"input_dtype", "time_major", "weights", "input_tensor", "sparse", "ragged", "reset_after_v1",
                       "experimental_autocast", "input_spec", "optional", "create_input", "fused", "virtual_batch_size",
                       "renorm", "renorm_clipping", "renorm_momentum", "adjustment", "data_format_v1", "autocast",
                       "force_generator", "rng_type"})  # fmt: skip
_NOT_HERE: dict[str, frozenset[str]] = {
    "DepthwiseConv2D": frozenset({"groups", "filters"}),
    "DepthwiseConv1D": frozenset({"groups", "filters"}),
    "SeparableConv2D": frozenset({"groups"}),
    "SeparableConv1D": frozenset({"groups"}),
    "Conv2DTranspose": frozenset({"groups"}),
    "Resizing": frozenset({"name_v1"}),
    "Identity": frozenset({"activation"}),
    "Flatten": frozenset({"border_mode"}),
    "UpSampling3D": frozenset({"interpolation"}),
}


def drop_training_settings(value: Config, context: Context) -> Config:
    """Initialisers, regularisers, constraints, how it was built: nothing of it changes what a trained layer computes."""
    config = {k: v for k, v in value["config"].items() if not _TRAINING_ONLY.match(k)}
    value = {k: v for k, v in value.items() if k not in ("build_config", "compile_config", "shared_object_id")}
    return {**value, "config": config}


def use_float32(value: Config, context: Context) -> Config:
    """Every type or policy ("float16", {"class_name": "Policy", ...}) -> Keras' float32."""
    config = dict(value["config"])
    policy = config.pop("dtype", None)
    if isinstance(policy, dict):
        inner = policy.get("config")
        policy = inner.get("name") if isinstance(inner, dict) else None
    if isinstance(policy, str) and ("16" in policy or "64" in policy) and value["class_name"] != "InputLayer":
        context.note(f"the network was trained with {policy}; it runs in float32 here")
    return {**value, "config": config}


def drop_obsolete_keys(value: Config, context: Context) -> Config:
    """Settings that Keras once wrote and no longer takes (`groups` of DepthwiseConv2D, `time_major`, `fused` ...)."""
    gone = _OBSOLETE | _NOT_HERE.get(value["class_name"], frozenset())
    return {**value, "config": {k: v for k, v in value["config"].items() if k not in gone}}


def single_axis(value: Config, context: Context) -> Config:
    """BatchNormalization (and Softmax, Concatenate) with axis [3] -> 3."""
    axis = value["config"].get("axis")
    if isinstance(axis, list) and len(axis) == 1 and value["class_name"] != "Normalization":
        return {**value, "config": {**value["config"], "axis": axis[0]}}
    return value


def plain_values(value: Config, context: Context) -> Config:
    """{"class_name": "__tuple__", "items": [...]} and {"class_name": "TensorShape"} -> lists; a number in NumPy's clothes -> a number."""
    return {**value, "config": {k: _plain(v) for k, v in value["config"].items()}}


def _plain(value: Any) -> Any:
    if isinstance(value, dict) and value.get("class_name") in ("__tuple__", "TensorShape"):
        items = value.get("items")
        return [_plain(v) for v in items] if isinstance(items, list) else value
    if isinstance(value, dict) and set(value) == {"type", "value"} and isinstance(value["value"], int | float):
        return value["value"]
    return value


def batch_shape(value: Config, context: Context) -> Config:
    """InputLayer: batch_input_shape (Keras 1, 2) and input_shape -> batch_shape."""
    if value["class_name"] != "InputLayer":
        return value
    shape = input_shape(value)
    kept = {k: v for k, v in value["config"].items() if k == "name"}
    return {**value, "config": {**kept, "batch_shape": shape} if shape else kept}


def activation_by_name(value: Config, context: Context) -> Config:
    """An activation given as an object or by another name -> the string, or the layer, that Keras takes."""
    config = dict(value["config"])
    for key in ("activation", "recurrent_activation"):
        given = config.get(key)
        if isinstance(given, dict):
            name = given.get("config") if given.get("class_name") == "function" else given.get("class_name")
            if isinstance(name, str) and name.lower() in ACTIVATIONS and not given.get("module", "").startswith("__"):
                config[key] = name.lower()
            else:
                config[key] = _object(given, context)
        if isinstance(given, str) and given.rpartition(">")[2].lower() in ACTIVATIONS:
            config[key] = given.rpartition(">")[2].lower()
        if config.get(key) == "hard_sigmoid" and context.version[:1] in ("1", "2"):
            context.note(
                "hard_sigmoid has another slope since Keras 3 (1/6 instead of 0.2), so this network's answers shift a little"
            )
    return {**value, "config": config}


def renamed_settings(value: Config, context: Context) -> Config:
    """LeakyReLU's alpha -> negative_slope, ThresholdedReLU's, GaussianNoise's and ZeroPadding2D's old spellings."""
    config = dict(value["config"])
    if value["class_name"] == "LeakyReLU" and "alpha" in config:
        config.setdefault("negative_slope", config["alpha"])
        del config["alpha"]
    if value["class_name"] in ("GaussianNoise", "GaussianDropout") and "sigma" in config:
        config["stddev"] = config.pop("sigma")
    padding = config.get("padding")
    if value["class_name"] == "ZeroPadding2D" and isinstance(padding, dict):
        top, bottom, left, right = (padding.get(f"{side}_pad", 0) for side in ("top", "bottom", "left", "right"))
        config["padding"] = [[top, bottom], [left, right]]
    if value["class_name"] in ("Rescaling", "Normalization"):
        config = {k: v for k, v in config.items() if not (k in ("mean", "variance") and v is None)}
    return {**value, "config": config}


def merge_by_mode(value: Config, context: Context) -> Config:
    """Merge of Keras 1 -> Add, Concatenate, Multiply, Average, Maximum or Dot."""
    return keras1.merged(value)


Step = Callable[[Config, Context], Config]
NAMES: tuple[Step, ...] = (strip_package, unwrap_module_wrapper, merge_by_mode, rename_class)
"""What any object goes through."""

WHOLE: tuple[Step, ...] = (
    list_config,
    model_is_functional,
    unwrap_endpoints,
    name_every_layer,
    replace_operations,
    drop_training_keys,
)
"""What a network goes through before its layers."""

FINISHED: tuple[Step, ...] = (make_input_layer,)
"""What a network goes through after its layers."""

SINGLE: tuple[Step, ...] = (
    plain_values, drop_training_settings, use_float32, drop_obsolete_keys, single_axis, batch_shape, activation_by_name, renamed_settings,
)  # fmt: skip
"""What a layer goes through."""
