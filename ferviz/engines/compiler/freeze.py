"""A traced network -> a graph of constants and operations, with every layer's output marked; normalisation folded in.

Freezing is what makes one file of it: weights become constants, whatever does not depend on the picture is computed, and a
batch normalisation behind a convolution becomes part of its kernel. A layer whose own output disappears that way (the
convolution before the normalisation) stays reachable: its output is the folded one's divided by the factor, channel by
channel, and its gradient the folded one's times the factor.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ferviz.engines.backend import tensorflow
from ferviz.engines.graph.graph_trace import Trace
from ferviz.errors import ModelError

_CONVOLUTIONS = {"Conv2D", "DepthwiseConv2dNative"}
_ADDITIONS = {"Add", "AddV2", "BiasAdd"}
_LEAST = 1e-20  # a factor below this cannot be divided by again


@dataclass(frozen=True)
class LayerOutput:
    """Where a layer's output lies in the frozen graph.

    Attributes:
        tensor: its name.
        channels_first: the order of its axes there.
        factor: (C,) that it was multiplied with, or None.
    """

    tensor: str
    channels_first: bool = False
    factor: np.ndarray | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Frozen:
    """A network as one graph without variables.

    Attributes:
        graph: the GraphDef.
        picture, logits: names of tensors.
        outputs: {layer: where its output lies}.
    """

    graph: Any
    picture: str
    logits: str
    outputs: dict[str, LayerOutput]

    def place(self, picture: Any, others: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Put the network into the graph that is being built.

        Args:
            picture: the tensor that stands for the picture.
            others: {tensor name: tensor} of further tensors to replace, e.g. a layer's output by a placeholder.

        Returns:
            (logits, {layer: tensor}).
        """
        tf = tensorflow()
        names = [self.logits, *(output.tensor for output in self.outputs.values())]
        mapped = {self.picture: picture, **(others or {})}
        tensors = tf.graph_util.import_graph_def(self.graph, input_map=mapped, return_elements=names, name="")
        # A tensor that was replaced is returned as the graph's own one; the caller wants the one that replaces it.
        tensors = [mapped.get(name, tensor) for name, tensor in zip(names, tensors, strict=True)]
        return tensors[0], dict(zip(self.outputs, tensors[1:], strict=True))


def freeze(trace: Trace) -> Frozen:
    """Return the traced network with its weights as constants, everything that can be computed beforehand computed.

    Args:
        trace: of the network.

    Raises:
        ModelError: for a network with a loop, which cannot be compiled.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    calls = trace.calls
    concrete = trace.part([trace.picture], [trace.logits, *(call.tensor for call in calls.values())])
    concrete = convert_variables_to_constants_v2(concrete)
    graph = concrete.graph.as_graph_def()
    sources = {node.name: node for node in graph.node}
    outputs = [_root(sources, tensor.name) for tensor in concrete.outputs]
    layer_outputs = {
        name: LayerOutput(tensor, calls[name].channels_first) for name, tensor in zip(calls, outputs[1:], strict=True)
    }
    frozen = Frozen(graph, concrete.inputs[0].name, outputs[0], layer_outputs)
    return _fold(_compute(frozen))


def _root(nodes: dict[str, Any], tensor: str) -> str:
    """Walk back over Identity nodes to the operation that made the tensor."""
    while nodes[_node(tensor)].op == "Identity":
        tensor = nodes[_node(tensor)].input[0]
    return tensor if ":" in tensor else f"{tensor}:0"


def _node(tensor: str) -> str:
    return tensor.lstrip("^").split(":")[0]


def _compute(frozen: Frozen) -> Frozen:
    """Replace what does not depend on the picture by its value, and drop what nothing asks for."""
    tf = tensorflow()
    nodes = {node.name: node for node in frozen.graph.node}
    order = list(_sorted(nodes, {_node(frozen.logits), *(_node(t.tensor) for t in frozen.outputs.values())}))
    moving = {_node(frozen.picture)}
    for name in order:
        if any(_node(i) in moving for i in nodes[name].input):
            moving.add(name)
    fixed = {i for name in order if name in moving for i in nodes[name].input if _node(i) not in moving and i[0] != "^"}
    wanted = sorted(i for i in fixed if nodes[_node(i)].op != "Const")
    values: list[Any] = []
    if wanted:
        function = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(frozen.graph, name=""), [])
        values = function.prune([], [i if ":" in i else f"{i}:0" for i in wanted])()
    graph = tf.compat.v1.GraphDef()
    renamed: dict[str, str] = {}
    for i, value in zip(wanted, values, strict=True):
        renamed[i] = f"fixed/{len(renamed)}"
        graph.node.append(_constant(renamed[i], value.numpy()))
    graph.node.extend(nodes[_node(i)] for i in sorted(fixed - set(wanted)))
    for name in order:
        if name in moving:
            node = graph.node.add()
            node.CopyFrom(nodes[name])
            node.input[:] = [renamed.get(i, i) for i in nodes[name].input if i[0] != "^"]
    graph.versions.CopyFrom(frozen.graph.versions)
    kept = {node.name for node in graph.node}
    return replace(frozen, graph=graph, outputs={k: t for k, t in frozen.outputs.items() if _node(t.tensor) in kept})


def _sorted(nodes: dict[str, Any], wanted: set[str]) -> Iterator[str]:
    """Yield the names of the nodes that `wanted` need, each after its inputs. Raises ModelError where they go in a circle."""
    done: set[str] = set()
    begun: set[str] = set()
    stack = [(name, False) for name in sorted(wanted)]
    while stack:
        name, ready = stack.pop()
        if name in done:
            continue
        if ready:
            done.add(name)
            yield name
        elif name in begun:
            raise ModelError(
                "the network has a loop over a number of steps that is not fixed (a recurrent layer), which cannot be "
                "compiled; explain it without compiling it"
            )
        else:
            begun.add(name)
            stack.append((name, True))
            stack.extend((_node(i), False) for i in nodes[name].input if _node(i) not in done)


def _constant(name: str, value: np.ndarray) -> Any:
    tf = tensorflow()
    node = tf.compat.v1.NodeDef(name=name, op="Const")
    node.attr["dtype"].type = tf.as_dtype(value.dtype).as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return node


def _fold(frozen: Frozen) -> Frozen:
    """Multiply the factor of each normalisation into the kernel (and bias) of the convolution before it."""
    tf = tensorflow()
    graph = frozen.graph
    nodes = {node.name: node for node in graph.node}
    users = Counter(_node(i) for node in graph.node for i in node.input)
    values = {n.name: tf.make_ndarray(n.attr["value"].tensor) for n in graph.node if n.op == "Const"}
    numbers = itertools.count()
    factors: dict[str, np.ndarray] = {}

    def added(value: np.ndarray) -> str:
        name = f"folded/{next(numbers)}"
        graph.node.insert(0, _constant(name, np.asarray(value, np.float32)))
        return name

    for product in [n for n in graph.node if n.op == "Mul"]:
        pair = [(_node(i), _node(j)) for i, j in (product.input, reversed(product.input))]
        moved, factor_name = next(((a, b) for a, b in pair if b in values and a not in values), ("", ""))
        chain = _chain(nodes, users, values, moved)
        if not chain:
            continue
        kernel = values[_node(chain[-1].input[1])]
        channels = kernel.shape[-1] if chain[-1].op == "Conv2D" else kernel.shape[2] * kernel.shape[3]
        factor = values[factor_name]
        if kernel.dtype != np.float32 or factor.dtype != np.float32:  # a network in mixed precision
            continue
        if factor.size != channels or factor.shape[-1:] != (channels,) or np.abs(factor).min() < _LEAST:
            continue
        factor = factor.reshape(channels)
        for node in chain[:-1]:
            at = next(k for k, i in enumerate(node.input) if _node(i) in values)
            bias = values[_node(node.input[at])]
            node.input[at] = added(bias * factor)
        by = factor if chain[-1].op == "Conv2D" else factor.reshape(kernel.shape[2:])
        chain[-1].input[1] = added(kernel * by)
        factors.update(dict.fromkeys((node.name for node in chain), factor))
        product.op = "Identity"
        del product.input[:]
        product.input.append(moved)
        kept = product.attr["T"].type
        product.attr.clear()
        product.attr["T"].type = kept
    layer_outputs = {
        name: replace(output, factor=factors[_node(output.tensor)]) if _node(output.tensor) in factors else output
        for name, output in frozen.outputs.items()
    }
    return replace(frozen, outputs=layer_outputs)


def _chain(nodes: dict[str, Any], users: Counter[str], values: dict[str, np.ndarray], name: str) -> list[Any]:
    """Return [bias addition, ...] and the convolution that end in `name`, if each is used once and its numbers are known."""
    chain: list[Any] = []
    while name in nodes and users[name] == 1:
        node = nodes[name]
        if node.op in _CONVOLUTIONS:
            layout = node.attr["data_format"].s
            known = _node(node.input[1]) in values and layout in (b"NHWC", b"")
            return [*chain, node] if known else []
        bias = [i for i in node.input if _node(i) in values]
        if node.op not in _ADDITIONS or len(bias) != 1 or len(node.input) != 2:
            return []
        chain.append(node)
        name = next(_node(i) for i in node.input if _node(i) not in values)
    return []
