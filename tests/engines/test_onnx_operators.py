"""Every ONNX operator against ONNX' own evaluator, in the forms that its versions had."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferviz.numerics import softmax

pytest.importorskip("onnx")

_spec = importlib.util.spec_from_file_location("onnx_files", Path(__file__).parents[1] / "onnx_files.py")
assert _spec is not None
assert _spec.loader is not None
cases = importlib.util.module_from_spec(_spec)
sys.modules["onnx_files"] = cases  # its dataclass looks itself up there
_spec.loader.exec_module(cases)
case, ints, array, numbers = cases.case, cases.ints, cases.array, cases.numbers

POSITIVE = [("Abs", "x", "positive", {})]
ROW = [("Flatten", "x", "row", {"axis": 1})]
NHWC = [("Transpose", "x", "last", {"perm": [0, 2, 3, 1]})]
K = numbers(5, 3, 3, 3)
SCALE, BIAS = np.abs(numbers(3, seed=1)) + 0.5, numbers(3, seed=2)
MEAN, VARIANCE = numbers(3, seed=3), np.abs(numbers(3, seed=4)) + 0.2

UNARY = "Abs Ceil Cos Elu Erf Exp Floor HardSigmoid Identity LeakyRelu Neg Reciprocal Relu Round Selu Sigmoid Sign Sin Softplus"
UNARY += " Softsign Tanh ThresholdedRelu HardSwish Celu"

V17: dict[str, Any] = {
    **{f"unary {kind}": case(kind) for kind in UNARY.split()},
    "log": case("Log", before=POSITIVE, first="positive"),
    "sqrt": case("Sqrt", before=POSITIVE, first="positive"),
    "elu alpha": case("Elu", alpha=0.5),
    "celu alpha": case("Celu", alpha=0.5),
    "selu other": case("Selu", alpha=1.2, gamma=0.8),
    "hard sigmoid other": case("HardSigmoid", alpha=0.3, beta=0.4),
    "thresholded": case("ThresholdedRelu", alpha=0.2),
    "prelu": case("PRelu", numbers(3, 1, 1)),
    "clip both": case("Clip", array(-0.2), array(0.4)),
    "clip low": case("Clip", array(0.0)),
    "clip high": case("Clip", "", array(0.3)),
    "clip relu6": case("Clip", array(0.0), array(6.0)),
    "dropout": case("Dropout", array(0.5)),
    "dropout off": case("Dropout", array(0.5), np.array(False)),
    # two operands
    "add channel": case("Add", numbers(3, 1, 1)),
    "add width": case("Add", numbers(12)),
    "add scalar": case("Add", array(0.5)),
    "add all": case("Add", numbers(1, 3, 9, 12)),
    "sub": case("Sub", numbers(9, 1)),
    "mul": case("Mul", numbers(3, 1, 1)),
    "mul itself": case("Mul", "x"),
    "mul row": case("Mul", numbers(324), before=ROW, first="row"),
    "add nhwc": case("Add", numbers(3), before=NHWC, first="last"),
    "add both orders": case("Add", "back", before=[*NHWC, ("Transpose", "last", "back", {"perm": [0, 3, 1, 2]})]),
    "div": case("Div", array(3.0)),
    "pow 2": case("Pow", array(2.0)),
    "pow half": case("Pow", array(0.5), before=POSITIVE, first="positive"),
    "pow minus half": case("Pow", array(-0.5), before=POSITIVE, first="positive"),
    "pow integer": case("Pow", np.array(3, np.int64)),
    "max": case("Max", array(0.1)),
    "max three": case("Max", numbers(3, 1, 1), numbers(12)),
    "min": case("Min", numbers(3, 1, 1)),
    "sum": case("Sum", "x", "x"),
    "mean": case("Mean", numbers(12), "x"),
    "greater": case("Greater", array(0.1)),
    "greater equal": case("GreaterOrEqual", array(0.1)),
    "less": case("Less", array(0.1)),
    "less equal": case("LessOrEqual", array(0.1)),
    "equal": case("Equal", "x"),
    "not": case("Not", before=[("Cast", "x", "flag", {"to": 9})], first="flag"),
    "where": case("Where", numbers(3, 1, 1), numbers(12), before=[("Cast", "x", "flag", {"to": 9})], first="flag"),
    "cast down": case("Cast", to=6),
    "mod": case("Mod", array(0.3), fmod=1),
    # convolutions
    "conv": case("Conv", K),
    "conv bias": case("Conv", K, numbers(5)),
    "conv pads": case("Conv", K, pads=[1, 1, 1, 1]),
    "conv uneven pads": case("Conv", K, pads=[0, 2, 1, 0]),
    "conv strides": case("Conv", K, strides=[2, 2], pads=[1, 1, 1, 1]),
    "conv two strides": case("Conv", K, strides=[2, 3]),
    "conv same upper": case("Conv", K, strides=[2, 2], auto_pad="SAME_UPPER"),
    "conv same lower": case("Conv", K, strides=[2, 2], auto_pad="SAME_LOWER"),
    "conv valid": case("Conv", K, auto_pad="VALID"),
    "conv dilated": case("Conv", K, dilations=[2, 2], pads=[2, 2, 2, 2]),
    "conv 1x1": case("Conv", numbers(4, 3, 1, 1)),
    "conv 1x5": case("Conv", numbers(4, 3, 1, 5), pads=[0, 2, 0, 2]),
    "depthwise": case("Conv", numbers(3, 1, 3, 3), group=3, pads=[1, 1, 1, 1]),
    "depthwise bias stride": case("Conv", numbers(3, 1, 3, 3), numbers(3), group=3, strides=[2, 2], pads=[1, 1, 1, 1]),
    "depthwise multiplier": case("Conv", numbers(6, 1, 3, 3), group=3),
    "depthwise two strides": case("Conv", numbers(3, 1, 3, 3), group=3, strides=[1, 2]),
    "depthwise dilated": case("Conv", numbers(3, 1, 3, 3), group=3, dilations=[2, 2], pads=[2, 2, 2, 2]),
    "grouped": case("Conv", numbers(4, 3, 3, 3), group=2, before=[("Concat2", "x", "six", {})], first="six"),
    "transposed": case("ConvTranspose", numbers(3, 4, 3, 3), numbers(4)),
    "transposed stride": case("ConvTranspose", numbers(3, 4, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]),
    "transposed uneven": case("ConvTranspose", numbers(3, 2, 2, 4), strides=[2, 3], pads=[0, 1, 1, 0]),
    # pooling
    "max pool": case("MaxPool", kernel_shape=[2, 2], strides=[2, 2]),
    "max pool overlap": case("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "max pool stride 1": case("MaxPool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "max pool ceil": case("MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    "max pool same": case("MaxPool", kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER"),
    "average pool": case("AveragePool", kernel_shape=[2, 2], strides=[2, 2]),
    "average pool pads": case("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "average pool counted": case("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1),
    "average pool ceil": case("AveragePool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    "average pool same": case("AveragePool", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
    "global average": case("GlobalAveragePool"),
    "global max": case("GlobalMaxPool"),
    # normalisations
    "batch norm": case("BatchNormalization", SCALE, BIAS, MEAN, VARIANCE),
    "instance norm": case("InstanceNormalization", SCALE, BIAS),
    "layer norm": case("LayerNormalization", numbers(12), numbers(12)),
    "layer norm nhwc": case("LayerNormalization", SCALE, BIAS, before=NHWC, first="last", axis=-1, epsilon=1e-3),
    "layer norm axis": case("LayerNormalization", numbers(9, 12), axis=2),
    "lrn": case("LRN", size=3, alpha=0.2, beta=0.6, bias=1.5),
    "lp norm": case("LpNormalization", axis=1),
    "lp norm 1": case("LpNormalization", axis=-1, p=1, before=POSITIVE, first="positive"),
    "softmax": case("Softmax"),
    "softmax channels": case("Softmax", axis=1),
    "log softmax": case("LogSoftmax", axis=1),
    # products
    "gemm": case("Gemm", numbers(324, 5), numbers(5), before=ROW, first="row"),
    "gemm transposed": case("Gemm", numbers(5, 324), numbers(5), before=ROW, first="row", transB=1, alpha=0.5, beta=2.0),
    "matmul": case("MatMul", numbers(324, 5), before=ROW, first="row"),
    "matmul last": case("MatMul", numbers(12, 5)),
    "matmul nhwc": case("MatMul", numbers(3, 5), before=NHWC, first="last"),
    "matmul both": case("MatMul", "turned", before=[("Transpose", "x", "turned", {"perm": [0, 1, 3, 2]})]),
    "matmul vector": case("MatMul", numbers(12)),
    "einsum": case("Einsum", numbers(3, 5), equation="nchw,ck->nkhw"),
    # reductions
    **{
        f"reduce {kind}": case(f"Reduce{kind}", axes=[2, 3])
        for kind in ("Mean", "Max", "Min", "L1", "L2", "LogSumExp", "SumSquare", "Prod")
    },
    "reduce sum": case("ReduceSum", ints(2, 3), keepdims=0),
    "reduce channels": case("ReduceMean", axes=[1], keepdims=0),
    "reduce width": case("ReduceMax", axes=[-1], keepdims=0),
    "reduce height": case("ReduceMin", axes=[2], keepdims=0),
    "reduce keep": case("ReduceMean", axes=[1], keepdims=1),
    "argmax": case("ArgMax", axis=1),
    # shapes and axes
    "reshape": case("Reshape", ints(0, -1)),
    "reshape 5": case("Reshape", ints(-1, 3, 3, 3, 12)),
    "reshape windows": case("Reshape", ints(-1, 27, 12)),
    "flatten": case("Flatten"),
    "squeeze": case("Squeeze", ints(2, 3), before=[("GlobalAveragePool", "x", "mean", {})], first="mean"),
    "unsqueeze": case("Unsqueeze", ints(1, -1)),
    "transpose": case("Transpose", perm=[0, 2, 3, 1]),
    "transpose other": case("Transpose", perm=[0, 3, 2, 1]),
    "concat": case("Concat", "positive", before=POSITIVE, axis=1),
    "concat width": case("Concat", "positive", before=POSITIVE, axis=3),
    "split": case("Split", ints(1, 2), axis=1, outputs=2),
    "split equal": case("Split", axis=3, outputs=3),
    "slice": case("Slice", ints(1, 2), ints(3, 10), ints(1, 3)),
    "slice steps": case("Slice", ints(0), ints(9), ints(2), ints(2)),
    "slice negative": case("Slice", ints(-1), ints(-2147483648), ints(3), ints(-1)),
    "slice far": case("Slice", ints(-4), ints(9223372036854775807), ints(3)),
    "slice batch": case("Slice", ints(0), ints(9223372036854775807), ints(0)),
    "gather": case("Gather", ints(2, 0), axis=1),
    "gather scalar": case("Gather", np.array(1, np.int64), axis=2),
    "gather negative": case("Gather", ints(-1, -2), axis=3),
    "gather run": case("Gather", ints(1, 2), axis=1),
    "pad": case("Pad", ints(0, 0, 1, 2, 0, 0, 3, 0), array(0.7)),
    "pad reflect": case("Pad", ints(0, 0, 2, 2, 0, 0, 2, 2), mode="reflect"),
    "pad edge": case("Pad", ints(0, 0, 2, 1, 0, 0, 0, 3), mode="edge"),
    "tile": case("Tile", ints(1, 2, 1, 1)),
    "expand": case("Expand", ints(1, 3, 9, 12)),
    "depth to space": case("DepthToSpace", blocksize=2, mode="DCR", before=[("Concat4", "x", "wide", {})], first="wide"),
    "depth to space crd": case("DepthToSpace", blocksize=2, mode="CRD", before=[("Concat4", "x", "wide", {})], first="wide"),
    "space to depth": case("SpaceToDepth", blocksize=3),
    # resampling
    "resize nearest": case("Resize", "", array([1, 1, 2, 2]), nearest_mode="floor", coordinate_transformation_mode="asymmetric"),
    "resize linear": case("Resize", "", array([1, 1, 2, 2]), mode="linear"),
    "resize corners": case("Resize", "", array([1, 1, 3, 2]), mode="linear", coordinate_transformation_mode="align_corners"),
    "resize cubic": case("Resize", "", array([1, 1, 2, 2]), mode="cubic"),
    "resize cubic outside": case("Resize", "", array([1, 1, 2, 2]), mode="cubic", exclude_outside=1, cubic_coeff_a=-0.5),
    "resize down": case("Resize", "", array([1, 1, 0.5, 0.5]), mode="nearest"),
    "grid sample": case("GridSample", "grid", before=[("Grid", "x", "grid", {})], align_corners=0),
    "grid sample corners": case("GridSample", "grid", before=[("Grid", "x", "grid", {})], align_corners=1),
    "grid sample border": case("GridSample", "grid", before=[("Grid", "x", "grid", {})], padding_mode="border"),
    "grid sample reflection": case("GridSample", "grid", before=[("Grid", "x", "grid", {})], padding_mode="reflection"),
    "grid sample nearest": case("GridSample", "grid", before=[("Grid", "x", "grid", {})], mode="nearest"),
}  # fmt: skip

V9: dict[str, Any] = {
    "clip 6": case("Clip", min=-0.3, max=0.4),
    "slice 1": case("Slice", starts=[1, 2], ends=[3, 10], axes=[1, 3]),
    "pad 2": case("Pad", pads=[0, 0, 1, 2, 0, 0, 0, 1], value=0.3),
    "squeeze 1": case("Squeeze", axes=[2, 3], before=[("GlobalAveragePool", "x", "mean", {})], first="mean"),
    "unsqueeze 1": case("Unsqueeze", axes=[2]),
    "split 2": case("Split", axis=1, split=[1, 2], outputs=2),
    "reduce sum 1": case("ReduceSum", axes=[1], keepdims=0),
    "upsample": case("Upsample", array([1, 1, 2, 2]), mode="nearest"),
    "softmax 1 row": case("Softmax", before=ROW, first="row"),
    "dropout 7": case("Dropout", ratio=0.5),
}

V22: dict[str, Any] = {
    "gelu": case("Gelu"),
    "gelu tanh": case("Gelu", approximate="tanh"),
    "mish": case("Mish"),
    "group norm": case(
        "GroupNormalization", numbers(6), numbers(6), num_groups=3, before=[("Concat2", "x", "six", {})], first="six"
    ),
    "reduce mean 18": case("ReduceMean", ints(2, 3)),
    "reduce max 20": case("ReduceMax", ints(1), keepdims=0),
    "reduce nothing": case("ReduceMean", ints(), noop_with_empty_axes=1),
    "split 18": case("Split", axis=3, num_outputs=5, outputs=5),
    "pad axes": case("Pad", ints(1, 0, 2, 1), array(0.0), ints(2, 3)),
    "resize axes": case("Resize", "", array([2, 2]), axes=[2, 3], mode="linear"),
    "resize to": case(
        "Resize", "", "", ints(7, 20), axes=[2, 3], mode="linear", coordinate_transformation_mode="pytorch_half_pixel"
    ),
    "resize symmetric": case(
        "Resize", "", array([1, 1, 1.3, 1.7]), mode="linear", coordinate_transformation_mode="half_pixel_symmetric"
    ),
    "affine grid": case(
        "AffineGrid", ints(3, 3, 4, 5), before=[("Theta", "x", "theta", {})], first="theta", align_corners=0
    ),
    "grid sample 22": case("GridSample", "grid", before=[("Grid", "x", "grid", {})], mode="linear"),
}

GROUPS = {"17": V17, "9": V9, "22": V22}
PAIRS = [(version, key) for version, group in GROUPS.items() for key in group]


@pytest.fixture(scope="module")
def answers() -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """{(version, case): (ferviz' answer, ONNX' own)}."""
    from ferviz.engines.onnx.onnx_engine import OnnxEngine

    compared: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}
    pictures = np.random.default_rng(7).uniform(-1, 1, (3, 9, 12, 3)).astype(np.float32)
    for version, group in GROUPS.items():
        network, rows = cases.network_of(group, int(version))
        first = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))
        wanted = cases.reference(network, first, rows)
        del network.graph.output[1:]
        answer = OnnxEngine(network.SerializeToString()).logits(pictures)
        parts = np.split(answer, np.cumsum([row.shape[1] for row in wanted])[:-1], axis=1)
        for row, part, want in zip(rows, parts, wanted, strict=True):
            key = (version, row.rpartition("/row")[0])
            before = compared.get(key, (np.zeros((3, 0)), np.zeros((3, 0))))
            compared[key] = (np.hstack([before[0], part]), np.hstack([before[1], want]))
    return compared


@pytest.mark.parametrize(
    ("version", "key"), PAIRS, ids=[f"{version}-{key}".replace(" ", "-") for version, key in PAIRS]
)
def test_an_operator_computes_what_onnx_says(version: str, key: str, answers: Any) -> None:
    ours, theirs = answers[version, key]
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=2e-5, rtol=2e-5)


def single(kind: str, *operands: np.ndarray, opset: int = 17, shape: Any = ("n", 3, 9, 12), **attributes: Any) -> Any:
    """The engine of a network with one operator behind the picture, whose answer is a row."""
    from ferviz.engines.onnx.onnx_engine import OnnxEngine

    network, _ = cases.network_of({"it": cases.Case(kind, operands, attributes=attributes)}, opset)
    del network.graph.output[1:]
    return OnnxEngine(network.SerializeToString())


def pictures(count: int = 2) -> np.ndarray:
    return np.random.default_rng(7).uniform(-1, 1, (count, 9, 12, 3)).astype(np.float32)


def test_before_version_13_a_softmax_runs_over_all_axes_from_its_own_on() -> None:
    batch = pictures()
    rows = batch.transpose(0, 3, 1, 2).reshape(2, -1)
    powers = np.exp(rows)
    # The engine gives what stands before the last softmax, so its own one follows: over all axes, or the values would differ.
    np.testing.assert_allclose(
        softmax(single("Softmax", opset=9).logits(batch)), powers / powers.sum(1, keepdims=True), rtol=1e-5
    )


def test_negative_pads_cut_off() -> None:
    batch = pictures()
    wanted = np.pad(batch.transpose(0, 3, 1, 2)[:, :, 1:], ((0, 0), (0, 0), (0, 0), (0, 2)))
    answer = single("Pad", ints(0, 0, -1, 0, 0, 0, 0, 2)).logits(batch)
    np.testing.assert_array_equal(answer, wanted.reshape(2, -1))


def test_a_transposed_convolution_of_a_given_size_is_the_larger_one_with_its_edges_cut_off() -> None:
    batch, kernel = pictures(), numbers(3, 2, 3, 3)
    whole = single("ConvTranspose", kernel, strides=[2, 2]).logits(batch).reshape(2, 2, 19, 25)
    answer = single("ConvTranspose", kernel, strides=[2, 2], output_shape=[18, 24], auto_pad="SAME_UPPER").logits(batch)
    np.testing.assert_allclose(answer.reshape(2, 2, 18, 24), whole[:, :, :18, :24], atol=1e-6)


def strided(inside: np.ndarray) -> Any:
    """A network that gives each picture's numbers new strides, as PyTorch's newer exporter writes it."""
    make = cases.helper.make_node
    nodes = [
        make("Shape", ["x"], ["n"], "shape", start=0, end=1), make("Squeeze", ["n"], ["count"], "count"),
        make("Range", ["zero", "count", "one"], ["pictures"], "pictures"), make("Mul", ["pictures", "each"], ["starts"], "starts"),
        make("Unsqueeze", ["starts", "ones"], ["column"], "column"), make("Add", ["column", "inside"], ["places"], "places"),
        make("Reshape", ["x", "all"], ["flat"], "flat"), make("Gather", ["flat", "places"], ["scores"], "as_strided"),
    ]  # fmt: skip
    arrays = {"zero": np.array(0), "one": np.array(1), "each": np.array(324), "ones": ints(1), "all": ints(-1)}
    return cases.model(nodes, {**arrays, "inside": inside[None]}, ["scores"], shape=("n", 3, 9, 12))


def test_a_gather_of_everything_in_its_order_changes_nothing() -> None:
    from ferviz.engines.onnx.onnx_engine import OnnxEngine
    from ferviz.errors import ModelError

    batch = pictures(3)
    answer = OnnxEngine(strided(np.arange(324)).SerializeToString()).logits(batch)
    np.testing.assert_array_equal(answer, batch.transpose(0, 3, 1, 2).reshape(3, -1))
    with pytest.raises(ModelError, match=r"Gather \(node 'as_strided'\): it takes some of the pictures"):
        OnnxEngine(strided(np.arange(324)[::-1].copy()).SerializeToString()).logits(batch)


def test_a_gather_of_single_places_picks_them() -> None:
    """The table of an attention's offsets, as PyTorch's newer exporter looks them up."""
    from ferviz.engines.onnx.onnx_engine import OnnxEngine
    from ferviz.errors import ModelError

    make, batch, table = cases.helper.make_node, pictures(3), numbers(4, 2)

    def network(places: list[list[int]], data: str = "table") -> Any:
        nodes = [
            make("GatherND", [data, "places"], ["picked"], "picked"), make("Mul", ["x", "picked"], ["scaled"], "scaled"),
            make("Flatten", ["scaled"], ["scores"], "row"),
        ]  # fmt: skip
        where = np.array(places)[:, None, None]
        return OnnxEngine(cases.model(nodes, {"table": table, "places": where}, ["scores"]).SerializeToString())

    answer = network([[0, 1], [3, 0], [-1, -1]]).logits(batch)
    wanted = batch.transpose(0, 3, 1, 2) * np.array([table[0, 1], table[3, 0], table[3, 1]])[:, None, None]
    np.testing.assert_allclose(answer, wanted.reshape(3, -1), rtol=1e-6)
    for places, data, words in (
        ([[4, 0], [0, 0], [0, 0]], "table", "outside of its input"), ([[0, 0, 0]] * 3, "table", "more axes than its input"),
        ([[0, 0]] * 3, "x", "some of the pictures"),
    ):  # fmt: skip
        with pytest.raises(ModelError, match=words):
            network(places, data).logits(batch)
