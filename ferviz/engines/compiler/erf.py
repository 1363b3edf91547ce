"""The error function in LiteRT's operations, which have none: what an exact GELU is made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from ferviz.engines.backend import tensorflow

EDGE = 4.0
"""Beyond +-4 the error function is 1 in float32 but for 1.6e-8."""

NUMERATOR = (
    1.1283789769923067,
    3.139690951325498,
    13.687051333496987,
    16.39571946139155,
    18.875886058157676,
    2.0708922438561257,
)
DENOMINATOR = (1.0, 8.115777291667111, 29.816025405405284, 63.25390475696186, 79.70284240660378, 39.301924943603005)  # fmt: skip
"""Coefficients of (x / EDGE)^0, ^2, ^4 ...: a fit of erf(x) / x by weighted least squares on Chebyshev nodes, whose largest error is
2.2e-8; in float32 rounding makes it less than 6e-7."""

UP = 1 + 2e-7
"""Lifts the result above 1 beyond the edges, where it is cut: GELU multiplies what is left of 1 - erf with the number itself."""

_KINDS = {"Erf", "Erfc"}


def erf(x: Any) -> Any:
    """Return the error function of a tensor, at most 6e-7 off, odd, and exactly 1 beyond the edges.

    Its gradient is that of its operations; where the exact one is wanted, take it before `without_erf`.

    Args:
        x: float32, any shape.
    """
    tf = tensorflow()
    x = tf.minimum(tf.maximum(x, -EDGE), EDGE)
    square = (x * (1 / EDGE)) * (x * (1 / EDGE))
    result = x * _polynomial(NUMERATOR, square) / _polynomial(DENOMINATOR, square) * UP
    return tf.minimum(tf.maximum(result, -1.0), 1.0)


def without_erf(function: Any, specs: list[Any]) -> Any:
    """Return a function in which every operation Erf and Erfc is written in LiteRT's operations; itself where there is none.

    Args:
        function: concrete, without variables.
        specs: of its inputs.
    """
    graph = function.graph.as_graph_def()
    if all(node.op not in _KINDS for node in graph.node):
        return function
    tf = tensorflow()
    written = tf.compat.v1.GraphDef(versions=graph.versions)
    for node in graph.node:
        written.node.extend(_written(node) if node.op in _KINDS else [node])
    inputs, outputs = ([tensor.name for tensor in tensors] for tensors in (function.inputs, function.outputs))

    def again(*tensors: Any) -> Any:
        return tf.graph_util.import_graph_def(written, dict(zip(inputs, tensors, strict=True)), outputs, name="")

    return tf.function(again, input_signature=specs, autograph=False).get_concrete_function()


def _written(node: Any) -> list[Any]:
    """-> nodes that compute what an Erf or an Erfc does, the last of them under its name."""
    tf = tensorflow()
    with tf.Graph().as_default() as graph:
        given = tf.compat.v1.placeholder(tf.float32, name="given")
        last = (erf(given) if node.op == "Erf" else 1.0 - erf(given)).op.name
    names = {operation.name: f"{node.name}/{operation.name}" for operation in graph.get_operations()}
    names |= {"given": node.input[0], last: node.name}
    nodes = [each for each in graph.as_graph_def().node if each.name != "given"]
    for each in nodes:
        each.name = names[each.name]
        each.input[:] = [names[name] for name in each.input]
    return nodes


def _polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    total: Any = np.float32(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = total * x + np.float32(coefficient)
    return total
