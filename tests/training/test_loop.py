"""The loss against NumPy, the optimizers' weight decay, and the statistics of averaged weights."""

from __future__ import annotations

import numpy as np
import pytest

from ferviz.models import architectures
from ferviz.models.architectures.layers import load_keras
from ferviz.training import loss as losses
from ferviz.training.batches import Batch
from ferviz.training.batchnorm import BatchStatistics
from ferviz.training.checkpoint import variable_values
from ferviz.training.config import TrainConfig
from ferviz.training.loop import Learner, validation_scores


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def test_plain_cross_entropy() -> None:
    target, logits = softmax(draw(5, 7)), draw(5, 7) * 3
    found = np.asarray(losses.loss(7, TrainConfig())(target, logits))
    np.testing.assert_allclose(found, -(target * np.log(softmax(logits))).sum(1), rtol=1e-5)


def test_distillation_and_votes() -> None:
    config = TrainConfig(distillation=0.6, temperature=2.0, ferplus_weight=0.4)
    target, votes, teacher = softmax(draw(5, 7)), softmax(draw(5, 8)), draw(5, 7) * 2
    outputs = draw(5, 15)
    found = np.asarray(losses.loss(7, config, 8, True)(np.concatenate([target, votes, teacher], 1), outputs))
    p, q = softmax(teacher / 2), softmax(outputs[:, :7] / 2)
    kl = (p * np.log(p / q)).sum(1)
    hard = -(target * np.log(softmax(outputs[:, :7]))).sum(1)
    auxiliary = -(votes * np.log(softmax(outputs[:, 7:]))).sum(1)
    np.testing.assert_allclose(found, 0.4 * hard + 0.6 * 4 * kl + 0.4 * auxiliary, rtol=1e-4)


def test_a_student_that_answers_like_its_teacher_pays_nothing() -> None:
    logits = draw(5, 7)
    config = TrainConfig(distillation=1.0)
    found = np.asarray(losses.loss(7, config, distilled=True)(np.concatenate([softmax(draw(5, 7)), logits], 1), logits))
    np.testing.assert_allclose(found, 0, atol=1e-5)


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_weight_decay_spares_biases_and_norms(kind: str) -> None:
    network = architectures.build("plain", 7, widths=[4], dense_widths=[4], logits=True, height=12, width=12)
    network.set_weights([np.ones_like(w) for w in network.get_weights()])
    chosen = losses.optimizer(TrainConfig(optimizer=kind, weight_decay=0.5, ema=0))
    chosen.build(network.trainable_variables)
    chosen.learning_rate = 0.1
    chosen.apply([0 * v.value for v in network.trainable_variables], network.trainable_variables)
    for variable, found in zip(network.trainable_variables, variable_values(network.trainable_variables), strict=True):
        expected = 1.0 if variable.name == "bias" else 0.95
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_short_run_averages_over_a_tenth_of_it() -> None:
    assert losses.optimizer(TrainConfig(ema=0.999), steps=100).ema_momentum == pytest.approx(0.9)
    assert losses.optimizer(TrainConfig(ema=0.999), steps=10**6).ema_momentum == 0.999
    assert not losses.optimizer(TrainConfig(ema=0)).use_ema


def test_scores() -> None:
    logits = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], np.float32))
    loss, accuracy = validation_scores(logits, np.array([0, 1]))
    assert loss == pytest.approx(-(np.log(0.7) + np.log(0.1)) / 2, rel=1e-5)
    assert accuracy == 0.5


def test_statistics_are_those_of_the_pixels() -> None:
    network = architectures.build(
        "residual", 7, height=12, width=12, widths=[6], blocks=[2], stem=4, logits=True, seed=3
    )
    pixels = np.random.default_rng(0).uniform(0, 255, (16, 12, 12, 1)).astype(np.float32)
    keras = load_keras()
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    BatchStatistics(network).refresh(pixels)
    seen = keras.Model(network.inputs[0], [layer.input for layer in layers])(pixels, training=True)
    for layer, x in zip(
        layers[:1], seen[:1], strict=True
    ):  # what comes before the first layer does not depend on any statistics
        np.testing.assert_allclose(
            variable_values([layer.moving_mean])[0], np.asarray(x).mean((0, 1, 2)), rtol=1e-3, atol=1e-4
        )
        np.testing.assert_allclose(variable_values([layer.moving_variance])[0], np.asarray(x).var((0, 1, 2)), rtol=1e-3)
    # With the statistics of exactly these pixels, answering is the same as in training (no dropout before the logits).
    plain = architectures.build(
        "residual", 7, height=12, width=12, widths=[6], blocks=[2], stem=4, logits=True, seed=3, dropout=0.0
    )
    BatchStatistics(plain).refresh(pixels)
    np.testing.assert_allclose(
        np.asarray(plain(pixels, training=False)), np.asarray(plain(pixels, training=True)), rtol=1e-2, atol=1e-3
    )


def test_averaged_weights_are_the_average_and_leave_no_trace() -> None:
    network = architectures.build("plain", 7, widths=[4], dense_widths=[4], logits=True, height=12, width=12)
    learner = Learner(network, 7, TrainConfig(ema=0.5, optimizer="sgd", weight_decay=0.0, batch_size=4, seed=1))
    rng = np.random.default_rng(0)
    pixels = rng.uniform(0, 255, (4, 12, 12, 1)).astype(np.float32)
    batch = Batch(pixels, np.eye(7, dtype=np.float32)[[0, 1, 2, 3]], np.ones(4, np.float32), np.arange(4))
    average: list[np.ndarray] = []
    for _ in range(4):
        learner.step(batch, 0.05)
        now = variable_values(network.trainable_variables)
        average = [0.5 * a + 0.5 * w for a, w in zip(average, now, strict=True)] if average else now
    with learner.averaged(pixels):
        for found, expected in zip(variable_values(network.trainable_variables), average, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    for found, expected in zip(variable_values(network.trainable_variables), now, strict=True):
        np.testing.assert_array_equal(found, expected)
    learner.close()
