"""Keras 1 spoke another language: nb_filter, border_mode, subsample, dim_ordering, output_dim, Merge. Here it is translated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Config = dict[str, Any]

_SIGNS = frozenset({"nb_filter", "border_mode", "dim_ordering", "subsample", "subsample_length", "nb_row", "W_regularizer",
                    "b_regularizer", "inner_init", "pool_length"})  # fmt: skip
_GONE = frozenset({"init", "W_regularizer", "b_regularizer", "W_constraint", "b_constraint", "U_regularizer", "inner_init",
                   "forget_bias_init", "gamma_init", "beta_init", "gamma_regularizer", "beta_regularizer", "activity_regularizer",
                   "consume_less", "input_dtype", "weights", "input_length", "depthwise_init", "pointwise_init",
                   "output_shape", "sparse"})  # fmt: skip
_RENAMED = {
    "nb_filter": "filters", "border_mode": "padding", "subsample": "strides", "bias": "use_bias", "p": "rate", "sigma": "stddev",
    "filter_length": "kernel_size", "subsample_length": "strides", "pool_length": "pool_size", "stride": "strides",
    "atrous_rate": "dilation_rate", "inner_activation": "recurrent_activation", "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout", "length": "size",
}  # fmt: skip
_DATA_FORMAT = {"th": "channels_first", "tf": "channels_last"}
_MERGES = {
    "sum": "Add",
    "concat": "Concatenate",
    "mul": "Multiply",
    "ave": "Average",
    "max": "Maximum",
    "dot": "Dot",
    "cos": "Dot",
}


def is_old(layer: Config, version: str) -> bool:
    """Is this layer's configuration in Keras 1's words? version: of the Keras that wrote it, "" if unknown."""
    config = layer.get("config")
    return isinstance(config, dict) and (version.startswith(("0.", "1.")) or not _SIGNS.isdisjoint(config))


def modernised(layer: Config, note: Callable[[str], None]) -> Config:
    """Return the layer in the words of Keras 2 and later. note: takes a sentence about what changed in meaning."""
    config: Config = {}
    name = layer["class_name"]
    for key, value in layer["config"].items():
        if key in _GONE:
            continue
        if key in ("nb_row", "nb_col", "dim_ordering"):
            continue
        if key == "output_dim" and name != "Embedding":
            config["units"] = value
        elif key == "input_dim" and name != "Embedding":
            continue
        else:
            config[_RENAMED.get(key, key)] = value
    old = layer["config"]
    if "nb_row" in old and "nb_col" in old:
        config["kernel_size"] = [old["nb_row"], old["nb_col"]]
    if old.get("dim_ordering") in tuple(_DATA_FORMAT):
        config["data_format"] = _DATA_FORMAT[old["dim_ordering"]]
    if name == "BatchNormalization" and config.get("mode") == 0:
        # Modes 1 and 2 normalise by the picture or the batch at hand; Keras has no such layer any more and will say so.
        del config["mode"]
    return {**layer, "config": config}


def merged(layer: Config) -> Config:
    """Merge (a layer of Keras 1 that joined others in a way its `mode` said) -> Add, Concatenate, Multiply, ..."""
    config = layer.get("config")
    if layer.get("class_name") != "Merge" or not isinstance(config, dict):
        return layer
    mode = config.get("mode")
    if not isinstance(mode, str) or mode not in _MERGES:
        return layer
    kept = {"name": config.get("name") or layer.get("name")}
    if mode == "concat":
        kept["axis"] = config.get("concat_axis", -1)
    if mode in ("dot", "cos"):
        kept |= {"axes": config.get("dot_axes", -1), "normalize": mode == "cos"}
    return {**layer, "class_name": _MERGES[mode], "config": kept}
