"""What a gradient rule is, where rules are kept, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ferviz.engines.backend import tensorflow

Rule = Callable[[Any, Any], list[Any]]
"""From a node of a frozen TensorFlow graph and the gradient at its output to one gradient per input, None for constants."""

RULES: dict[str, Rule] = {}
"""{operation: its rule}."""

STEEP = 3e38
"""Multiplies a non-negative number so that min(x * STEEP, 1) is 0 where x is 0 and 1 elsewhere."""


class UnsupportedOpError(Exception):
    """Raised by a gradient rule for a variant of its operation that it does not cover; the message names what it is."""


def rule(*types: str) -> Callable[[Rule], Rule]:
    """Register the decorated function as the gradient rule of TensorFlow operations.

    Args:
        *types: names of the operations.
    """

    def add(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(types, function))
        return function

    return add


def constant(tensor: Any) -> Any:
    """Return a tensor's value as an array where it is a constant of the graph, else None.

    Args:
        tensor: of the graph.
    """
    return tensorflow().get_static_value(tensor)


def is_positive(tensor: Any) -> Any:
    """Return 1.0 where a tensor is above zero, else 0.0; exact, and one pass in LiteRT's fast kernels.

    Args:
        tensor: of any shape, nowhere negative.
    """
    return tensorflow().minimum(tensor * STEEP, 1.0)


def like(gradient: Any, tensor: Any) -> Any:
    """Sum a gradient over the axes that broadcasting stretched; None for constants.

    Args:
        gradient: of the broadcast tensor.
        tensor: gives the shape of the result.
    """
    tf = tensorflow()
    if constant(tensor) is not None:
        return None
    if tensor.shape.rank == 0:
        return tf.reduce_sum(gradient)
    extra = gradient.shape.rank - tensor.shape.rank
    if extra:
        gradient = tf.reduce_sum(gradient, axis=list(range(extra)))
    shape = zip(tensor.shape.as_list(), gradient.shape.as_list(), strict=True)
    stretched = [i for i, (own, other) in enumerate(shape) if own == 1 and other != 1]
    return tf.reduce_sum(gradient, axis=stretched, keepdims=True) if stretched else gradient


def shaped(gradient: Any, tensor: Any) -> Any:
    """Reshape a gradient as another tensor is, the number of pictures left open.

    Args:
        gradient: to be reshaped.
        tensor: gives the shape.

    Raises:
        UnsupportedOpError: where its sizes are not known.
    """
    sizes = tensor.shape.as_list()
    if sizes.count(None) > 1 or (None in sizes and sizes[0] is not None):
        raise UnsupportedOpError("a reshape whose sizes are not known")
    return tensorflow().reshape(gradient, [-1 if n is None else n for n in sizes])
