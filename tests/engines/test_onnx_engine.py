"""ONNX networks through everything that is made of a Keras network: the same maps, layers, kernels, compiled files and dreams."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferviz
from ferviz.engines.base import INPUT
from ferviz.errors import ModelError, UsageError

pytest.importorskip("onnx")

LABELS = ("angry", "happy", "sad", "fear")
KINDS = ("first", "last", "one at a time")


@pytest.fixture(scope="module")
def files(onnx_files: Any, engine: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One network in the ways that exporters write it."""
    keras, folder = engine("functional").network, tmp_path_factory.mktemp("onnx")
    models = {
        "first": onnx_files.twin(keras),
        "last": onnx_files.twin(keras, channels_last=True),
        "one at a time": onnx_files.twin(keras, batch=1),
    }
    for name, model in models.items():
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
    return {name: folder / f"{name}.onnx" for name in models}


@pytest.fixture(scope="module")
def models(files: Any, engine: Any) -> dict[str, ferviz.Model]:
    loaded = {name: ferviz.load_model(path, labels=LABELS, engine="onnx") for name, path in files.items()}
    return {**loaded, "keras": ferviz.load_model(engine("functional").network, labels=LABELS)}


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 255, (3, 18, 18), dtype=np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_it_answers_as_the_keras_network_does(kind: str, models: Any, faces: np.ndarray) -> None:
    np.testing.assert_allclose(models[kind].logits(faces), models["keras"].logits(faces), atol=1e-5)
    assert models[kind].head == "softmax"
    assert models[kind].engine.name == "onnx"


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        *(
            ("first", name)
            for name in ("gradcam", "layercam", "guided-backprop", "saliency", "ablationcam", "occlusion")
        ),
        *(("last", name) for name in ("gradcam", "guided-backprop")),  # the same graph as the other way round
    ],
)
def test_its_maps_are_those_of_the_keras_network(kind: str, method: str, models: Any, faces: np.ndarray) -> None:
    ours, theirs = (
        ferviz.explain(models[name], faces, method=method, target="happy,sad", test=False) for name in (kind, "keras")
    )
    span = np.abs(theirs.heatmaps).max()
    assert span > 0
    np.testing.assert_allclose(ours.heatmaps, theirs.heatmaps, atol=1e-4 * span)


@pytest.mark.parametrize("layer", ["conv1", "short", "add"])
def test_gradients_of_and_at_layers_are_those_of_the_keras_network(layer: str, models: Any, faces: np.ndarray) -> None:
    batch = models["keras"].preprocess(faces)
    weights = np.random.default_rng(5).normal(size=(3, 2, 4)).astype(np.float32)
    for ours, theirs in zip(
        models["first"].engine.gradients(batch, layer, weights), models["keras"].engine.gradients(batch, layer, weights), strict=True
    ):  # fmt: skip
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    wide = np.random.default_rng(6).normal(size=(3, 1, 9, 9, 6)).astype(np.float32)
    ours = models["first"].engine.gradients(batch, INPUT, wide, of="add")[1]
    np.testing.assert_allclose(ours, models["keras"].engine.gradients(batch, INPUT, wide, of="add")[1], atol=1e-5)


def test_its_layers_are_its_nodes(models: Any) -> None:
    layers = {layer.name: layer for layer in models["first"].layers}
    assert list(layers) == [
        "conv1", "norm1", "relu1", "short", "conv2/depthwise", "conv2/pointwise", "add", "relu2", "pool", "flatten", "head", "softmax",
    ]  # fmt: skip
    assert layers["conv1"].kind == "Conv"
    assert layers["conv1"].shape == (18, 18, 5)
    assert [layers[name].parameters for name in ("conv1", "norm1", "conv2/depthwise", "head", "relu1")] == [
        50,
        20,
        45,
        28,
        0,
    ]
    assert [name for name, layer in layers.items() if layer.spatial] == list(layers)[:8]
    assert [layer.name for layer in models["last"].layers] == list(layers)
    assert models["first"].default_layer()[0] == "relu2"


def test_its_diagram_follows_its_nodes(models: Any) -> None:
    sources = {layer.name: names for layer, names in ferviz.diagram(models["last"]).layers}
    assert sources["conv1"] == (INPUT,)
    assert sources["add"] == ("conv2/pointwise", "short")
    assert sources["softmax"] == ("head",)


def test_its_kernels_are_those_of_the_keras_network(models: Any) -> None:
    keras = ferviz.filters(models["keras"], "conv2").arrays
    ours = ferviz.filters(models["first"], "conv2/depthwise").arrays
    np.testing.assert_array_equal(ours["depthwise"], keras["depthwise"])
    np.testing.assert_array_equal(
        ferviz.filters(models["first"], "conv2/pointwise").arrays["kernel"], keras["pointwise"]
    )
    with pytest.raises(UsageError, match=r"relu2.*no kernels.*conv1"):
        ferviz.filters(models["first"], "relu2")


@pytest.mark.slow
def test_it_is_compiled_and_falls_back_to_itself(files: Any, models: Any, faces: np.ndarray, tmp_path: Path) -> None:
    from ferviz.models.compiled.cache import keep

    model = ferviz.load_model(files["last"], labels=LABELS)
    assert model.origin is not None
    assert keep(model, model.origin, lambda _: None) is not None
    again = ferviz.load_model(files["last"], labels=LABELS)
    assert again.engine.name == "litert"
    theirs = ferviz.explain(models["keras"], faces).heatmaps
    np.testing.assert_allclose(ferviz.explain(again, faces).heatmaps, theirs, atol=1e-4 * np.abs(theirs).max())
    assert [layer.name for layer in again.layers] == [layer.name for layer in models["last"].layers]
    assert ferviz.diagram(again).default == "relu2"  # what only the network knows is asked of the ONNX file
    assert again.engine.name == "onnx"


@pytest.mark.slow
def test_it_dreams_as_the_keras_network_does(models: Any) -> None:
    ours, theirs = (ferviz.dream(models[name], "happy", steps=8, seed=3) for name in ("last", "keras"))
    assert np.abs(ours.images.astype(int) - theirs.images.astype(int)).mean() < 1


def test_any_size_is_any_size(onnx_files: Any, engine: Any, networks: Any) -> None:
    network = onnx_files.twin(engine("functional").network)
    for axis in (2, 3):
        network.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = "side"
    model = ferviz.load_model(network, labels=LABELS)
    assert (model.input.height, model.input.width) == (None, None)
    assert model.layer("relu2").shape == (None, None, 6)
    for side in (18, 30):
        batch = np.random.default_rng(1).random((2, side, side, 1), np.float32)
        wanted = engine("functional").network.layers[-1]  # the head's width
        assert model.engine.logits(batch).shape == (2, wanted.units)
    small = np.random.default_rng(1).random((2, 18, 18, 1), np.float32)
    np.testing.assert_allclose(model.engine.logits(small), engine("functional").logits(small), atol=1e-5)


def test_labels_and_scaling_in_the_file_are_taken(onnx_files: Any, engine: Any, tmp_path: Path) -> None:
    network = onnx_files.twin(engine("functional").network)
    for key, value in (
        ("names", "{0: 'angry', 1: 'happy', 2: 'sad', 3: 'fear'}"),
        ("Image.NominalPixelRange", "NominalRange_0_255"),
    ):
        entry = network.metadata_props.add()
        entry.key, entry.value = key, value
    model = ferviz.load_model(network)
    assert model.labels == LABELS
    assert model.input.scaling == "0..255"
    assert not model.cautions
    assert ferviz.load_model(network, labels="happy,angry,sad,fear", scaling="0..1").labels[0] == "happy"


def test_a_sidecar_is_taken_before_the_file(files: Any, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(files["first"].read_bytes())
    (tmp_path / "net.onnx.ferviz.json").write_text(
        '{"schema_version": 1, "labels": ["a", "b", "c", "d"], "input": {"scaling": "-1..1", "resize": "uint8"}}'
    )
    model = ferviz.load_model(path, engine="onnx")
    assert (model.labels, model.input.scaling) == (("a", "b", "c", "d"), "-1..1")


def test_a_network_that_scales_its_pixels_itself_is_given_them_as_they_are(onnx_files: Any, engine: Any) -> None:
    network = onnx_files.twin(engine("functional").network)
    network.graph.node[0].input[0] = "scaled"
    network.graph.node.insert(0, onnx_files.helper.make_node("Div", ["x", "by"], ["scaled"], "rescale"))
    network.graph.initializer.append(onnx_files.numpy_helper.from_array(np.float32(255), "by"))
    model = ferviz.load_model(network, labels=LABELS)
    assert model.input.scaling == "0..255"
    assert any("rescale" in note for note in model.notes)


def test_weights_in_a_file_beside_it_are_read(onnx_files: Any, engine: Any, tmp_path: Path) -> None:
    import onnx

    path = tmp_path / "net.onnx"
    onnx.save(
        onnx_files.twin(engine("functional").network),
        path,
        save_as_external_data=True,
        location="net.bin",
        size_threshold=0,
    )
    model = ferviz.load_model(path, labels=LABELS, engine="onnx")
    batch = np.random.default_rng(1).random((2, 18, 18, 1), np.float32)
    np.testing.assert_allclose(model.engine.logits(batch), engine("functional").logits(batch), atol=1e-5)
    assert model.origin is not None
    assert [file.name for file in model.origin.files] == ["net.onnx", "net.bin"]
    assert model.sha256 != ferviz.load_model(onnx_files.twin(engine("functional").network), labels=LABELS).sha256


def test_of_several_outputs_the_emotions_are_taken(onnx_files: Any, engine: Any) -> None:
    network = onnx_files.twin(engine("functional").network)
    network.graph.output.append(onnx_files.helper.make_tensor_value_info("l", 1, None))
    with pytest.raises(ModelError, match=r"2 outputs \(scores \(4\), l \(4\)\)"):
        ferviz.load_model(network)


def test_engines_of_other_networks_are_refused(files: Any) -> None:
    with pytest.raises(ModelError, match="run by the onnx engine; leave --engine keras"):
        ferviz.load_model(files["first"], engine="keras")
    with pytest.raises(ModelError, match="leave --engine onnx"):
        ferviz.load_model(engine="onnx")


@pytest.mark.shared
@pytest.mark.slow
def test_a_published_network_answers_as_onnx_says(shared_data: Path, onnx_files: Any) -> None:
    import onnx
    from onnx.reference import ReferenceEvaluator

    path = shared_data / "models_other" / "symtons_tf2onnx.onnx"
    model = ferviz.load_model(path, engine="onnx")
    batch = np.random.default_rng(0).random((2, 48, 48, 1), np.float32)
    (wanted,) = ReferenceEvaluator(onnx.load(path)).run(None, {"input": batch})
    np.testing.assert_allclose(model.probabilities_of(model.engine.logits(batch)), wanted, atol=1e-5)
    assert model.default_layer()[0] == "sequential/conv2d_1/Relu"
