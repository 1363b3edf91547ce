"""ONNX and TensorFlow Lite files that are damaged, hostile, or no networks of one picture: one sentence, and nothing else happens."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferviz
from ferviz.cli import run
from ferviz.engines.onnx.tensor_data import read_tensor
from ferviz.errors import ModelError

onnx = pytest.importorskip("onnx")


ONES = np.ones((4, 4, 1, 1), np.float32)


@pytest.fixture
def small(onnx_files: Any) -> Any:
    """A network of one convolution and a mean, to be damaged."""
    make = onnx_files.helper.make_node
    nodes = [
        make("Conv", ["x", "w"], ["c"], "conv"),
        make("GlobalAveragePool", ["c"], ["m"], "mean"),
        make("Flatten", ["m"], ["scores"], "row"),
    ]
    return onnx_files.model(nodes, {"w": np.ones((4, 1, 3, 3), np.float32)}, ["scores"], shape=("n", 1, 12, 12))


def refused(model: Any, words: str) -> None:
    with pytest.raises(ModelError, match=words) as info:
        ferviz.load_model(model).logits(np.zeros((1, 12, 12), np.uint8))
    assert "\n" not in str(info.value)


def test_the_sound_network_is_read(small: Any) -> None:
    assert ferviz.load_model(small).logits(np.full((2, 12, 12), 255, np.uint8)) == pytest.approx(9)


@pytest.mark.parametrize(
    ("domain", "kind", "words"),
    [("com.microsoft", "FusedConv", r"operator com\.microsoft\.FusedConv, which"), ("", "NonMaxSuppression", "NonMaxSuppression"),
     ("", "LSTM", "LSTM"), ("ai.onnx.ml", "TreeEnsembleClassifier", "scikit-learn"), ("", "Evil\x1b[2J\n", r"Evil\\x1b\[2J\\n")],
)  # fmt: skip
def test_an_operator_that_is_not_known_is_named(small: Any, domain: str, kind: str, words: str) -> None:
    small.graph.node[1].op_type, small.graph.node[1].domain = kind, domain
    refused(small, words)


def test_several_unknown_operators_are_named_at_once(small: Any) -> None:
    small.graph.node[0].op_type, small.graph.node[1].op_type = "QLinearConv", "Loop"
    refused(small, "operators QLinearConv, Loop")


@pytest.mark.parametrize(
    ("sizes", "words"),
    [((1, 14, 1000), "a sequence of numbers"), ((1, 80), "landmarks"), ((1, 16, 12, 12), "16 channels"),
     ((1, 3, 100_000, 100_000), "largest side is 4096"), ((), "a single number")],
)  # fmt: skip
def test_what_takes_no_picture_is_refused(small: Any, onnx_files: Any, sizes: Any, words: str) -> None:
    small.graph.input[0].CopyFrom(onnx_files.helper.make_tensor_value_info("x", 1, sizes))
    refused(small, words)


def test_a_model_of_scikit_learn_is_refused(small: Any) -> None:
    small.opset_import[0].domain = "ai.onnx.ml"
    refused(small, "scikit-learn")


def test_each_bad_file_is_one_line_and_exit_code_4(small: Any, onnx_files: Any, tmp_path: Path, capsys: Any) -> None:
    eeg, trees, custom, outside = (onnx.ModelProto() for _ in range(4))
    for other in (eeg, trees, custom, outside):
        other.CopyFrom(small)
    eeg.graph.input[0].CopyFrom(onnx_files.helper.make_tensor_value_info("x", 1, (1, 14, 1000)))
    trees.opset_import[0].domain = "ai.onnx.ml"
    custom.graph.node[0].op_type, custom.graph.node[0].domain = "FusedConv", "com.microsoft"
    tensor = outside.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../secret.bin"
    (tmp_path / "secret.bin").write_bytes(b"\0" * 144)
    for model, words in (
        (eeg, "a sequence of numbers"), (trees, "scikit-learn"), (custom, r"com\.microsoft\.FusedConv"),
        (outside, "outside of its folder"),
    ):  # fmt: skip
        folder = tmp_path / "net"
        folder.mkdir(exist_ok=True)
        (folder / "net.onnx").write_bytes(model.SerializeToString())
        assert run(["layers", "--model", str(folder / "net.onnx")]) == 4
        printed = capsys.readouterr()
        assert len(printed.err.splitlines()) == 1
        assert re.search(words, printed.err), printed.err


def test_inputs_that_are_no_numbers_are_refused(small: Any, onnx_files: Any) -> None:
    small.graph.input[0].type.tensor_type.elem_type = 8
    refused(small, "takes no numbers")
    small.graph.input[0].CopyFrom(onnx_files.helper.make_tensor_sequence_value_info("x", 1, None))
    refused(small, "a list or a map")
    small.graph.input.append(onnx_files.helper.make_tensor_value_info("age", 1, (1, 1)))
    refused(small, r"2 inputs \(x, age\)")


@pytest.mark.parametrize(
    ("kind", "arrays", "attributes"),
    [
        ("Tile", {"a": [1, 1, 60_000, 60_000]}, {}), ("Expand", {"a": [2**40, 4, 10, 10]}, {}),
        ("Expand", {"a": [9_000, 9_000, 1, 4, 10, 10]}, {}), ("Pad", {"a": [0, 0, 0, 0, 0, 0, 30_000, 30_000]}, {}),
        ("Resize", {"": [], "a": np.float32([1, 1, 9000, 9000])}, {}), ("Reshape", {"a": [-1, 2**62]}, {}), ("Reshape", {"a": [-5, 3]}, {}),
        ("Gather", {"a": [2**40]}, {"axis": 1}), ("Slice", {"a": [0], "b": [5], "c": [9]}, {}), ("Conv", {"a": ONES}, {"strides": [0, 0]}),
        ("Conv", {"a": ONES}, {"pads": [2**31] * 4}), ("Conv", {"a": ONES}, {"dilations": [-1, -1]}),
        ("Conv", {"a": np.ones((4, 9, 1, 1), np.float32)}, {}), ("Conv", {"a": np.ones((4, 0, 3, 3), np.float32)}, {"group": 0}),
        ("MaxPool", {}, {"kernel_shape": [2**20, 2**20]}), ("AveragePool", {}, {"kernel_shape": [2, 2], "pads": [9, 9, 9, 9]}),
        ("ConvTranspose", {"a": np.ones((4, 4, 9, 9), np.float32)}, {"strides": [30_000, 30_000]}),
        ("DepthToSpace", {}, {"blocksize": 0}), ("Transpose", {}, {"perm": [0, 0, 0, 0]}), ("Softmax", {}, {"axis": 99}),
        ("Concat", {}, {"axis": -9}), ("Split", {}, {"axis": 99}), ("Einsum", {}, {"equation": "abcd->" + "a" * 16}),
        ("BatchNormalization", dict.fromkeys("abce", np.ones(3, np.float32)), {}), ("LRN", {}, {"size": -3}),
        ("Clip", {"a": np.ones((3, 3), np.float32)}, {}),
    ],
)  # fmt: skip
def test_impossible_sizes_and_settings_are_refused_before_they_are_computed(
    small: Any, onnx_files: Any, kind: str, arrays: Any, attributes: Any
) -> None:
    node = onnx_files.helper.make_node(kind, ["c", *arrays], ["d"], "bad", **attributes)
    small.graph.node.insert(1, node)
    small.graph.node[2].input[0] = "d"
    for name, value in arrays.items():
        small.graph.initializer.append(onnx_files.numpy_helper.from_array(np.asarray(value), name))
    refused(small, rf"at its operator {kind} \(node 'bad'\)")


def test_constants_of_hostile_shapes_cost_nothing(small: Any, onnx_files: Any) -> None:
    make = onnx_files.helper.make_node
    small.graph.initializer.append(onnx_files.numpy_helper.from_array(np.array([40_000, 40_000, 40_000]), "huge"))
    small.graph.node.insert(0, make("ConstantOfShape", ["huge"], ["w2"], "fill"))
    small.graph.node[1].input[1] = "w2"
    refused(small, r"ConstantOfShape \(node 'fill'\): it makes 6\.4e\+13 numbers")


def test_a_circle_and_missing_tensors_are_refused(small: Any) -> None:
    small.graph.node[0].input[0] = "scores"
    refused(small, "in a circle")
    small.graph.node[0].input[0] = "nowhere"
    refused(small, "'nowhere' is computed nowhere")
    del small.graph.node[:]
    refused(small, "without operators")


def test_an_answer_that_does_not_look_at_the_picture_is_refused(small: Any, onnx_files: Any) -> None:
    small.graph.node[0].input[0] = "same"
    small.graph.initializer.append(onnx_files.numpy_helper.from_array(np.ones((1, 1, 12, 12), np.float32), "same"))
    refused(small, "for every picture")


def test_arrays_have_the_bytes_that_they_say(small: Any) -> None:
    small.graph.initializer[0].dims[0] = 1 << 40
    refused(small, "impossible shape")
    small.graph.initializer[0].dims[0] = 5
    refused(small, "144 bytes instead of 180")
    small.graph.initializer[0].dims[0] = -4
    refused(small, "impossible shape")
    small.graph.initializer[0].data_type = 8
    small.graph.initializer[0].dims[0] = 4
    refused(small, "type 8")


@pytest.mark.parametrize(
    ("location", "words"),
    [("../secret.bin", "outside of its folder"), ("/etc/hostname", "outside of its folder"), ("link.bin", "outside of its folder"),
     ("away.bin", "is not beside it"), ("C:\\x.bin", "outside of its folder"), ("", "outside of its folder"),
     ("short.bin", "does not hold"), (".", "no regular file"), ("a\0b", "outside of its folder")],
)  # fmt: skip
def test_weights_outside_of_the_folder_are_not_read(small: Any, tmp_path: Path, location: str, words: str) -> None:
    folder = tmp_path / "net"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(b"\0" * 144)
    (folder / "short.bin").write_bytes(b"\0" * 100)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    tensor = small.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    (folder / "net.onnx").write_bytes(small.SerializeToString())
    refused(folder / "net.onnx", words)
    with pytest.raises(ModelError, match="give its path"):
        read_tensor(tensor, None, "the network")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.98])
def test_a_file_that_is_cut_off_is_refused(small: Any, tmp_path: Path, share: float, capsys: Any) -> None:
    content = small.SerializeToString()
    path = tmp_path / "net.onnx"
    path.write_bytes(content[: int(len(content) * share)])
    assert run(["layers", "--model", str(path)]) == 4
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert "Traceback" not in printed


def test_the_package_onnx_is_asked_for_where_it_is_missing(
    small: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "net.onnx").write_bytes(small.SerializeToString())
    monkeypatch.setitem(sys.modules, "onnx", None)
    refused(tmp_path / "net.onnx", r"pip install onnx \(the extra ferviz\[onnx\]\)")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "words"),
    [("external_data_missing.onnx", r"fer_model\.onnx\.data.*not beside it"), ("broken_not_onnx.onnx", "a web page")],
)
def test_published_files_that_are_no_networks_are_refused(
    shared_data: Path, name: str, words: str, capsys: Any
) -> None:
    assert run(["layers", "--model", str(shared_data / "models_other" / name)]) == 4
    printed = capsys.readouterr().err
    assert len(printed.splitlines()) == 1
    assert re.search(words, printed)
