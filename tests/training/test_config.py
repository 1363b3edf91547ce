"""TrainConfig refuses wrong values with the field's name; the schedule against values worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from ferviz.errors import UsageError
from ferviz.training.config import Augmentation, TrainConfig
from ferviz.training.schedule import learning_rate_at, plateau_factor, should_stop


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 1}, "batch_size"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"ema": 1.0}, "ema"),
        ({"label_smoothing": float("nan")}, "label_smoothing"),
        ({"optimizer": "adam"}, "adamw"),
        ({"schedule": "steps"}, "cosine"),
        ({"precision": "fp8"}, "bfloat16"),
        ({"class_weights": "yes"}, "balanced"),
        ({"augmentation": Augmentation(flip=1.5)}, "flip"),
        ({"augmentation": Augmentation(mixup=-1)}, "mixup"),
    ],
)
def test_values_that_make_no_sense_are_refused_by_name(given: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        TrainConfig(**given)


def test_a_recipe_survives_being_written_down() -> None:
    config = TrainConfig(epochs=7, optimizer="sgd", learning_rate=0.05, augmentation=Augmentation(mixup=0.2))
    assert TrainConfig.from_dict(config.to_dict()) == config
    with pytest.raises(UsageError, match="colour"):
        TrainConfig.from_dict({**config.to_dict(), "colour": 1})
    with pytest.raises(UsageError, match="shear"):
        TrainConfig.from_dict({**config.to_dict(), "augmentation": {"shear": 1}})


def test_defaults_of_the_optimizers() -> None:
    assert (TrainConfig().peak_learning_rate, TrainConfig().decoupled_weight_decay) == (2e-3, 0.05)
    assert (TrainConfig(optimizer="sgd").peak_learning_rate, TrainConfig(optimizer="sgd").decoupled_weight_decay) == (
        0.1,
        5e-4,
    )
    assert TrainConfig(learning_rate=0.0, weight_decay=0.0).peak_learning_rate == 0.0


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
