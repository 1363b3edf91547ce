"""Intervals and tests over groups: known numbers, the null, and faces that belong together."""

from __future__ import annotations

import numpy as np
import pytest

from ferviz.studies.resampling import (
    MIN_GROUPS,
    benjamini_hochberg,
    group_sums,
    holm,
    mean_intervals,
    shuffle_test,
    sign_flip_test,
)  # fmt: skip

RNG = np.random.default_rng(3)
VALUES = RNG.normal([0, 1, 5], [1, 2, 1], (60, 3))
ALONE = np.arange(60)


def test_copies_of_a_face_add_nothing() -> None:
    """Four copies of every face in one group: the same intervals and p-values as once; taken for different faces, too narrow."""
    copies, groups = np.repeat(VALUES, 4, axis=0), np.repeat(ALONE, 4)
    np.testing.assert_allclose(mean_intervals(copies, groups), mean_intervals(VALUES, ALONE), atol=1e-12)
    np.testing.assert_array_equal(sign_flip_test(copies, groups, 300).single, sign_flip_test(VALUES, ALONE, 300).single)
    narrow = np.diff(mean_intervals(copies, np.arange(240)))
    assert (narrow < 0.6 * np.diff(mean_intervals(VALUES, ALONE))).all()


def test_intervals_hold_the_mean_as_often_as_they_say() -> None:
    inside = 0
    for seed in range(150):
        skewed = np.random.default_rng(seed).exponential(1, (40, 1))
        low, high = mean_intervals(skewed, np.arange(40), draws=400, seed=seed)[0]
        inside += low <= 1 <= high
    assert 0.87 <= inside / 150 <= 0.99


def test_an_interval_of_a_skewed_mean_leans() -> None:
    skewed = np.random.default_rng(0).exponential(1, (200, 1))
    low, high = mean_intervals(skewed, np.arange(200))[0]
    assert high - skewed.mean() > skewed.mean() - low


def test_few_groups_bear_no_interval() -> None:
    assert np.isnan(mean_intervals(VALUES, np.arange(60) % (MIN_GROUPS - 1))).all()
    assert np.isfinite(mean_intervals(VALUES, np.arange(60) % MIN_GROUPS)).all()
    assert np.isnan(mean_intervals(np.zeros((0, 2)), np.zeros(0, int))).all()
    constant = mean_intervals(np.full((40, 1), 2.5), np.arange(40))[0]
    np.testing.assert_allclose(constant, 2.5)


def test_the_tests_find_what_is_there_and_nothing_else() -> None:
    result = sign_flip_test(VALUES, ALONE, 999)
    assert result.single[2] == pytest.approx(1 / 1000)
    assert result.single[1] < 0.05
    assert (result.family >= result.single).all()
    shifted = np.concatenate([VALUES, VALUES + np.array([0, 0, 3])])
    by_set = shuffle_test(shifted, np.arange(120) < 60, 999)
    assert by_set.family[2] == pytest.approx(1 / 1000)
    assert (by_set.single[:2] > 0.5).all()
    assert (shuffle_test(VALUES, np.zeros(60, bool)).single == 1).all()
    assert (sign_flip_test(np.zeros((12, 2)), np.arange(12), 50).single == 1).all()


@pytest.mark.parametrize("kind", ["sign", "shuffle"])
def test_p_values_are_uniform_where_there_is_nothing(kind: str) -> None:
    p, family = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        noise = rng.normal(0, 1, (24, 5))
        test = (
            sign_flip_test(noise, np.arange(24), 199, seed) if kind == "sign"
            else shuffle_test(noise, np.arange(24) < 9, 199, seed)
        )  # fmt: skip
        p.append(test.single[0])
        family.append(test.family.min())
    gap = np.abs(np.sort(p) - (np.arange(200) + 0.5) / 200).max()
    assert gap < 1.63 / np.sqrt(200)  # Kolmogorov and Smirnov, at the level .01
    assert np.mean(np.array(family) < 0.05) < 0.11


def test_corrections_for_many_tests() -> None:
    p = np.array([[0.01, 0.04], [np.nan, 0.03]])
    np.testing.assert_allclose(holm(p), [[0.03, 0.06], [np.nan, 0.06]])
    np.testing.assert_allclose(benjamini_hochberg(p), [[0.03, 0.04], [np.nan, 0.04]])
    assert np.isnan(holm(np.array([np.nan]))).all()
    assert holm(np.array([0.9, 0.8])).max() == 1


def test_sums_of_groups() -> None:
    sums, sizes = group_sums(np.array([[1.0], [2.0], [4.0]]), np.array([7, 3, 7]))
    assert sums.tolist() == [[2.0], [5.0]]
    assert sizes.tolist() == [1.0, 2.0]
