"""The learning rate at every step: warm-up, then a cosine, a constant, or halving on a plateau."""

from __future__ import annotations

import math

from ferviz.training.config import TrainConfig


def rate_at(recipe: TrainConfig, step: int, steps: int, factor: float = 1.0) -> float:
    """Return the learning rate of step `step` (from 0 over the whole run).

    steps: steps in an epoch. factor: what the plateau schedule has come down to so far (1 at the start).
    """
    warm = recipe.warmup * steps
    if step < warm:
        return recipe.peak * (step + 1) / warm * factor
    if recipe.schedule == "cosine":
        total = recipe.epochs * steps
        return recipe.peak * 0.5 * (1 + math.cos(math.pi * min((step - warm) / max(total - warm, 1), 1.0)))
    return recipe.peak * factor


def plateau_factor(recipe: TrainConfig, accuracies: list[float]) -> float:
    """Return the factor after epochs with these validation accuracies: halved each time `patience` pass without a best."""
    factor, best, waited = 1.0, -1.0, 0
    if recipe.schedule != "plateau":
        return factor
    for accuracy in accuracies:
        waited = 0 if accuracy > best else waited + 1
        best = max(best, accuracy)
        if waited >= recipe.patience:
            factor, waited = factor / 2, 0
    return factor


def should_stop(recipe: TrainConfig, accuracies: list[float]) -> bool:
    """Return whether the last `stop_after` epochs all failed to beat the best before them."""
    if not recipe.stop_after or not accuracies:
        return False
    return len(accuracies) - 1 - accuracies.index(max(accuracies)) >= recipe.stop_after
