"""Verify a TensorFlow Lite file before the interpreter, which trusts what it is given, sees it.

The structure is read with every offset checked; then each graph must be one that can be run from front to back: every operator is one
of `operator_rules`, its tensors exist, are written once and before they are read, are constants with as many bytes as their shape needs,
and have the types and shapes that the operator's kernel relies on.
"""

from __future__ import annotations

from ferviz.engines.tflite.flatbuffer_tables import FlatbufferError
from ferviz.engines.tflite.operator_node import Node, require
from ferviz.engines.tflite.operator_rules import IF, RULES
from ferviz.engines.tflite.tflite_graph import Operator, Subgraph, TFLiteGraphs, read_graphs
from ferviz.errors import ModelError

_MAX_DEPTH = 16
ADVICE = "compile it again"


def verify(content: bytes, name: str = "the compiled network", advice: str = ADVICE) -> TFLiteGraphs:
    """Check that a TensorFlow Lite file is sound, without running anything in it.

    Args:
        content: the file.
        name: what the message calls it.
        advice: what to do instead, for the end of the message.

    Returns:
        What the file holds.

    Raises:
        ModelError: says what is wrong, and where.
    """
    try:
        graphs = read_graphs(content)
        require(graphs.subgraphs, "it holds no graph")
        for index, graph in enumerate(graphs.subgraphs):
            try:
                _check_order(graph)
                for number, operator in enumerate(graph.operators):
                    _check_operator(graphs, graph, number, operator)
            except FlatbufferError as error:
                raise FlatbufferError(f"graph {index}, {error}") from error
        _check_calls(graphs)
        _check_signatures(graphs)
    except FlatbufferError as error:
        raise ModelError(f"{name} is refused, since running it is not safe ({error}); {advice}") from error
    return graphs


def _check_order(graph: Subgraph) -> None:
    """Every tensor is written once, by an operator before all that read it, or is an input or a constant."""
    count = len(graph.tensors)
    links = (*graph.inputs, *graph.outputs)
    require(all(0 <= index < count for index in links), "its inputs and outputs are not in its list of tensors")
    require(len(set(graph.inputs)) == len(graph.inputs), "an input is listed twice")
    require(all(graph.tensors[index].data is None for index in graph.inputs), "an input is a constant")
    ready = {index for index, tensor in enumerate(graph.tensors) if tensor.data is not None or 0 in tensor.shape}
    written = set(graph.inputs)
    for number, operator in enumerate(graph.operators):
        for index in operator.inputs:
            require(index == -1 or index in ready or index in written, f"operator {number} reads what is not computed")
        for index in operator.outputs:
            require(0 <= index < count, f"operator {number} writes to a tensor that is not there")
            require(
                index not in written and graph.tensors[index].data is None, f"operator {number} writes over a tensor"
            )
            written.add(index)
    require(all(index in written or index in ready for index in graph.outputs), "an output is not computed")


def _check_operator(graphs: TFLiteGraphs, graph: Subgraph, number: int, operator: Operator) -> None:
    if operator.code == IF:
        _check_branches(graphs, graph, operator)
        return
    rule = RULES.get(operator.code)
    if rule is None:
        raise FlatbufferError(f"operator {number}: builtin operator {operator.code} is not one that a file may use")
    try:
        for kind, tensors, (least, most) in (
            ("inputs", operator.inputs, rule.inputs),
            ("outputs", operator.outputs, rule.outputs),
        ):
            require(least <= len(tensors) <= most, f"it has {len(tensors)} {kind}")
        rule.check(Node(operator, graph.tensors, rule.options))
    except FlatbufferError as error:
        raise FlatbufferError(f"operator {number} ({rule.name}): {error}") from error


def _branches(operator: Operator) -> tuple[int, int]:
    require(operator.options_type == 92 and operator.options is not None, "a condition has no branches")
    assert operator.options is not None
    return operator.options.number(0, "<i"), operator.options.number(1, "<i")


def _check_branches(graphs: TFLiteGraphs, graph: Subgraph, operator: Operator) -> None:
    require(operator.inputs and -1 not in operator.inputs, "a condition has no input")
    condition = graph.tensors[operator.inputs[0]]
    require(condition.dtype == "bool" and len(condition.shape) <= 1, "a condition is not of type bool")
    require(all(n == 1 for n in condition.shape), "a condition has several values")
    for index in _branches(operator):
        require(0 <= index < len(graphs.subgraphs), "a condition leads to a graph that is not there")
        branch = graphs.subgraphs[index]
        for outer, inner in ((operator.inputs[1:], branch.inputs), (operator.outputs, branch.outputs)):
            ours = [graph.tensors[number] for number in outer]
            theirs = [branch.tensors[number] for number in inner]
            alike = [tensor.dtype for tensor in ours] == [tensor.dtype for tensor in theirs]
            require(alike, "a condition leads to a graph with other inputs or outputs")


def _check_calls(graphs: TFLiteGraphs) -> None:
    """No graph leads to itself."""
    calls = [{i for o in graph.operators if o.code == IF for i in _branches(o)} for graph in graphs.subgraphs]
    depths: dict[int, int] = {}
    waiting = set(range(len(calls)))
    for _ in range(_MAX_DEPTH):
        resolved = {index for index in waiting if calls[index] <= depths.keys()}
        depths.update(dict.fromkeys(resolved, 1))
        waiting -= resolved
    require(not waiting, "a graph leads to itself")


def _check_signatures(graphs: TFLiteGraphs) -> None:
    names = [signature.name for signature in graphs.signatures]
    require(len(set(names)) == len(names), "two signatures have one name")
    for signature in graphs.signatures:
        try:
            for text in (signature.name, *signature.inputs, *signature.outputs):
                text.decode()
        except UnicodeDecodeError as error:
            raise FlatbufferError("a signature's name is no text") from error
        require(signature.subgraph < len(graphs.subgraphs), "a signature names a graph that is not there")
        graph = graphs.subgraphs[signature.subgraph]
        for given, own in ((signature.inputs, graph.inputs), (signature.outputs, graph.outputs)):
            require(
                set(given.values()) <= set(own), "a signature names tensors that are no inputs or outputs of its graph"
            )
        require(set(signature.inputs.values()) == set(graph.inputs), "a signature leaves out an input of its graph")
