"""What a dream is to become: objectives over a network's tensors that add, subtract and multiply.

>>> from ferviz import objectives
>>> objectives.logit("happy") - 0.5 * objectives.logit("sad")
>>> objectives.channel("conv3", 12) + 0.1 * objectives.diversity("conv3")

An `Objective` is a weighted sum of terms and never changes; a term is one idea in a few lines, and anybody can write another
(docs/extending/write-an-objective.md). The value of `2 * a + 3 * b` is exactly two times that of `a` plus three times that of `b`.
The idea of such an algebra is that of Lucid (Olah, Mordvintsev and Schubert, "Feature Visualization", Distill 2017).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.dreaming.face_statistics import face_statistics
from ferviz.dreaming.terms.class_terms import Logit, LogOdds, LogProbability
from ferviz.dreaming.terms.layer_terms import Channel, Direction, Diversity, Layer, Neuron
from ferviz.dreaming.terms.term import Term
from ferviz.engines.base import LOGITS, LayerInfo
from ferviz.errors import UnknownNameError, UsageError
from ferviz.models.model import Model

MAX_FACES = 512
"""Faces that the ranking of channels looks at, spread evenly over those given."""


@dataclass(frozen=True)
class Objective:
    """A weighted sum of terms, to be made as large as possible.

    Attributes:
        terms: (weight, term) pairs.
        label: the name in captions; "" = made from the terms.
    """

    terms: tuple[tuple[float, Term], ...]
    label: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """The label, or the terms with their weights, e.g. "happy - 0.5 sad"."""
        return self.label or self.formula

    @property
    def formula(self) -> str:
        """The terms with their weights, whatever the label."""
        text = ""
        for weight, term in self.terms:
            sign = "-" if weight < 0 else "+"
            factor = "" if abs(weight) == 1 else f"{abs(weight):g} "
            text += f" {sign} {factor}{term.name}" if text else f"{'-' if weight < 0 else ''}{factor}{term.name}"
        return text

    @property
    def layers(self) -> tuple[str, ...]:
        """Every tensor that the objective reads, each once."""
        return tuple(dict.fromkeys(term.layer for _, term in self.terms))

    @property
    def is_about_classes(self) -> bool:
        """Whether every term is about a class, not about a layer."""
        return all(isinstance(term, Logit) for _, term in self.terms)

    @property
    def target(self) -> str | int:
        """The class that the objective raises most, as it was given; "" where it raises none."""
        wanted = [(weight, term.target) for weight, term in self.terms if isinstance(term, Logit) and weight > 0]
        return max(wanted, key=lambda pair: pair[0])[1] if wanted else ""

    def named(self, label: str) -> Objective:
        """Give the objective another name.

        Args:
            label: the name in captions.

        Returns:
            The same objective under that name.
        """
        return replace(self, label=label)

    def value(self, tensors: Mapping[str, Any], parameters: Sequence[Any], weights: Any = None) -> Any:
        """Compute the objective of each picture, in TensorFlow's operations.

        Args:
            tensors: layer -> (F, S, ...) float32, for F pictures in S transformed samples each.
            parameters: one per term, from the terms' `parameter`.
            weights: (terms,) to use instead of the objective's own.

        Returns:
            (F,) tensor, the mean over the samples.
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

    def value_and_gradients(
        self,
        tensors: Mapping[str, np.ndarray],
        parameters: Sequence[np.ndarray],
        weights: Sequence[float] | None = None,
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Compute the objective of each picture and the gradients at the tensors that it reads, in NumPy.

        Args:
            tensors: layer -> (F, S, ...) float32, as for `value`.
            parameters: one per term, from the terms' `parameter`.
            weights: (terms,) to use instead of the objective's own.

        Returns:
            (F,) float32, and for each layer the gradient of the sum of all F values at its tensor, (F, S, ...).

        Raises:
            ModelError: for a term without a gradient in NumPy.
        """
        total: Any = 0.0
        gradients: dict[str, np.ndarray] = {}
        for i, ((own, term), parameter) in enumerate(zip(self.terms, parameters, strict=True)):
            tensor, weight = tensors[term.layer], np.float32(own if weights is None else weights[i])
            pictures, samples = tensor.shape[:2]
            if term.joint:
                values, gradient = term.value_and_gradient(tensor, parameter)
            else:
                flat = tensor.reshape(pictures * samples, *tensor.shape[2:])
                values, gradient = term.value_and_gradient(flat, parameter)
                values, gradient = values.reshape(pictures, samples).mean(1), gradient / np.float32(samples)
            total = total + weight * values
            gradients[term.layer] = gradients.get(term.layer, 0.0) + weight * gradient.reshape(tensor.shape)
        return np.asarray(total, np.float32), gradients

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
    """Make the objective "the network's output for this class, before softmax".

    Args:
        target: a class name or its index.

    Returns:
        The objective.
    """
    return Objective(((1.0, Logit(target=target)),))


def probability(target: str | int) -> Objective:
    """Make the objective "the logarithm of this class's probability", so that the other classes count against it.

    Args:
        target: a class name or its index.

    Returns:
        The objective.
    """
    return Objective(((1.0, LogProbability(target=target)),))


def odds(target: str | int) -> Objective:
    """Make the objective "the logarithm of this class's odds against all others": as `probability`, but it never saturates.

    Args:
        target: a class name or its index.

    Returns:
        The objective.
    """
    return Objective(((1.0, LogOdds(target=target)),))


def contrast(target: str | int, other: str | int) -> Objective:
    """Make the objective "this class rather than that one": the difference of their logits.

    Args:
        target, other: class names or their indices.

    Returns:
        The objective.

    Raises:
        UsageError: for the same class twice.
    """
    if target == other:
        raise UsageError(f"a contrast of {target} with itself is always zero; name two different classes")
    return (logit(target) - logit(other)).named(f"{target} - {other}")


def layer(name: str) -> Objective:
    """Make DeepDream's objective: the mean squared activation of a layer.

    Args:
        name: the layer's address.

    Returns:
        The objective.
    """
    return Objective(((1.0, Layer(name)),))


def channel(name: str, index: int) -> Objective:
    """Make the objective "this channel of that layer, on average over its map".

    Args:
        name: the layer's address.
        index: from 0; negative ones count from the end.

    Returns:
        The objective.
    """
    return Objective(((1.0, Channel(name, index=index)),))


def neuron(name: str, index: int, position: tuple[int, int] | None = None) -> Objective:
    """Make the objective "this channel at this place of the layer's map".

    Args:
        name: the layer's address.
        index: of the channel, from 0; negative ones count from the end.
        position: (row, column); None = the middle of the map.

    Returns:
        The objective.
    """
    return Objective(((1.0, Neuron(name, index=index, position=position)),))


def direction(name: str, vector: Sequence[float] | np.ndarray, title: str = "") -> Objective:
    """Make the objective "the layer's activation along this vector", averaged over the map.

    Args:
        name: the layer's address.
        vector: (C,) one number per channel; it is scaled to length one.
        title: the name in captions; "" = made from the layer's.

    Returns:
        The objective.

    Raises:
        UsageError: for a vector that is zero or not finite.
    """
    numbers = np.asarray(vector, np.float64).ravel()
    length = float(np.linalg.norm(numbers))
    if not np.isfinite(length) or length == 0:
        raise UsageError("a direction needs finite numbers that are not all zero")
    return Objective(((1.0, Direction(name, vector=tuple((numbers / length).tolist()), title=title)),))


def diversity(name: str) -> Objective:
    """Make the objective "unlike the other pictures of the same objective", in this layer; for `copies` or facets > 1.

    Args:
        name: the layer's address.

    Returns:
        The objective.
    """
    return Objective(((1.0, Diversity(name)),))


def bind(objective: Objective, layers: Mapping[str, LayerInfo], labels: Sequence[str]) -> list[np.ndarray]:
    """Compute the parameters of an objective's terms for one network.

    Args:
        objective: the objective.
        layers: the network's layers by address.
        labels: its class names.

    Returns:
        One float32 array per term, in order.

    Raises:
        UnknownNameError: for a layer or class that is not there.
        UsageError: for a channel or place outside the layer.
    """
    bound = []
    for _, term in objective.terms:
        if term.layer != LOGITS and term.layer not in layers:
            raise UnknownNameError("layer", term.layer, layers, "this model")
        shape = (len(labels),) if term.layer == LOGITS else layers[term.layer].shape
        bound.append(np.asarray(term.parameter(shape, labels), np.float32))
    return bound


def most_active(model: Model, layer: str, count: int, faces: Dataset | None = None) -> list[int]:
    """Rank a layer's channels by how strongly faces activate them, to choose which of many channels to dream.

    Args:
        model: the network.
        layer: the layer's address.
        count: how many channels at most, 1 or more.
        faces: real faces to rank by; None = the mean faces of the classes that ferviz brings along.

    Returns:
        Indices of channels, the greatest mean activation over faces and places first.

    Raises:
        UnknownNameError: for a layer that is not there.
        UsageError: for a count below 1.
    """
    if count < 1:
        raise UsageError(f"the number of channels must be 1 or more, not {count}")
    model.layer(layer)
    if faces is None:
        known = face_statistics()
        images = np.rint(np.concatenate([known.mean[None], known.means]) * 255.0).astype(np.uint8)
    else:
        images = faces.images[np.linspace(0, len(faces) - 1, min(len(faces), MAX_FACES)).round().astype(int)]
    activation = model.engine.activations(model.preprocess(images), [layer])[0]
    strength = activation.mean(tuple(range(activation.ndim - 1)))
    return [int(index) for index in np.argsort(-strength, kind="stable")[:count]]
