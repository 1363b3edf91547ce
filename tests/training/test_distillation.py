"""Teachers answer in the student's precision, where their network can be computed in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferviz.data.dataset import Dataset
from ferviz.emotions import FER2013
from ferviz.engines.backend import keras
from ferviz.errors import UsageError
from ferviz.models.load import load_model
from ferviz.training.losses import distillation


def softmax(logits: np.ndarray) -> np.ndarray:
    grown = np.exp(logits - logits.max(1, keepdims=True))
    return grown / grown.sum(1, keepdims=True)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with a nested part and batch normalisation, whose answers differ from face to face."""
    k = keras()
    k.utils.set_random_seed(3)
    inner = k.Sequential(
        [k.layers.Input((24, 24, 8)), k.layers.Conv2D(8, 3, activation="relu"), k.layers.BatchNormalization()],
        name="inner",
    )
    network = k.Sequential(
        [
            k.layers.Input((24, 24, 1)), k.layers.Rescaling(1 / 255), k.layers.Conv2D(8, 3, padding="same", activation="relu"),
            inner, k.layers.AveragePooling2D(4), k.layers.Flatten(), k.layers.Dense(7, activation="softmax"),
        ]
    )  # fmt: skip
    inner.layers[-1].moving_mean.assign(np.linspace(-0.1, 0.1, 8))
    network.layers[-1].kernel.assign(4 * np.asarray(network.layers[-1].kernel))
    path = tmp_path_factory.mktemp("teacher") / "teacher.keras"
    network.save(path)
    return path


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.slow
def test_bfloat16_answers_are_float32_answers_within_its_precision(stripes: Dataset, teacher: Path) -> None:
    pixels = stripes.images[:64, :, :, None].astype(np.float32)
    exact, fast = (distillation.teacher_logits([str(teacher)], FER2013, p)(pixels) for p in ("float32", "bfloat16"))
    truth = load_model(teacher, engine="keras").probabilities(list(stripes.images[:64]))
    np.testing.assert_allclose(softmax(exact), truth, atol=1e-5)
    assert truth.std(axis=0).max() > 0.05  # so that agreement means something
    assert 0 < np.abs(softmax(fast) - softmax(exact)).max() < 0.02


@pytest.mark.usefixtures("bfloat16")
def test_answers_follow_the_students_order(stripes: Dataset, teacher: Path) -> None:
    pixels = stripes.images[:8, :, :, None].astype(np.float32)
    usual = distillation.teacher_logits([str(teacher)], FER2013, "bfloat16")(pixels)
    turned = distillation.teacher_logits([str(teacher)], FER2013[::-1], "bfloat16")(pixels)
    np.testing.assert_allclose(turned, usual[:, ::-1], rtol=1e-6)


def test_a_teachers_conventions_stand_behind_its_name(stripes: Dataset, teacher: Path) -> None:
    pixels = stripes.images[:8, :, :, None].astype(np.float32)
    usual = distillation.teacher_logits([str(teacher)], FER2013)(pixels)
    named = distillation.teacher_logits([f"{teacher}?labels={','.join(FER2013[::-1])}"], FER2013)(pixels)
    np.testing.assert_allclose(named, usual[:, ::-1], rtol=1e-6)
    with pytest.raises(UsageError, match="takes labels, scaling, weights, architecture, input, not lables"):
        distillation.teacher_logits([f"{teacher}?lables=7"], FER2013)


def test_networks_that_cannot_be_rebuilt_answer_as_they_are(stripes: Dataset) -> None:
    k = keras()

    class Subclassed(k.Model):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.flat, self.end = k.layers.Flatten(), k.layers.Dense(7, activation="softmax")

        def call(self, pixels: Any) -> Any:
            return self.end(self.flat(pixels / 255.0))

    class Own(k.layers.Layer):  # type: ignore[name-defined,misc]
        def call(self, x: Any) -> Any:
            return x / 255.0

    subclassed = Subclassed()
    subclassed(np.zeros((1, 24, 24, 1), np.float32))
    own = k.Sequential(
        [k.layers.Input((24, 24, 1)), Own(), k.layers.Flatten(), k.layers.Dense(7, activation="softmax")]
    )
    for network in (subclassed, own):
        model = load_model(network, labels="7", scaling="0..255")
        answer = distillation._logits_in(model, "bfloat16")
        faces = stripes.images[:16]
        np.testing.assert_array_equal(answer(faces), model.logits(faces))


def test_teachers_that_give_logits_are_asked_in_float32(stripes: Dataset) -> None:
    k = keras()
    network = k.Sequential([k.layers.Input((24, 24, 1)), k.layers.Flatten(), k.layers.Dense(7)])
    model = load_model(network, labels="7", scaling="0..1")
    np.testing.assert_array_equal(
        distillation._logits_in(model, "bfloat16")(stripes.images[:9]), model.logits(stripes.images[:9])
    )
