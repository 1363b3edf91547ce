"""`ferviz layers`: what it prints, in words and as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from ferviz.cli import run
from ferviz.engines.backend import keras as get_keras
from ferviz.images import read_manifest


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    keras = get_keras()
    layers = keras.layers
    path = tmp_path_factory.mktemp("layers") / "mine.keras"
    keras.Sequential(
        [
            layers.Input((16, 18, 1)),
            keras.Sequential(
                [layers.Input((16, 18, 1)), layers.Conv2D(4, 3, name="conv"), layers.ReLU(name="relu")], name="base"
            ),
            layers.GlobalAveragePooling2D(name="gap"),
            layers.Dense(2, activation="softmax", name="head"),
        ]
    ).save(path)
    return path


def test_in_words(network, capsys):
    assert run(["layers", "--model", str(network), "--engine", "keras"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == "mine: 50 weights, ends in softmax, run by keras"
    assert lines[1] == "  input   16 x 18 grey, values 0..1, assumed"
    assert lines[2] == "  labels  class0, class1"
    assert any(line.startswith("  note") and "0..1 is assumed" in line for line in lines)
    table = [line.split() for line in lines if "Conv2D" in line or "ReLU" in line or "Dense" in line]
    assert table == [
        ["*", "base/conv", "Conv2D", "14", "x", "16", "x", "4", "40"],
        ["->", "base/relu", "ReLU", "14", "x", "16", "x", "4", "0"],
        ["head", "Dense", "2", "10"],
    ]


def test_as_json(network, capsys):
    assert (
        run(
            [
                "layers",
                "-m",
                str(network),
                "--labels",
                "sad,happy",
                "--scaling",
                "0..255",
                "--engine",
                "keras",
                "--json",
            ]
        )
        == 0
    )
    document = json.loads(capsys.readouterr().out)
    assert (document["schema_version"], document["command"]) == (1, "layers")
    assert document["labels"] == ["sad", "happy"]
    assert document["input"]["scaling"] == "0..255"
    assert document["input"]["assumed"] == ["resize"]
    assert document["notes"] == []
    assert document["default_layer"] == "base/relu"
    conv = next(layer for layer in document["layers"] if layer["name"] == "base/conv")
    assert conv == {"name": "base/conv", "kind": "Conv2D", "shape": [14, 16, 4], "spatial": True, "parameters": 40}
    assert document["parameters"] == 50


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [(b"hello", 4, "no Keras network"), (None, 4, "cannot be read"), (b"<html>", 4, "web page")],
)
def test_errors_are_one_sentence(tmp_path, capsys, content, code, words):
    path = tmp_path / "net.h5"
    if content is not None:
        path.write_bytes(content)
    assert run(["layers", "--model", str(path)]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


def test_the_wrong_number_of_labels_is_a_mistake_of_use(network, capsys):
    assert run(["layers", "--model", str(network), "--labels", "a,b,c", "--engine", "keras"]) == 2
    assert "2 outputs" in capsys.readouterr().err


def test_the_network_can_be_named_without_an_option(network, capsys):
    assert run(["layers", str(network), "--engine", "keras", "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert run(["layers", "--model", str(network), "--engine", "keras", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == plain


def test_two_names_for_one_network_are_a_mistake_of_use(network, capsys):
    assert run(["layers", str(network), "--model", "bundled"]) == 2
    assert "bundled" in capsys.readouterr().err


def test_filters_as_exact_numbers(network, capsys, tmp_path):
    out = tmp_path / "filters.npz"
    assert run(["layers", str(network), "--filters", "base/conv", "--out", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["kernels"] == {"kernel": [3, 3, 1, 4]}
    kernel = get_keras().models.load_model(network).get_layer("base").get_layer("conv").kernel
    with np.load(out) as file:
        np.testing.assert_array_equal(file["kernels/kernel"], kernel)
    assert run(["layers", str(network), "--filters", "base/conv", "--out", str(out)]) == 7
    assert "filters.npz" in capsys.readouterr().err


def test_filters_of_the_bundled_network_need_no_option(tmp_path, capsys):
    assert run(["layers", "--filters", "conv1", "--max-channels", "3", "--out", str(tmp_path / "f.png")]) == 0
    assert read_manifest(tmp_path / "f.png")["kernels"] == {"kernel": [3, 3, 1, 64]}
    assert "wrote" in capsys.readouterr().err


def test_bare_kernels_are_nothing_but_their_weights(network, tmp_path):
    """One pixel a weight and a white one between two kernels; the sign of each weight is its colour."""
    out = tmp_path / "bare.png"
    asked = ["layers", str(network), "--filters", "base/conv", "--bare", "--out", str(out)]
    assert run([*asked, "--side", "70", "--dpi", "300"]) == 0
    kernel = get_keras().models.load_model(network).get_layer("base").get_layer("conv").kernel.numpy()
    with Image.open(out) as picture:
        assert round(picture.info["dpi"][0]) == 300
        large = np.asarray(picture.convert("RGB")).astype(int)
    assert large.shape == (70, 70, 3)
    pixels = large[::10, ::10]
    assert (large == pixels.repeat(10, axis=0).repeat(10, axis=1)).all(), (
        "four kernels of 3 x 3 in a square, each weight one"
    )
    assert (pixels[3] == 255).all()
    assert (pixels[:, 3] == 255).all()
    for number, (top, left) in enumerate([(0, 0), (0, 4), (4, 0), (4, 4)]):
        cells = pixels[top : top + 3, left : left + 3]
        redder = cells[..., 0] - cells[..., 2]
        weights = kernel[:, :, 0, number]
        strong = np.abs(weights) > 0.05 * np.abs(kernel).max()
        assert (np.sign(redder)[strong] == np.sign(weights)[strong]).all()
    assert run(asked) == 7, "pictures that are there stay"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--diagram", "--bare"], 2, "--filters"),
        (["--filters", "base/conv", "--bare", "--width-mm", "80"], 2, "--side"),
        (["--filters", "base/conv", "--bare", "--out", "a.pdf"], 2, "a.pdf"),
        (["--filters", "base/conv", "--side", "80"], 2, "--bare"),
        (["--filters", "gap"], 2, "base/conv"),
        (["--filters", "base/con"], 2, "'base/conv'"),
        (["--filters", "base/conv", "--diagram"], 2, "--diagram"),
        (["--own-scale"], 2, "--filters"),
        (["--out", "a.png"], 2, "--filters LAYER"),
        (["--diagram", "--out", "a.txt"], 2, ".txt"),
        (["--filters", "base/conv", "--out", "a.txt"], 2, ".txt"),
    ],
)
def test_drawing_what_cannot_be_drawn_is_one_sentence(network, capsys, arguments, code, words):
    assert run(["layers", str(network), *arguments]) == code
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_a_compiled_model_names_the_network_to_ask(capsys):
    from ferviz.models.bundled import ASSETS

    for what in (["--filters", "conv1"], ["--diagram"]):
        assert run(["layers", str(ASSETS / "bundled.ferviz"), *what]) == 4
        assert "litert engine" in capsys.readouterr().err


def test_diagram(network, capsys, tmp_path):
    out = tmp_path / "network.svg"
    assert run(["layers", str(network), "--diagram", "--out", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [layer["sources"] for layer in document["layers"]] == [[], ["input"], ["base/conv"], ["base/relu"], ["gap"]]
    assert "base/conv" in out.read_text()
