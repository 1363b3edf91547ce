"""TrainConfig refuses wrong values with the field's name, and survives being written down."""

from __future__ import annotations

from typing import Any

import pytest

from ferviz.errors import UsageError
from ferviz.training.config import Augmentation, TrainConfig


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
        ({"teacher_flip": True}, "--teacher FILE"),
    ],
)
def test_values_that_make_no_sense_are_refused_by_name(given: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        TrainConfig(**given)


def test_a_configuration_survives_being_written_down() -> None:
    config = TrainConfig(
        epochs=7, optimizer="sgd", learning_rate=0.05, drop_copies=True, augmentation=Augmentation(mixup=0.2)
    )
    assert TrainConfig.from_dict(config.to_dict()) == config
    with pytest.raises(UsageError, match="colour"):
        TrainConfig.from_dict({**config.to_dict(), "colour": 1})
    with pytest.raises(UsageError, match="teacher_flip cannot be 1"):
        TrainConfig.from_dict({**config.to_dict(), "teacher_flip": 1})
    with pytest.raises(UsageError, match="shear"):
        TrainConfig.from_dict({**config.to_dict(), "augmentation": {"shear": 1}})


def test_defaults_of_the_optimizers() -> None:
    assert (TrainConfig().peak_learning_rate, TrainConfig().decoupled_weight_decay) == (2e-3, 0.05)
    assert (TrainConfig(optimizer="sgd").peak_learning_rate, TrainConfig(optimizer="sgd").decoupled_weight_decay) == (
        0.1,
        5e-4,
    )
    assert TrainConfig(learning_rate=0.0, weight_decay=0.0).peak_learning_rate == 0.0
