"""Deletion and insertion against orders whose areas are known, and against what other toolkits get wrong."""

from __future__ import annotations

import numpy as np
import pytest

from ferviz.trust.deletion import FILLS, area, deletion_curves, pixel_ranks, shuffled, step_counts

SIDE = 12
rng = np.random.default_rng(0)
FACES = rng.integers(0, 256, (5, SIDE, SIDE, 1)).astype(np.uint8)
WEIGHTS = rng.normal(size=(SIDE, SIDE, 1)).astype(np.float32) / 1e4


def linear(pictures, samples):
    return np.tensordot(pictures, WEIGHTS, 3)[:, None]


def bent(pictures, samples):
    """A score that is not linear: what a pixel gives depends on the others."""
    return np.tanh(np.tensordot(pictures, WEIGHTS, 3) * 20)[:, None] ** 2


def contributions(faces):
    """What each pixel adds to the linear score above the mean grey in its place: the best order there is for the fill "mean"."""
    return ((faces - faces.mean((1, 2), keepdims=True)) * WEIGHTS)[..., 0][:, None]


def test_no_order_has_a_larger_area_than_the_true_one():
    true = contributions(FACES)
    others = [true * rng.lognormal(0, spread, true.shape) for spread in (0.3, 1, 3)]
    others += [rng.normal(size=true.shape) for _ in range(20)]
    maps = np.concatenate([true, -true, *others], axis=1)
    srg = deletion_curves(linear, FACES, pixel_ranks(maps), ("mean",), steps=6).srg[:, :, 0, 0]
    assert (srg[:, :1] >= srg[:, 1:]).all()
    assert (srg[:, 1:2] <= srg).all()
    np.testing.assert_allclose(srg[:, 1], -srg[:, 0], atol=1e-5)


def test_the_area_of_a_linear_score_is_known():
    # One pixel counts; it is deleted, or inserted, in the first step of two.
    def first_pixel(pictures, samples):
        return pictures[:, :1, 0, 0] / 255

    face = np.zeros((1, 2, 2, 1), np.uint8)
    face[0, 0, 0] = 255
    curves = deletion_curves(first_pixel, face, pixel_ranks(face[None, ..., 0].astype(np.float32)), ("black",), steps=2)
    np.testing.assert_allclose(curves.deletion[0, 0, 0, 0], [1, 0, 0])
    np.testing.assert_allclose(curves.insertion[0, 0, 0, 0], [0, 1, 1])
    np.testing.assert_allclose([curves.srg.item(), curves.gap.item(), curves.normalised.item()], [0.5, 1, 0.5])


def test_insertion_is_deletion_in_the_reversed_order():
    ranks = pixel_ranks(rng.normal(size=(5, 3, SIDE, SIDE)))
    curves = deletion_curves(bent, FACES, ranks, FILLS, steps=12)
    reverse = deletion_curves(bent, FACES, SIDE * SIDE - 1 - ranks, FILLS, steps=12)
    np.testing.assert_allclose(curves.insertion, reverse.deletion[..., ::-1], atol=1e-6)
    np.testing.assert_allclose(curves.srg, -reverse.srg, atol=1e-6)


@pytest.mark.parametrize("fill", FILLS)
def test_random_orders_have_no_area(fill):
    faces = rng.integers(0, 256, (30, SIDE, SIDE, 1)).astype(np.uint8)
    maps = rng.normal(size=(30, 4, SIDE, SIDE))
    srg = deletion_curves(bent, faces, pixel_ranks(maps), (fill,), steps=6).srg[:, :, 0, 0].mean(1)
    assert abs(srg.mean()) < 3 * srg.std(ddof=1) / np.sqrt(len(srg))


def test_one_curve_alone_calls_random_pixels_good_where_the_area_between_two_does_not():
    # The score wants a smooth picture that is not plain: any scattered grey destroys it, at once.
    def smooth(pictures, samples):
        roughness = np.abs(np.diff(pictures[..., 0], axis=2)).mean((1, 2))
        return (pictures.std((1, 2, 3)) / 64 * np.exp(-roughness / 10))[:, None]

    faces = np.broadcast_to(np.linspace(0, 220, SIDE).round(), (5, SIDE, SIDE))[..., None].astype(np.uint8)
    ranks = pixel_ranks(rng.normal(size=(5, 20, SIDE, SIDE)))
    curves = deletion_curves(smooth, faces, ranks, ("mean",), steps=6)
    straight_line = (curves.deletion[..., 0] + curves.deletion[..., -1]) / 2
    assert area(curves.deletion).mean() < 0.8 * straight_line.mean()
    assert abs(curves.srg.mean()) < 0.05 * straight_line.mean()


def test_a_map_with_many_zeros_hides_exactly_the_share_of_every_step():
    # A ReLU leaves 60 % of the values at zero; a threshold at a percentile would hide none of these, or all.
    heat = np.maximum(rng.normal(size=(1, 1, 20, 20)), 0)
    heat.reshape(-1)[np.argsort(heat.ravel())[:240]] = 0
    hidden = []

    def count(pictures, samples):
        hidden.append((pictures == 0).mean((1, 2, 3)))
        return np.zeros((len(pictures), 1))

    deletion_curves(count, np.full((1, 20, 20, 1), 200, np.uint8), pixel_ranks(heat), ("black",), steps=10)
    shares = np.concatenate(hidden)
    np.testing.assert_allclose(sorted(shares), sorted([0, 1, *np.arange(1, 10) / 10, *np.arange(1, 10) / 10]))


def test_ties_are_broken_at_random_and_repeatably():
    ranks = pixel_ranks(np.zeros((40, 40)), seed=3)
    assert sorted(ranks) == list(range(1600))
    # Ties that are broken by place would hide the top rows first.
    assert abs(np.corrcoef(ranks, np.arange(1600))[0, 1]) < 0.1
    np.testing.assert_array_equal(ranks, pixel_ranks(np.zeros((40, 40)), seed=3))
    assert (ranks != pixel_ranks(np.zeros((40, 40)), seed=4)).any()


def test_what_is_not_finite_comes_last():
    heat = np.arange(9, dtype=np.float32).reshape(3, 3)
    heat[0, 0], heat[2, 2] = np.nan, np.inf
    assert set(np.flatnonzero(pixel_ranks(heat) >= 7)) == {0, 8}


def test_every_face_counts_whatever_the_batches():
    faces = rng.integers(0, 256, (70, SIDE, SIDE, 1)).astype(np.uint8)
    ranks = pixel_ranks(rng.normal(size=(70, 1, SIDE, SIDE)))
    together = deletion_curves(bent, faces, ranks, FILLS, steps=4, batch_size=64)
    for face in (0, 63, 64, 69):
        alone = deletion_curves(bent, faces[face : face + 1], ranks[face : face + 1], FILLS, steps=4, batch_size=7)
        np.testing.assert_allclose(alone.srg[0], together.srg[face], atol=1e-6)
        np.testing.assert_allclose(alone.gap[0], together.gap[face], atol=1e-6)


def test_every_map_is_scored_for_every_target():
    def two(pictures, samples):
        return np.stack([pictures[:, 0, 0, 0], pictures[:, -1, -1, 0] * (samples + 1)], axis=1) / 255

    faces = np.full((2, 4, 4, 1), 255, np.uint8)
    maps = np.zeros((2, 2, 4, 4))
    maps[:, 0, 0, 0] = maps[:, 1, -1, -1] = 1
    srg = deletion_curves(two, faces, pixel_ranks(maps), ("black",), steps=4).srg[..., 0]
    best = 0.75  # the pixel that counts goes, or comes, in the first of four steps
    np.testing.assert_allclose(srg[0, [0, 1], [0, 1]], [best, best])
    np.testing.assert_allclose(srg[1, [0, 1], [0, 1]], [best, 2 * best])  # each face has targets of its own
    assert (srg[:, [0, 1], [1, 0]] < srg[:, [0, 1], [0, 1]]).all()


@pytest.mark.parametrize(("pixels", "steps"), [(2304, 12), (2304, 6), (9, 2), (7, 6), (4, 12)])
def test_the_steps_are_the_same_from_either_end(pixels, steps):
    counts = step_counts(pixels, steps)
    assert (counts[0], counts[-1], len(counts)) == (0, pixels, steps + 1)
    assert (np.diff(counts) >= 0).all()
    exact = np.arange(steps + 1) * pixels / steps
    assert (np.abs(counts - exact) <= 1).all()
    lower = counts[: (steps + 1) // 2]
    np.testing.assert_array_equal(pixels - lower[::-1], counts[steps + 1 - len(lower) :])


def test_the_order_of_equal_values_is_random_and_its_own_for_each_seed():
    orders = np.stack([shuffled(400, seed) for seed in range(300)])
    assert (np.sort(orders, axis=1) == np.arange(400)).all()
    # Each place holds each number equally often: means are those of a uniform draw, and neighbours know nothing of each other.
    assert abs(orders.mean(0) - 199.5).max() < 5 * 400 / np.sqrt(12 * 300)
    assert abs(np.corrcoef(orders[:, :-1].ravel(), orders[:, 1:].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(orders[:-1].ravel(), orders[1:].ravel())[0, 1]) < 0.02
    np.testing.assert_array_equal(orders[7], shuffled(400, 7))
