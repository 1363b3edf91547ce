"""The score of a target between 0 and 1, so that one margin suits every network and every target."""

from __future__ import annotations

import numpy as np

from ferviz.engines.base import Array
from ferviz.models.model import Model
from ferviz.numerics import sigmoid
from ferviz.trust.deletion import Scores

MIN_GAP = 0.1
"""What hiding the whole picture has to take from a score, under every fill, for a map of it to be assessed."""


def target_scores(model: Model, logits: Array, weights: Array) -> Array:
    """Return how far a network says what each target says, from 0 to 1.

    Of a class, its probability. Of several classes, the mean of their probabilities by their weights (of classes that all count
    against, one less that). Of a contrast, such as "happy-sad", the sigmoid of the weighted sum of logits: the probability of the one
    side if there were only these two.

    Args:
        model: the network.
        logits: (M, K).
        weights: (M, T, K) or (T, K), the targets as weights of the logits.

    Returns:
        (M, T) float32.
    """
    weights = np.broadcast_to(weights, (len(logits), *weights.shape[-2:]))
    total = np.abs(weights).sum(-1)
    mean = np.einsum("mk,mtk->mt", model.probabilities_of(logits), weights, optimize=True)
    mean = np.divide(mean, total, out=np.zeros_like(mean), where=total > 0)
    one_sided = np.where((weights < 0).any(-1), 1 + mean, mean)
    contrast = (weights < 0).any(-1) & (weights > 0).any(-1)
    if not contrast.any():
        return one_sided.astype(np.float32)
    sides = sigmoid(np.einsum("mk,mtk->mt", logits, weights, optimize=True))
    return np.where(contrast, sides, one_sided).astype(np.float32)


def network_scores(model: Model, weights: Array) -> Scores:
    """Return a network as `ferviz.trust.deletion` takes it.

    Args:
        model: the network.
        weights: (N, T, K), the targets of N pictures as weights of the logits.
    """

    def scores(pictures: Array, samples: np.ndarray) -> Array:
        return target_scores(model, model.engine.logits(model.input.scaled(pictures)), weights[samples])

    return scores
