"""The learning rate at every step: warm-up, then a cosine, a constant, or halving on a plateau."""

from __future__ import annotations

import math

from ferviz.training.config import TrainConfig


def learning_rate_at(config: TrainConfig, step: int, steps: int, factor: float = 1.0) -> float:
    """Return the learning rate of one step.

    Args:
        config: the run's configuration.
        step: the step's number, from 0 over the whole run.
        steps: steps in an epoch.
        factor: what the plateau schedule has come down to so far, 1 at the start.
    """
    warm = config.warmup * steps
    if step < warm:
        return config.peak_learning_rate * (step + 1) / warm * factor
    if config.schedule == "cosine":
        total = config.epochs * steps
        return (
            config.peak_learning_rate * 0.5 * (1 + math.cos(math.pi * min((step - warm) / max(total - warm, 1), 1.0)))
        )
    return config.peak_learning_rate * factor


def plateau_factor(config: TrainConfig, accuracies: list[float]) -> float:
    """Return the factor of the learning rate: halved each time `patience` epochs pass without a better accuracy.

    Args:
        config: the run's configuration; with another schedule than "plateau" the factor is 1.
        accuracies: the validation accuracies of the epochs so far.
    """
    factor, best, waited = 1.0, -1.0, 0
    if config.schedule != "plateau":
        return factor
    for accuracy in accuracies:
        waited = 0 if accuracy > best else waited + 1
        best = max(best, accuracy)
        if waited >= config.patience:
            factor, waited = factor / 2, 0
    return factor


def should_stop(config: TrainConfig, accuracies: list[float]) -> bool:
    """Return whether none of the last `early_stopping` epochs was better than the best epoch before them.

    Args:
        config: the run's configuration.
        accuracies: the validation accuracies of the epochs so far.
    """
    if not config.early_stopping or not accuracies:
        return False
    return len(accuracies) - 1 - accuracies.index(max(accuracies)) >= config.early_stopping
