"""Exact GELU in LiteRT's operations, which have no error function."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ferviz.engines.backend import keras, tensorflow
from ferviz.engines.base import INPUT
from ferviz.engines.compiler.convert import compile_network
from ferviz.engines.compiler.erf import erf, without_erf
from ferviz.engines.keras import KerasEngine
from ferviz.engines.litert import LiteRTEngine


def test_it_is_the_error_function() -> None:
    x = np.concatenate([np.linspace(-6, 6, 20001), [-np.inf, np.inf, 1e30, -0.0]]).astype(np.float32)
    exact = np.array([math.erf(value) for value in x])
    ours = erf(tensorflow().constant(x)).numpy()
    assert np.abs(ours - exact).max() < 1e-6
    np.testing.assert_array_equal(ours, -erf(tensorflow().constant(-x)).numpy())
    assert (ours[np.abs(x) > 4] == np.sign(x[np.abs(x) > 4])).all()  # or GELU of -1000 would not be 0


def test_a_graph_without_it_stays_as_it_is() -> None:
    tf = tensorflow()
    specs = [tf.TensorSpec([None, 3], tf.float32)]
    function = tf.function(lambda x: (tf.tanh(x),), input_signature=specs).get_concrete_function()
    assert without_erf(function, specs) is function


@pytest.mark.slow
def test_a_network_with_exact_gelu_compiles() -> None:
    layers = keras().layers
    keras().utils.set_random_seed(0)
    picture = layers.Input((10, 10, 1))
    x = layers.Conv2D(4, 3, name="conv", activation=keras().activations.gelu)(picture)
    x = layers.Conv2D(3, 3, name="deep")(x)
    x = layers.GlobalAveragePooling2D()(layers.Activation(keras().activations.gelu, name="gelu")(x))
    engine = KerasEngine(keras().Model(picture, layers.Dense(4, activation="softmax")(x)))
    compiled = LiteRTEngine(compile_network(engine, (10, 10), "gelu"), threads=1)
    rng = np.random.default_rng(0)
    batch = rng.normal(size=(3, 10, 10, 1)).astype(np.float32) * 3
    weights = rng.normal(size=(3, 2, 4)).astype(np.float32)
    assert any(operation.type in ("Erf", "Erfc") for operation in engine.traced.function.graph.get_operations())
    np.testing.assert_allclose(compiled.logits(batch), engine.logits(batch), atol=1e-5)
    assert not compiled.compiled.refused
    for layer in (INPUT, "conv", "gelu"):
        for ours, theirs in zip(
            compiled.gradients(batch, layer, weights), engine.gradients(batch, layer, weights), strict=True
        ):
            np.testing.assert_allclose(ours, theirs, atol=1e-5 * max(1, np.abs(theirs).max()))


@pytest.mark.parametrize("kind", ["none", "tanh"])
def test_gelu_of_an_onnx_file_compiles(kind: str) -> None:
    helper = pytest.importorskip("onnx.helper")
    from onnx import numpy_helper

    from ferviz.engines.onnx.onnx_engine import OnnxEngine

    rng, make = np.random.default_rng(0), helper.make_node
    arrays = {"w": rng.normal(size=(5, 1, 3, 3)), "m": rng.normal(size=(5, 4))}
    nodes = [
        make("Conv", ["x", "w"], ["c"], "conv"),
        make("Gelu", ["c"], ["g"], "gelu", approximate=kind),
        make("GlobalAveragePool", ["g"], ["p"], "pool"),
        make("Flatten", ["p"], ["f"], "flat"),
        make("MatMul", ["f", "m"], ["scores"], "head"),
    ]
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", 1, ("n", 1, 8, 8))], [helper.make_tensor_value_info("scores", 1, None)],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    engine = OnnxEngine(model.SerializeToString())
    compiled = LiteRTEngine(compile_network(engine, (8, 8), "gelu"), threads=1)
    batch = rng.normal(size=(2, 8, 8, 1)).astype(np.float32)
    np.testing.assert_allclose(compiled.logits(batch), engine.logits(batch), atol=1e-5)
