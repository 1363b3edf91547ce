"""A Learner is a network while it learns: one step, its averaged weights, its answers, its state."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ferviz.numerics import log_softmax
from ferviz.training import loss as objective
from ferviz.training.batches import Batch
from ferviz.training.batchnorm import fused_normalisation
from ferviz.training.checkpoint import grab, put
from ferviz.training.config import TrainConfig
from ferviz.training.devices import train_on_batch
from ferviz.training.kernels import safe_convolutions
from ferviz.training.statistics import Statistics

CHUNK = 256


class Learner:
    """network: keras.Model of logits (K, and V of the votes behind them). classes: K. votes: V.

    taught: the targets hold the teachers' answers. seed: of the dropout. steps: of the whole run, 0 = unknown.
    """

    def __init__(
        self,
        network: Any,
        classes: int,
        recipe: TrainConfig,
        *,
        votes: int = 0,
        taught: bool = False,
        seed: int = 0,
        steps: int = 0,
    ) -> None:
        self.network, self.classes, self.recipe = network, classes, recipe
        self._swapped = contextlib.ExitStack()
        self._swapped.enter_context(fused_normalisation(network))
        self._swapped.enter_context(safe_convolutions(network))
        self._statistics = Statistics(network)
        self._seed_generators(seed)
        self.variables = list(network.variables)  # before compile adds the metrics' to them
        self.optimizer = objective.optimizer(recipe, steps)
        self.optimizer.build(network.trainable_variables)
        network.compile(self.optimizer, loss=objective.loss(classes, votes, taught, recipe), metrics=[])

    def close(self) -> None:
        """Give the layers their own calls back."""
        self._swapped.close()

    def step(self, batch: Batch, rate: float) -> float:
        """Take one step at learning rate `rate` and return its loss."""
        self.optimizer.learning_rate = rate
        return train_on_batch(self.network, batch.pixels, batch.targets, batch.weights)

    @contextlib.contextmanager
    def averaged(self, pixels: np.ndarray) -> Iterator[None]:
        """Within the block the network has its averaged weights (where the recipe averages).

        pixels: (N, h, w, c) float32 training faces, for the batch statistics that go with these weights.
        """
        if not self.recipe.ema:
            yield
            return
        kept = grab(self.variables)
        self.optimizer.finalize_variable_values(self.network.trainable_variables)
        # On JAX the averages now lie in the very buffers that the optimizer keeps, and answering would use these up.
        put(self.network.trainable_variables, grab(self.network.trainable_variables), "weights")
        try:
            self._statistics.refresh(pixels)
            yield
        finally:
            put(self.variables, kept, "weights")

    def logits(self, images: np.ndarray) -> np.ndarray:
        """images (N, h, w, c) uint8 -> (N, K) float32; always in whole chunks, so that nothing is traced twice."""
        out = []
        for start in range(0, len(images), CHUNK):
            part = images[start : start + CHUNK].astype(np.float32)
            padded = np.resize(part, (CHUNK, *part.shape[1:]))
            out.append(np.asarray(self.network.predict_on_batch(padded))[: len(part), : self.classes])
        return np.concatenate(out).astype(np.float32) if out else np.zeros((0, self.classes), np.float32)

    def state(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return copies of (the network's variables, the optimizer's)."""
        return grab(self.variables), grab(self.optimizer.variables)

    def restore(self, variables: list[np.ndarray], optimizer: list[np.ndarray]) -> None:
        """Set what `state` returned. Raises DataError if it belongs to another network."""
        put(self.variables, variables, "network")
        put(self.optimizer.variables, optimizer, "optimizer")

    def _seed_generators(self, seed: int) -> None:
        # Dropout draws from generators that are not weights; they start from the run's seed, not from the process' own.
        weights = {id(w) for w in self.network.weights}
        for number, variable in enumerate(v for v in self.network.variables if id(v) not in weights):
            if len(variable.shape) == 1:
                variable.assign(np.resize([seed, number], variable.shape).astype(variable.dtype))


def scores(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return (mean cross-entropy, accuracy) of logits (N, K) against labels (N,)."""
    return float(-log_softmax(logits)[np.arange(len(labels)), labels].mean()), float(
        (logits.argmax(1) == labels).mean()
    )
