"""Whole files as Keras 0.x to 3 wrote them: read, run, and compared with the same network computed by hand or by Keras 3."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from ferviz.engines.backend import keras as get_keras
from ferviz.errors import ModelError
from ferviz.models.load import load_model

rng = np.random.default_rng(5)
KERNEL = rng.normal(size=(3, 2, 1, 2)).astype(np.float32)  # rows, columns, in, out: not square, so that turns show
BIAS = rng.normal(size=2).astype(np.float32)
DENSE = rng.normal(size=(4 * 5 * 2, 3)).astype(np.float32)
DENSE_BIAS = rng.normal(size=3).astype(np.float32)
FACES = rng.integers(0, 256, (3, 6, 6), np.uint8)
LABELS = "angry,happy,sad"


def slid(face: np.ndarray, channel: int, slide: str) -> np.ndarray:
    """One channel of the convolution. slide: the function of scipy.signal, which takes a second to import."""
    from scipy import signal

    return getattr(signal, slide)(face, KERNEL[:, :, 0, channel], mode="valid") + BIAS[channel]


def by_hand(first: bool, slide: str = "correlate2d") -> np.ndarray:
    """Logits of conv (3x2, two channels, ReLU), flatten in the network's own order of axes, dense."""
    x = FACES.astype(np.float64) / 255
    maps = np.stack([[slid(one, c, slide) for c in range(2)] for one in x])
    maps = np.maximum(maps, 0)  # (N, c, h, w)
    flat = (maps if first else maps.transpose(0, 2, 3, 1)).reshape(3, -1)
    return flat @ DENSE + DENSE_BIAS


def keras1(order: str) -> list:
    shape = [None, 1, 6, 6] if order == "th" else [None, 6, 6, 1]
    return [
        {"class_name": "Convolution2D", "config": {
            "batch_input_shape": shape, "nb_filter": 2, "nb_row": 3, "nb_col": 2, "border_mode": "valid", "subsample": [1, 1],
            "dim_ordering": order, "init": "glorot_uniform", "activation": "linear", "bias": True, "W_regularizer": None,
            "b_regularizer": None, "W_constraint": None, "b_constraint": None, "activity_regularizer": None, "trainable": True,
            "input_dtype": "float32", "name": "convolution2d_1"}},
        {"class_name": "Activation", "config": {"activation": "relu", "trainable": True, "name": "activation_1"}},
        {"class_name": "Dropout", "config": {"p": 0.25, "trainable": True, "name": "dropout_1"}},
        {"class_name": "Flatten", "config": {"trainable": True, "name": "flatten_1"}},
        {"class_name": "Dense", "config": {"output_dim": 3, "init": "glorot_uniform", "activation": "softmax", "bias": True,
                                           "input_dim": None, "W_regularizer": None, "name": "dense_1", "trainable": True}},
    ]  # fmt: skip


def keras1_weights(kernel: np.ndarray) -> dict:
    return {
        "convolution2d_1": [("convolution2d_1_W", kernel), ("convolution2d_1_b", BIAS)],
        "activation_1": [], "dropout_1": [], "flatten_1": [],
        "dense_1": [("dense_1_W", DENSE), ("dense_1_b", DENSE_BIAS)],
    }  # fmt: skip


TH = KERNEL.transpose(3, 2, 0, 1)  # (filters, channels, rows, columns)


@pytest.mark.parametrize(
    ("order", "kernel", "version", "backend", "slide"),
    [
        ("tf", KERNEL, "1.2.2", None, "correlate2d"),
        ("th", TH, "1.0.4", None, "convolve2d"),  # no backend named: Theano's, which turns its kernels
        ("th", TH, "1.2.2", "tensorflow", "correlate2d"),
        ("tf", KERNEL, "1.2.2", "theano", "convolve2d"),
    ],
)
def test_keras_1(tmp_path, old_h5, order, kernel, version, backend, slide):
    config = {"class_name": "Sequential", "config": keras1(order)}
    path = old_h5(tmp_path / "old.h5", config, keras1_weights(kernel), version, backend)
    model = load_model(path, labels=LABELS, engine="keras")
    assert model.input.size == (6, 6)
    assert model.input.channels == 1
    assert np.allclose(model.logits(FACES), by_hand(order == "th", slide), atol=1e-4)
    assert any("Theano" in note for note in model.notes) == (order == "th" and backend is None)


def test_keras_1_json_and_weights_of_the_oldest_layout(tmp_path):
    (tmp_path / "net.json").write_text(
        json.dumps(
            {
                "class_name": "Sequential",
                "keras_version": "0.3.2",
                "loss": "mse",
                "optimizer": {"lr": 1},
                "config": keras1("tf"),
            }
        )
    )
    with h5py.File(tmp_path / "net_weights.h5", "w") as file:
        file.attrs["nb_layers"] = 5
        for i, values in enumerate(keras1_weights(KERNEL).values()):
            group = file.create_group(f"layer_{i}")
            group.attrs["nb_params"] = len(values)
            for p, (_, value) in enumerate(values):
                group.create_dataset(f"param_{p}", data=value)
    model = load_model(tmp_path / "net.json", labels=LABELS, engine="keras")
    assert np.allclose(model.logits(FACES), by_hand(False), atol=1e-4)


def keras2_layers(data_format: str = "channels_last") -> list:
    shape = [None, 6, 6, 1] if data_format == "channels_last" else [None, 1, 6, 6]
    return [
        {"class_name": "Conv2D", "config": {
            "name": "conv2d_1", "trainable": True, "batch_input_shape": shape, "dtype": "float32", "filters": 2,
            "kernel_size": [3, 2], "strides": [1, 1], "padding": "valid", "data_format": data_format, "dilation_rate": [1, 1],
            "activation": "relu", "use_bias": True,
            "kernel_initializer": {"class_name": "VarianceScaling", "config": {"scale": 1, "mode": "fan_avg", "distribution": "normal"}},
            "kernel_regularizer": {"class_name": "L1L2", "config": {"l1": 0, "l2": 0.1}}}},
        {"class_name": "Flatten", "config": {"name": "flatten_1", "trainable": True}},
        {"class_name": "Dense", "config": {"name": "dense_1", "units": 3, "activation": "softmax", "use_bias": True}},
    ]  # fmt: skip


def keras2_weights(prefix: str = "") -> dict:
    return {
        "conv2d_1": [(f"{prefix}conv2d_1/kernel:0", KERNEL), (f"{prefix}conv2d_1/bias:0", BIAS)],
        "flatten_1": [],
        "dense_1": [(f"{prefix}dense_1/kernel:0", DENSE), (f"{prefix}dense_1/bias:0", DENSE_BIAS)],
    }


@pytest.mark.parametrize(
    ("backend", "slide"), [("tensorflow", "correlate2d"), ("cntk", "correlate2d"), ("theano", "convolve2d")]
)
def test_keras_2_of_every_backend(tmp_path, old_h5, backend, slide):
    config = {"class_name": "Sequential", "config": keras2_layers()}
    model = load_model(
        old_h5(tmp_path / "m.h5", config, keras2_weights(), "2.1.6", backend), labels=LABELS, engine="keras"
    )
    assert np.allclose(model.logits(FACES), by_hand(False, slide), atol=1e-4)


def test_keras_2_channels_first(tmp_path, old_h5):
    # Keras 2 stores kernels as (rows, columns, in, out) in either order of axes
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": keras2_layers("channels_first")}}
    model = load_model(old_h5(tmp_path / "m.h5", config, keras2_weights(), "2.2.4"), labels=LABELS, engine="keras")
    assert np.allclose(model.logits(FACES), by_hand(True), atol=1e-4)
    assert model.layer("conv2d_1").shape == (4, 5, 2)


def test_weights_in_half_precision_and_another_order_of_layers(tmp_path, old_h5):
    weights = {k: [(n, v.astype(np.float16)) for n, v in values] for k, values in reversed(keras2_weights().items())}
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": keras2_layers()}}
    model = load_model(old_h5(tmp_path / "m.h5", config, weights), labels=LABELS, engine="keras")
    assert np.allclose(model.logits(FACES), by_hand(False), atol=0.03)


def test_other_automatic_names_are_matched_by_order(tmp_path, old_h5):
    weights = {k.replace("_1", "_17"): values for k, values in keras2_weights().items()}
    old_h5(tmp_path / "net.h5", None, weights)
    (tmp_path / "net.json").write_text(json.dumps({"class_name": "Sequential", "config": keras2_layers()}))
    for given in ("net.json", "net.h5"):
        model = load_model(tmp_path / given, labels=LABELS, engine="keras")
        assert np.allclose(model.logits(FACES), by_hand(False), atol=1e-4)


def test_long_lists_of_names_come_in_pieces(tmp_path, old_h5):
    path = old_h5(tmp_path / "m.h5", {"class_name": "Sequential", "config": keras2_layers()}, keras2_weights())
    with h5py.File(path, "r+") as file:
        group = file["model_weights"]
        del group.attrs["layer_names"]
        group.attrs["layer_names0"] = [b"conv2d_1"]
        group.attrs["layer_names1"] = [b"flatten_1", b"dense_1"]
    assert np.allclose(load_model(path, labels=LABELS, engine="keras").logits(FACES), by_hand(False), atol=1e-4)


def test_nested_networks_are_filled_by_the_names_of_their_layers(tmp_path, old_h5):
    """Batch normalisation in a nested network: Keras 2 listed all that is trained first, here the inner order differs too."""
    keras = get_keras()
    layers = keras.layers
    inner = keras.Sequential([layers.Input((6, 6, 1)), layers.Conv2D(2, 3, name="c1"), layers.BatchNormalization(name="b1"),
                              layers.Conv2D(3, 3, name="c2"), layers.BatchNormalization(name="b2")], name="inner")  # fmt: skip
    network = keras.Sequential(
        [
            layers.Input((6, 6, 1)),
            inner,
            layers.GlobalAveragePooling2D(name="gap"),
            layers.Dense(3, activation="softmax", name="d"),
        ],
        name="outer",
    )
    for weight in network.weights:
        weight.assign(rng.uniform(0.2, 1, weight.shape).astype(np.float32))
    trained = [(f"{layer.name}/{w.name}:0", np.asarray(w)) for layer in inner.layers for w in layer.trainable_weights]
    fixed = [(f"{layer.name}/{w.name}:0", np.asarray(w)) for layer in inner.layers for w in layer.non_trainable_weights]
    head = [(f"d/{w.name}:0", np.asarray(w)) for w in network.layers[-1].weights]
    expected = np.log(network(FACES[..., None] / np.float32(255)).numpy())
    for number, values in enumerate((trained + fixed, trained[::-1] + fixed[::-1])):
        if number:  # the names tell the layer; within a layer the order is fixed
            values = [v for name in ("b2", "c2", "b1", "c1") for v in trained + fixed if v[0].startswith(name)]
        path = old_h5(
            tmp_path / f"m{number}.h5", json.loads(network.to_json()), {"inner": values, "gap": [], "d": head}, "2.4.0"
        )
        found = load_model(path, labels=LABELS, engine="keras")
        assert np.allclose(np.log(found.probabilities(FACES)), expected, atol=1e-4)


def test_states_of_random_generators_are_no_weights(tmp_path, old_h5):
    layers = keras2_layers()
    shape = layers[0]["config"].pop("batch_input_shape")
    flip = {
        "class_name": "RandomFlip",
        "config": {"name": "flip", "mode": "horizontal", "seed": None, "batch_input_shape": shape},
    }
    weights = {"flip": [("random_flip/StateVar:0", np.arange(3, dtype=np.int64))], **keras2_weights()}
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": [flip, *layers]}}
    model = load_model(old_h5(tmp_path / "m.h5", config, weights, "2.8.0"), labels=LABELS, engine="keras")
    assert np.allclose(model.logits(FACES), by_hand(False), atol=1e-4)


def test_normalization_gets_its_numbers(tmp_path, old_h5):
    layers = keras2_layers()
    shape = layers[0]["config"].pop("batch_input_shape")
    normal = {
        "class_name": "Normalization",
        "config": {"name": "n", "axis": [-1], "batch_input_shape": shape, "dtype": "float32"},
    }
    weights = {
        "n": [("mean:0", np.float32([100])), ("variance:0", np.float32([2500])), ("count:0", np.int64(9))],
        **keras2_weights(),
    }
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": [normal, *layers]}}
    model = load_model(old_h5(tmp_path / "m.h5", config, weights, "2.9.0"), labels=LABELS, engine="keras")
    assert model.input.scaling == "0..255"
    x = (FACES - 100.0) / 50
    maps = np.maximum([[slid(one, c, "correlate2d") for c in range(2)] for one in x], 0)
    assert np.allclose(model.logits(FACES), maps.transpose(0, 2, 3, 1).reshape(3, -1) @ DENSE + DENSE_BIAS, atol=1e-3)


@pytest.mark.parametrize("form", ["keras", "h5", "json", "weights", "savedmodel"])
def test_one_network_in_every_form_answers_the_same(small, form, faces):
    keras = get_keras()
    truth = keras.models.load_model(small["keras"], compile=False)(faces[..., None] / np.float32(255)).numpy()
    model = load_model(small[form], labels=LABELS, engine="keras")
    assert np.allclose(model.probabilities(faces), truth, atol=1e-5)
    assert len(model.sha256) == 64


@pytest.mark.slow
def test_the_bytes_decide_and_not_the_name(small, tmp_path, faces):
    truth = load_model(small["keras"], labels=LABELS, engine="keras").logits(faces)
    for form, name in (("keras", "a.h5"), ("h5", "b.keras"), ("h5", "c"), ("keras", "d.zip")):
        path = tmp_path / name
        path.write_bytes(small[form].read_bytes())
        assert np.allclose(load_model(path, labels=LABELS, engine="keras").logits(faces), truth, atol=1e-4)


def test_backslashes_of_keras_2_12_on_windows(small, tmp_path, faces, rewritten):
    flat = tmp_path / "flat.h5"
    with h5py.File(small["weights"]) as file, h5py.File(flat, "w") as target:

        def copy(name, item):
            if isinstance(item, h5py.Dataset):
                folder, _, last = name.rpartition("/")
                old = folder.replace("layers", "_layer_checkpoint_dependencies").replace("/", "\\")
                target.require_group(old).create_dataset(last, data=item[()])

        file.visititems(copy)
    path = rewritten(**{"model.weights.h5": flat.read_bytes()})
    truth = load_model(small["keras"], labels=LABELS, engine="keras").logits(faces)
    assert np.allclose(load_model(path, labels=LABELS, engine="keras").logits(faces), truth, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w.pop("dense_1"), "1 layers, but its architecture has 2"),
        (lambda w: w["dense_1"].pop(), "'dense_1'.*has 2 weights, but 1 are stored"),
        (lambda w: w["dense_1"].__setitem__(0, ("dense_1/kernel:0", DENSE.T)), r"'dense_1'.*\(40, 3\).*\(3, 40\)"),
        (lambda w: w["conv2d_1"].__setitem__(1, ("b", np.float32([np.nan, 1]))), "'conv2d_1'.*not finite"),
    ],
)
def test_weights_that_do_not_fit(tmp_path, old_h5, change, words):
    weights = keras2_weights()
    change(weights)
    path = old_h5(tmp_path / "m.h5", {"class_name": "Sequential", "config": keras2_layers()}, weights)
    with pytest.raises(ModelError, match=words):
        load_model(path, engine="keras")


def test_a_setting_that_no_keras_knows_is_told_with_its_layer(tmp_path, old_h5):
    layers = keras2_layers()
    layers[2]["config"]["sharpness"] = 3
    path = old_h5(tmp_path / "m.h5", {"class_name": "Sequential", "config": layers}, keras2_weights())
    with pytest.raises(ModelError, match=r"'dense_1'.*sharpness") as caught:
        load_model(path, engine="keras")
    assert "\n" not in str(caught.value)


def test_batch_normalisation_in_keras_1s_other_modes_is_not_guessed(tmp_path, old_h5):
    layers = keras1("tf")
    layers.insert(
        1, {"class_name": "BatchNormalization", "config": {"mode": 2, "axis": 3, "epsilon": 1e-3, "name": "bn"}}
    )
    path = old_h5(
        tmp_path / "m.h5", {"class_name": "Sequential", "config": layers}, keras1_weights(KERNEL), "1.2.2", None
    )
    with pytest.raises(ModelError, match=r"'bn'.*mode"):
        load_model(path, engine="keras")
