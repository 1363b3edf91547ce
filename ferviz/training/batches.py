"""From a data set to the batches of one epoch: the same ones for the same (seed, epoch, step), whoever asks and when."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from ferviz.training.augment import augment
from ferviz.training.config import TrainConfig

AHEAD = 3
"""Batches that are prepared while the network works."""


@dataclass(frozen=True)
class Batch:
    """pixels: (B, h, w, c) float32 in 0..255. targets: (B, D) float32 (see `objective`). weights: (B,) float32. labels: (B,) int64."""

    pixels: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Source:
    """What batches are made of.

    images: (N, h, w, c) uint8 at the network's size. labels: (N,) int64. targets: (N, D) float32. class_weights: (K,) float32.
    recipe: its batch size and augmentation. seed: of the order and of the augmentation.
    teach: (B, h, w, c) pixels -> (B, K) float32 that the teachers answer, appended to the targets; or None.
    """

    images: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    targets: np.ndarray = field(repr=False)
    class_weights: np.ndarray
    recipe: TrainConfig
    seed: int
    teach: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def steps(self) -> int:
        """Whole batches in an epoch; the rest of the shuffled faces waits for another epoch."""
        return max(len(self.images) // self.recipe.batch, 1)

    def order(self, epoch: int) -> np.ndarray:
        """Return the order (N,) in which epoch `epoch` (from 0) visits the faces."""
        return np.random.default_rng([self.seed, epoch]).permutation(len(self.images))

    def batch(self, epoch: int, step: int, order: np.ndarray) -> Batch:
        """Return batch `step` of epoch `epoch`."""
        rng = np.random.default_rng([self.seed, epoch, step, 1])
        size = self.recipe.batch
        at = np.resize(order, max(size, len(order)))[step * size : (step + 1) * size]
        pixels = augment(self.images[at], self.recipe.augmentation, rng)
        targets, labels = self.targets[at], self.labels[at]
        weights = self.class_weights[labels]
        if self.recipe.augmentation.mixup:
            alpha = self.recipe.augmentation.mixup
            share = np.float32(rng.beta(alpha, alpha))
            other = rng.permutation(size)
            pixels, targets, weights = (share * a + (1 - share) * a[other] for a in (pixels, targets, weights))
        return Batch(pixels, targets, weights, labels)

    def sample(self, count: int = 2048) -> np.ndarray:
        """Return (count, h, w, c) float32, augmented faces of the training part, always the same ones."""
        rng = np.random.default_rng([self.seed, 2])
        at = rng.permutation(len(self.images))[:count]
        return augment(self.images[at], self.recipe.augmentation, rng)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of epoch `epoch`, made ahead in a thread of their own."""
        order = self.order(epoch)
        waiting: deque[Any] = deque()
        with ThreadPoolExecutor(1, "ferviz-batches") as pool:
            for step in range(self.steps):
                waiting.append(pool.submit(self.batch, epoch, step, order))
                if len(waiting) > AHEAD:
                    yield self._taught(waiting.popleft().result())
            while waiting:
                yield self._taught(waiting.popleft().result())

    def _taught(self, batch: Batch) -> Batch:
        if self.teach is None:
            return batch
        return Batch(
            batch.pixels, np.concatenate([batch.targets, self.teach(batch.pixels)], 1), batch.weights, batch.labels
        )


def soft_targets(labels: np.ndarray, classes: int, smoothing: float) -> np.ndarray:
    """Return (N, K) float32: 1 - smoothing on the label plus smoothing / K everywhere (Szegedy et al. 2016)."""
    return (np.eye(classes, dtype=np.float32)[labels] * (1 - smoothing) + smoothing / classes).astype(np.float32)


def class_weights(labels: np.ndarray, classes: int, kind: str) -> np.ndarray:
    """Return (K,) float32: ones, or for "balanced" N / (K * count), so that every class weighs the same in an epoch."""
    if kind == "none":
        return np.ones(classes, np.float32)
    counts = np.bincount(labels, minlength=classes)
    return (len(labels) / (classes * np.maximum(counts, 1))).astype(np.float32)


def fit_pictures(images: np.ndarray, height: int, width: int, channels: int) -> np.ndarray:
    """Return faces (N, H, W) or (N, H, W, 3) uint8 as (N, height, width, channels) uint8, resized as pixels."""
    if images.ndim == 3:
        images = images[..., None]
    if images.shape[3] != channels:
        images = (
            np.repeat(images, 3, 3)
            if channels == 3
            else np.stack([cv2.cvtColor(i, cv2.COLOR_RGB2GRAY) for i in images])[..., None]
        )
    if images.shape[1:3] != (height, width):
        shrinking = images.shape[1] > height
        how = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
        images = np.stack(
            [cv2.resize(i, (width, height), interpolation=how).reshape(height, width, channels) for i in images]
        )
    return np.ascontiguousarray(images)
