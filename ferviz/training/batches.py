"""From a data set to the batches of one epoch: the same (seed, epoch, step) gives the same batch, in whatever order they are asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np

from ferviz.training.augment import augment
from ferviz.training.config import TrainConfig
from ferviz.training.losses.additive import with_coalitions

AHEAD = 3
"""Batches that are prepared while the network works."""


@dataclass(frozen=True)
class Batch:
    """One batch.

    Attributes:
        pixels: (B, h, w, c) float32 in 0..255; in additive training (B, h, w, 3 c + 1), see `ferviz.training.losses.additive`.
        targets: (B, D) float32, see `ferviz.training.losses.loss`.
        weights: (B,) float32, the weight of each face in the loss.
        labels: (B,) int64.
    """

    pixels: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Source:
    """The training faces, and how batches are drawn from them.

    Attributes:
        images: (N, h, w, c) uint8 at the network's size.
        labels: (N,) int64.
        targets: (N, D) float32.
        class_weights: (K,) float32.
        config: its batch size, augmentation and seed.
        teacher: a function from pixels (B, h, w, c) to the teachers' logits (B, K) float32, which are appended to the targets; or None.
    """

    images: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    targets: np.ndarray = field(repr=False)
    class_weights: np.ndarray
    config: TrainConfig
    teacher: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def steps(self) -> int:
        """Complete batches in an epoch; the remaining faces of the shuffled order have their turn in other epochs."""
        return max(len(self.images) // self.config.batch_size, 1)

    def order(self, epoch: int) -> np.ndarray:
        """Return the order (N,) in which an epoch visits the faces.

        Args:
            epoch: the epoch's number, from 0.
        """
        return np.random.default_rng([self.config.seed, epoch]).permutation(len(self.images))

    def batch(self, epoch: int, step: int, order: np.ndarray) -> Batch:
        """Return one batch, without the teachers' logits and without what additive training adds.

        Args:
            epoch, step: numbers of the epoch and of the step in it, from 0.
            order: the epoch's order of the faces.
        """
        rng = np.random.default_rng([self.config.seed, epoch, step, 1])
        size, augmentation = self.config.batch_size, self.config.augmentation
        at = np.resize(order, max(size, len(order)))[step * size : (step + 1) * size]
        pixels = augment(self.images[at], augmentation, rng)
        targets, labels = self.targets[at], self.labels[at]
        weights = self.class_weights[labels]
        if augmentation.mixup:
            share = np.float32(rng.beta(augmentation.mixup, augmentation.mixup))
            other = rng.permutation(size)
            pixels, targets, weights = (share * a + (1 - share) * a[other] for a in (pixels, targets, weights))
        return Batch(pixels, targets, weights, labels)

    def _shown_to_teachers(self, pixels: np.ndarray, epoch: int, step: int) -> np.ndarray:
        if not self.config.teacher_flip:
            return pixels
        mirrored = np.random.default_rng([self.config.seed, epoch, step, 3]).random(len(pixels)) < 0.5
        return np.where(mirrored[:, None, None, None], pixels[:, :, ::-1], pixels)

    def sample(self, count: int = 2048) -> np.ndarray:
        """Return augmented training faces, (count, h, w, c) float32; always the same ones.

        Args:
            count: how many, at most.
        """
        rng = np.random.default_rng([self.config.seed, 2])
        at = rng.permutation(len(self.images))[:count]
        return augment(self.images[at], self.config.augmentation, rng)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, prepared ahead in a thread of their own.

        Args:
            epoch: the epoch's number, from 0.
        """
        order = self.order(epoch)
        waiting: deque[Any] = deque()
        with ThreadPoolExecutor(1, "ferviz-batches") as pool:
            for step in range(self.steps):
                waiting.append((step, pool.submit(self.batch, epoch, step, order)))
                if len(waiting) > AHEAD:
                    yield self._completed(epoch, *waiting.popleft())
            while waiting:
                yield self._completed(epoch, *waiting.popleft())

    def _completed(self, epoch: int, step: int, prepared: Any) -> Batch:
        batch = prepared.result()
        pixels, targets = batch.pixels, batch.targets
        if self.teacher is not None:
            targets = np.concatenate([targets, self.teacher(self._shown_to_teachers(pixels, epoch, step))], 1)
        if self.config.additive_weight:
            pixels = with_coalitions(pixels, [self.config.seed, epoch, step])
        return replace(batch, pixels=pixels, targets=targets)


def soft_targets(labels: np.ndarray, classes: int, smoothing: float) -> np.ndarray:
    """Return smoothed labels (N, K) float32: 1 - smoothing on the label plus smoothing / K everywhere.

    Args:
        labels: (N,) integers.
        classes: K.
        smoothing: the part of each label that is spread, 0 to 1.

    References:
        C. Szegedy et al., "Rethinking the Inception architecture for computer vision", CVPR 2016.
    """
    return (np.eye(classes, dtype=np.float32)[labels] * (1 - smoothing) + smoothing / classes).astype(np.float32)


def class_weights(labels: np.ndarray, classes: int, kind: str) -> np.ndarray:
    """Return the weight of each class, (K,) float32.

    Args:
        labels: (N,) integers.
        classes: K.
        kind: "none" for ones, "balanced" for N / (K * count), so that every class has the same weight in an epoch.
    """
    if kind == "none":
        return np.ones(classes, np.float32)
    counts = np.bincount(labels, minlength=classes)
    return (len(labels) / (classes * np.maximum(counts, 1))).astype(np.float32)


def resize_faces(images: np.ndarray, height: int, width: int, channels: int) -> np.ndarray:
    """Return faces at a network's size, (N, height, width, channels) uint8; they are resized as pixels.

    Args:
        images: (N, H, W) or (N, H, W, 3) uint8.
        height, width: the size in pixels.
        channels: 1 or 3.
    """
    if images.ndim == 3:
        images = images[..., None]
    if images.shape[3] != channels:
        images = (
            np.repeat(images, 3, 3)
            if channels == 3
            else np.stack([cv2.cvtColor(i, cv2.COLOR_RGB2GRAY) for i in images])[..., None]
        )
    if images.shape[1:3] != (height, width):
        interpolation = cv2.INTER_AREA if images.shape[1] > height else cv2.INTER_LINEAR
        images = np.stack(
            [
                cv2.resize(i, (width, height), interpolation=interpolation).reshape(height, width, channels)
                for i in images
            ]
        )
    return np.ascontiguousarray(images)
