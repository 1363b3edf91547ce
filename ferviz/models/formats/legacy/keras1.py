"""Upgrade layers of Keras 1, whose settings had other names: nb_filter, border_mode, subsample, dim_ordering, output_dim, Merge."""

from __future__ import annotations

from typing import Any

Config = dict[str, Any]

_KERAS1_SETTINGS = frozenset({"nb_filter", "border_mode", "dim_ordering", "subsample", "subsample_length", "nb_row", "W_regularizer",
                    "b_regularizer", "inner_init", "pool_length"})  # fmt: skip
_REMOVED = frozenset({"init", "W_regularizer", "b_regularizer", "W_constraint", "b_constraint", "U_regularizer", "inner_init",
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


def is_keras1(layer: Config, version: str) -> bool:
    """Return whether a layer's settings have the names of Keras 1.

    Args:
        layer: {"class_name", "config"}.
        version: of the Keras that wrote it, "" if unknown.
    """
    config = layer.get("config")
    return isinstance(config, dict) and (version.startswith(("0.", "1.")) or not _KERAS1_SETTINGS.isdisjoint(config))


def rename_settings(layer: Config) -> Config:
    """Return a layer of Keras 1 with the names that its settings have since Keras 2.

    Args:
        layer: {"class_name", "config"}.
    """
    config: Config = {}
    name = layer["class_name"]
    for key, value in layer["config"].items():
        if key in _REMOVED:
            continue
        if key in ("nb_row", "nb_col", "dim_ordering"):
            continue
        if key == "output_dim" and name != "Embedding":
            config["units"] = value
        elif key == "input_dim" and name != "Embedding":
            continue
        else:
            config[_RENAMED.get(key, key)] = value
    before = layer["config"]
    if "nb_row" in before and "nb_col" in before:
        config["kernel_size"] = [before["nb_row"], before["nb_col"]]
    if before.get("dim_ordering") in tuple(_DATA_FORMAT):
        config["data_format"] = _DATA_FORMAT[before["dim_ordering"]]
    if name == "BatchNormalization" and config.get("mode") == 0:
        # Modes 1 and 2 normalise by the current picture or batch; Keras has no such layer any more and will refuse it.
        del config["mode"]
    return {**layer, "config": config}


def replace_merge(layer: Config) -> Config:
    """Replace Merge, which combined layers in the way that its `mode` named, by Add, Concatenate, Multiply, ...

    Args:
        layer: {"class_name", "config"}; other layers are returned as they are.
    """
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
