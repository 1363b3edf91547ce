"""Figures against answers worked out by hand, published ones, and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferviz.evaluation import metrics
from ferviz.numerics import softmax

TRUE = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
SAID = np.array([0, 0, 1, 2, 1, 0, 2, 2, 2, 1])


def test_confusion_has_the_truth_in_its_rows() -> None:
    assert metrics.confusion(TRUE, SAID, 3).tolist() == [[2, 1, 1], [1, 1, 0], [0, 1, 3]]
    assert metrics.row_normalised(metrics.confusion(TRUE, SAID, 3))[0].tolist() == [0.5, 0.25, 0.25]


def test_precision_recall_f1_by_hand() -> None:
    a, b, c = metrics.per_class(metrics.confusion(TRUE, SAID, 3))
    assert (a.precision, a.recall, a.support, a.predicted) == (2 / 3, 2 / 4, 4, 3)
    assert (b.precision, b.recall) == (1 / 3, 1 / 2)
    assert (c.precision, c.recall) == (3 / 4, 3 / 4)
    for f in (a, b, c):
        assert f.f1 == pytest.approx(2 * f.precision * f.recall / (f.precision + f.recall))
    assert metrics.macro([a.recall, b.recall, c.recall]) == pytest.approx((0.5 + 0.5 + 0.75) / 3)


def test_classes_without_faces_or_never_called() -> None:
    never, empty, rest = metrics.per_class(np.array([[0, 0, 3], [0, 0, 0], [0, 1, 4]]))
    assert (never.precision, never.recall, never.f1) == (0, 0, 0)
    assert (empty.precision, empty.recall, empty.f1, empty.interval) == (0, None, None, (0, 1))
    assert rest.recall == 4 / 5
    assert metrics.macro([never.recall, empty.recall, rest.recall]) == pytest.approx(0.4), (
        "the empty class does not count"
    )


def test_ranks_count_ties_against() -> None:
    scores = np.array([[3.0, 1, 2], [3, 1, 2], [3, 1, 2], [1, 1, 0], [np.pi, np.pi, np.pi]])
    assert metrics.ranks(scores, np.array([0, 2, 1, 0, 2])).tolist() == [1, 2, 3, 2, 3]


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_against_published_intervals(hits: int, n: int, low: float, high: float) -> None:
    assert metrics.wilson(hits, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_at_the_ends() -> None:
    assert metrics.wilson(0, 0) == (0, 1)
    assert metrics.wilson(7, 7)[1] == 1
    low, high = metrics.wilson(2349, 3589)
    assert (high - low) / 2 == pytest.approx(0.0155, abs=2e-4)


def test_calibration_by_hand() -> None:
    # 0.9 sure and always right, 0.6 sure and right once in four: 4/8 * 0.1 + 4/8 * 0.35
    p = np.array([[0.9, 0.1]] * 4 + [[0.4, 0.6]] * 4)
    r = metrics.reliability(p, np.array([0, 0, 0, 0, 1, 0, 0, 0]))
    assert r.ece == pytest.approx(0.5 * 0.1 + 0.5 * 0.35)
    assert r.count.sum() == 8
    assert r.count[[8, 5]].tolist() == [4, 4], "bins are closed above: 0.9 is in the one from 0.8 to 0.9"
    assert np.isnan(r.accuracy[0])


def test_a_network_as_sure_as_it_is_right_is_calibrated() -> None:
    rng = np.random.default_rng(1)
    p = softmax(rng.normal(0, 2, (40000, 5)))
    true = (p.cumsum(axis=1) > rng.random((40000, 1))).argmax(axis=1)
    assert metrics.reliability(p, true).ece < 0.012
    assert metrics.reliability(softmax(np.log(p) * 3), true).ece > 0.1


def test_mcnemar_by_hand() -> None:
    first = np.array([1] * 60 + [1] * 10 + [0] * 2 + [0] * 28, bool)
    second = np.array([1] * 60 + [0] * 10 + [1] * 2 + [0] * 28, bool)
    t = metrics.mcnemar(first, second)
    assert (t.only_first, t.only_second, t.difference) == (10, 2, pytest.approx(0.08))
    assert t.p == pytest.approx(2 * (1 + 12 + 66) / 4096)
    assert t.interval[0] < 0.08 < t.interval[1]
    assert metrics.mcnemar(second, first).difference == -t.difference
    assert metrics.mcnemar(first, first).p == 1


@given(st.integers(0, 200), st.integers(0, 200))
def test_binomial_tails_against_exact_fractions(a: int, b: int) -> None:
    k, n = min(a, b), a + b
    exact = min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n)
    assert metrics.binomial_tails(k, n) == pytest.approx(exact, rel=1e-9)


def test_binomial_tails_of_many() -> None:
    assert metrics.binomial_tails(49_000, 100_000) == pytest.approx(2.5e-10, rel=0.05)
