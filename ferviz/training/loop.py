"""A Learner is a network while it learns: one step, its averaged weights, its answers, its state."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ferviz.numerics import log_softmax
from ferviz.training.batches import Batch
from ferviz.training.batchnorm import BatchStatistics, fused_normalisation
from ferviz.training.checkpoint import assign_variables, variable_values
from ferviz.training.config import TrainConfig
from ferviz.training.devices import train_on_batch
from ferviz.training.kernels import safe_convolutions
from ferviz.training.losses import loss as losses

CHUNK = 256
"""Faces in one pass of `Learner.logits`."""


class Learner:
    """A network while it learns.

    Args:
        network: a keras.Model of logits: K for the classes and, behind them, those of the auxiliary head.
        classes: K.
        config: the loss, the optimizer and the seed of dropout.
        ferplus_outputs: the number of outputs of the auxiliary head; 0 without one.
        distilled: the targets hold the teachers' logits.
        steps: steps of the whole run; 0 if unknown.
        core: the part of `network` that answers about pictures alone; None = the network itself.
    """

    def __init__(
        self,
        network: Any,
        classes: int,
        config: TrainConfig,
        *,
        ferplus_outputs: int = 0,
        distilled: bool = False,
        steps: int = 0,
        core: Any = None,
    ) -> None:
        self.network, self.classes, self.config = network, classes, config
        self._answering = network if core is None else core
        self._swapped_calls = contextlib.ExitStack()
        self._swapped_calls.enter_context(fused_normalisation(network))
        self._swapped_calls.enter_context(safe_convolutions(network))
        self._statistics = BatchStatistics(network)
        self._seed_generators(config.seed)
        self.variables = list(network.variables)  # before compile adds the metrics' to them
        self.optimizer = losses.optimizer(config, steps)
        self.optimizer.build(network.trainable_variables)
        network.compile(self.optimizer, loss=losses.loss(classes, config, ferplus_outputs, distilled), metrics=[])

    def close(self) -> None:
        """Give the layers their own calls back."""
        self._swapped_calls.close()

    def step(self, batch: Batch, learning_rate: float) -> float:
        """Take one step and return its loss.

        Args:
            batch: the faces, targets and weights.
            learning_rate: the learning rate of this step.
        """
        self.optimizer.learning_rate = learning_rate
        return train_on_batch(self.network, batch.pixels, batch.targets, batch.weights)

    @contextlib.contextmanager
    def averaged(self, pixels: np.ndarray) -> Iterator[None]:
        """Within the block, give the network its averaged weights, where the configuration asks for averaging.

        Args:
            pixels: (N, h, w, c) float32, training faces for the batch statistics that belong to these weights.
        """
        if not self.config.ema:
            yield
            return
        kept = variable_values(self.variables)
        trainable = self.network.trainable_variables
        self.optimizer.finalize_variable_values(trainable)
        # On JAX the averages now share buffers with the optimizer, and predicting would free these.
        assign_variables(trainable, variable_values(trainable), "weights")
        try:
            self._statistics.refresh(pixels)
            yield
        finally:
            assign_variables(self.variables, kept, "weights")

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the logits of faces, (N, K) float32; computed in chunks of one size, so that nothing is traced twice.

        Args:
            images: (N, h, w, c) uint8.
        """
        out = []
        for start in range(0, len(images), CHUNK):
            part = images[start : start + CHUNK].astype(np.float32)
            padded = np.resize(part, (CHUNK, *part.shape[1:]))
            out.append(np.asarray(self._answering.predict_on_batch(padded))[: len(part), : self.classes])
        return np.concatenate(out).astype(np.float32) if out else np.zeros((0, self.classes), np.float32)

    def state(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return copies of the network's variables and of the optimizer's."""
        return variable_values(self.variables), variable_values(self.optimizer.variables)

    def restore(self, variables: list[np.ndarray], optimizer: list[np.ndarray]) -> None:
        """Set the values that `state` returned.

        Args:
            variables: values of the network's variables.
            optimizer: values of the optimizer's variables.

        Raises:
            DataError: they belong to another network.
        """
        assign_variables(self.variables, variables, "network")
        assign_variables(self.optimizer.variables, optimizer, "optimizer")

    def _seed_generators(self, seed: int) -> None:
        # Dropout draws from generators that are not weights; they start from the run's seed, not from the process' own.
        weights = {id(w) for w in self.network.weights}
        for number, variable in enumerate(v for v in self.network.variables if id(v) not in weights):
            if len(variable.shape) == 1:
                variable.assign(np.resize([seed, number], variable.shape).astype(variable.dtype))


def validation_scores(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return the mean cross-entropy and the accuracy.

    Args:
        logits: (N, K).
        labels: (N,) integers.
    """
    loss = -log_softmax(logits)[np.arange(len(labels)), labels].mean()
    return float(loss), float((logits.argmax(1) == labels).mean())
