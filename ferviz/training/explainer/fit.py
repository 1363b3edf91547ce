"""Fitting the explainer's network to the scores of faces of which parts are hidden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ferviz.engines.base import Array
from ferviz.models.architectures.layers import load_keras
from ferviz.training.explainer.coalitions import CELLS, CoalitionScores
from ferviz.training.explainer.explainer_network import WIDTH, build_explainer
from ferviz.training.network import dtype_policy, resolve_precision

EFFICIENCY = 0.05
"""Weight of what a whole map has to add up to, beside 1 of each pair of hidden faces."""

DOUBT = 0.02
"""Weight of the network's estimate of its own error."""

EMPHASIS = 6.0
"""What the scores of a face's predicted class weigh more than those of the other classes: it is the class that is asked about most."""

MAP_SCALE = 1 / CELLS
"""What the network's maps are multiplied by, so that their sums start near 0."""

LEARNING_RATE = 2e-3
WARMUP = 30
"""Most steps in which the learning rate rises."""

BATCH = 64
"""Most faces in a step; of few faces fewer, so that there are enough steps."""


@dataclass(frozen=True, eq=False)
class Lessons:
    """Standardised features of faces and of their mirror images, and what their maps have to add up to.

    Attributes:
        taps: for each layer (N, 2, CELLS, CELLS, C) float16; the second of each pair is the mirror image's.
        equations: (N, E, CELLS^2 + 4 K) float16: weights of the cells, the sums that they give, the weight of each sum; the last of E
            asks what the map has to add up to.
        scale: (2 K,), what the sums were divided by.
    """

    taps: list[np.ndarray] = field(repr=False)
    equations: np.ndarray = field(repr=False)
    scale: Array

    def __len__(self) -> int:
        return len(self.equations)

    def rows(self, start: int, stop: int | None) -> Lessons:
        """Return some of the faces.

        Args:
            start, stop: the first, and the one after the last; None = all further ones.
        """
        return Lessons([tap[start:stop] for tap in self.taps], self.equations[start:stop], self.scale)

    def batch(self, rows: np.ndarray, mirrored: np.ndarray) -> tuple[list[Array], Array]:
        """Return the inputs and the equations of some faces.

        Args:
            rows: (B,), their numbers.
            mirrored: (B,) bool, which of them are to be seen in a mirror.
        """
        inputs = [tap[rows, mirrored.astype(int)].astype(np.float32) for tap in self.taps]
        equations = self.equations[rows].astype(np.float32)
        cells = equations[mirrored, :, : CELLS**2]
        turned = cells.reshape(*cells.shape[:2], CELLS, CELLS)[..., ::-1]
        equations[mirrored, :, : CELLS**2] = turned.reshape(cells.shape)
        return inputs, equations


def score_scale(scores: CoalitionScores) -> Array:
    """Return how large half the differences of the scores are, (2 K,): the same for all log-odds, and for all logits.

    Args:
        scores: of the faces that are learned from.
    """
    differences = scores.differences()
    classes = differences.shape[-1] // 2
    sizes = [max(float(differences[..., half].std()), 1e-6) for half in (slice(classes), slice(classes, None))]
    return np.repeat(np.array(sizes, np.float32), classes)


def lessons_of(scores: CoalitionScores, taps: list[np.ndarray], scale: Array) -> Lessons:
    """Return what a network is taught with.

    Args:
        scores: of N faces.
        taps: for each layer (N, 2, CELLS, CELLS, C) float16, standardised, of the faces and of their mirror images.
        scale: (2 K,), see `score_scale`.
    """
    sums = np.concatenate([scores.differences(), scores.gains()[:, None]], axis=1) / scale
    design = np.concatenate([scores.design(), np.ones((len(scores), 1, CELLS**2), np.float32)], axis=1)
    weights = np.repeat(score_weights(scores.seen)[:, None], sums.shape[1], axis=1)
    weights[:, -1] *= EFFICIENCY
    return Lessons(taps, np.concatenate([design, sums, weights], axis=-1).astype(np.float16), scale)


def score_weights(seen: Array) -> Array:
    """Return how much each score of a face counts, (N, 2 K): that of the predicted class most, all together 2 K.

    Args:
        seen: (N, K), the logits of the whole faces.
    """
    classes = seen.shape[1]
    weights = 1 + EMPHASIS * (np.arange(classes) == seen.argmax(1)[:, None])
    return np.tile(weights / (1 + EMPHASIS / classes), 2).astype(np.float32)


def equation_loss(equations: Any, answer: Any) -> Any:
    """Return the loss of maps: how far their sums are from the scores, and how well the doubt fits that.

    Args:
        equations: (B, E, CELLS^2 + 4 K), see `Lessons`.
        answer: (B, CELLS^2 + 1, 2 K), of the network.
    """
    ops = load_keras().ops
    maps, doubt = answer[:, : CELLS**2], answer[:, CELLS**2 :]
    sums = ops.matmul(equations[..., : CELLS**2], maps) * MAP_SCALE
    asked, weights = ops.split(equations[..., CELLS**2 :], 2, axis=-1)
    squares = ops.square(sums - asked)
    likelihood = doubt + ops.stop_gradient(squares) * ops.exp(-doubt)
    return ops.mean(weights * squares) + DOUBT * ops.mean(likelihood[:, :-1])


def fit_explainer(
    lessons: Lessons,
    validation: Lessons,
    epochs: int,
    seed: int = 0,
    after_epoch: Callable[[int, float, float], None] | None = None,
    seconds_left: Callable[[], float] | None = None,
    width: int = WIDTH,
    precision: str = "auto",
) -> Any:
    """Fit the explainer's network.

    Args:
        lessons: what it learns from.
        validation: what it is watched on.
        epochs: most passes over the lessons.
        seed: of the first weights and of the order.
        after_epoch: is given the epoch, the mean loss of the lessons and that of `validation`.
        seconds_left: tells how much time there is; the learning rate falls to 0 by its end, or by that of the last epoch.
        width: channels of the network.
        precision: number format of the arithmetic while it learns, as in `TrainConfig`.

    Returns:
        The keras.Model in float32, with the mean of its weights over the last steps.
    """
    keras = load_keras()
    shape = [tap.shape[-1] for tap in lessons.taps], len(lessons.scale), seed, width
    with dtype_policy(resolve_precision(precision)):
        network = build_explainer(*shape)
    size = int(np.clip(len(lessons) // 40, 8, BATCH))
    steps = max(1, len(lessons) // size)
    total = epochs * steps
    warmup = min(WARMUP, total / 10)
    momentum = float(np.clip(1 - 20 / total, 0, 0.995))
    optimizer = keras.optimizers.AdamW(LEARNING_RATE, weight_decay=1e-2, use_ema=True, ema_momentum=momentum)
    optimizer.build(network.trainable_variables)  # TensorFlow traces a step twice that makes variables
    network.compile(optimizer, equation_loss, jit_compile=False)
    rng = np.random.default_rng(seed)
    left = seconds_left or (lambda: np.inf)
    time = left()
    for epoch in range(epochs):
        order = rng.permutation(len(lessons))
        losses = []
        for step in range(steps):
            share = max((epoch * steps + step) / total, 1 - left() / time if np.isfinite(time) and time > 0 else 0.0)
            if share >= 1 and epoch:
                break
            optimizer.learning_rate = _learning_rate((epoch * steps + step + 1) / warmup, share)
            rows = order[step * size : (step + 1) * size]
            losses.append(float(network.train_on_batch(*lessons.batch(rows, rng.random(len(rows)) < 0.5))))
        if losses and after_epoch is not None:
            after_epoch(epoch, float(np.mean(losses)), _loss(network, validation))
        if len(losses) < steps:
            break
    optimizer.finalize_variable_values(network.trainable_variables)
    with dtype_policy("float32"):
        fitted = build_explainer(*shape)
    fitted.set_weights(network.get_weights())
    return fitted


def _learning_rate(rise: float, share: float) -> float:
    """-> a rise until 1, then half a cosine down to 0 at a share of 1."""
    return LEARNING_RATE * min(1.0, rise) * (1 + float(np.cos(np.pi * min(share, 1.0)))) / 2 + 1e-6


def _loss(network: Any, lessons: Lessons) -> float:
    straight = np.zeros(BATCH, bool)
    losses = []
    for start in range(0, len(lessons), BATCH):
        rows = np.arange(start, min(start + BATCH, len(lessons)))
        losses.append(float(network.test_on_batch(*lessons.batch(rows, straight[: len(rows)]))) * len(rows))
    return float(np.sum(losses) / max(len(lessons), 1))
