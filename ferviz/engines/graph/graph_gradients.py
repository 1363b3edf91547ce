"""The parts of a traced network that compute gradients: graphs, pruned to what one question needs, filter gradients left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ferviz.engines.backend import tensorflow
from ferviz.engines.base import INPUT
from ferviz.engines.graph.graph_trace import Call, Trace
from ferviz.errors import ModelError


def logits_gradient(t: Trace, layer: str, targets: int) -> Callable[..., Any]:
    """Return the function (pictures, weights) -> (activation at the layer, logits, gradient).

    Args:
        t: the traced network.
        layer: where the gradient is taken; INPUT is the picture.
        targets: T; the weights are (N, T, K + 1), the last column for the class with the greatest logit.

    Raises:
        ModelError: where the logits do not depend on the layer in a differentiable way.
    """
    tf = tensorflow()
    tensor, call = tensor_at(t, layer)
    classes = t.logits.shape[-1]
    with t.function.graph.as_default():
        weights = tf.compat.v1.placeholder(tf.float32, [None, targets, classes + 1])
        predicted = tf.one_hot(tf.argmax(t.logits, 1), classes)[:, None]
        total = weights[..., :-1] + weights[..., -1:] * predicted
        gradients = [tf.gradients(tf.reduce_sum(t.logits * total[:, i]), tensor)[0] for i in range(targets)]
        gradient = _stacked(gradients, call, "the logits do", layer)
        return t.part([t.picture, weights], [channels_last(tensor, call), t.logits, gradient])


def layer_gradient(t: Trace, layer: str, of: str, targets: int) -> Callable[..., Any]:
    """Return the function (pictures, weights) -> (activation at `layer`, activation of `of`, gradient).

    Args:
        t: the traced network.
        layer: where the gradient is taken; INPUT is the picture.
        of: the layer that is differentiated; with an activation of (N, *shape) the weights are (N, T, *shape).
        targets: T.

    Raises:
        ModelError: where `of` does not depend on `layer` in a differentiable way.
    """
    tf = tensorflow()
    (tensor, call), (outer, outer_call) = tensor_at(t, layer), tensor_at(t, of)
    with t.function.graph.as_default():
        value = channels_last(outer, outer_call)
        weights = tf.compat.v1.placeholder(tf.float32, [None, targets, *value.shape[1:]])
        gradients = [tf.gradients(tf.reduce_sum(value * weights[:, i]), tensor)[0] for i in range(targets)]
        gradient = _stacked(gradients, call, f"{of!r} does", layer)
        return t.part([t.picture, weights], [channels_last(tensor, call), value, gradient])


def class_gradients(t: Trace, layer: str) -> Callable[..., Any]:
    """Return the function (pictures, activation, seeds (M, K)) -> gradient at the layer for each seed, fed with an activation.

    Args:
        t: the traced network.
        layer: where the gradient is taken; everything between it and the logits is linear, so that the activation has no influence.
    """
    tf = tensorflow()
    call = t.call(layer)
    with t.function.graph.as_default():
        seeds = tf.compat.v1.placeholder(tf.float32, [None, t.logits.shape[-1]])
        gradient = tf.gradients(t.logits, call.tensor, seeds)[0]
        return t.part([t.picture, call.tensor, seeds], [channels_last(gradient, call)])


def tensor_at(t: Trace, layer: str) -> tuple[Any, Call | None]:
    """Return a layer's tensor with its call; INPUT is the picture, which no call returned.

    Args:
        t: the traced network.
        layer: its address.

    Raises:
        UnknownNameError: for a layer that is not there.
    """
    if layer == INPUT:
        return t.picture, None
    call = t.call(layer)
    return call.tensor, call


def channels_last(tensor: Any, call: Call | None) -> Any:
    """Return a tensor as float32 with its channels last.

    Args:
        tensor: of a layer's shape.
        call: of the layer; None for the picture.
    """
    tf = tensorflow()
    if call is not None and call.channels_first and tensor.shape.rank == 4:
        tensor = tf.transpose(tensor, [0, 2, 3, 1])
    return tf.cast(tensor, tf.float32)


def _stacked(gradients: list[Any], call: Call | None, subject: str, layer: str) -> Any:
    if gradients[0] is None:
        raise ModelError(f"{subject} not depend on {layer!r} in a differentiable way; choose another layer")
    return tensorflow().stack([channels_last(gradient, call) for gradient in gradients], 1)
