"""Architectures: known sizes, reproducible weights, normalisation inside, and one-sentence refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ferviz.errors import ModelError, UnknownNameError, UsageError
from ferviz.models import architectures
from ferviz.models.architectures.layers import MEAN, STD, load_keras

SMALL: dict[str, dict[str, Any]] = {
    "residual": {"widths": [8, 8], "blocks": 1, "stem": 8, "squeeze": 4},
    "plain": {"widths": [4, 8], "dense_widths": [8]},
    "vgg": {"widths": [4, 8], "blocks": 1, "dense_widths": [8]},
    "mini_xception": {"widths": [8, 8]},
}


@pytest.mark.parametrize("name", SMALL)
def test_the_same_seed_gives_the_same_network(name: str) -> None:
    one, again, other = (architectures.build(name, 5, seed=s, **SMALL[name]) for s in (1, 1, 2))
    pixels = np.random.default_rng(0).uniform(0, 255, (3, 48, 48, 1)).astype(np.float32)
    a, b, c = (np.asarray(n(pixels)) for n in (one, again, other))
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 1e-4
    assert a.shape == (3, 5)
    np.testing.assert_allclose(a.sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_logits_are_what_softmax_sees(name: str) -> None:
    soft, raw = (architectures.build(name, 5, seed=1, logits=end, **SMALL[name]) for end in (False, True))
    raw.set_weights(soft.get_weights())
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 48, 48, 1)).astype(np.float32)
    powers = np.exp(np.asarray(raw(pixels)))
    np.testing.assert_allclose(np.asarray(soft(pixels)), powers / powers.sum(1, keepdims=True), rtol=1e-4)


@pytest.mark.parametrize("name", SMALL)
def test_normalisation_is_inside(name: str) -> None:
    network = architectures.build(name, 5, **SMALL[name])
    layer = network.get_layer("normalise")
    np.testing.assert_allclose(
        np.asarray(layer(np.array([[255 * MEAN, 255 * (MEAN + STD)]], np.float32))), [[0, 1]], atol=1e-5
    )
    assert network.inputs[0].shape[1:] == (48, 48, 1)


def test_mini_xception_has_the_published_number_of_parameters() -> None:
    network = architectures.build("mini_xception", 7)
    assert network.count_params() == 58_423
    assert network.get_layer("classes_conv").output.shape[-1] == 7


def test_residual_maps_are_as_large_as_the_options_say() -> None:
    fine = architectures.build("residual", 7)
    coarse = architectures.build("residual", 7, widths=[64, 128, 128], blocks=[3, 3, 1])
    assert fine.get_layer("relu8").output.shape[1:] == (12, 12, 128)
    assert coarse.get_layer("relu8").output.shape[1:] == (6, 6, 128)
    assert fine.count_params() == coarse.count_params()


def test_transfer_backbone_gets_the_range_it_was_trained_on() -> None:
    build = architectures.ARCHITECTURES["transfer"]
    network = build(7, backbone="MobileNetV2", height=32, width=32, seed=0)
    assert "backbone" in [layer.name for layer in network.layers]
    scaled = network.get_layer("normalise")(np.array([[[[0.0, 127.5, 255.0]]]], np.float32))
    np.testing.assert_allclose(np.asarray(scaled).ravel(), [-1, 0, 1], atol=1e-6)
    assert np.asarray(network(np.zeros((1, 32, 32, 1), np.float32))).shape == (1, 7)


@pytest.mark.parametrize(
    ("name", "chosen", "error", "word"),
    [
        ("residul", {}, UnknownNameError, "residual"),
        ("residual", {"depth": 3}, UsageError, "blocks"),
        ("residual", {"widths": [8, 0]}, UsageError, "widths"),
        ("residual", {"widths": [8, 8], "blocks": [1]}, UsageError, "blocks"),
        ("residual", {"channels": 2}, UsageError, "channels"),
        ("residual", {"dropout": 1.0}, UsageError, "dropout"),
        ("residual", {"activation_name": "sine"}, UsageError, "leaky_relu"),
        ("residual", {"stem": "many"}, UsageError, "stem"),
        ("plain", {"widths": "wide"}, UsageError, "widths"),
        ("plain", {"widths": [8] * 9}, UsageError, "map"),
        ("transfer", {"backbone": "ResNet51"}, UnknownNameError, "ResNet50"),
        ("transfer", {"weights": "/nowhere.h5"}, ModelError, "nowhere"),
        ("transfer", {"backbone": "VGG16", "channels": 3}, UsageError, "channels"),
        ("transfer", {"backbone": "VGG16", "height": 8, "width": 8}, ModelError, "8x8"),
    ],
)
def test_refusals(name: str, chosen: dict[str, Any], error: type[Exception], word: str) -> None:
    with pytest.raises(error, match=word):
        architectures.build(name, 7, **chosen)


def test_options_lists_what_build_takes() -> None:
    known = architectures.options("residual")
    assert known["stem"] == 64
    assert not {"classes", "seed", "logits"} & set(known)


def test_every_architecture_is_plain_keras(tmp_path: Any) -> None:
    keras = load_keras()
    for name, chosen in SMALL.items():
        network = architectures.build(name, 7, **chosen)
        network.save(tmp_path / f"{name}.keras")
        again = keras.models.load_model(tmp_path / f"{name}.keras", compile=False, safe_mode=True)
        pixels = np.full((1, 48, 48, 1), 99.0, np.float32)
        np.testing.assert_allclose(np.asarray(again(pixels)), np.asarray(network(pixels)), rtol=1e-5)
