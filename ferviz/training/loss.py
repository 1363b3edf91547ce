"""What training minimises: one loss over targets that lie side by side, and the optimizer that goes down it.

targets (B, K + V + K): soft labels, then the FERPlus votes as distribution (V = 8, where they are used), then the teachers'
answers (where there are any). outputs (B, K + V): the network's logits, then the auxiliary head's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ferviz.models.architectures.layers import load_keras
from ferviz.training.config import TrainConfig


def loss(classes: int, votes: int, taught: bool, recipe: TrainConfig) -> Callable[[Any, Any], Any]:
    """Return a Keras loss (targets, outputs) -> (B,).

    (1 - teach) * cross-entropy + teach * T^2 * KL(teachers || network) at temperature T (Hinton et al. 2015), plus `votes`
    times the cross-entropy with the votes. Without teachers the first term counts whole.
    """
    ops = load_keras().ops

    def cross_entropy(target: Any, logits: Any) -> Any:
        return -ops.sum(target * ops.log_softmax(logits, -1), -1)

    def total(targets: Any, outputs: Any) -> Any:
        outputs = ops.cast(outputs, "float32")
        logits = outputs[:, :classes]
        value = cross_entropy(targets[:, :classes], logits)
        if taught:
            answers, t = targets[:, classes + votes :], recipe.temperature
            soft = ops.softmax(answers / t, -1)
            divergence = cross_entropy(soft, logits / t) + ops.sum(soft * ops.log_softmax(answers / t, -1), -1)
            value = (1 - recipe.teach) * value + recipe.teach * t * t * divergence
        if votes:
            value = value + recipe.votes * cross_entropy(targets[:, classes : classes + votes], outputs[:, classes:])
        return value

    return total


def optimizer(recipe: TrainConfig, steps: int = 0) -> Any:
    """Return the recipe's Keras optimizer: weight decay spares biases and norms, EMA of the weights if asked for.

    steps: of the whole run. The average never reaches back over more than a tenth of them, so that a short run's average
    is not mostly its beginning.
    """
    keras = load_keras()
    shared: dict[str, Any] = {"learning_rate": recipe.peak, "weight_decay": recipe.weight_decay or None}
    if recipe.ema:
        shared |= {"use_ema": True, "ema_momentum": min(recipe.ema, max(1 - 10 / steps, 0.0)) if steps else recipe.ema}
    if recipe.optimizer == "sgd":
        made = keras.optimizers.SGD(momentum=0.9, nesterov=True, **shared)
    else:
        made = keras.optimizers.AdamW(**shared)
    if recipe.weight_decay:
        made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return made
