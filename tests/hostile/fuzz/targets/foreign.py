"""Networks of other frameworks: ONNX and TensorFlow Lite files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fuzz.mutate.flatbuffers import mutate_litert
from fuzz.mutate.protobuf import mutate_message
from fuzz.target import Target

SHARED = Path(__file__).resolve().parents[5] / "shared" / "data" / "models_other"
"""Published networks, where the workplace has them."""


def _onnx_seeds() -> dict[str, bytes]:
    from onnx import helper, numpy_helper

    make = helper.make_node
    arrays = {
        "w": np.ones((4, 1, 3, 3), np.float32), "d": np.ones((4, 1, 3, 3), np.float32), "s": np.array([1, 1, 2, 2], np.float32),
        "m": np.ones((4, 3), np.float32), "shape": np.array([0, -1]), "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
    }  # fmt: skip
    nodes = [
        make("Pad", ["x", "pads"], ["p"]),
        make("Conv", ["p", "w"], ["c"], "conv", strides=[2, 2]),
        make("Relu", ["c"], ["r"]),
        make("Conv", ["r", "d"], ["e"], group=4, pads=[1, 1, 1, 1]),
        make("MaxPool", ["e"], ["q"], kernel_shape=[2, 2], strides=[2, 2]),
        make("Resize", ["q", "", "s"], ["z"], mode="linear"),
        make("GlobalAveragePool", ["z"], ["g"]),
        make("Reshape", ["g", "shape"], ["f"]),
        make("MatMul", ["f", "m"], ["l"]),
        make("Softmax", ["l"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", 1, ("n", 1, 16, 16))],
        [helper.make_tensor_value_info("scores", 1, None)], [numpy_helper.from_array(v, k) for k, v in arrays.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return {"small.onnx": model.SerializeToString()}


def _tflite_seeds() -> dict[str, bytes]:
    from ferviz.models.compiled.compile import compile_model
    from ferviz.models.load import load_model
    from fuzz.targets.networks import _functional

    # A compiled network's graph is a plain file of LiteRT, once the table behind it is gone.
    compiled = compile_model(load_model(_functional(), engine="keras"), layers=[])
    seeds = {path.name: path.read_bytes() for path in SHARED.glob("vicksam.tflite")}
    seeds["small.tflite"] = compiled.network.content
    return seeds


def _run(path: Path) -> None:
    from ferviz.models.load import load_model

    model = load_model(path, cache=False)
    height, width = model.input.size
    batch = model.preprocess(np.zeros((2, height, width), np.uint8))
    model.probabilities_of(model.engine.logits(batch))
    maps = [layer.name for layer in model.layers if layer.spatial]
    model.engine.activations(batch, maps[:4])
    if maps and model.engine.name == "onnx":
        model.engine.gradients(batch, maps[-1], np.ones((2, 1, model.engine.classes), np.float32))


def _prepare_onnx() -> None:
    import onnx  # noqa: F401

    from ferviz.engines.backend import tensorflow

    tensorflow()


def _prepare_tflite() -> None:
    import ai_edge_litert.schema_py_generated  # noqa: F401

    from ferviz.models.load import load_model

    load_model().probabilities(np.zeros((1, 48, 48), np.uint8))


TARGETS = (
    Target("onnx", "load_model(.onnx)", ".onnx", _onnx_seeds, mutate_message, _run, _prepare_onnx),
    Target(
        "tflite", "load_model(.tflite)", ".tflite", _tflite_seeds, mutate_litert, _run, _prepare_tflite,
        ("numpy", "ai_edge_litert.interpreter"),
    ),
)  # fmt: skip
