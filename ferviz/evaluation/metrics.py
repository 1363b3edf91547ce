"""Figures about predictions: pure functions over NumPy arrays. Confusion matrices have the true class in rows, always."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Z95 = 1.959963984540054
"""The normal deviate of a two-sided 95 % interval."""


def confusion(true: np.ndarray, predicted: np.ndarray, classes: int) -> npt.NDArray[np.int64]:
    """Return the confusion matrix, (K, K) int64: how many faces of each true class (row) were predicted as each class (column).

    Args:
        true, predicted: (N,) integers from 0 to `classes` - 1.
        classes: K.
    """
    cells = np.asarray(true, np.int64) * classes + np.asarray(predicted, np.int64)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def row_normalised(matrix: np.ndarray) -> npt.NDArray[np.float64]:
    """Return a confusion matrix with rows that sum to 1, so that its diagonal is the recall; an empty row stays 0.

    Args:
        matrix: (K, K) counts.
    """
    return np.asarray(matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1))


def wilson(hits: float, n: float, z: float = Z95) -> tuple[float, float]:
    """Return Wilson's interval of a rate: it stays within 0 and 1, and holds for small samples.

    Args:
        hits: successes.
        n: trials.
        z: the normal deviate; the default gives 95 %.

    Returns:
        The lower and upper end; (0, 1) where there was no trial.

    References:
        E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    if n <= 0:
        return 0.0, 1.0
    rate, square = hits / n, z * z / n
    middle = (rate + square / 2) / (1 + square)
    half = z * math.sqrt(rate * (1 - rate) / n + square / (4 * n)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def ranks(scores: np.ndarray, true: np.ndarray) -> npt.NDArray[np.int64]:
    """Return the place of the true class among the scores, (N,) int64; 1 = highest, and ties count against it.

    Args:
        scores: (N, K), logits or probabilities.
        true: (N,), the true classes.
    """
    own = scores[np.arange(len(true)), true]
    return np.asarray((scores >= own[:, None]).sum(axis=1), np.int64)


@dataclass(frozen=True)
class ClassFigures:
    """The figures of one class.

    Attributes:
        precision: share of correct ones among the faces that were predicted as this class, 0 if there are none.
        recall: share of its faces that were predicted as this class, None without faces.
        f1: the harmonic mean of the two, None without faces.
        support: how many faces are of this class.
        predicted: how many faces were predicted as this class.
        interval: Wilson's 95 % interval of the recall.
    """

    precision: float
    recall: float | None
    f1: float | None
    support: int
    predicted: int
    interval: tuple[float, float]


def per_class(matrix: np.ndarray) -> list[ClassFigures]:
    """Return the figures of each class.

    Args:
        matrix: (K, K) counts, the true class in rows.
    """
    out = []
    for k in range(len(matrix)):
        hit, support, predicted = int(matrix[k, k]), int(matrix[k].sum()), int(matrix[:, k].sum())
        precision = hit / predicted if predicted else 0.0
        recall = hit / support if support else None
        f1 = None if not support else 2 * hit / (support + predicted)
        out.append(ClassFigures(precision, recall, f1, support, predicted, wilson(hit, support)))
    return out


def macro(values: list[float | None]) -> float:
    """Return the mean over the classes that have faces; 0 where none has.

    Args:
        values: one for each class, None for a class without faces.
    """
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else 0.0


@dataclass(frozen=True)
class Reliability:
    """Confidence against accuracy.

    Attributes:
        edges: (B + 1,), the edges of the bins of confidence.
        count: (B,), the faces in each.
        confidence, accuracy: (B,), their means, NaN in empty bins.
        ece: the expected calibration error, 0 to 1.
    """

    edges: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    ece: float


def reliability(probabilities: np.ndarray, true: np.ndarray, bins: int = 10) -> Reliability:
    """Compare a network's confidence with its accuracy (top class; bins of equal width, closed above).

    The expected calibration error is the mean of abs(accuracy - confidence) over the bins, weighted by their faces.

    Args:
        probabilities: (N, K).
        true: (N,), the true classes.
        bins: how many.

    References:
        M. P. Naeini et al., "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015.
        C. Guo et al., "On calibration of modern neural networks", ICML 2017.
    """
    top = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == true
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, top, side="left") - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(place, top, bins) / count
        accuracy = np.bincount(place, correct, bins) / count
    gap = np.abs(np.nan_to_num(accuracy - confidence))
    return Reliability(edges, count, confidence, accuracy, float((gap * count).sum() / max(len(true), 1)))


@dataclass(frozen=True)
class McNemar:
    """McNemar's test of two networks on the same faces.

    Attributes:
        n: faces.
        only_first, only_second: faces on which only that network is right.
        difference: of the accuracies, first - second.
        interval: the difference's 95 % interval.
        p: two-sided and exact: the probability of so uneven a split if neither network were better.
    """

    n: int
    only_first: int
    only_second: int
    difference: float
    interval: tuple[float, float]
    p: float


def mcnemar(first_correct: np.ndarray, second_correct: np.ndarray) -> McNemar:
    """Test whether two networks differ in accuracy, with the binomial distribution's exact tail.

    Args:
        first_correct, second_correct: (N,) bool, for the same faces in the same order.

    References:
        Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages", 1947.
    """
    first, second = np.asarray(first_correct, bool), np.asarray(second_correct, bool)
    n, a, b = len(first), int((first & ~second).sum()), int((second & ~first).sum())
    difference = (a - b) / n if n else 0.0
    half = Z95 * math.sqrt(max(a + b - (a - b) ** 2 / n, 0)) / n if n else 0.0
    return McNemar(n, a, b, difference, (difference - half, difference + half), binomial_tails(min(a, b), a + b))


def binomial_tails(k: int, n: int) -> float:
    """Return the two-sided probability of so few heads, or so few tails, in fair throws of a coin; 1 where k is the middle.

    Args:
        k: heads.
        n: throws.
    """
    if 2 * k >= n:
        return 1.0
    at = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2) for i in range(k + 1)]
    return min(1.0, 2 * math.fsum(math.exp(v) for v in at))
