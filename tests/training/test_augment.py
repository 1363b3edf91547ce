"""Augmentation: nothing when nothing is asked for, and each change on its own against what it should do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ferviz.training.augment import augment
from ferviz.training.config import Augmentation

NONE = Augmentation(0, 0, 0, 0, 0, 0, 0, 0, 0)


def faces(n: int = 6, channels: int = 0) -> np.ndarray:
    shape = (n, 20, 24) + ((channels,) if channels else ())
    return np.random.default_rng(3).integers(0, 256, shape).astype(np.uint8)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("channels", [0, 1, 3])
def test_nothing_asked_for_changes_nothing(channels: int) -> None:
    images = faces(channels=channels)
    out = augment(images, NONE, rng())
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out.reshape(images.shape), images)
    assert out.ndim == 4


def test_certain_flip_is_the_mirror_image() -> None:
    images = faces()
    np.testing.assert_array_equal(augment(images, replace(NONE, flip=1), rng())[..., 0], images[:, :, ::-1])


def test_flip_probability() -> None:
    images = np.tile(faces(1), (400, 1, 1))
    out = augment(images, replace(NONE, flip=0.25), rng())[..., 0]
    flipped = [(a != b).any() for a, b in zip(out, images, strict=True)]
    assert 70 <= sum(flipped) <= 130


def test_shift_moves_a_dot_and_never_too_far() -> None:
    images = np.zeros((200, 48, 48), np.uint8)
    images[:, 24, 24] = 255
    out = augment(images, replace(NONE, shift=4), rng())[..., 0]
    mass = out.sum((1, 2))
    np.testing.assert_allclose(mass, 255, atol=5)  # warpAffine rounds to pixels
    grid = np.arange(48)
    rows, columns = (out.sum(2) @ grid) / mass - 24, (out.sum(1) @ grid) / mass - 24
    for moved in (rows, columns):
        assert np.abs(moved).max() <= 4.1
        assert moved.std() == pytest.approx(4 / np.sqrt(3), rel=0.15)


def test_zoom_and_rotation_keep_the_centre() -> None:
    images = np.zeros((50, 49, 49), np.uint8)
    images[:, 22:27, 22:27] = 200
    out = augment(images, replace(NONE, zoom=0.3, rotate=90), rng())[..., 0]
    grid = np.arange(49)
    mass = out.sum((1, 2))
    np.testing.assert_allclose((out.sum(2) @ grid) / mass, 24, atol=0.1)
    np.testing.assert_allclose((out.sum(1) @ grid) / mass, 24, atol=0.1)
    area = mass / 200
    assert area.min() < 0.6 * 25 < 25 < 1.5 * 25 < area.max() * 1.05


def test_rotation_turns_by_the_drawn_angle() -> None:
    images = np.zeros((1, 49, 49), np.uint8)
    images[0, 24, 40] = 255
    how = replace(NONE, rotate=60)
    angle = np.deg2rad(np.random.default_rng(5).uniform(-60, 60, 1)[0])
    y, x = np.unravel_index(augment(images, how, rng(5))[0, :, :, 0].argmax(), (49, 49))
    assert (x, y) == (round(24 + 16 * np.cos(angle)), round(24 + 16 * np.sin(angle)))


def test_brightness_adds_and_contrast_scales_about_the_mean() -> None:
    images = np.full((300, 8, 8), 120, np.uint8)
    images[:, :4] = 140
    bright = augment(images, replace(NONE, brightness=0.2), rng())
    added = bright.mean((1, 2, 3)) - 130
    assert np.abs(added).max() <= 51
    assert added.std() == pytest.approx(51 / np.sqrt(3), rel=0.1)
    np.testing.assert_allclose(bright[:, 0, 0] - bright[:, 7, 0], 20, atol=1e-3)
    contrast = augment(images, replace(NONE, contrast=0.5), rng())
    np.testing.assert_allclose(contrast.mean((1, 2, 3)), 130, atol=1e-3)
    spread = contrast[:, 0, 0, 0] - contrast[:, 7, 0, 0]
    assert 10 <= spread.min() < 11
    assert 29 < spread.max() <= 30


def test_noise_has_the_asked_deviation_and_results_stay_in_range() -> None:
    images = np.full((20, 40, 40), 128, np.uint8)
    noisy = augment(images, replace(NONE, noise=0.05), rng())
    assert noisy.std() == pytest.approx(0.05 * 255, rel=0.02)
    wild = augment(faces(), replace(NONE, noise=1, brightness=1, contrast=1), rng())
    assert wild.min() >= 0
    assert wild.max() <= 255


def test_erasing_fills_one_rectangle_with_one_grey() -> None:
    images = np.tile(np.arange(400, dtype=np.uint8).reshape(20, 20) // 2 * 2 + 1, (300, 1, 1))  # odd values only
    out = augment(images, replace(NONE, erase=0.5), rng())[..., 0]
    changed = out != images
    touched = changed.any((1, 2))
    assert 0.4 < touched.mean() < 0.6
    for mask, picture in zip(changed[touched], out[touched], strict=True):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert np.unique(box).size == 1
        assert box.size <= 0.16 * 400


def test_the_same_generator_gives_the_same_pictures() -> None:
    how = Augmentation()
    a, b, c = (augment(faces(), how, rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
