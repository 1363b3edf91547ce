"""Cartoon faces: the answer that they claim to hold is the right one."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from ferviz.data.synthetic.cartoons import TASKS, CartoonSet, draw, make, nuisance, region
from ferviz.errors import UnknownNameError


@pytest.mark.slow
@pytest.mark.parametrize(("task", "size"), [*((task, 48) for task in TASKS), ("emotions", 64)])
def test_changing_the_class_alone_changes_pixels_inside_the_mask_alone(task: str, size: int) -> None:
    chosen = TASKS[task]
    base = nuisance(40, np.random.default_rng(5), size)
    mask = region(base, chosen.regions, size)
    faces = [
        draw(chosen.decide(base, np.full(40, k), np.random.default_rng(seed)), size=size)
        for k in range(len(chosen.names))
        for seed in range(3)
    ]
    changed = np.any([f != faces[0] for f in faces[1:]], axis=0)
    assert not (changed & ~mask).any()
    share = (changed & mask).sum(axis=(1, 2)) / mask.sum(axis=(1, 2))
    assert share.min() > 0.15, "the mask is the evidence's neighbourhood, not half of the picture"
    assert mask.mean() < 0.45


FACES, SEEN = 1200, 900  # of which a linear reader has seen so many


@functools.cache
def many(task: str) -> CartoonSet:
    return make(FACES, 1, task)


@pytest.mark.slow
@pytest.mark.parametrize("task", [t for t in TASKS if t != "emotions"])
def test_nothing_outside_the_mask_tells_the_class(task: str) -> None:
    # A linear reader of everything but the deciding region guesses: every other part is drawn without looking at the label.
    cartoons = many(task)
    hidden = np.where(cartoons.masks, 128, cartoons.images).reshape(FACES, -1).astype(float)
    assert _linear_accuracy(hidden, cartoons.labels) < 1 / len(cartoons.names) + 0.12


@pytest.mark.slow
@pytest.mark.parametrize("task", ["mouth", "brows", "eyes", "mark", "emotions"])
def test_what_is_inside_the_mask_tells_it(task: str) -> None:
    cartoons = many(task)
    shown = np.where(cartoons.masks, cartoons.images, 128).reshape(FACES, -1).astype(float)
    chance = 1 / len(cartoons.names)
    assert _linear_accuracy(shown, cartoons.labels) > chance + 0.5 * (1 - chance)


def _linear_accuracy(features: np.ndarray, labels: np.ndarray) -> float:
    mean = features[:SEEN].mean(axis=0)
    x = ((features - mean) / 64).astype(np.float32)
    target = np.eye(labels.max() + 1, dtype=np.float32)[labels[:SEEN]]
    gram = x[:SEEN] @ x[:SEEN].T
    dual = np.linalg.solve(gram + 300 * np.eye(SEEN, dtype=np.float32), target)
    return float(((x[SEEN:] @ (x[:SEEN].T @ dual)).argmax(axis=1) == labels[SEEN:]).mean())


def test_neither_part_of_both_tells_anything_alone() -> None:
    cartoons = make(600, 2, "both")
    p = cartoons.parameters
    for part in (p.smile, p.brow):
        same_side = (part > 0) == (cartoons.labels == 0)
        assert 0.4 < same_side.mean() < 0.6
    assert (((p.smile > 0) == (p.brow > 0)) == (cartoons.labels == 1)).mean() in (0.0, 1.0)


def test_seeded_balanced_and_typed() -> None:
    a, b, other = make(100, 7), make(100, 7), make(100, 8)
    assert np.array_equal(a.images, b.images)
    assert np.array_equal(a.labels, b.labels)
    assert not np.array_equal(a.images, other.images)
    assert np.bincount(a.labels).max() - np.bincount(a.labels).min() <= 1
    assert (a.images.dtype, a.images.shape, a.masks.dtype, a.masks.shape) == (
        np.uint8,
        (100, 48, 48),
        np.bool_,
        (100, 48, 48),
    )


def test_memory_chunks_change_nothing() -> None:
    p = nuisance(30, np.random.default_rng(0))
    assert np.array_equal(draw(p, np.random.default_rng(1), chunk=7), draw(p, np.random.default_rng(1), chunk=64))


def test_as_a_dataset() -> None:
    cartoons = make(50, 0, "emotions")
    data = cartoons.dataset(held_out=0.2)
    assert (len(data.part("Training")), len(data.part("PublicTest"))) == (40, 10)
    assert data.names == cartoons.names
    assert np.array_equal(data.labels, cartoons.labels)


def test_unknown_task() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'mouth'"):
        make(3, task="mouths")
