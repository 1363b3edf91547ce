"""The terms about classes: the logit, the logarithm of the probability, and that of the odds."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ferviz.dreaming.terms.term import Scores, Term, one_hot
from ferviz.emotions import canonical
from ferviz.engines.backend import tensorflow
from ferviz.engines.base import LOGITS
from ferviz.errors import UnknownNameError
from ferviz.numerics import log_softmax, logsumexp, softmax


@dataclass(frozen=True)
class Logit(Term):
    """The class's output before softmax.

    Attributes:
        target: a class name or its index.
    """

    layer: str = LOGITS
    target: str | int = 0

    @property
    def key(self) -> Hashable:
        """The kind of term and the layer."""
        return type(self), self.layer

    @property
    def name(self) -> str:
        """The class."""
        return str(self.target)

    def parameter(self, shape: Sequence[int | None], labels: Sequence[str]) -> np.ndarray:
        """Return the class as a one-hot vector (K,); see `Term.parameter`.

        Args:
            shape: not used.
            labels: the network's class names.
        """
        return one_hot(class_index(self.target, labels), len(labels), "the network's output")

    def value(self, tensor: Any, parameter: Any) -> Any:
        """Compute the logit; see `Term.value`.

        Args:
            tensor: (N, K).
            parameter: (K,).
        """
        return tensorflow().linalg.matvec(tensor, parameter)

    def value_and_gradient(self, tensor: np.ndarray, parameter: np.ndarray) -> Scores:
        """Compute the logit and its gradient; see `Term.value_and_gradient`.

        Args:
            tensor: (N, K).
            parameter: (K,).
        """
        return tensor @ parameter, np.broadcast_to(parameter, tensor.shape)


@dataclass(frozen=True)
class LogProbability(Logit):
    """The logarithm of the class's probability: the logit minus the logsumexp of all."""

    def value(self, tensor: Any, parameter: Any) -> Any:
        """Compute the logarithm of the probability; see `Term.value`.

        Args:
            tensor: (N, K).
            parameter: (K,).
        """
        return tensorflow().linalg.matvec(tensorflow().nn.log_softmax(tensor), parameter)

    def value_and_gradient(self, tensor: np.ndarray, parameter: np.ndarray) -> Scores:
        """Compute the logarithm of the probability and its gradient; see `Term.value_and_gradient`.

        Args:
            tensor: (N, K).
            parameter: (K,).
        """
        return log_softmax(tensor) @ parameter, parameter - softmax(tensor)


@dataclass(frozen=True)
class LogOdds(Logit):
    """The logarithm of the class's odds, p / (1 - p): the logit minus the logsumexp of all other logits; it never saturates."""

    def value(self, tensor: Any, parameter: Any) -> Any:
        """Compute the logarithm of the odds; see `Term.value`.

        Args:
            tensor: (N, K).
            parameter: (K,).
        """
        tf = tensorflow()
        others = tf.reduce_logsumexp(tensor - 1e9 * parameter, 1)
        return tf.linalg.matvec(tensor, parameter) - others

    def value_and_gradient(self, tensor: np.ndarray, parameter: np.ndarray) -> Scores:
        """Compute the logarithm of the odds and its gradient; see `Term.value_and_gradient`.

        Args:
            tensor: (N, K).
            parameter: (K,).
        """
        others = tensor - 1e9 * parameter
        return tensor @ parameter - logsumexp(others), parameter - softmax(others)


def class_index(target: str | int, labels: Sequence[str]) -> int:
    """Find a class among a network's classes.

    Args:
        target: a class name, a synonym of it, or an index.
        labels: the network's class names.

    Returns:
        The index; one that was given is returned as it is.

    Raises:
        UnknownNameError: for a name that is not there.
    """
    if isinstance(target, int):
        return target
    names = [canonical(name) for name in labels]
    if canonical(target) not in names:
        raise UnknownNameError("class", target, labels, "this model")
    return names.index(canonical(target))
