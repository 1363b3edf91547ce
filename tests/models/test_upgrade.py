"""Each mend on the configuration that needs it; what comes out is what Keras 3 would have written."""

from __future__ import annotations

import copy

import pytest

from ferviz.models.formats.allowlist import check_config
from ferviz.models.formats.legacy.upgrade import upgrade_config


def mended(layer: dict, version: str = "2.3.1") -> dict:
    """One layer, mended inside a Sequential, and found safe."""
    document = {"class_name": "Sequential", "config": {"name": "s", "layers": [layer]}}
    before = copy.deepcopy(document)
    config, _ = upgrade_config(document, version)
    check_config(config, "file")
    assert document == before, "a mend changed its input"
    return config["config"]["layers"][-1]


def layer(kind: str, **config) -> dict:
    return {"class_name": kind, "config": {"name": "x", **config}}


@pytest.mark.parametrize(
    ("old", "kind", "expected"),
    [
        # Keras 2: settings that are gone
        (layer("DepthwiseConv2D", kernel_size=[3, 3], groups=1, depthwise_initializer={"class_name": "Nobody"}),
         "DepthwiseConv2D", {"kernel_size": [3, 3]}),
        (layer("BatchNormalization", axis=[3], momentum=0.9, fused=True, renorm=False, beta_regularizer={"class_name": "L3"}),
         "BatchNormalization", {"axis": 3, "momentum": 0.9}),
        (layer("Softmax", axis=[-1]), "Softmax", {"axis": -1}),
        (layer("LSTM", units=3, time_major=False), "LSTM", {"units": 3}),
        (layer("LeakyReLU", alpha=0.3), "LeakyReLU", {"negative_slope": 0.3}),
        (layer("ReLU", max_value={"type": "ndarray", "value": 6.0}), "ReLU", {"max_value": 6.0}),
        (layer("Reshape", target_shape={"class_name": "__tuple__", "items": [4, 4]}), "Reshape", {"target_shape": [4, 4]}),
        (layer("Dense", units=2, dtype={"class_name": "Policy", "config": {"name": "mixed_float16"}}), "Dense", {"units": 2}),
        (layer("Dense", units=2, dtype={"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}}),
         "Dense", {"units": 2}),
        (layer("Dense", units=2, activation={"class_name": "function", "module": "builtins", "config": "relu"}),
         "Dense", {"units": 2, "activation": "relu"}),
        (layer("Activation", activation="Custom>Swish"), "Activation", {"activation": "swish"}),
        # other names of the same layers
        ({"class_name": "Custom>Rescaling", "config": {"name": "x", "scale": 0.5, "offset": 0.0}}, "Rescaling",
         {"scale": 0.5, "offset": 0.0}),
        ({"class_name": "Rescaling", "module": "keras.layers.experimental.preprocessing", "config": {"name": "x", "scale": 2.0}},
         "Rescaling", {"scale": 2.0}),
        ({"class_name": "Conv2D", "module": "keras.src.layers.convolutional.conv2d", "registered_name": "Conv2D",
          "config": {"name": "x", "filters": 2}, "build_config": {"input_shape": [None, 4, 4, 1]}}, "Conv2D", {"filters": 2}),
        (layer("RandomHeight", factor=0.2), "Identity", {}),
        (layer("MaxPool2D", pool_size=[2, 2]), "MaxPooling2D", {"pool_size": [2, 2]}),
        # Keras 1
        (layer("Convolution2D", nb_filter=8, nb_row=3, nb_col=5, border_mode="same", subsample=[2, 2], dim_ordering="th",
               init="he_normal", bias=True, W_regularizer={"name": "WeightRegularizer", "l2": 1.0}, activation="relu"),
         "Conv2D", {"filters": 8, "kernel_size": [3, 5], "padding": "same", "strides": [2, 2], "use_bias": True,
                    "data_format": "channels_first", "activation": "relu"}),
        (layer("AtrousConvolution2D", nb_filter=8, nb_row=3, nb_col=3, border_mode="valid", atrous_rate=[2, 2]),
         "Conv2D", {"filters": 8, "kernel_size": [3, 3], "padding": "valid", "dilation_rate": [2, 2]}),
        (layer("Dense", output_dim=7, init="glorot_uniform", bias=True, b_regularizer=None, input_dim=4), "Dense",
         {"units": 7, "use_bias": True}),
        (layer("SpatialDropout2D", p=0.25, dim_ordering="tf"), "SpatialDropout2D", {"rate": 0.25, "data_format": "channels_last"}),
        (layer("GaussianNoise", sigma=0.1), "GaussianNoise", {"stddev": 0.1}),
        (layer("MaxPooling2D", pool_size=[2, 2], border_mode="valid", dim_ordering="tf"), "MaxPooling2D",
         {"pool_size": [2, 2], "padding": "valid", "data_format": "channels_last"}),
        (layer("ZeroPadding2D", padding={"top_pad": 1, "bottom_pad": 2, "left_pad": 3, "right_pad": 4}, dim_ordering="tf"),
         "ZeroPadding2D", {"padding": [[1, 2], [3, 4]], "data_format": "channels_last"}),
    ],
)  # fmt: skip
def test_one_layer(old, kind, expected):
    new = mended(old)
    assert new["class_name"] == kind
    assert new["config"] == {"name": "x", **expected}
    assert new["module"].startswith("keras.")
    assert new["registered_name"] is None


@pytest.mark.parametrize(
    ("kind", "old"), [("Dropout", {"p": 0.5}), ("BatchNormalization", {"mode": 0, "epsilon": 1e-6})]
)
def test_keras1_words_that_only_the_version_tells(kind, old):
    new = mended(layer(kind, **old), version="1.2.2")["config"]
    assert new == ({"name": "x", "rate": 0.5} if kind == "Dropout" else {"name": "x", "epsilon": 1e-6})


@pytest.mark.parametrize(
    ("mode", "kind", "extra"),
    [("sum", "Add", {}), ("concat", "Concatenate", {"axis": 1}), ("mul", "Multiply", {}), ("ave", "Average", {}),
     ("max", "Maximum", {}), ("cos", "Dot", {"axes": 2, "normalize": True})],
)  # fmt: skip
def test_merge_by_mode(mode, kind, extra):
    new = mended(layer("Merge", mode=mode, concat_axis=1, dot_axes=2), version="1.2.0")
    assert (new["class_name"], new["config"]) == (kind, {"name": "x", **extra})


def test_module_wrapper_gives_its_layer():
    inner = {"class_name": "Conv2D", "config": {"name": "inside", "filters": 4, "kernel_size": [3, 3]}}
    new = mended({"class_name": "ModuleWrapper", "config": {"name": "module_wrapper_3", "layer": inner}})
    assert new["class_name"] == "Conv2D"
    assert new["config"] == {"name": "module_wrapper_3", "filters": 4, "kernel_size": [3, 3]}


def test_a_list_is_a_sequential_and_its_first_layer_tells_the_input():
    first = layer("Conv2D", filters=2, kernel_size=[3, 3], batch_input_shape=[None, 48, 48, 1])
    config, _ = upgrade_config({"class_name": "Sequential", "config": [first, layer("Flatten")]}, "2.0.6")
    check_config(config, "file")
    entrance, conv, flat = config["config"]["layers"]
    assert entrance["class_name"] == "InputLayer"
    assert entrance["config"]["batch_shape"] == [None, 48, 48, 1]
    assert "batch_input_shape" not in conv["config"]
    assert flat["class_name"] == "Flatten"
    assert config["config"]["name"]


def test_an_input_layer_that_is_there_stays_the_only_one():
    entrance = {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 8, 8, 1], "dtype": "float16", "sparse": False,
                                                      "ragged": False, "name": "i"}}  # fmt: skip
    config, notes = upgrade_config(
        {"class_name": "Sequential", "config": {"name": "s", "layers": [entrance, layer("Flatten")]}}
    )
    assert [one["class_name"] for one in config["config"]["layers"]] == ["InputLayer", "Flatten"]
    assert config["config"]["layers"][0]["config"] == {"name": "i", "batch_shape": [None, 8, 8, 1]}
    assert notes == []


def test_a_nested_network_tells_the_outer_one_its_input():
    inner = {"class_name": "Sequential", "config": [layer("Conv2D", filters=2, batch_input_shape=[None, 9, 9, 3])]}
    config, _ = upgrade_config(
        {"class_name": "Sequential", "config": {"name": "outer", "layers": [inner, layer("Flatten")]}}
    )
    assert config["config"]["layers"][0]["config"]["batch_shape"] == [None, 9, 9, 3]


def test_a_model_is_functional_and_its_single_ends_are_no_lists():
    graph = {
        "class_name": "Model",
        "config": {
            "name": "model_1",
            "layers": [
                {"class_name": "InputLayer", "name": "i", "inbound_nodes": [],
                 "config": {"batch_input_shape": [None, 4, 4, 1], "dtype": "float32", "sparse": False, "name": "i"}},
                {"class_name": "Flatten", "config": {"name": "f"}, "inbound_nodes": [[["i", 0, 0]]]},
            ],
            "input_layers": [["i", 0, 0]],
            "output_layers": [["f", 0, 0]],
        },
    }  # fmt: skip
    config, _ = upgrade_config(graph, "2.2.4-tf")
    check_config(config, "file")
    assert config["class_name"] == "Functional"
    assert config["config"]["input_layers"] == ["i", 0, 0]
    assert config["config"]["output_layers"] == ["f", 0, 0]
    assert config["config"]["layers"][1]["name"] == "f"


def test_half_precision_is_told():
    _, notes = upgrade_config(
        {"class_name": "Sequential", "config": {"name": "s", "layers": [layer("Dense", units=2, dtype="float16")]}}
    )
    assert any("float16" in note for note in notes)


@pytest.mark.parametrize(
    "junk",
    [{}, {"class_name": None}, {"class_name": "Sequential"}, {"class_name": "Sequential", "config": 7},
     {"class_name": "Sequential", "config": {"layers": [1, None, "x", {"class_name": ["a"]}]}},
     {"class_name": "Functional", "config": {"layers": [{"class_name": "TFOpLambda", "inbound_nodes": [[1]], "config": {}}]}},
     {"class_name": "Model", "config": {"layers": {"a": 1}, "input_layers": 5}},
     {"class_name": "Merge", "config": {"mode": {}}}, {"class_name": "Dense", "config": {"activation": {"config": []}}}],
)  # fmt: skip
def test_what_cannot_be_understood_is_left_alone(junk):
    config, _ = upgrade_config(junk, "1.0")
    assert isinstance(config, dict)
