"""From logits to probabilities and back: the three functions that every package would otherwise write again."""

from __future__ import annotations

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


def sigmoid(logits: Any) -> np.ndarray:
    """Return the logistic function of logits, without overflow.

    Args:
        logits: numbers of any shape.

    Returns:
        Independent probabilities in 0..1 of the same shape and float type; integers become float64. Computed in float64.
    """
    values, dtype = _floating(logits)
    return (0.5 * (1 + np.tanh(0.5 * values))).astype(dtype)


def _floating(values: Any) -> tuple[np.ndarray, np.dtype[Any]]:
    array = np.asarray(values)
    dtype = array.dtype if np.issubdtype(array.dtype, np.floating) else np.dtype(np.float64)
    return array.astype(np.float64), dtype
