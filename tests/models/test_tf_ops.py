"""Graphs as TensorFlow 2 wrote them (TFOpLambda and its kin) compute what their TensorFlow functions say."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ferviz.engines.backend import tensorflow
from ferviz.errors import UntrustedModelError
from ferviz.models.formats.allowlist import check_config
from ferviz.models.formats.build import build
from ferviz.models.formats.legacy.upgrade import upgrade_config

SIZE = [None, 4, 6, 3]
PICTURES = np.random.default_rng(0).normal(size=(2, *SIZE[1:])).astype(np.float32)


def graph(*layers: dict, end: str) -> dict:
    entrance = {
        "class_name": "InputLayer",
        "name": "i",
        "inbound_nodes": [],
        "config": {"batch_input_shape": SIZE, "name": "i"},
    }
    config = {"name": "g", "layers": [entrance, *layers], "input_layers": [["i", 0, 0]], "output_layers": [[end, 0, 0]]}
    return {"class_name": "Functional", "config": config}


def run(document: dict) -> np.ndarray:
    config, _ = upgrade_config(document, "2.8.0")
    check_config(config, "file")
    return np.asarray(build(config, "file", 0)(PICTURES, training=False))


def op(function: str, node: list, name: str = "op", kind: str = "TFOpLambda") -> dict:
    return {"class_name": kind, "name": name, "inbound_nodes": [node],
            "config": {"name": name, "trainable": True, "dtype": "float32", "function": function}}  # fmt: skip


def on_input(**options) -> list:
    return ["i", 0, 0, {**options, "name": None}]


CAFFE = [103.9, 116.8, 123.7]
STEP = {"start": None, "stop": None, "step": -1}
CASES = [
    ("math.truediv", on_input(y=255.0), lambda tf, x: x / 255),
    ("math.multiply", on_input(y=0.5), lambda tf, x: x * 0.5),
    ("__operators__.add", on_input(y=3), lambda tf, x: x + 3),
    ("math.subtract", on_input(y=CAFFE), lambda tf, x: x - np.float32(CAFFE)),
    ("nn.bias_add", on_input(bias=CAFFE), lambda tf, x: x + np.float32(CAFFE)),
    ("math.subtract", ["_CONSTANT_VALUE", -1, 1.0, {"y": ["i", 0, 0], "name": None}], lambda tf, x: 1 - x),
    ("math.multiply", on_input(y=["i", 0, 0]), lambda tf, x: x * x),
    ("math.maximum", on_input(y=0.0), lambda tf, x: tf.nn.relu(x)),
    ("nn.relu6", on_input(), lambda tf, x: tf.nn.relu6(x)),
    ("nn.silu", on_input(), lambda tf, x: tf.nn.silu(x)),
    ("math.sigmoid", on_input(), lambda tf, x: tf.sigmoid(x)),
    ("nn.leaky_relu", on_input(), lambda tf, x: tf.nn.leaky_relu(x)),
    ("nn.softmax", on_input(axis=-1), lambda tf, x: tf.nn.softmax(x)),
    ("math.reduce_mean", on_input(axis=[1, 2], keepdims=False), lambda tf, x: tf.reduce_mean(x, [1, 2])),
    ("math.reduce_max", on_input(axis=[1, 2], keepdims=True), lambda tf, x: tf.reduce_max(x, [1, 2], keepdims=True)),
    ("math.reduce_mean", on_input(axis=3), lambda tf, x: tf.reduce_mean(x, 3)),
    ("reshape", on_input(shape=[-1, 72]), lambda tf, x: tf.reshape(x, [-1, 72])),
    ("concat", [["i", 0, 0, {"axis": -1, "name": None}], ["i", 0, 0, {"axis": -1, "name": None}]], lambda tf, x: tf.concat([x, x], -1)),
    ("image.resize", on_input(size=[8, 12]), lambda tf, x: tf.image.resize(x, [8, 12])),
    ("transpose", on_input(perm=[0, 2, 1, 3]), lambda tf, x: tf.transpose(x, [0, 2, 1, 3])),
    ("expand_dims", on_input(axis=1), lambda tf, x: tf.expand_dims(x, 1)),
    ("clip_by_value", on_input(clip_value_min=-0.5, clip_value_max=0.5), lambda tf, x: tf.clip_by_value(x, -0.5, 0.5)),
    ("cast", on_input(dtype="float32"), lambda tf, x: x),
    ("math.reduce_sum", on_input(axis=-1, keepdims=True), lambda tf, x: tf.reduce_sum(x, -1, keepdims=True)),
    ("nn.max_pool2d", on_input(ksize=2, strides=2, padding="VALID"), lambda tf, x: tf.nn.max_pool2d(x, 2, 2, "VALID")),
    ("nn.avg_pool", on_input(ksize=[1, 3, 2, 1], strides=[1, 1, 2, 1], padding="SAME"),
     lambda tf, x: tf.nn.avg_pool2d(x, [3, 2], [1, 2], "SAME")),
    ("compat.v1.pad", on_input(paddings=[[0, 0], [1, 2], [0, 3], [0, 0]], mode="CONSTANT", name=None, constant_values=0),
     lambda tf, x: tf.pad(x, [[0, 0], [1, 2], [0, 3], [0, 0]])),
    ("math.truediv", ["_CONSTANT_VALUE", -1, 2.0, {"y": ["i", 0, 0], "name": None}], lambda tf, x: 2 / x),
    ("nn.log_softmax_v2", on_input(), lambda tf, x: tf.nn.log_softmax(x)),
    ("__operators__.getitem", on_input(slice_spec=["...", STEP]), lambda tf, x: x[..., ::-1]),
    ("__operators__.getitem", on_input(slice_spec={"class_name": "__tuple__", "items": [{"class_name": "__ellipsis__"}, STEP]}),
     lambda tf, x: x[..., ::-1]),
]  # fmt: skip


@pytest.mark.parametrize(("function", "node", "truth"), CASES, ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)])
def test_function(function, node, truth):
    tf = tensorflow()
    found = run(graph(op(function, node, kind="SlicingOpLambda" if "getitem" in function else "TFOpLambda"), end="op"))
    expected = np.asarray(truth(tf, tf.constant(PICTURES)))
    assert found.shape == expected.shape
    assert np.allclose(found, expected, atol=1e-5)


def test_the_hard_swish_of_mobilenet():
    layers = [
        op("__operators__.add", on_input(y=3.0), "plus"),
        {
            "class_name": "ReLU",
            "name": "six",
            "inbound_nodes": [[["plus", 0, 0, {}]]],
            "config": {"name": "six", "max_value": 6.0},
        },
        op("math.multiply", ["six", 0, 0, {"y": 1 / 6, "name": None}], "sixth"),
        {
            "class_name": "Multiply",
            "name": "out",
            "inbound_nodes": [[["i", 0, 0, {}], ["sixth", 0, 0, {}]]],
            "config": {"name": "out"},
        },
    ]
    assert np.allclose(run(graph(*layers, end="out")), PICTURES * np.clip(PICTURES + 3, 0, 6) / 6, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "constants", "truth"),
    [("RealDiv", {"1": 255.0}, lambda x: x / 255), ("AddV2", {"0": 2.0}, lambda x: 2 + x), ("Relu", {}, lambda x: np.maximum(x, 0)),
     ("Mean", {"1": [1, 2]}, lambda x: x.mean(axis=(1, 2))), ("Sub", {"0": 1.0}, lambda x: 1 - x)],
)  # fmt: skip
def test_operations_of_tensorflow_2_0(name, constants, truth):
    definition = json.dumps({"name": "op", "op": name, "input": ["i"], "attr": {}})
    layer = {"class_name": "TensorFlowOpLayer", "name": "op", "inbound_nodes": [[["i", 0, 0, {}]]],
             "config": {"name": "op", "node_def": definition, "constants": constants}}  # fmt: skip
    assert np.allclose(run(graph(layer, end="op")), truth(PICTURES), atol=1e-5)


def test_other_functions_are_refused_by_name():
    with pytest.raises(UntrustedModelError, match=r"TFOpLambda \(layer 'io_read_file'\)"):
        run(graph(op("io.read_file", on_input(), "io_read_file"), end="io_read_file"))
