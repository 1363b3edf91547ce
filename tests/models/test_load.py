"""load_model: what goes in and comes out of a network, live networks, the halves of a network, the bundled one."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from ferviz.engines.backend import keras as get_keras
from ferviz.errors import ModelError, UnknownNameError, UsageError
from ferviz.models import bundled
from ferviz.models.load import load_model


def live(inputs, outputs):
    return get_keras().Model(inputs, outputs)


def interface(name: str):
    layers = get_keras().layers
    picture = layers.Input((8, 8, 1))
    flat = layers.Flatten()(picture)
    if name == "two inputs":
        other = layers.Input((3,))
        return live([picture, other], layers.Dense(3)(layers.Concatenate()([flat, other])))
    if name == "two outputs":
        return live(picture, [layers.Dense(3)(flat), layers.Dense(2)(flat)])
    if name == "sequence":
        words = layers.Input((20, 4))
        return live(words, layers.Dense(3)(layers.Flatten()(words)))
    if name == "one unit":
        return live(picture, layers.Dense(1, activation="sigmoid")(flat))
    if name == "a map":
        return live(picture, layers.Conv2D(3, 3)(picture))
    if name == "four channels":
        four = layers.Input((8, 8, 4))
        return live(four, layers.Dense(3)(layers.Flatten()(four)))
    raise KeyError(name)


@pytest.mark.parametrize(
    ("name", "words"),
    [("two inputs", "takes 2 inputs"), ("two outputs", "has 2 outputs"), ("sequence", r"takes \(N, 20, 4\)"),
     ("one unit", "single output unit"), ("a map", r"\(N, 6, 6, 3\)"), ("four channels", "4 channels")],
)  # fmt: skip
def test_other_interfaces_are_told(name, words):
    with pytest.raises(ModelError, match=words):
        load_model(interface(name))


def test_a_network_in_memory():
    keras = get_keras()
    layers = keras.layers
    network = keras.Sequential([layers.Input((8, 8, 3)), layers.Conv2D(2, 3), layers.GlobalAveragePooling2D(),
                                layers.Dense(2, activation="softmax")], name="mine")  # fmt: skip
    model = load_model(network, labels=["sad", "joy"], scaling="-1..1")
    assert (model.name, model.sha256, model.labels) == ("mine", "", ("sad", "happy"))
    faces = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
    assert np.allclose(model.probabilities(faces), network(faces / np.float32(127.5) - 1), atol=1e-5)
    with pytest.raises(UsageError, match="in memory"):
        load_model(network, weights="w.h5")
    with pytest.raises(UsageError, match=r"keras\.Model or a torch\.nn\.Module, not int"):
        load_model(3)


def test_a_subclassed_network_in_memory():
    keras = get_keras()

    class Mine(keras.Model):
        def __init__(self):
            super().__init__(name="mine")
            self.conv = keras.layers.Conv2D(4, 3, activation="relu", name="conv")
            self.head = keras.layers.Dense(3)

        def call(self, x):
            return self.head(keras.ops.mean(self.conv(x), axis=(1, 2)))

    network = Mine()
    with pytest.raises(ModelError, match="call it on a picture once"):
        load_model(network)
    network(np.zeros((1, 8, 8, 1), np.float32))
    model = load_model(network, labels="angry,happy,sad", scaling="0..255")
    assert model.default_layer()[0] == "conv"
    assert model.head == "linear"
    faces = np.random.default_rng(0).integers(0, 256, (2, 8, 8), np.uint8)
    assert np.allclose(model.logits(faces), network(faces[..., None].astype(np.float32)), atol=1e-3)


def test_channels_first_is_found_by_the_shape(tmp_path):
    keras = get_keras()
    layers = keras.layers
    network = keras.Sequential([layers.Input((1, 10, 12)), layers.Conv2D(2, 3, data_format="channels_first", name="c"),
                                layers.Flatten(), layers.Dense(3, activation="softmax")])  # fmt: skip
    network.save(tmp_path / "first.keras")
    model = load_model(tmp_path / "first.keras", engine="keras")
    assert (model.input.height, model.input.width, model.input.channels) == (10, 12, 1)
    assert model.layer("c").shape == (8, 10, 2)


def test_any_size_is_told(tmp_path):
    keras = get_keras()
    layers = keras.layers
    network = keras.Sequential(
        [layers.Input((None, None, 3)), layers.Conv2D(2, 3), layers.GlobalMaxPooling2D(), layers.Dense(7)]
    )
    network.save(tmp_path / "any.keras")
    model = load_model(tmp_path / "any.keras", engine="keras")
    assert (model.input.height, model.input.width) == (None, None)
    assert {"height", "width", "scaling"} <= set(model.input.assumed)
    assert any("any size" in note for note in model.notes)
    (tmp_path / "any.ferviz.json").write_text(json.dumps({"schema_version": 1, "input": {"height": 40, "width": 30}}))
    assert load_model(tmp_path / "any.keras", engine="keras").input.size == (40, 30)


@pytest.mark.slow
def test_halves_find_each_other(small, tmp_path):
    parts = small["json"].parent
    shutil.copy(parts / "net.json", tmp_path / "fer.json")
    with pytest.raises(ModelError, match=r"architecture without weights.*--weights"):
        load_model(tmp_path / "fer.json")
    for name in ("fer.h5", "fer.weights.h5", "fer_weights.h5"):
        shutil.copy(parts / "net.weights.h5", tmp_path / name)
        assert load_model(tmp_path / "fer.json", engine="keras").notes[0].endswith("(name them with --labels)")
        (tmp_path / name).unlink()
    shutil.copy(parts / "net.weights.h5", tmp_path / "best.h5")
    model = load_model(tmp_path / "fer.json", engine="keras")
    assert "best.h5" in model.notes[0]
    assert load_model(tmp_path / "best.h5", engine="keras").sha256 == model.sha256
    shutil.copy(parts / "net.weights.h5", tmp_path / "other.h5")
    with pytest.raises(ModelError, match="without weights"):
        load_model(tmp_path / "fer.json")  # two to choose from: not guessed
    chosen = load_model(tmp_path / "fer.json", weights=tmp_path / "other.h5", engine="keras")
    assert chosen.engine.classes == 3
    assert load_model(tmp_path / "fer.json", weights=small["keras"], engine="keras").engine.classes == 3
    with pytest.raises(ModelError, match="holds no weights"):
        load_model(tmp_path / "fer.json", weights=small["json"])


def test_the_hash_is_of_both_halves(small, tmp_path):
    for name in ("net.json", "net.weights.h5"):
        shutil.copy(small["json"].parent / name, tmp_path / name)
    before = load_model(tmp_path / "net.json", engine="keras").sha256
    (tmp_path / "net.json").write_text((tmp_path / "net.json").read_text() + " ")
    assert load_model(tmp_path / "net.json", engine="keras").sha256 != before


def test_a_savedmodel_answers_and_says_why_not_more(small):
    model = load_model(small["savedmodel"])
    assert any("SavedModel" in note for note in model.notes)
    with pytest.raises(ModelError, match=r"SavedModel has no layers.*\.keras or \.h5"):
        model.engine.gradients(np.zeros((1, 12, 12, 1), np.float32), "conv", np.ones((1, 1, 3), np.float32))
    with pytest.raises(ModelError, match="SavedModel has no layers"):
        model.engine.activations(np.zeros((1, 12, 12, 1), np.float32), ["conv"])


def test_a_savedmodel_that_reads_files_is_refused(tmp_path):
    from ferviz.engines.backend import tensorflow
    from ferviz.errors import UntrustedModelError

    tf = tensorflow()

    class Reader(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 4, 4, 1], tf.float32)])
        def serve(self, x):
            size = tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)
            return tf.reshape(x, [-1, 16])[:, :3] * size

    module = Reader()
    tf.saved_model.save(module, str(tmp_path / "reader"), signatures=module.serve)
    with pytest.raises(UntrustedModelError, match="ReadFile"):
        load_model(tmp_path / "reader")
    assert load_model(tmp_path / "reader", trust=True).engine.classes == 3


@pytest.mark.slow
def test_a_damaged_savedmodel(small, tmp_path):
    shutil.copytree(small["savedmodel"], tmp_path / "s")
    (tmp_path / "s" / "saved_model.pb").write_bytes(b"\xff\xff junk")
    with pytest.raises(ModelError, match="damaged"):
        load_model(tmp_path / "s")
    shutil.rmtree(tmp_path / "s")
    shutil.copytree(small["savedmodel"], tmp_path / "s")
    (tmp_path / "s" / "variables" / "variables.index").unlink()
    with pytest.raises(ModelError, match="damaged"):
        load_model(tmp_path / "s")


def test_engines_and_the_bundled_network(tmp_path, monkeypatch):
    with pytest.raises(UnknownNameError, match="engine 'torch'"):
        load_model("x.h5", engine="torch")
    monkeypatch.setattr(bundled, "ASSETS", tmp_path)
    with pytest.raises(ModelError, match="bundled network is missing"):
        load_model()


def test_a_file_called_bundled_is_the_users_own(small, tmp_path, monkeypatch):
    shutil.copy(small["keras"], tmp_path / "bundled")
    monkeypatch.chdir(tmp_path)
    assert load_model("bundled", engine="keras").input.size == (12, 12)
