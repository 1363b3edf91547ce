"""The learning rate and early stopping against values worked out by hand."""

from __future__ import annotations

import pytest

from ferviz.training.config import TrainConfig
from ferviz.training.schedule import learning_rate_at, plateau_factor, should_stop


def test_warm_up_then_cosine() -> None:
    config = TrainConfig(epochs=5, learning_rate=1.0, warmup=1.0)
    rates = [learning_rate_at(config, step, 4) for step in range(20)]
    assert rates[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert rates[4] == pytest.approx(1.0)
    assert rates[12] == pytest.approx(0.5)  # half of the way from step 4 to step 20
    assert rates[8] == pytest.approx(0.8535534)  # (1 + cos 45 degrees) / 2
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert learning_rate_at(config, 20, 4) == pytest.approx(0.0)


def test_plateau_halves_after_patience() -> None:
    config = TrainConfig(schedule="plateau", patience=2, learning_rate=1.0, warmup=0)
    assert plateau_factor(config, []) == 1
    assert plateau_factor(config, [0.5, 0.5]) == 1
    assert plateau_factor(config, [0.5, 0.5, 0.4]) == 0.5
    assert plateau_factor(config, [0.5, 0.5, 0.4, 0.6, 0.6]) == 0.5
    assert plateau_factor(config, [0.5, 0.5, 0.4, 0.4, 0.4]) == 0.25
    assert learning_rate_at(config, 100, 4, 0.25) == 0.25
    assert plateau_factor(TrainConfig(patience=1), [0.5, 0.4, 0.3]) == 1


def test_early_stopping_counts_from_the_best() -> None:
    config = TrainConfig(early_stopping=2)
    assert not should_stop(config, [])
    assert not should_stop(config, [0.3, 0.5, 0.4])
    assert should_stop(config, [0.3, 0.5, 0.4, 0.5])  # equal is not better
    assert not should_stop(config, [0.3, 0.5, 0.4, 0.6])
    assert not should_stop(TrainConfig(early_stopping=0), [0.5, 0.1, 0.1, 0.1])
