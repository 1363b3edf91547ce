"""ONNX files made by hand: graphs of a few nodes over one picture, for the tests of the reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

CHANNELS, HEIGHT, WIDTH = 3, 9, 12


@dataclass(frozen=True)
class Case:
    """kind: the operator. more: its operands behind the first, arrays or "" for one that is left out. before: nodes that make the first
    operand, "x" is the picture (N, c, h, w) with values from -1 to 1. attributes: of the node."""

    kind: str
    more: tuple[Any, ...] = ()
    before: tuple[Any, ...] = ()
    first: str = "x"
    outputs: int = 1
    attributes: dict[str, Any] = field(default_factory=dict)


def case(
    kind: str, *more: Any, before: Sequence[Any] = (), first: str = "x", outputs: int = 1, **attributes: Any
) -> Case:
    return Case(kind, more, tuple(before), first, outputs, attributes)


def array(values: Any, dtype: Any = np.float32) -> np.ndarray:
    return np.asarray(values, dtype)


def ints(*values: int) -> np.ndarray:
    return np.asarray(values, np.int64)


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def model(
    nodes: Sequence[Any],
    arrays: dict[str, np.ndarray],
    outputs: Sequence[str],
    *,
    opset: int = 17,
    shape: Sequence[Any] = ("n", CHANNELS, HEIGHT, WIDTH),
    name: str = "x",
    dtype: int = TensorProto.FLOAT,
    sizes: Sequence[Any] | None = None,
) -> Any:
    graph = helper.make_graph(
        list(nodes),
        "net",
        [helper.make_tensor_value_info(name, dtype, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, sizes) for output in outputs],
        [numpy_helper.from_array(value, key) for key, value in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def _single(kind: str, source: str, target: str, attributes: dict[str, Any]) -> list[Any]:
    return [helper.make_node(kind, [source], [target], target, **attributes)]


def _repeated(kind: str, source: str, target: str, attributes: dict[str, Any]) -> list[Any]:
    """ "Concat2": the channels twice."""
    return [helper.make_node("Concat", [source] * int(kind[-1]), [target], target, axis=1)]


def _grid(kind: str, source: str, target: str, attributes: dict[str, Any]) -> list[Any]:
    """Places (N, 9, 12, 2) from -1.4 to 1.4 that depend on the picture."""
    parts = [f"{target}/{part}" for part in ("two", "last", "factor", "places")]
    return [
        helper.make_node("Constant", [], [parts[3]], parts[3], value_ints=[0, 2]),
        helper.make_node("Gather", [source, parts[3]], [parts[0]], parts[0], axis=1),
        helper.make_node("Transpose", [parts[0]], [parts[1]], parts[1], perm=[0, 2, 3, 1]),
        helper.make_node("Constant", [], [parts[2]], parts[2], value_float=1.4),
        helper.make_node("Mul", [parts[1], parts[2]], [target], target),
    ]


def _theta(kind: str, source: str, target: str, attributes: dict[str, Any]) -> list[Any]:
    """A matrix (N, 2, 3) that depends on the picture."""
    parts = [f"{target}/{part}" for part in ("mean", "shape", "row", "wave")]
    return [
        helper.make_node("GlobalAveragePool", [source], [parts[0]], parts[0]),
        helper.make_node("Constant", [], [parts[1]], parts[1], value_ints=[0, 1, 3]),
        helper.make_node("Reshape", [parts[0], parts[1]], [parts[2]], parts[2]),
        helper.make_node("Cos", [parts[2]], [parts[3]], parts[3]),
        helper.make_node("Concat", [parts[2], parts[3]], [target], target, axis=1),
    ]


PREPARED = {"Concat2": _repeated, "Concat4": _repeated, "Grid": _grid, "Theta": _theta}


def network_of(cases: dict[str, Case], opset: int) -> tuple[Any, list[str]]:
    """-> a network that computes every case from one picture, each as a row of its own: one trace for all of them; and their names."""
    nodes: list[Any] = []
    arrays: dict[str, np.ndarray] = {}
    rows = []
    for key, each in cases.items():
        renamed = {"x": "x"}
        for kind, source, target, attributes in each.before:
            renamed[target] = f"{key}/{target}"
            nodes += PREPARED.get(kind, _single)(kind, renamed[source], renamed[target], attributes)
        operands = [renamed[each.first]]
        for number, operand in enumerate(each.more):
            if isinstance(operand, str):
                operands.append(renamed.get(operand, operand))
            else:
                arrays[f"{key}/{number}"] = operand
                operands.append(f"{key}/{number}")
        results = [f"{key}/out{number}" for number in range(each.outputs)]
        nodes.append(helper.make_node(each.kind, operands, results, key, **each.attributes))
        for number, result in enumerate(results):
            rows.append(f"{key}/row{number}")
            nodes.append(helper.make_node("Cast", [result], [f"{rows[-1]}/float"], f"{rows[-1]}/cast", to=1))
            nodes.append(helper.make_node("Flatten", [f"{rows[-1]}/float"], [rows[-1]], rows[-1], axis=1))
    nodes.append(helper.make_node("Concat", rows, ["scores"], "scores", axis=1))
    return model(nodes, arrays, ["scores", *rows], opset=opset), rows


def reference(network: Any, pictures: np.ndarray, outputs: Sequence[str]) -> list[np.ndarray]:
    """What ONNX' own evaluator computes; pictures (N, c, h, w)."""
    from onnx.reference import ReferenceEvaluator

    answers: list[np.ndarray] = ReferenceEvaluator(network).run(list(outputs), {"x": pictures})
    return answers


def twin(network: Any, channels_last: bool = False, batch: Any = "n", opset: int = 17) -> Any:
    """The `functional` network of tests/networks.py as an exporter writes it: (N, c, h, w) as PyTorch's, or as tf2onnx does with a picture
    (N, h, w, c), a transposition around the convolutions and names of Keras' graph."""
    named = {f"{layer.name}/{weight.name}": np.asarray(weight) for layer in network.layers for weight in layer.weights}
    oihw = (3, 2, 0, 1)
    arrays = {
        "w1": named["conv1/kernel"].transpose(oihw), "b1": named["conv1/bias"], "gamma": named["norm1/gamma"], "beta": named["norm1/beta"],
        "mean": named["norm1/moving_mean"], "variance": named["norm1/moving_variance"], "ws": named["short/kernel"].transpose(oihw),
        "bs": named["short/bias"],
        "wd": named["conv2/depthwise_kernel"].transpose(2, 3, 0, 1), "wp": named["conv2/pointwise_kernel"].transpose(oihw),
        "bp": named["conv2/bias"], "wh": named["head/kernel"], "bh": named["head/bias"], "row": np.array([1 if batch == 1 else -1, 6]),
    }  # fmt: skip
    side = network.input_shape[1]
    make = helper.make_node
    start = [make("Transpose", ["x"], ["first"], "first", perm=[0, 3, 1, 2])] if channels_last else []
    nodes = [
        *start,
        make("Conv", ["first" if channels_last else "x", "w1", "b1"], ["c1"], "/conv1", pads=[1, 1, 1, 1]),
        make("BatchNormalization", ["c1", "gamma", "beta", "mean", "variance"], ["n1"], "/norm1", epsilon=1e-3),
        make("Relu", ["n1"], ["r1"], "/relu1"),
        make("Conv", ["r1", "ws", "bs"], ["s"], "/short", strides=[2, 2]),
        make("Conv", ["r1", "wd"], ["d"], "/conv2/depthwise", strides=[2, 2], pads=[0, 0, 1, 1], group=5),
        make("Conv", ["d", "wp", "bp"], ["p"], "/conv2/pointwise"),
        make("Add", ["p", "s"], ["a"], "/add"),
        make("Relu", ["a"], ["r2"], "/relu2"),
        make("GlobalAveragePool", ["r2"], ["g"], "/pool"),
        make("Reshape", ["g", "row"], ["f"], "/flatten"),
        make("Gemm", ["f", "wh", "bh"], ["l"], "/head"),
        make("Softmax", ["l"], ["scores"], "/softmax"),
    ]
    shape = (batch, side, side, 1) if channels_last else (batch, 1, side, side)
    return model(
        nodes, {key: np.ascontiguousarray(value) for key, value in arrays.items()}, ["scores"], opset=opset, shape=shape
    )
