"""Batches: the same for the same (seed, epoch, step), every face once an epoch, targets that add up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ferviz.data.dataset import Dataset
from ferviz.training.batches import Source, class_weights, resize_faces, soft_targets
from ferviz.training.config import Augmentation, TrainConfig

PLAIN = Augmentation(0, 0, 0, 0, 0, 0, 0, 0, 0)


def source(n: int = 50, batch: int = 8, seed: int = 0, look: Augmentation = PLAIN, **more: Any) -> Source:
    images = np.arange(n, dtype=np.uint8)[:, None, None, None] * np.ones((1, 6, 6, 1), np.uint8)
    labels = np.arange(n) % 7
    config = TrainConfig(batch_size=batch, augmentation=look, seed=seed)
    return Source(images, labels, soft_targets(labels, 7, 0.1), np.arange(1, 8, dtype=np.float32), config, **more)


def seen(batches: Any) -> list[int]:
    return [int(v) for b in batches for v in b.pixels[:, 0, 0, 0]]


def test_an_epoch_shows_every_face_at_most_once_and_epochs_differ() -> None:
    s = source()
    first, second = seen(s.epoch(0)), seen(s.epoch(1))
    assert s.steps == 6
    assert len(first) == len(set(first)) == 48
    assert first != second
    assert first == seen(s.epoch(0))
    assert first != seen(source(seed=1).epoch(0))


def test_a_batch_can_be_made_on_its_own() -> None:
    s = source(look=Augmentation(mixup=0.4))
    whole = list(s.epoch(3))
    alone = s.batch(3, 4, s.order(3))
    np.testing.assert_array_equal(whole[4].pixels, alone.pixels)
    np.testing.assert_array_equal(whole[4].targets, alone.targets)


def test_fewer_faces_than_a_batch_are_repeated() -> None:
    (batch,) = source(n=5, batch=8).epoch(0)
    assert len(batch.pixels) == 8
    assert set(batch.pixels[:, 0, 0, 0]) == set(range(5))


def test_labels_targets_and_weights_belong_together() -> None:
    for batch in source().epoch(2):
        ids = batch.pixels[:, 0, 0, 0].astype(int)
        np.testing.assert_array_equal(batch.labels, ids % 7)
        np.testing.assert_array_equal(batch.targets.argmax(1), ids % 7)
        np.testing.assert_array_equal(batch.weights, ids % 7 + 1)


def test_mixup_mixes_pixels_and_targets_by_the_same_share() -> None:
    s = source(n=64, batch=32, look=Augmentation(0, 0, 0, 0, 0, 0, 0, 0, 1.0))
    for batch in s.epoch(0):
        np.testing.assert_allclose(batch.targets.sum(1), 1, rtol=1e-5)
        order = s.order(0)[:32] if batch is None else None
        assert order is None
        highest = batch.targets.max(1)
        assert (highest < 0.9).any()
    rng = np.random.default_rng([0, 0, 0, 1])
    order = s.order(0)[:32]
    share, other = np.float32(rng.beta(1.0, 1.0)), rng.permutation(32)
    expected = share * order + (1 - share) * order[other]
    np.testing.assert_allclose(s.batch(0, 0, s.order(0)).pixels[:, 0, 0, 0], expected, rtol=1e-5)


def test_teachers_see_the_pixels_that_the_student_sees() -> None:
    s = source(look=Augmentation(), teacher=lambda pixels: pixels.mean((1, 2)) * np.ones((1, 7), np.float32))
    for batch in s.epoch(0):
        assert batch.targets.shape == (8, 14)
        np.testing.assert_allclose(batch.targets[:, 7], batch.pixels.mean((1, 2, 3)), rtol=1e-5)


def test_teachers_see_half_of_the_faces_as_mirror_images() -> None:
    def left_and_right(pixels: np.ndarray) -> np.ndarray:
        return np.stack([pixels[:, 0, 0, 0], pixels[:, 0, -1, 0]], 1)

    slopes = np.arange(1, 401, dtype=np.uint8)[:, None, None, None] * np.array([0, 1], np.uint8)[None, None, :, None]
    labels = np.zeros(400, np.int64)
    config = TrainConfig(batch_size=40, augmentation=PLAIN, teachers=("t.keras",), teacher_flip=True)
    s = Source(slopes, labels, np.zeros((400, 0), np.float32), np.ones(1, np.float32), config, left_and_right)
    batches = list(s.epoch(2))
    for batch in batches:  # each face is seen whole, the one way or the other
        np.testing.assert_array_equal(np.sort(batch.targets, 1), np.sort(left_and_right(batch.pixels), 1))
    turned = np.concatenate([b.targets[:, 0] != b.pixels[:, 0, 0, 0] for b in batches])
    assert 120 < turned.sum() < 280  # of 400; half of them, eight standard deviations wide
    again = list(s.epoch(2))
    for batch, other in zip(batches, again, strict=True):
        np.testing.assert_array_equal(batch.targets, other.targets)
    assert (np.concatenate([b.targets for b in s.epoch(3)]) != np.concatenate([b.targets for b in batches])).any()


def test_an_error_in_the_thread_reaches_the_caller() -> None:
    s = source()
    object.__setattr__(s, "labels", s.labels[:3])
    with pytest.raises(IndexError):
        list(s.epoch(0))


def test_soft_targets_and_class_weights() -> None:
    np.testing.assert_allclose(soft_targets(np.array([1]), 4, 0.2), [[0.05, 0.85, 0.05, 0.05]])
    labels = np.array([0, 0, 0, 1])
    np.testing.assert_allclose(class_weights(labels, 2, "balanced"), [4 / 6, 2.0])
    np.testing.assert_allclose(class_weights(labels, 2, "none"), 1)
    assert np.isfinite(class_weights(labels, 3, "balanced")).all()


def test_resize_faces(stripes: Dataset) -> None:
    assert resize_faces(stripes.images, 24, 24, 1).shape == (280, 24, 24, 1)
    assert resize_faces(stripes.images[:5], 48, 48, 3).shape == (5, 48, 48, 3)
    assert resize_faces(stripes.images[:5], 12, 12, 1).dtype == np.uint8
    grey = np.full((2, 8, 8), 77, np.uint8)
    assert (resize_faces(np.stack([grey] * 3, -1), 4, 4, 1) == 77).all()
