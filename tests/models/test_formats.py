"""Whole classes of networks as other people publish them, each against the network that the file was made from."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ferviz.engines.backend import keras as get_keras
from ferviz.errors import ModelError, UntrustedModelError
from ferviz.models.compiled.compile import compile_model, open_compiled
from ferviz.models.formats.build import leaf_layers
from ferviz.models.load import load_model

FACES = np.random.default_rng(5).integers(0, 256, (3, 16, 16), np.uint8)


def backbone(layers: Any, sequential: bool) -> Any:
    inner = [
        layers.Conv2D(4, 3, activation="relu", name="conv"),
        layers.BatchNormalization(name="norm"),
        layers.MaxPooling2D(name="pool"),
    ]
    if sequential:
        return get_keras().Sequential([layers.Input((16, 16, 1)), *inner], name="trunk")
    first = x = layers.Input((16, 16, 1))
    for layer in inner:
        x = layer(x)
    return get_keras().Model(first, x, name="trunk")


def network(kind: str) -> Any:
    """A tiny network of a kind, with weights that tell its answers apart."""
    keras = get_keras()
    layers = keras.layers
    first = layers.Input((16, 16, 1), name="face")
    if kind in ("functional inside", "sequential inside"):
        x = backbone(layers, kind == "sequential inside")(first)
    elif kind == "inside twice":
        trunk = backbone(layers, False)
        x = layers.Concatenate(name="both")([trunk(first), trunk(layers.Activation("relu", name="other")(first))])
    elif kind == "attention":
        x = layers.Reshape((16, 8), name="tokens")(layers.Conv2D(8, 4, strides=4, name="patches")(first))
        x = layers.Add(name="sum")([x, layers.MultiHeadAttention(2, 4, name="attention")(x, x)])
        x = layers.Reshape((4, 4, 8), name="back")(x)
    elif kind == "recurrent":
        x = layers.Reshape((14, 28), name="rows")(layers.Conv2D(2, 3, name="conv")(first))
        x = layers.Reshape((1, 1, 6), name="back")(layers.Bidirectional(layers.LSTM(3), name="both")(x))
    else:  # "slashes", "frozen dropout"
        x = layers.SpatialDropout2D(0.3, name="drop")(layers.Conv2D(4, 3, name="block_conv")(first))
    x = layers.Flatten(name="flat")(x)
    if kind == "ends inside":
        raise KeyError(kind)
    made = keras.Model(first, layers.Dense(3, activation="softmax", name="head")(x), name="made")
    rng = np.random.default_rng(1)
    for weight in made.weights:
        low, high = (0.5, 1.5) if "norm" in weight.path else (-0.5, 0.5)
        weight.assign(rng.uniform(low, high, weight.shape).astype(np.float32))
    return made


def as_keras_2(document: dict[str, Any]) -> dict[str, Any]:
    """The configuration in Keras 2's words: calls as lists, and those of nested networks counted from 1."""
    settings = dict(document["config"])
    inner = {one["config"]["name"] for one in settings["layers"] if one["class_name"] in ("Functional", "Sequential")}

    def reference(tensor: dict[str, Any]) -> list[Any]:
        name, call, output = tensor["config"]["keras_history"]
        return [name, call + (name in inner), output]

    def call(node: dict[str, Any]) -> list[Any]:
        tensors, *more = node["args"]
        named = {"value": reference(more[0])} if more else {}
        return [[*reference(one), named] for one in (tensors if isinstance(tensors, list) else [tensors])]

    done = []
    for layer in settings["layers"]:
        here = as_keras_2(layer) if layer["class_name"] in ("Functional", "Sequential") else dict(layer)
        here = {key: here[key] for key in ("class_name", "config", "name") if key in here}
        here["config"] = {**here["config"], "trainable": True}
        if "name" in layer:
            here["inbound_nodes"] = [call(node) for node in layer["inbound_nodes"]]
        done.append(here)
    return {"class_name": document["class_name"], "config": {**settings, "layers": done}}


def stored(made: Any) -> dict[str, list[tuple[str, np.ndarray]]]:
    found = {}
    for layer in made.layers:
        parts = leaf_layers(layer) if getattr(layer, "layers", None) else [layer]
        owner = {id(weight): part.name for part in parts for weight in part.weights}
        values = [*layer.trainable_weights, *layer.non_trainable_weights]
        found[layer.name] = [(f"{owner[id(w)]}/{w.name}_{i}:0", np.asarray(w)) for i, w in enumerate(values)]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "looked_at"),
    [("functional inside", "trunk/norm"), ("sequential inside", "trunk/norm"), ("inside twice", "both"), ("attention", "back"),
     ("recurrent", "conv"), ("slashes", "drop"), ("frozen dropout", "drop")],
)  # fmt: skip
def test_keras_2_networks_answer_as_they_did(
    tmp_path: Path, old_h5: Callable[..., Path], kind: str, looked_at: str
) -> None:
    made = network(kind)
    config, weights = as_keras_2(json.loads(made.to_json())), stored(made)
    if kind == "slashes":
        text = json.dumps(config).replace("block_conv", "block/conv")
        config, weights = json.loads(text), {name.replace("k_c", "k/c"): one for name, one in weights.items()}
    model = load_model(old_h5(tmp_path / "net.h5", config, weights, version="2.12.0"), engine="keras", scaling="0..1")
    expected = made(FACES[..., None] / np.float32(255), training=False)
    assert np.ptp(np.asarray(expected), axis=0).max() > 1e-3
    assert np.allclose(model.probabilities(FACES), expected, atol=1e-6)
    assert model.default_layer()[0] == looked_at
    assert any("block/conv is now block_conv" in note for note in model.notes) == (kind == "slashes")


def test_what_lies_inside_an_attention_is_no_map() -> None:
    model = load_model(network("attention"))
    inside = [layer for layer in model.layers if layer.name.startswith("attention/")]
    assert [len(layer.shape) for layer in inside].count(3) >= 3
    assert not any(layer.spatial for layer in inside)
    assert {layer.name for layer in model.layers if layer.spatial} == {"patches", "back"}


def test_the_hard_sigmoid_of_keras_2_has_its_own_slope(tmp_path: Path, old_h5: Callable[..., Path]) -> None:
    keras = get_keras()
    layers = keras.layers
    made = keras.Sequential(
        [layers.Input((4, 4, 1)), layers.Flatten(name="flat"), layers.Dense(3, activation="hard_sigmoid", name="head")]
    )
    kernel = np.random.default_rng(2).normal(0, 2, (16, 3)).astype(np.float32)
    weights = {"head": [("head/kernel:0", kernel), ("head/bias:0", np.zeros(3, np.float32))]}
    batch = np.random.default_rng(3).random((5, 4, 4, 1), dtype=np.float32)
    x = batch.reshape(5, -1) @ kernel
    for version, slope in (("2.4.0", 0.2), ("3.5.0", 1 / 6)):
        path = old_h5(tmp_path / f"{version}.h5", json.loads(made.to_json()), weights, version=version)
        model = load_model(path, engine="keras", labels="a,b,c")
        assert np.allclose(model.engine.logits(batch), np.clip(slope * x + 0.5, 0, 1), atol=1e-5)
    assert (np.abs(x) < 2.5).any()


def with_operations() -> Any:
    keras = get_keras()
    layers, ops = keras.layers, keras.ops
    first = layers.Input((16, 16, 1))
    x = layers.Conv2D(4, 3, name="conv")(first / 127.5 - 1.0)
    x = ops.relu(x + 0.1) * ops.sigmoid(ops.mean(x, axis=-1, keepdims=True))
    x = ops.concatenate([ops.max(x, axis=[1, 2]), layers.GlobalAveragePooling2D()(x)], axis=-1)
    return keras.Model(first, layers.Dense(3, activation="softmax")(x / 2.0))


def test_operations_that_turn_the_channels_round_say_nothing_of_the_range() -> None:
    keras = get_keras()
    first = keras.layers.Input((8, 8, 3))
    end = [keras.layers.Conv2D(2, 3), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]

    def network(x: Any) -> Any:
        for layer in end:
            x = layer(x)
        return keras.Model(first, x)

    turned = first[..., ::-1]
    assert "scaling" in load_model(network(turned)).input.assumed
    found = load_model(network(keras.layers.Rescaling(1, [-104.0, -117.0, -124.0])(turned))).input
    assert (found.scaling, "scaling" in found.assumed) == ("0..255", False)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["net.h5", "net.keras"])
def test_operations_of_keras_3_in_both_of_its_formats(tmp_path: Path, name: str) -> None:
    made = with_operations()
    made.save(tmp_path / name)
    model = load_model(tmp_path / name, engine="keras", labels="a,b,c")
    assert model.input.scaling == "0..255"
    assert "scaling" not in model.input.assumed
    assert np.allclose(model.probabilities(FACES), made(FACES[..., None].astype(np.float32), training=False), atol=1e-5)


def test_the_first_keras_format_of_tensorflow_2_12(tmp_path: Path) -> None:
    """Weights under another group, a class' layers counted by twos, numbers of ReLU in NumPy's clothes."""
    keras = get_keras()
    layers = keras.layers
    inner = keras.Sequential(
        [layers.Input((16, 16, 1)), layers.Conv2D(3, 3), layers.Conv2D(3, 3), layers.ReLU(6.0)], name="inner"
    )
    made = keras.Sequential([layers.Input((16, 16, 1)), inner, layers.Conv2D(3, 3), layers.Conv2D(3, 3), layers.Conv2D(3, 3),
                             layers.GlobalAveragePooling2D(), layers.Dense(3, activation="softmax")])  # fmt: skip
    rng = np.random.default_rng(4)
    for weight in made.weights:
        weight.assign(rng.normal(0, 0.5, weight.shape).astype(np.float32))
    made.save_weights(tmp_path / "today.weights.h5")

    def old(name: str) -> str:
        name = re.sub(r"(?<=layers/)(conv2d)_(\d+)", lambda m: f"{m[1]}_{2 * int(m[2])}", name)
        return name.replace("layers", "_layer_checkpoint_dependencies")

    with h5py.File(tmp_path / "today.weights.h5") as file, h5py.File(tmp_path / "old.h5", "w") as target:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        for name in names:
            target[old(name)] = file[name][()]
        assert "_layer_checkpoint_dependencies/conv2d_4" in target
    six = {"class_name": "__numpy__", "config": {"value": 6.0, "dtype": "float32"}}
    config = made.to_json().replace('"max_value": 6.0', f'"max_value": {json.dumps(six)}')
    assert "__numpy__" in config
    with zipfile.ZipFile(tmp_path / "old.keras", "w") as archive:
        archive.writestr("config.json", config)
        archive.writestr("metadata.json", '{"keras_version": "2.12.0"}')
        archive.write(tmp_path / "old.h5", "model.weights.h5")
    found = load_model(tmp_path / "old.keras", engine="keras", labels="a,b,c", scaling="0..1").probabilities(FACES)
    assert np.allclose(found, made(FACES[..., None] / np.float32(255), training=False), atol=1e-6)


def test_a_savedmodel_of_a_fixed_batch_that_ends_in_sigmoids(tmp_path: Path) -> None:
    keras = get_keras()
    layers = keras.layers
    first = layers.Input(batch_shape=(2, 16, 16, 1))
    made = keras.Model(first, layers.Dense(3, activation="sigmoid")(layers.Flatten()(first)))
    made.export(tmp_path / "saved", verbose=False)
    model = load_model(tmp_path / "saved", labels="a,b,c", scaling="0..1")
    batch = FACES[..., None] / np.float32(255)
    expected = np.concatenate([made(batch[:2]), made(batch[1:])[1:]])
    assert model.head == "sigmoid"
    assert np.allclose(model.probabilities(FACES), expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [7, 98])
def test_recurrent_layers_are_written_out_or_refused_to_be_compiled(steps: int) -> None:
    keras = get_keras()
    layers = keras.layers
    made = keras.Sequential([layers.Input((16, 16, 1)), layers.Conv2D(2, 3, name="conv"), layers.Reshape((steps, 392 // steps)),
                             layers.GRU(3, name="rows"), layers.Dense(2)])  # fmt: skip
    model = load_model(made)
    batch = model.preprocess(FACES)
    weights = np.tile(np.eye(2, dtype=np.float32), (len(FACES), 1, 1))
    _, gradient, logits = model.engine.gradients(batch, "conv", weights)
    assert np.allclose(logits, made(batch), atol=1e-5)
    assert np.abs(gradient).max() > 1e-6
    assert made.get_layer("rows").unroll is False
    if steps > 64:
        with pytest.raises(ModelError, match="a loop over a number of steps"):
            compile_model(model)
    else:
        assert np.allclose(open_compiled(compile_model(model)).logits(FACES), logits, atol=1e-4)


def test_a_network_that_fails_or_fills_the_memory_says_so() -> None:
    keras = get_keras()
    layers = keras.layers

    class Broken(layers.Layer):
        def compute_output_shape(self, shape: Any) -> Any:
            return shape

        def call(self, x: Any) -> Any:
            return x if isinstance(x, keras.KerasTensor) else 1 / 0

    first = layers.Input((16, 16, 1))
    with pytest.raises(ModelError, match=r"cannot be run: .*division by zero"):
        load_model(keras.Model(first, layers.Dense(3)(layers.Flatten()(Broken()(first))))).predict(FACES)

    first = layers.Input((1200, 1200, 1))  # the attention of each pixel to each other is 8 TB
    x = layers.Reshape((1200 * 1200, 1))(first)
    x = layers.GlobalAveragePooling1D()(layers.MultiHeadAttention(1, 1)(x, x))
    model = load_model(keras.Model(first, layers.Dense(3)(x)))
    with pytest.raises(ModelError, match="more memory for 1 pictures"):
        model.predict(np.zeros((1, 1200, 1200), np.uint8))


def test_trust_without_the_code_says_what_is_missing(rewritten: Callable[..., Path]) -> None:
    def change(config: dict) -> None:
        config["config"]["layers"][1].update(module="mine", class_name="Attn", registered_name="mine>Attn")

    with pytest.raises(ModelError, match=r"'Attn'.*import the code"):
        load_model(rewritten(change), trust=True, engine="keras")


def hostile_operation(rewritten: Callable[..., Path], repeats: int) -> Path:
    def change(config: dict) -> None:
        settings = config["config"]
        tile = {"module": "keras.src.ops.numpy", "class_name": "Tile", "registered_name": None, "name": "tile",
                "config": {"repeats": [1, repeats, repeats, 1], "name": "tile"}}  # fmt: skip
        entrance, conv = settings["layers"][0], settings["layers"][1]
        graph = []
        for number, layer in enumerate([entrance, tile, conv]):
            name = layer.get("name") or layer["config"]["name"]
            before = [graph[-1]["name"], 0, 0] if number else None
            tensor = {
                "class_name": "__keras_tensor__",
                "config": {"shape": [None], "dtype": "float32", "keras_history": before},
            }
            nodes = [{"args": [tensor], "kwargs": {}}] if number else []
            graph.append({**layer, "name": name, "inbound_nodes": nodes})
        config.clear()
        config.update(
            module="keras.src.models.functional", class_name="Functional", registered_name="Functional",
            config={"name": "g", "layers": graph, "input_layers": [[graph[0]["name"], 0, 0]], "output_layers": [["conv", 0, 0]]},
        )  # fmt: skip

    return rewritten(change)


@pytest.mark.parametrize(("repeats", "words"), [(1, "returns"), (100_000, "layer 'tile'.* numbers a face")])
def test_an_operation_cannot_fill_the_memory(rewritten: Callable[..., Path], repeats: int, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        load_model(hostile_operation(rewritten, repeats))


def test_augmentation_of_another_keras_is_passed_through(
    rewritten: Callable[..., Path], small: dict[str, Path]
) -> None:
    def change(config: dict) -> None:
        extra = {"module": "keras.layers", "class_name": "RandomRotation", "registered_name": None,
                 "config": {"name": "turn", "factor": [-0.1, 0.1], "value_range": [0, 255], "kind": "new"}}  # fmt: skip
        config["config"]["layers"].insert(1, extra)

    faces = FACES[:, :12, :12]
    expected = load_model(small["keras"], engine="keras").probabilities(faces)
    assert np.allclose(load_model(rewritten(change), engine="keras").probabilities(faces), expected, atol=1e-6)


# -- several outputs, other inputs -------------------------------------------------------------------------------------


def several(*named: tuple[str, int]) -> Any:
    keras = get_keras()
    first = keras.layers.Input((8, 8, 1))
    x = keras.layers.Flatten()(keras.layers.Conv2D(2, 3, name="conv")(first))
    return keras.Model(first, [keras.layers.Dense(width, name=name)(x) for name, width in named])


@pytest.mark.parametrize(
    ("outputs", "labels", "used"),
    [([("age", 1), ("emotion", 4), ("gender", 2)], None, "emotion"), ([("a", 8), ("b", 7), ("c", 2)], "7", "b"),
     ([("age", 101), ("face", 7), ("gender", 2)], None, "face"), ([("emotion", 7), ("race", 6)], "6-dropped", "race")],
)  # fmt: skip
def test_of_several_outputs_the_emotions_are_taken(outputs: Any, labels: Any, used: str) -> None:
    made = several(*outputs)
    model = load_model(made, labels=labels)
    batch = np.random.default_rng(0).random((2, 8, 8, 1), dtype=np.float32)
    expected = made(batch)[[name for name, _ in outputs].index(used)]
    assert np.allclose(model.engine.logits(batch), expected, atol=1e-5)
    assert any(f"{used} is explained" in note for note in model.notes)
    assert len(made.outputs) == len(outputs)


def test_outputs_that_cannot_be_told_apart_are_listed() -> None:
    with pytest.raises(ModelError, match=r"2 outputs: a \(N, 7\), b \(N, 8\).*labels"):
        load_model(several(("a", 7), ("b", 8)))


@pytest.mark.parametrize("shape", [(12, 12), (144,)])
def test_a_picture_in_another_form_comes_with_what_to_write(shape: tuple[int, ...]) -> None:
    keras = get_keras()
    flat = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(3)])
    with pytest.raises(ModelError) as caught:
        load_model(flat)
    advice = str(caught.value).partition("so save ")[2]
    mended = eval(advice, {"keras": keras, "network": flat})
    batch = np.random.default_rng(0).random((2, 12, 12, 1), dtype=np.float32)
    assert np.allclose(load_model(mended).engine.logits(batch), flat(batch.reshape(2, *shape)), atol=1e-5)


# -- files and folders that are no networks ----------------------------------------------------------------------------


def zipped(path: Path, *names: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"\x80\x02.")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [("net.pth", b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9 PF", "PyTorch"),
     ("net.pt", ("archive/data.pkl", "archive/version"), "PyTorch|damaged"),
     ("net.zip", ("folder/best.h5",), "holds folder/best.h5: unpack"), ("w.npz", ("a.npy", "b.npy"), "NumPy"),
     ("net.pkl", b"\x80\x04\x95", "pickle"), ("net.onnx", b"\x08\x07\x12\x07pytorch", "ONNX"),
     ("net.mlmodel", b"\x08\x01\x12", "Core ML"), ("frozen.pb", b"\n\x2e\n\x05input\x12\x0bPlaceholder", "frozen graph"),
     ("net.safetensors", b"\x40\0\0\0\0\0\0\0{\"w\"", "PyTorch|safetensors|architecture"), ("net.tar", b"\0" * 257 + b"ustar", "unpack"),
     ("saved_model.pb", b"\x08\x01\x12", "name the folder"), ("model.ckpt.index", b"\0\0", "checkpoint"),
     ("model.ckpt.data-00000-of-00001", b"\1\2", "load_weights"), ("checkpoint", b'model_checkpoint_path: "m"', "checkpoint"),
     ("net.yaml", b"class_name: Sequential\nconfig:\n", "YAML.*to_json"), ("model.json", b'{"modelTopology": {}}', r"TensorFlow\.js"),
     ("haar.xml", b"<?xml?>\n<opencv_storage>", "cascades"), ("face.png", b"\x89PNG\r\n", "a picture"),
     ("net.tflite", b"\x1c\0\0\0TFL3" + b"\0" * 99, r"net\.tflite is refused")],
)  # fmt: skip
def test_other_files_are_told_by_what_they_are(tmp_path: Path, name: str, content: Any, words: str) -> None:
    if isinstance(content, tuple):
        zipped(tmp_path / name, *content)
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=words):
        load_model(tmp_path / name)


@pytest.mark.parametrize(
    ("names", "words"),
    [(("best.keras", "notes.txt"), "name the network in it: best.keras"), (("m.h5", "m.json"), "m.h5, m.json"),
     (("checkpoint", "m.index"), "checkpoint"),
     (("config.json", "metadata.json"), "unpacked .keras"), (("config.json", "model.safetensors"), "no saved_model.pb"), ((), "folder")],
)  # fmt: skip
def test_folders_are_told_by_what_is_in_them(tmp_path: Path, names: tuple[str, ...], words: str) -> None:
    for name in names:
        (tmp_path / name).write_text("{}")
    with pytest.raises(ModelError, match=words):
        load_model(tmp_path)


def test_a_part_of_a_savedmodel_names_the_folder(small: dict[str, Path]) -> None:
    for part in (
        "saved_model.pb",
        "fingerprint.pb",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
    ):
        with pytest.raises(ModelError, match="part of the SavedModel saved"):
            load_model(small["savedmodel"] / part)


def test_the_name_of_ours_opens_no_door(rewritten: Callable[..., Path]) -> None:
    def ask(activation: Any) -> Callable[[dict], None]:
        def change(config: dict) -> None:
            config["config"]["layers"][1]["config"]["activation"] = activation

        return change

    door = {
        "class_name": "function",
        "module": "ferviz",
        "config": "old_hard_sigmoid",
        "registered_name": "old_hard_sigmoid",
    }
    for wrong in ({"config": "system"}, {"module": "os"}, {"registered_name": "system"}, {"more": 1}):
        with pytest.raises(UntrustedModelError):
            load_model(rewritten(ask({**door, **wrong})))
