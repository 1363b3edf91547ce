"""The loss against NumPy, and the optimizers' weight decay and averaging."""

from __future__ import annotations

import numpy as np
import pytest

from ferviz.models import architectures
from ferviz.training.checkpoint import variable_values
from ferviz.training.config import TrainConfig
from ferviz.training.losses import loss as losses


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
