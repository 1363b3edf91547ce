"""Objectives: known answers for each term, and an algebra that really adds, subtracts and multiplies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ferviz import objectives
from ferviz.dreaming.objectives import bind
from ferviz.engines.base import LOGITS, LayerInfo
from ferviz.errors import UnknownNameError, UsageError

LABELS = ("angry", "happy", "sad", "surprise")
LAYERS = {
    "conv": LayerInfo("conv", "Conv2D", (5, 6, 3), True),
    "dense": LayerInfo("dense", "Dense", (7,), False),
    "free": LayerInfo("free", "Conv2D", (None, None, 3), True),
}
RANDOM = np.random.default_rng(5)
TENSORS = {  # two pictures, three samples each
    LOGITS: RANDOM.normal(size=(2, 3, 4)).astype(np.float32),
    "conv": RANDOM.normal(size=(2, 3, 5, 6, 3)).astype(np.float32),
    "dense": RANDOM.normal(size=(2, 3, 7)).astype(np.float32),
}
MAP, LOGIT, DENSE = (
    TENSORS["conv"].astype(np.float64),
    TENSORS[LOGITS].astype(np.float64),
    TENSORS["dense"].astype(np.float64),
)
VECTOR = np.array([1.0, -2.0, 2.0])


def value(objective: Any, tensors: dict[str, np.ndarray] = TENSORS) -> np.ndarray:
    import tensorflow as tf

    given = {name: tf.constant(tensors[name]) for name in objective.layers}
    return np.asarray(objective.value(given, [tf.constant(p) for p in bind(objective, LAYERS, LABELS)]))


def log_softmax(x: np.ndarray) -> np.ndarray:
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


KNOWN = {
    "class by name": (objectives.logit("happy"), LOGIT[..., 1].mean(1)),
    "class by synonym": (objectives.logit("Happiness"), LOGIT[..., 1].mean(1)),
    "class by number": (objectives.logit(-1), LOGIT[..., 3].mean(1)),
    "probability": (objectives.probability("sad"), log_softmax(LOGIT)[..., 2].mean(1)),
    "odds": (objectives.odds("sad"), (log_softmax(LOGIT) - np.log1p(-np.exp(log_softmax(LOGIT))))[..., 2].mean(1)),
    "contrast": (objectives.contrast("happy", "sad"), (LOGIT[..., 1] - LOGIT[..., 2]).mean(1)),
    "layer": (objectives.layer("conv"), (MAP**2).mean((1, 2, 3, 4))),
    "channel of a map": (objectives.channel("conv", 2), MAP[..., 2].mean((1, 2, 3))),
    "channel from the end": (objectives.channel("conv", -3), MAP[..., 0].mean((1, 2, 3))),
    "channel of a vector": (objectives.channel("dense", 6), DENSE[..., 6].mean(1)),
    "neuron in the middle": (objectives.neuron("conv", 1), MAP[:, :, 2, 3, 1].mean(1)),
    "neuron at a place": (objectives.neuron("conv", 1, (0, 5)), MAP[:, :, 0, 5, 1].mean(1)),
    "direction": (objectives.direction("conv", VECTOR), (MAP @ VECTOR / 3.0).mean((1, 2, 3))),
}


@pytest.mark.parametrize("name", KNOWN)
def test_each_term_has_the_value_of_its_formula(name: str) -> None:
    objective, expected = KNOWN[name]
    assert value(objective) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("first", "second"), [("class by name", "layer"), ("channel of a map", "direction"), ("probability", "contrast")]
)
@pytest.mark.parametrize(("a", "b"), [(2, 3), (-1, 0.1), (0.5, -4)])
def test_the_algebra_is_linear(first: str, second: str, a: float, b: float) -> None:
    x, y = KNOWN[first][0], KNOWN[second][0]
    before = value(x), value(y)
    assert value(a * x + b * y) == pytest.approx(a * before[0] + b * before[1], abs=1e-4)
    assert value(a * (x - y) / 2) == pytest.approx(a * (before[0] - before[1]) / 2, abs=1e-4)
    assert value(-x - b * (y + x)) == pytest.approx(-before[0] - b * (before[1] + before[0]), abs=1e-4)
    assert (value(x) == before[0]).all(), "an operand was changed"


def test_weights_that_come_as_data_replace_the_own_ones() -> None:
    import tensorflow as tf

    objective = 2 * KNOWN["layer"][0] + 3 * KNOWN["class by name"][0]
    given = {name: tf.constant(TENSORS[name]) for name in objective.layers}
    bound = [tf.constant(p) for p in bind(objective, LAYERS, LABELS)]
    got = np.asarray(objective.value(given, bound, tf.constant([5.0, -1.0])))
    assert got == pytest.approx(5 * KNOWN["layer"][1] - KNOWN["class by name"][1], abs=1e-4)


def test_diversity_is_the_mean_unlikeness_of_gram_matrices() -> None:
    gram = []
    centred = MAP - MAP.mean((0, 1, 2, 3))
    for picture in centred:
        flat = picture.reshape(-1, 3)
        matrix = flat.T @ flat
        gram.append((matrix / np.linalg.norm(matrix)).ravel())
    expected = -float(gram[0] @ gram[1])
    assert value(objectives.diversity("conv")) == pytest.approx([expected, expected], abs=1e-4)
    same = {"conv": np.repeat(TENSORS["conv"][:1], 2, axis=0)}
    assert value(objectives.diversity("conv"), same) == pytest.approx([-1, -1], abs=1e-4)
    assert value(objectives.diversity("conv"), {"conv": TENSORS["conv"][:1]}) == pytest.approx([0])


def test_names_read_like_the_expression() -> None:
    happy, channel = objectives.logit("happy"), objectives.channel("conv3", 12)
    assert (happy - 0.5 * objectives.logit("sad")).name == "happy - 0.5 sad"
    assert (-2 * happy + channel).name == "-2 happy + conv3 12"
    assert objectives.contrast("happy", "sad").name == "happy - sad"
    assert (happy + channel).named("both").name == "both"
    assert objectives.neuron("conv", 3).name == "conv 3 at middle"


@pytest.mark.parametrize(
    ("objective", "error", "words"),
    [
        (objectives.layer("conv9"), UnknownNameError, "layer 'conv9' is not in this model; it has conv, dense, free"),
        (objectives.logit("hapy"), UnknownNameError, "did you mean 'happy'"),
        (objectives.logit(4), UsageError, "has 4 channels, numbered from 0; there is no channel 4"),
        (
            objectives.channel("conv", 3),
            UsageError,
            "layer 'conv' has 3 channels, numbered from 0; there is no channel 3",
        ),
        (objectives.neuron("conv", 0, (5, 0)), UsageError, "layer 'conv' is 5 x 6; there is no place (5, 0)"),
        (objectives.neuron("dense", 0), UsageError, "use channel instead of neuron"),
        (objectives.direction("conv", [1.0, 2.0]), UsageError, "conv has 3 channels, and the direction has 2 numbers"),
    ],
)
def test_what_is_not_there_is_told_in_one_sentence(objective: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        bind(objective, LAYERS, LABELS)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("vector", [[0.0, 0.0, 0.0], [np.nan, 1.0, 1.0]])
def test_a_direction_needs_a_direction(vector: list[float]) -> None:
    with pytest.raises(UsageError, match="not all zero"):
        objectives.direction("conv", vector)


def test_objectives_do_not_multiply_each_other() -> None:
    happy = objectives.logit("happy")
    with pytest.raises(TypeError):
        happy * happy
    with pytest.raises(TypeError):
        happy + 1
