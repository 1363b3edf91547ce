"""From logits to probabilities and back: the functions that every package would otherwise write again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def softmax(logits: Any, axis: int = -1) -> np.ndarray:
    """Return the softmax of logits, without overflow.

    Args:
        logits: numbers of any shape; -inf gets probability 0. Where all are -inf along `axis`, all probabilities are 0.
        axis: the axis along which the probabilities sum to 1.

    Returns:
        Probabilities in 0..1 of the same shape and float type; integers become float64. Computed in float64.
    """
    values, dtype = _floating(logits)
    highest = values.max(axis, keepdims=True, initial=-np.inf)
    if np.isfinite(highest).all():  # the usual case, for every heatmap
        powers = np.exp(values - highest)
        return (powers / powers.sum(axis, keepdims=True)).astype(dtype)
    powers = np.exp(values - np.where(np.isfinite(highest), highest, 0))
    total = powers.sum(axis, keepdims=True)
    return np.divide(powers, total, out=np.zeros_like(powers), where=total != 0).astype(dtype)


def log_softmax(logits: Any, axis: int = -1) -> np.ndarray:
    """Return the logarithm of the softmax of logits, exact where the softmax itself would round to 0.

    Args:
        logits: finite numbers of any shape.
        axis: the axis along which the probabilities sum to 1.

    Returns:
        Values of 0 or less, of the same shape and float type; integers become float64. Computed in float64.
    """
    values, dtype = _floating(logits)
    shifted = values - values.max(axis, keepdims=True)
    return (shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))).astype(dtype)


def logsumexp(values: Any, axis: int = -1) -> np.ndarray:
    """Return the logarithm of the sum of exponentials, without overflow.

    Args:
        values: numbers of any shape, of which at least one is finite along `axis`, the others finite or -inf.
        axis: the axis that is summed over.

    Returns:
        Values without that axis, of the same float type; integers become float64. Computed in float64.
    """
    numbers, dtype = _floating(values)
    highest = numbers.max(axis, keepdims=True)
    total = np.log(np.exp(numbers - highest).sum(axis, keepdims=True)) + highest
    return np.asarray(total.squeeze(axis).astype(dtype))


def sigmoid(logits: Any) -> np.ndarray:
    """Return the logistic function of logits, without overflow.

    Args:
        logits: numbers of any shape.

    Returns:
        Independent probabilities in 0..1 of the same shape and float type; integers become float64. Computed in float64.
    """
    values, dtype = _floating(logits)
    return (0.5 * (1 + np.tanh(0.5 * values))).astype(dtype)


def glorot_uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw a kernel or a matrix as Glorot and Bengio (2010) let it begin.

    Args:
        rng: draws.
        shape: (..., in, out); the axes before are those of the field that a kernel covers.

    Returns:
        float32.
    """
    field = int(np.prod(shape[:-2], dtype=np.int64))
    limit = np.sqrt(6 / (field * (shape[-2] + shape[-1])))
    return rng.uniform(-limit, limit, shape).astype(np.float32)


def cascade_start(kernels: Sequence[int], share: float) -> int:
    """Return the place from which on weights are drawn anew, where that begins at the output of a network.

    Args:
        kernels: the places of what has a kernel, rising in order of execution.
        share: of the kernels, counted from the output, that is drawn; 0 draws the last one, 1 everything, also what lies before the first.
    """
    if share >= 1 or not kernels:
        return 0
    return kernels[len(kernels) - max(1, int(np.ceil(share * len(kernels))))]


def _floating(values: Any) -> tuple[np.ndarray, np.dtype[Any]]:
    array = np.asarray(values)
    dtype = array.dtype if np.issubdtype(array.dtype, np.floating) else np.dtype(np.float64)
    return array.astype(np.float64), dtype
