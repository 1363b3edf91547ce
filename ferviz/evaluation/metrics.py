"""Figures about predictions: pure functions over NumPy arrays. Confusion matrices have the true class in rows, always."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Z95 = 1.959963984540054
"""The normal deviate of a two-sided 95 % interval."""


def confusion(true: np.ndarray, predicted: np.ndarray, classes: int) -> npt.NDArray[np.int64]:
    """Return (K, K) int64: how many faces of each true class (row) were taken for each class (column).

    true, predicted: (N,) integers from 0 to `classes` - 1.
    """
    cells = np.asarray(true, np.int64) * classes + np.asarray(predicted, np.int64)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def row_normalised(matrix: np.ndarray) -> npt.NDArray[np.float64]:
    """Return the confusion matrix with rows that sum to 1, so that its diagonal is the recall; an empty row stays 0."""
    return np.asarray(matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1))


def wilson(hits: float, n: float, z: float = Z95) -> tuple[float, float]:
    """Return the interval of a rate, after E. B. Wilson (1927): it stays within 0 and 1, and holds for small samples.

    hits of n trials; z: normal deviate. (0, 1) where there was no trial.
    """
    if n <= 0:
        return 0.0, 1.0
    rate, square = hits / n, z * z / n
    middle = (rate + square / 2) / (1 + square)
    half = z * math.sqrt(rate * (1 - rate) / n + square / (4 * n)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def ranks(scores: np.ndarray, true: np.ndarray) -> npt.NDArray[np.int64]:
    """Return (N,) int64: the place of the true class among the scores, 1 = highest; ties count against it.

    scores: (N, K), logits or probabilities. true: (N,).
    """
    own = scores[np.arange(len(true)), true]
    return np.asarray((scores >= own[:, None]).sum(axis=1), np.int64)


@dataclass(frozen=True)
class ClassFigures:
    """How one class fares. precision: share of right ones among what was called so, 0 if nothing was. recall: share of its faces that
    were found, None without faces; interval: Wilson's, of the recall. f1: their harmonic mean, None without faces. support: its faces.
    predicted: how many faces were called so."""

    precision: float
    recall: float | None
    f1: float | None
    support: int
    predicted: int
    interval: tuple[float, float]


def per_class(matrix: np.ndarray) -> list[ClassFigures]:
    """matrix: (K, K) confusion counts, rows = true -> the figures of each class."""
    out = []
    for k in range(len(matrix)):
        hit, support, called = int(matrix[k, k]), int(matrix[k].sum()), int(matrix[:, k].sum())
        precision = hit / called if called else 0.0
        recall = hit / support if support else None
        f1 = None if not support else 2 * hit / (support + called)
        out.append(ClassFigures(precision, recall, f1, support, called, wilson(hit, support)))
    return out


def macro(values: list[float | None]) -> float:
    """Return the mean over the classes that have faces (the others are None); 0 where none has."""
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else 0.0


@dataclass(frozen=True)
class Reliability:
    """Confidence against truth. edges: (B + 1,) of the bins of confidence. count: (B,) faces. confidence, accuracy: (B,) means, NaN in
    empty bins. ece: the expected calibration error, 0 to 1."""

    edges: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    ece: float


def reliability(probabilities: np.ndarray, true: np.ndarray, bins: int = 10) -> Reliability:
    """Compare how sure a network is with how often it is right (top class; bins of equal width, closed above).

    The expected calibration error is the mean of |accuracy - confidence| over the bins, weighted by their faces (M. P. Naeini et al.,
    2015; C. Guo et al., 2017). probabilities: (N, K). true: (N,).
    """
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == true
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, sure, side="left") - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(place, sure, bins) / count
        accuracy = np.bincount(place, right, bins) / count
    gap = np.abs(np.nan_to_num(accuracy - confidence))
    return Reliability(edges, count, confidence, accuracy, float((gap * count).sum() / max(len(true), 1)))


@dataclass(frozen=True)
class McNemar:
    """Two networks on the same faces. only_first, only_second: faces that only that one gets right. p: two-sided, exact: the chance of
    so uneven a split if neither were better. difference: of the accuracies, first - second; interval: its 95 % interval."""

    n: int
    only_first: int
    only_second: int
    difference: float
    interval: tuple[float, float]
    p: float


def mcnemar(first_right: np.ndarray, second_right: np.ndarray) -> McNemar:
    """Test whether two networks differ in accuracy (Q. McNemar, 1947, with the binomial's exact tail).

    first_right, second_right: (N,) bool, for the same faces in the same order.
    """
    first, second = np.asarray(first_right, bool), np.asarray(second_right, bool)
    n, a, b = len(first), int((first & ~second).sum()), int((second & ~first).sum())
    difference = (a - b) / n if n else 0.0
    half = Z95 * math.sqrt(max(a + b - (a - b) ** 2 / n, 0)) / n if n else 0.0
    return McNemar(n, a, b, difference, (difference - half, difference + half), binomial_tails(min(a, b), a + b))


def binomial_tails(k: int, n: int) -> float:
    """Return the two-sided chance of `k` or fewer heads (or as few tails) in `n` fair throws; 1 where k is at the middle."""
    if 2 * k >= n:
        return 1.0
    at = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2) for i in range(k + 1)]
    return min(1.0, 2 * math.fsum(math.exp(v) for v in at))
