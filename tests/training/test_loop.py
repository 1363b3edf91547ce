"""The learner: validation scores, and averaged weights that leave no trace."""

from __future__ import annotations

import numpy as np
import pytest

from ferviz.models import architectures
from ferviz.training.batches import Batch
from ferviz.training.checkpoint import variable_values
from ferviz.training.config import TrainConfig
from ferviz.training.loop import Learner, validation_scores


def test_scores() -> None:
    logits = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], np.float32))
    loss, accuracy = validation_scores(logits, np.array([0, 1]))
    assert loss == pytest.approx(-(np.log(0.7) + np.log(0.1)) / 2, rel=1e-5)
    assert accuracy == 0.5


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
