"""Softmax, its logarithm and the logistic function where they would overflow or lose their digits."""

from __future__ import annotations

import numpy as np

from ferviz.numerics import log_softmax, logsumexp, sigmoid, softmax

EXTREME = np.array([[1000.0, -1000.0], [0, 0]])


def test_softmax_and_sigmoid_do_not_overflow() -> None:
    assert softmax(EXTREME).tolist() == [[1, 0], [0.5, 0.5]]
    assert sigmoid(EXTREME).tolist() == [[1, 0], [0.5, 0.5]]
    assert softmax(np.array([[-np.inf, 0.0], [-np.inf, -np.inf]])).tolist() == [[0, 1], [0, 0]]


def test_log_softmax_is_exact_where_the_softmax_is_zero() -> None:
    assert log_softmax(EXTREME)[0].tolist() == [0, -2000]
    np.testing.assert_allclose(log_softmax(EXTREME)[1], np.log(0.5))


def test_logsumexp_neither_overflows_nor_counts_what_is_left_out() -> None:
    np.testing.assert_allclose(logsumexp(EXTREME), [1000, np.log(2)])
    np.testing.assert_allclose(logsumexp(EXTREME, axis=0), [1000, 0])
    assert logsumexp([3.0, -np.inf]) == 3


def test_the_float_type_is_kept() -> None:
    for function in (softmax, log_softmax, logsumexp, sigmoid):
        assert function(EXTREME.astype(np.float32)).dtype == np.float32
        assert function(np.array([1, 2])).dtype == np.float64
