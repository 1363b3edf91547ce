"""What training minimises: one loss over targets that lie side by side, and the optimizer that minimises it.

Targets are (B, K + V + K): soft labels, then the FERPlus votes as a distribution (V = 8, where they are used), then the teachers' logits
(where there are teachers). Outputs are (B, K + V): the network's logits, then the auxiliary head's. In additive training they are (B, 2 K):
the logits, then the errors of the cells' sums, whose squares are to become small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ferviz.models.architectures.layers import load_keras
from ferviz.training.config import TrainConfig


def loss(
    classes: int, config: TrainConfig, ferplus_outputs: int = 0, distilled: bool = False
) -> Callable[[Any, Any], Any]:
    """Return a Keras loss, a function (targets, outputs) -> (B,).

    It is (1 - distillation) * cross-entropy + distillation * T^2 * KL(teachers || network) at temperature T, plus `ferplus_weight` times
    the cross-entropy with the votes, plus `additive_weight` times the mean square of the cells' errors. Without teachers the first term
    has weight 1.

    Args:
        classes: K, the number of the network's classes.
        config: the weights of the terms and the temperature.
        ferplus_outputs: V, the number of outputs of the auxiliary head; 0 without one.
        distilled: the targets hold the teachers' logits.

    References:
        G. Hinton et al., "Distilling the knowledge in a neural network", 2015.
    """
    ops = load_keras().ops

    def cross_entropy(target: Any, logits: Any) -> Any:
        return -ops.sum(target * ops.log_softmax(logits, -1), -1)

    def total(targets: Any, outputs: Any) -> Any:
        outputs = ops.cast(outputs, "float32")
        logits = outputs[:, :classes]
        value = cross_entropy(targets[:, :classes], logits)
        if distilled:
            answers, t = targets[:, classes + ferplus_outputs :], config.temperature
            soft = ops.softmax(answers / t, -1)
            divergence = cross_entropy(soft, logits / t) + ops.sum(soft * ops.log_softmax(answers / t, -1), -1)
            value = (1 - config.distillation) * value + config.distillation * t * t * divergence
        if ferplus_outputs:
            votes = targets[:, classes : classes + ferplus_outputs]
            value = value + config.ferplus_weight * cross_entropy(votes, outputs[:, classes:])
        if config.additive_weight:
            value = value + config.additive_weight * ops.mean(ops.square(outputs[:, classes:]), -1)
        return value

    return total


def optimizer(config: TrainConfig, steps: int = 0) -> Any:
    """Return the configured Keras optimizer: its weight decay spares biases and normalisation, and it averages the weights if asked to.

    Args:
        config: the optimizer, its learning rate, weight decay and averaging.
        steps: steps of the whole run, 0 if unknown. The average never reaches back over more than a tenth of them, so that the average
            of a short run is not mostly its beginning.
    """
    keras = load_keras()
    decay = config.decoupled_weight_decay
    shared: dict[str, Any] = {"learning_rate": config.peak_learning_rate, "weight_decay": decay or None}
    if config.ema:
        shared |= {"use_ema": True, "ema_momentum": min(config.ema, max(1 - 10 / steps, 0.0)) if steps else config.ema}
    if config.optimizer == "sgd":
        chosen = keras.optimizers.SGD(momentum=0.9, nesterov=True, **shared)
    else:
        chosen = keras.optimizers.AdamW(**shared)
    if decay:
        chosen.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return chosen
