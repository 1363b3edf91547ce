"""The engine that only answers, against the one that traces."""

from __future__ import annotations

import numpy as np
import pytest

from ferviz.engines.backend import keras
from ferviz.engines.keras import KerasEngine
from ferviz.engines.keras.keras_predict import KerasPredictEngine, head
from ferviz.errors import ModelError


@pytest.mark.parametrize("end", ["softmax", "sigmoid", None, "layer"])
def test_logits_are_those_of_the_traced_network(end: str | None) -> None:
    k = keras()
    k.utils.set_random_seed(1)
    last = [k.layers.Dense(7), k.layers.Softmax()] if end == "layer" else [k.layers.Dense(7, activation=end)]
    nested = k.Sequential([k.layers.Flatten(), *last])
    network = k.Sequential([k.layers.Input((9, 8, 3)), k.layers.Conv2D(4, 3, activation="relu"), nested])
    batch = np.random.default_rng(0).random((5, 9, 8, 3), np.float32)
    engine, traced = KerasPredictEngine(network), KerasEngine(network)
    assert (head(network), engine.classes) == (traced.head, traced.classes)
    found, expected = engine.logits(batch), traced.logits(batch)
    if traced.head == "softmax":  # its logarithm lacks a constant a face
        found, expected = (a - a.mean(axis=1, keepdims=True) for a in (found, expected))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert engine.logits(batch[:0]).shape == (0, 7)


def test_layers_are_refused_with_the_way_out() -> None:
    k = keras()
    engine = KerasPredictEngine(k.Sequential([k.layers.Input((4, 4, 1)), k.layers.Flatten(), k.layers.Dense(2)]))
    with pytest.raises(ModelError, match="KERAS_BACKEND=tensorflow"):
        engine.gradients(np.zeros((1, 4, 4, 1), np.float32), "input", np.ones((1, 1, 2), np.float32))
    with pytest.raises(ModelError, match="KERAS_BACKEND=tensorflow"):
        engine.activations(np.zeros((1, 4, 4, 1), np.float32), ["dense"])
