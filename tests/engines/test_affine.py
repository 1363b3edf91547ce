"""Heads that are linear are found, others are not, and their gradients are those of a pass back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ferviz.engines.backend import keras as get_keras
from ferviz.engines.keras import KerasEngine

SIZE = 10


def _network(head: Callable[[Any, Any, Any], Any]) -> Any:
    """Picture -> conv (ReLU) -> head(layers, conv, picture); weights from a fixed generator."""
    keras = get_keras()
    layers = keras.layers
    picture = layers.Input((SIZE, SIZE, 1))
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")(picture)
    network = keras.Model(picture, head(layers, x, picture))
    rng = np.random.default_rng(5)
    network.set_weights([(rng.random(w.shape) - 0.4).astype(np.float32) for w in network.get_weights()])
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_variance.assign(np.abs(layer.moving_variance) + 0.5)
    return network


def _mean(layers: Any, x: Any, _: Any) -> Any:
    return layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x))


def _convolved(layers: Any, x: Any, _: Any) -> Any:
    x = layers.Conv2D(3, 3, padding="same", strides=2)(layers.BatchNormalization()(x))
    return layers.Activation("softmax")(layers.GlobalAveragePooling2D()(x))


def _flat(layers: Any, x: Any, _: Any) -> Any:
    x = layers.DepthwiseConv2D(3, padding="same")(layers.ZeroPadding2D(1)(layers.AveragePooling2D(2)(x)))
    return layers.Dense(3)(layers.Dropout(0.5)(layers.Dense(5)(layers.Flatten()(x))))


def _around(layers: Any, x: Any, picture: Any) -> Any:
    """The picture goes round the layer and is added: the gradient is still the same for all."""
    x = layers.Add()([x, layers.Conv2D(4, 3, padding="same", activation="relu")(picture)])
    return layers.Dense(3)(layers.GlobalAveragePooling2D()(x))


def _hidden(layers: Any, x: Any, _: Any) -> Any:
    return layers.Dense(3)(layers.Dense(5, activation="relu")(layers.GlobalAveragePooling2D()(x)))


def _greatest(layers: Any, x: Any, _: Any) -> Any:
    return layers.Dense(3)(layers.GlobalMaxPooling2D()(x))


def _gated(layers: Any, x: Any, picture: Any) -> Any:
    """What comes from the layer is multiplied with what comes from the picture."""
    gate = layers.Conv2D(4, 3, padding="same", activation="sigmoid")(picture)
    return layers.Dense(3)(layers.GlobalAveragePooling2D()(layers.Multiply()([x, gate])))


def _squared(layers: Any, x: Any, _: Any) -> Any:
    return layers.Dense(3)(layers.GlobalAveragePooling2D()(layers.Multiply()([x, x])))


def _inner_softmax(layers: Any, x: Any, _: Any) -> Any:
    return layers.Dense(3)(layers.Softmax()(layers.GlobalAveragePooling2D()(x)))


LINEAR = [_mean, _convolved, _flat, _around]
OTHERS = [_hidden, _greatest, _gated, _squared, _inner_softmax]


@pytest.mark.parametrize("head", [*LINEAR, *OTHERS], ids=lambda h: h.__name__[1:])
def test_linear_heads_are_told_from_others_and_answer_alike(head: Any) -> None:
    engine = KerasEngine(_network(head))
    assert engine._is_affine("conv") == (head in LINEAR)
    rng = np.random.default_rng(0)
    batch = rng.random((5, SIZE, SIZE, 1), np.float32)
    rows = rng.normal(size=(5, 2, 4)).astype(np.float32)  # weightings of their own, the predicted class among them
    every = np.tile(np.eye(3, 4, dtype=np.float32), (5, 1, 1))
    for weights in (rows, every, every[:1], every[..., :3]):
        some = batch[: len(weights)]
        if head not in LINEAR:
            continue
        found = engine._constant_gradients(some, "conv", engine._weights(some, weights))
        wanted = engine._gradients(engine.traced, some, "conv", weights)
        for ours, theirs in zip(found, wanted, strict=True):
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_linear_head_that_learns_on_is_asked_anew() -> None:
    network = _network(_mean)
    engine = KerasEngine(network)
    batch, weights = np.ones((40, SIZE, SIZE, 1), np.float32), np.tile(np.eye(3, dtype=np.float32), (40, 1, 1))
    before = engine.gradients(batch, "conv", weights)[1].copy()
    assert ("class gradients", "conv") in engine._functions  # so many pictures and targets take the short way
    network.layers[-1].kernel.assign(2 * np.asarray(network.layers[-1].kernel))
    np.testing.assert_allclose(engine.gradients(batch, "conv", weights)[1], 2 * before, rtol=1e-6)


@pytest.mark.parametrize(
    "kind", ["functional", "softmax_layer", "shared", "channels_first", "any_size", "mixed_precision"]
)
def test_every_kind_of_network_answers_alike(kind: str, engine: Any, networks: Any) -> None:
    e, batch = engine(kind), networks.pictures(kind, 3)
    weights = np.random.default_rng(1).normal(size=(3, 2, 5)).astype(np.float32)
    affine = [info.name for info in e.layers if info.spatial and e._is_affine(info.name)]
    assert bool(affine) == (kind != "mixed_precision")  # half precision rounds on the way
    for layer in affine:
        for ours, theirs in zip(
            e._constant_gradients(batch, layer, weights), e._gradients(e.traced, batch, layer, weights), strict=True
        ):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
