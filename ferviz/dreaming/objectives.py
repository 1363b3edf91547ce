"""What a dream is to become: objectives over a network's tensors that add, subtract and multiply.

>>> from ferviz import objectives
>>> objectives.logit("happy") - 0.5 * objectives.logit("sad")
>>> objectives.channel("conv3", 12) + 0.1 * objectives.diversity("conv3")

An `Objective` is a weighted sum of terms and never changes; a term is one idea in a few lines, and anybody can write another
(docs/extending/write-an-objective.md). The value of `2 * a + 3 * b` is two times that of `a` plus three times that of `b`, exactly.
The idea of such an algebra is that of Lucid (Olah, Mordvintsev and Schubert, "Feature Visualization", Distill 2017).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ferviz.dreaming.terms import (
    LOGITS,
    Channel,
    Direction,
    Diversity,
    Layer,
    Logit,
    LogOdds,
    LogProbability,
    Neuron,
    Term,
)
from ferviz.engines.base import LayerInfo
from ferviz.errors import UnknownNameError, UsageError


@dataclass(frozen=True)
class Objective:
    """A weighted sum of terms, to be made as large as possible.

    terms: (weight, term) pairs. name: what captions call it; "" = made from the terms.
    """

    terms: tuple[tuple[float, Term], ...]
    label: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """The label, or the terms with their weights, e.g. "happy - 0.5 sad"."""
        if self.label:
            return self.label
        text = ""
        for weight, term in self.terms:
            sign = "-" if weight < 0 else "+"
            factor = "" if abs(weight) == 1 else f"{abs(weight):g} "
            text += f" {sign} {factor}{term.name}" if text else f"{'-' if weight < 0 else ''}{factor}{term.name}"
        return text

    @property
    def layers(self) -> tuple[str, ...]:
        """Every tensor the objective looks at, each once."""
        return tuple(dict.fromkeys(term.layer for _, term in self.terms))

    def named(self, label: str) -> Objective:
        """Return the same objective under another name."""
        return replace(self, label=label)

    def value(self, tensors: Mapping[str, Any], parameters: Sequence[Any], weights: Any = None) -> Any:
        """Return the objective of one picture's samples, or of several pictures' samples.

        tensors: layer -> (F, S, ...) float32 for F pictures in S transformed samples each. parameters: one a term, as the
        terms' `parameter` gave them. weights: (terms,) to use instead of the objective's own. -> (F,), the mean over the samples.
        """
        from ferviz.engines.backend import tensorflow

        tf = tensorflow()
        total = None
        for i, ((own, term), parameter) in enumerate(zip(self.terms, parameters, strict=True)):
            tensor = tensors[term.layer]
            pictures, samples = tensor.shape[:2]
            if term.joint:
                values = term.value(tensor, parameter)
            else:
                flat = tf.reshape(tensor, tf.concat([[pictures * samples], tf.shape(tensor)[2:]], 0))
                flat.set_shape([pictures * samples, *tensor.shape[2:]])
                values = tf.reduce_mean(tf.reshape(term.value(flat, parameter), (pictures, samples)), 1)
            values = values * (own if weights is None else weights[i])
            total = values if total is None else total + values
        return total

    def __add__(self, other: Objective) -> Objective:
        return Objective(self.terms + other.terms) if isinstance(other, Objective) else NotImplemented

    def __neg__(self) -> Objective:
        return -1.0 * self

    def __sub__(self, other: Objective) -> Objective:
        return self + -other if isinstance(other, Objective) else NotImplemented

    def __mul__(self, factor: float) -> Objective:
        if isinstance(factor, Objective):
            return NotImplemented
        return Objective(tuple((float(factor) * weight, term) for weight, term in self.terms))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Objective:
        return self * (1.0 / divisor)


def logit(target: str | int) -> Objective:
    """Return the objective "the network's output for this class, before softmax". target: a class name or its index."""
    return Objective(((1.0, Logit(target=target)),))


def probability(target: str | int) -> Objective:
    """Return the objective "the logarithm of this class's probability", so that the other classes count against it."""
    return Objective(((1.0, LogProbability(target=target)),))


def odds(target: str | int) -> Objective:
    """Return the objective "the logarithm of this class's odds against all others": as `probability`, but it never saturates."""
    return Objective(((1.0, LogOdds(target=target)),))


def contrast(target: str | int, other: str | int) -> Objective:
    """Return the objective "this class rather than that one": the difference of their logits. Raises UsageError for one class twice."""
    if target == other:
        raise UsageError(f"a contrast of {target} with itself is always zero; name two different classes")
    return (logit(target) - logit(other)).named(f"{target} - {other}")


def layer(name: str) -> Objective:
    """Return DeepDream's objective: more of whatever this layer sees (its mean squared activation)."""
    return Objective(((1.0, Layer(name)),))


def channel(name: str, index: int) -> Objective:
    """Return the objective "this channel of that layer, on average over its map". index: from 0; negative from the end."""
    return Objective(((1.0, Channel(name, index=index)),))


def neuron(name: str, index: int, position: tuple[int, int] | None = None) -> Objective:
    """Return the objective "this channel at this place (row, column) of the layer's map"; None = its middle."""
    return Objective(((1.0, Neuron(name, index=index, position=position)),))


def direction(name: str, vector: Sequence[float] | np.ndarray, title: str = "") -> Objective:
    """Return the objective "the layer's activation along this vector", averaged over the map.

    vector: (C,) one number a channel; it is scaled to length one. title: what captions call it. Raises UsageError for a zero vector.
    """
    numbers = np.asarray(vector, np.float64).ravel()
    length = float(np.linalg.norm(numbers))
    if not np.isfinite(length) or length == 0:
        raise UsageError("a direction needs finite numbers that are not all zero")
    return Objective(((1.0, Direction(name, vector=tuple((numbers / length).tolist()), title=title)),))


def diversity(name: str) -> Objective:
    """Return the objective "unlike the other pictures of the same objective", seen by this layer; for `copies` or `facets` > 1."""
    return Objective(((1.0, Diversity(name)),))


def bind(objective: Objective, layers: Mapping[str, LayerInfo], labels: Sequence[str]) -> list[np.ndarray]:
    """Return the parameters of the objective's terms for one network, in order.

    layers: the network's layers by address. labels: its class names.
    Raises UnknownNameError for a layer or class that is not there, UsageError for a channel or place outside the layer.
    """
    bound = []
    for _, term in objective.terms:
        if term.layer != LOGITS and term.layer not in layers:
            raise UnknownNameError("layer", term.layer, layers, "this model")
        shape = (len(labels),) if term.layer == LOGITS else layers[term.layer].shape
        bound.append(np.asarray(term.parameter(shape, labels), np.float32))
    return bound
