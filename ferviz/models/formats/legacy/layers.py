"""The mends of single layers: settings that were renamed, that are gone, or that only training needs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ferviz.models.formats.keras_classes import ACTIVATIONS, OLD_HARD_SIGMOID

Config = dict[str, Any]


@dataclass
class Context:
    """What the mends know of the file and say about it.

    version: of the Keras that wrote it, "" if unknown. whole: mends an object that lies inside another one.
    """

    version: str
    whole: Callable[[Config, Context], Config]
    notes: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        """Keep a sentence for the user, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)


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
    "SpatialDropout1D": frozenset({"trainable", "noise_shape"}),
    "SpatialDropout2D": frozenset({"trainable", "noise_shape"}),
    "SpatialDropout3D": frozenset({"trainable", "noise_shape"}),
    "MultiHeadAttention": frozenset({"query_shape", "key_shape", "value_shape"}),
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
    if isinstance(value, dict) and value.get("class_name") == "__numpy__" and isinstance(value.get("config"), dict):
        number = value["config"].get("value")
        return number if isinstance(number, int | float) else value
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
            known = _activation(name)
            if known and not given.get("module", "").startswith("__"):
                config[key] = known
            else:
                config[key] = context.whole(given, context)
        elif known := _activation(given):
            config[key] = known
        if config.get(key) == "hard_sigmoid" and context.version[:1] in ("1", "2"):
            config[key] = dict(OLD_HARD_SIGMOID)
    return {**value, "config": config}


def _activation(given: Any) -> str:
    """Return Keras' name of an activation that is given by a name ("Addons>mish", "log_softmax_v2"), "" for others."""
    name = given.rpartition(">")[2].lower().removesuffix("_v2") if isinstance(given, str) else ""
    return name if name in ACTIVATIONS else ""


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


Step = Callable[[Config, Context], Config]
SINGLE: tuple[Step, ...] = (
    plain_values, drop_training_settings, use_float32, drop_obsolete_keys, single_axis, batch_shape, activation_by_name, renamed_settings,
)  # fmt: skip
"""What a layer goes through."""
