"""Upgrades of single layers: settings that were renamed or removed, or that only training needs.

Each is a small function of one {"class_name", "config"} and the context; it returns the new dictionary.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ferviz.models.formats.keras_classes import ACTIVATIONS, OLD_HARD_SIGMOID

Config = dict[str, Any]


@dataclass
class Context:
    """What the upgrades know of the file, and the notes that they make.

    Attributes:
        version: of the Keras that wrote it, "" if unknown.
        upgrade: upgrades an object that is nested in another one.
        notes: sentences about what changed in meaning.
    """

    version: str
    upgrade: Callable[[Config, Context], Config]
    notes: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        """Add a note, once.

        Args:
            sentence: the note.
        """
        if sentence not in self.notes:
            self.notes.append(sentence)


def input_shape(layer: Config) -> list[Any] | None:
    """Return the input shape in a layer's configuration, or in that of a nested network's first layer.

    Args:
        layer: {"class_name", "config"}.

    Returns:
        The shape with the batch, None where there is none.
    """
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
_REMOVED = frozenset({"input_dtype", "time_major", "weights", "input_tensor", "sparse", "ragged", "reset_after_v1",
                       "experimental_autocast", "input_spec", "optional", "create_input", "fused", "virtual_batch_size",
                       "renorm", "renorm_clipping", "renorm_momentum", "adjustment", "data_format_v1", "autocast",
                       "force_generator", "rng_type"})  # fmt: skip
_REMOVED_FROM: dict[str, frozenset[str]] = {
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
    """Drop what does not change what a trained layer computes: initialisers, regularisers, constraints, how it was built.

    Args:
        value: {"class_name", "config"} of a layer.
        context: what is known of the file.
    """
    config = {k: v for k, v in value["config"].items() if not _TRAINING_ONLY.match(k)}
    value = {k: v for k, v in value.items() if k not in ("build_config", "compile_config", "shared_object_id")}
    return {**value, "config": config}


def use_float32(value: Config, context: Context) -> Config:
    """Replace every type or policy ("float16", {"class_name": "Policy", ...}) by Keras' float32.

    Args:
        value: {"class_name", "config"} of a layer.
        context: what is known of the file.
    """
    config = dict(value["config"])
    policy = config.pop("dtype", None)
    if isinstance(policy, dict):
        inner = policy.get("config")
        policy = inner.get("name") if isinstance(inner, dict) else None
    if isinstance(policy, str) and ("16" in policy or "64" in policy) and value["class_name"] != "InputLayer":
        context.note(f"the network was trained with {policy}; ferviz runs it in float32")
    return {**value, "config": config}


def drop_removed_settings(value: Config, context: Context) -> Config:
    """Drop settings that Keras once wrote and no longer accepts (`groups` of DepthwiseConv2D, `time_major`, `fused`, ...).

    Args:
        value: {"class_name", "config"} of a layer.
        context: what is known of the file.
    """
    removed = _REMOVED | _REMOVED_FROM.get(value["class_name"], frozenset())
    return {**value, "config": {k: v for k, v in value["config"].items() if k not in removed}}


def unwrap_axis(value: Config, context: Context) -> Config:
    """Replace the axis [3] of BatchNormalization (and Softmax, Concatenate) by 3.

    Args:
        value: {"class_name", "config"} of a layer.
        context: what is known of the file.
    """
    axis = value["config"].get("axis")
    if isinstance(axis, list) and len(axis) == 1 and value["class_name"] != "Normalization":
        return {**value, "config": {**value["config"], "axis": axis[0]}}
    return value


def unwrap_values(value: Config, context: Context) -> Config:
    """Replace {"class_name": "__tuple__", "items": [...]} and {"class_name": "TensorShape"} by lists, NumPy numbers by numbers.

    Args:
        value: {"class_name", "config"} of a layer.
        context: what is known of the file.
    """
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


def rename_batch_shape(value: Config, context: Context) -> Config:
    """Rename batch_input_shape (Keras 1 and 2) and input_shape of an InputLayer to batch_shape.

    Args:
        value: {"class_name", "config"} of a layer.
        context: what is known of the file.
    """
    if value["class_name"] != "InputLayer":
        return value
    shape = input_shape(value)
    kept = {k: v for k, v in value["config"].items() if k == "name"}
    return {**value, "config": {**kept, "batch_shape": shape} if shape else kept}


def name_activation(value: Config, context: Context) -> Config:
    """Replace an activation that is an object, or has another name, by the string or the layer that Keras accepts.

    Args:
        value: {"class_name", "config"} of a layer.
        context: what is known of the file.
    """
    config = dict(value["config"])
    for key in ("activation", "recurrent_activation"):
        activation = config.get(key)
        if isinstance(activation, dict):
            is_function = activation.get("class_name") == "function"
            name = _activation(activation.get("config") if is_function else activation.get("class_name"))
            if name and not activation.get("module", "").startswith("__"):
                config[key] = name
            else:
                config[key] = context.upgrade(activation, context)
        elif name := _activation(activation):
            config[key] = name
        if config.get(key) == "hard_sigmoid" and context.version[:1] in ("1", "2"):
            config[key] = dict(OLD_HARD_SIGMOID)
    return {**value, "config": config}


def _activation(name: Any) -> str:
    """-> Keras' name of an activation ("Addons>mish", "log_softmax_v2"), "" for what is none."""
    name = name.rpartition(">")[2].lower().removesuffix("_v2") if isinstance(name, str) else ""
    return name if name in ACTIVATIONS else ""


def rename_settings(value: Config, context: Context) -> Config:
    """Rename LeakyReLU's alpha to negative_slope, and old settings of ThresholdedReLU, GaussianNoise and ZeroPadding2D.

    Args:
        value: {"class_name", "config"} of a layer.
        context: what is known of the file.
    """
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
LAYER_STEPS: tuple[Step, ...] = (
    unwrap_values,
    drop_training_settings,
    use_float32,
    drop_removed_settings,
    unwrap_axis,
    rename_batch_shape,
    name_activation,
    rename_settings,
)
"""The upgrades of a layer, in order."""
