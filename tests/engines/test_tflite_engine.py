"""TensorFlow Lite files of others: what Keras computes, from float and from quantised files, without gradients and without TensorFlow."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ferviz
from ferviz.cli import run
from ferviz.engines.tflite.random_constants import drawn_anew
from ferviz.engines.tflite.tflite_engine import _dequantised, _quantised
from ferviz.engines.tflite.tflite_graph import read_graphs
from ferviz.errors import ModelError, UnknownNameError
from ferviz.models.randomise import randomised
from ferviz.video.writing import VideoWriter

LABELS = ("angry", "happy", "sad", "fear")


@pytest.fixture(scope="module")
def files(engine: Any, converted: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tflite")
    paths = {name: folder / f"{name}.tflite" for name in ("float", "quantised")}
    for name, path in paths.items():
        path.write_bytes(converted(engine("functional"), name == "quantised"))
    return paths


@pytest.fixture(scope="module")
def model(files: Any) -> ferviz.Model:
    return ferviz.load_model(files["float"], labels=LABELS)


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 255, (19, 18, 18), dtype=np.uint8)


def test_it_gives_the_logits_before_the_softmax(model: ferviz.Model, engine: Any, faces: np.ndarray) -> None:
    assert (model.engine.name, model.head, model.file_name) == ("tflite", "softmax", "float.tflite")
    np.testing.assert_allclose(model.logits(faces), engine("functional").logits(model.preprocess(faces)), atol=1e-4)
    assert model.engine.logits(np.zeros((0, 18, 18, 1), np.float32)).shape == (0, 4)


def test_its_activations_are_those_of_the_keras_network(model: ferviz.Model, engine: Any, faces: np.ndarray) -> None:
    name, _ = model.default_layer()
    batch = model.preprocess(faces[:3])
    (ours,) = model.engine.activations(batch, [name])
    (theirs,) = engine("functional").activations(batch, ["relu2"])
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    with pytest.raises(UnknownNameError, match="conv99"):
        model.engine.activations(batch, ["conv99"])


FEW: dict[str, dict[str, Any]] = {
    "rise": {"masks": 24},
    "regions": {"template": True},
    "region-occlusion": {"template": True},
}
"""Settings of methods that need some: fewer passes, a typical face's regions for pictures that show none."""


@pytest.mark.parametrize(
    "method", ["occlusion", "rise", "scorecam", "eigencam", "shapley", "regions", "region-occlusion"]
)
def test_methods_without_gradients_give_the_maps_of_the_keras_network(
    method: str, model: ferviz.Model, engine: Any, faces: np.ndarray
) -> None:
    keras = ferviz.load_model(engine("functional").network, labels=LABELS)
    ours, theirs = (
        ferviz.explain(m, faces[:2], method=method, target="happy", test=False, **FEW.get(method, {})).heatmaps
        for m in (model, keras)
    )
    assert np.abs(theirs).max() > 0
    np.testing.assert_allclose(ours, theirs, atol=1e-3 * np.abs(theirs).max())


def test_methods_with_gradients_say_where_to_get_the_network(model: ferviz.Model, faces: np.ndarray) -> None:
    with pytest.raises(ModelError, match=r"holds no gradients.*\.keras, \.h5 or \.onnx file"):
        ferviz.explain(model, faces[:1], method="gradcam")
    with pytest.raises(ModelError, match=r"network's graph.*\.onnx"):
        ferviz.compile_model(model)


@pytest.mark.parametrize("kind", ["float", "quantised"])
def test_with_weights_drawn_anew_it_has_learned_nothing(kind: str, files: Any, faces: np.ndarray) -> None:
    model = ferviz.load_model(files[kind], labels=LABELS, scaling="0..1")
    before = model.logits(faces)
    network, again, other = (randomised(model, seed, faces) for seed in (1, 1, 2))
    np.testing.assert_array_equal(network.logits(faces), again.logits(faces))
    # Kernels that learned nothing: another order of the classes for many faces, and another one for each seed.
    for one, two in ((network.logits(faces), before), (network.logits(faces), other.logits(faces))):
        assert np.abs(one - two).max() > 1e-2
    assert (network.head, network.engine.layers) == (model.head, model.engine.layers)
    (maps,) = network.engine.activations(network.preprocess(faces), [network.default_layer()[0]])
    assert maps.std() > 1e-3
    if kind == "float":  # every offset begins as 0, so that nothing comes of nothing
        np.testing.assert_array_equal(network.logits(np.zeros((1, 18, 18), np.uint8)), 0)
        assert np.abs(model.logits(np.zeros((1, 18, 18), np.uint8))).max() > 1e-2
    np.testing.assert_array_equal(model.logits(faces), before)


def test_a_stage_of_the_cascade_leaves_what_lies_before_it(files: Any) -> None:
    def constants(content: bytes) -> list[np.ndarray]:
        (graph, *_) = read_graphs(content).subgraphs
        kernels = [graph.tensors[o.inputs[1]].values for o in graph.operators if o.code in (3, 4, 9)]
        return [values for values in kernels if values is not None]

    old = files["float"].read_bytes()
    learned, every = constants(old), constants(drawn_anew(old, 4, "net"))
    for share, count in ((0.0, 1), (0.5, -(-len(learned) // 2))):
        stage = constants(drawn_anew(old, 4, "net", share))
        kept = len(learned) - count
        assert all((a == b).all() for a, b in zip(stage[:kept], learned[:kept], strict=True))
        assert all((a == b).all() for a, b in zip(stage[kept:], every[kept:], strict=True))
    assert not any((a == b).all() for a, b in zip(every, learned, strict=True))


def test_kernels_are_drawn_as_they_begin(files: Any) -> None:
    """Convolutions within Glorot's limits, one for each depthwise channel; quantised kernels keep each output's numbers."""

    def kernels(content: bytes) -> list[tuple[int, np.ndarray]]:
        (graph, *_) = read_graphs(content).subgraphs
        found = ((o.code, graph.tensors[o.inputs[1]].values) for o in graph.operators if o.code in (3, 4, 9))
        return [(code, values) for code, values in found if values is not None]

    old = files["float"].read_bytes()
    new = drawn_anew(old, 0, "net")
    assert len(new) == len(old)
    assert {code for code, _ in kernels(new)} == {3, 4, 9}
    for (code, values), (_, learned) in zip(kernels(new), kernels(old), strict=True):
        field = int(np.prod(values.shape[1:-1]))
        ends = 2 if code == 4 else values.shape[0] + values.shape[-1]
        limit = np.sqrt(6 / (field * ends))
        assert 0.5 * limit < np.abs(values).max() <= limit * (1 + 1e-6)
        assert not np.allclose(values, learned)
    old = files["quantised"].read_bytes()
    for (code, values), (_, learned) in zip(kernels(drawn_anew(old, 0, "net")), kernels(old), strict=True):
        rows, others = (
            np.moveaxis(v, 3 if code == 4 else 0, 0).reshape(v.shape[3 if code == 4 else 0], -1)
            for v in (values, learned)
        )
        assert (rows != others).any()
        np.testing.assert_array_equal(np.sort(rows), np.sort(others))


@pytest.mark.slow
def test_what_chooses_a_method_itself_chooses_one_without_gradients(model: ferviz.Model, faces: np.ndarray) -> None:
    from ferviz.data.dataset import Dataset
    from ferviz.emotions import label_scheme

    named = ferviz.load_model(model.origin.path, labels="angry,happy,sad,neutral", scaling="0..1")  # type: ignore[union-attr]
    labels = named.logits(faces).argmax(1)
    data = Dataset(faces, labels, np.full(19, "PublicTest"), np.arange(19), label_scheme(named.labels))
    maps = ferviz.explain(named, faces[:2], method="auto")
    assert maps.settings["chosen"].startswith("it has no gradients here")
    assert maps.trust is not None
    answer = ferviz.study("regions", named, data, faces=4, variants=0)
    assert answer.settings["method"] == f"{maps.method} input"
    assert np.isfinite(answer.arrays["mass"]).all()
    other = ferviz.study("compare", named, data, second=named, faces=6)
    assert other.settings["method"] == "occlusion"
    report = ferviz.trust_report(named, data, methods="occlusion,scorecam", faces=8, steps=4)
    assert all(row.randomised is not None for row in report.rows if not row.control)
    assert [note for note in report.notes if "holds no gradients" in note] == [
        note for note in report.notes if "gradients" in note
    ]


def test_commands_over_many_faces_choose_one_without_gradients(
    files: Any, faces: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faces" / "happy").mkdir(parents=True)
    (tmp_path / "faces" / "sad").mkdir()
    for number, face in enumerate(faces[:4]):
        Image.fromarray(face).save(tmp_path / "faces" / ("happy", "sad")[number % 2] / f"{number}.png")
    with VideoWriter("clip.mp4", 5.0, False) as clip:
        for face in faces[:2]:
            clip.add(np.repeat(np.kron(face, np.ones((4, 4), np.uint8))[..., None], 3, axis=2))
    network = ["--model", str(files["float"]), "--labels", ",".join(LABELS), "--scaling", "0..1", "--force"]
    video, dataset = ["clip.mp4", "--detector", "none", *network], ["faces", *network, "--out", "maps.npz"]
    chosen = {}
    for words in (
        ["video", "explain", *video],
        ["video", "explain", *video, "--method", "auto"],
        ["dataset", "explain", *dataset],
    ):
        assert run(words) == 0
        chosen[" ".join(words[:2])] = [
            line for line in capsys.readouterr().err.splitlines() if line.startswith("method ")
        ]
    assert chosen["video explain"] == chosen["dataset explain"]
    assert "it has no gradients here; better than" in chosen["video explain"][0]
    for words in (
        ["video", "gradcam", *video],
        ["video", "explain", *video, "--method", "layercam"],
        ["dataset", "gradcam", *dataset],
    ):
        assert run(words) == 4
        assert "holds no gradients" in capsys.readouterr().err
    pytest.importorskip("pyarrow", reason="sharded runs need the extra ferviz[scale]")
    plan = ["scale", "plan", "faces", *network[:-1]]
    assert run([*plan, "--out", "run"]) == 0
    method = chosen["video explain"][0].split(":")[0]
    assert f"{method}: the best for this network, which has no gradients at a map" in capsys.readouterr().err
    assert run(["scale", "run", "run", "--engine", "inline"]) == 0
    assert run([*plan, "--out", "run"]) == 0  # the same plan
    assert run([*plan, "--out", "other", "--method", "gradcam"]) == 4


def test_what_cannot_be_done_with_it_is_one_sentence(model: ferviz.Model) -> None:
    for ask in (ferviz.diagram, ferviz.compile_model, lambda m: ferviz.dream(m, "happy", steps=2)):
        with pytest.raises(ModelError, match=r"\.keras.*\.onnx") as info:
            ask(model)
        assert "\n" not in str(info.value)


def test_quantised_numbers_are_what_they_stand_for(files: Any, engine: Any, faces: np.ndarray) -> None:
    model = ferviz.load_model(files["quantised"], labels=LABELS)
    assert model.input.scaling == "0..1"  # the input's own scale says so
    assert "scaling" not in model.input.assumed
    exact = engine("functional").logits(model.preprocess(faces))
    ours = model.logits(faces)
    assert np.abs(ours - exact).mean() < 0.05 * np.abs(exact).max()
    assert (ours.argmax(1) == exact.argmax(1)).mean() > 0.9
    assert ferviz.explain(model, faces[:1], method="occlusion").heatmaps.shape == (1, 1, 18, 18)
    (activation,) = model.engine.activations(model.preprocess(faces[:1]), [model.default_layer()[0]])
    np.testing.assert_allclose(
        activation, engine("functional").activations(model.preprocess(faces[:1]), ["relu2"])[0], atol=0.3
    )


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
def test_numbers_are_rounded_to_the_nearest_integer_that_stands_for_them(kind: Any) -> None:
    scale, zero = 0.5, (-3 if kind is np.int8 else 7)
    place = {"dtype": kind, "quantization": (scale, zero)}
    values = np.array([0, 0.24, 0.26, -1.5, 1e6, -1e6], np.float32)
    ends = np.iinfo(kind)
    integers = _quantised(values, place)
    assert integers.dtype == kind
    assert integers.tolist() == [zero, zero, zero + 1, zero - 3, ends.max, ends.min]
    read = _dequantised(integers, place)
    assert read.tolist() == [0, 0, 0.5, -1.5, (ends.max - zero) * scale, (ends.min - zero) * scale]


def test_the_metadatas_mean_and_deviation_are_the_scaling(files: Any, tmp_path: Path) -> None:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    for mean, deviation, scaling in ((127.5, 127.5, "-1..1"), (0.0, 255.0, "0..1"), (128.0, 64.0, "standardize")):
        tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(files["float"].read_bytes()))
        entry, data = schema.MetadataT(), schema.BufferT()
        data.data = np.frombuffer(metadata(mean, deviation), np.uint8)
        entry.name, entry.buffer = b"TFLITE_METADATA", len(tree.buffers)
        tree.buffers.append(data)
        tree.metadata = [*(tree.metadata or []), entry]
        builder = flatbuffers.Builder(1024)
        builder.Finish(tree.Pack(builder), b"TFL3")
        path = tmp_path / "net.tflite"
        path.write_bytes(bytes(builder.Output()))
        spec = ferviz.load_model(path, labels=LABELS).input
        assert spec.scaling == scaling
        assert "scaling" not in spec.assumed
    assert (np.ravel(spec.mean).tolist(), np.ravel(spec.std).tolist(), spec.unit) == ([128], [64], 1)


def metadata(mean: float, deviation: float) -> bytes:
    """ModelMetadata > SubGraphMetadata > TensorMetadata > ProcessUnit > NormalizationOptions, as TensorFlow Lite's schema numbers them."""
    import flatbuffers

    builder = flatbuffers.Builder(256)

    def table(fields: dict[int, Any]) -> int:
        builder.StartObject(max(fields) + 1)
        for slot, value in fields.items():
            if slot == 0 and isinstance(value, bytes):
                builder.PrependUint8Slot(0, value[0], 0)
            else:
                builder.PrependUOffsetTRelativeSlot(slot, value, 0)
        return int(builder.EndObject())

    def vector(*tables: int) -> int:
        builder.StartVector(4, len(tables), 4)
        for each in reversed(tables):
            builder.PrependUOffsetTRelative(each)
        return int(builder.EndVector())

    means, deviations = (builder.CreateNumpyVector(np.array([value], np.float32)) for value in (mean, deviation))
    unit = table({0: b"\x01", 1: table({0: means, 1: deviations})})
    picture = table({4: vector(unit)})
    builder.Finish(table({3: vector(table({2: vector(picture)}))}), b"M001")
    return bytes(builder.Output())


def test_labels_packed_into_the_file_are_taken(files: Any, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("labels.txt", "\n".join(LABELS))
    path = tmp_path / "net.tflite"
    path.write_bytes(files["float"].read_bytes() + packed.getvalue())
    assert ferviz.load_model(path).labels == LABELS


def test_a_network_for_a_chip_and_half_a_file_are_refused(
    tmp_path: Path, files: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(files["float"].read_bytes()))
    tree.operatorCodes[0].builtinCode = tree.operatorCodes[0].deprecatedBuiltinCode = 32
    tree.operatorCodes[0].customCode = b"edgetpu-custom-op"
    builder = flatbuffers.Builder(1024)
    builder.Finish(tree.Pack(builder), b"TFL3")
    path = tmp_path / "net_edgetpu.tflite"
    path.write_bytes(bytes(builder.Output()))
    with pytest.raises(ModelError, match=r"Edge TPU.*give the Keras or ONNX file"):
        ferviz.load_model(path)
    for damaged in (path.read_bytes(), files["float"].read_bytes()[:3000]):
        path.write_bytes(damaged)
        assert run(["layers", "--model", str(path)]) == 4
        assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.slow
def test_tensorflow_is_not_imported(files: Any) -> None:
    code = (
        "import sys, numpy as np, ferviz\n"
        f"m = ferviz.load_model({str(files['float'])!r}, labels='angry,happy,sad,fear')\n"
        "ferviz.explain(m, np.zeros((1, 18, 18), np.uint8), method='occlusion')\n"
        "print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
