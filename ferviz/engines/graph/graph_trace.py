"""A network as one TensorFlow graph in which every layer's output can be reached: what engines, compiler and dreams work on.

Everything is cut out of that graph: its output's last operation says whether the logits end in a softmax, gradients are added between
recorded tensors, and what a question does not need is pruned, filter gradients included. How a trace comes about is its maker's business
(`ferviz.engines.keras.keras_trace`, `ferviz.engines.onnx.onnx_trace`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ferviz.engines.backend import tensorflow
from ferviz.engines.base import Array
from ferviz.errors import ModelError, UnknownNameError

_VALUE_PRESERVING = {"Identity", "Cast", "Reshape", "Squeeze", "ExpandDims", "StopGradient", "PreventGradient"}
_HEADS = {"Softmax": "softmax", "Sigmoid": "sigmoid"}
_GUIDED = "FervizGuidedRelu"

DEPTHWISE, POINTWISE, KERNEL = "depthwise", "pointwise", "kernel"
"""What the kernels of a layer are called."""


def _without_kernels() -> dict[str, Array]:
    return {}


@dataclass(frozen=True)
class Call:
    """One call of one layer while the network was traced.

    Attributes:
        address: "conv3", "backbone/conv3", or "shared:1" for the second call of a layer that is used more than once.
        kind: the layer's class or operator, e.g. "Conv2D".
        tensor: what it returned.
        channels_first: the order of the tensor's axes.
        inputs: the tensors that it was given.
        parameters: number of the layer's weights.
        kernels: returns the layer's kernels as they are now by DEPTHWISE, POINTWISE, KERNEL (see `ferviz.engines.graph.topology.kernels`).
        is_network: the layer is a network itself, whose layers are calls of their own.
        is_map: an output with height, width and channels is a map of the picture (and no attention over tokens).
    """

    address: str
    kind: str
    tensor: Any
    channels_first: bool
    inputs: tuple[Any, ...] = ()
    parameters: int = 0
    kernels: Callable[[], dict[str, Array]] = field(default=_without_kernels, repr=False)
    is_network: bool = False
    is_map: bool = True


@dataclass(frozen=True)
class Trace:
    """A traced network.

    Attributes:
        function: the graph as one wrapped function, to be pruned.
        picture: the tensor (N, h, w, c) float32.
        logits: the tensor (N, K) float32.
        head: "softmax", "sigmoid" or "linear".
        calls: address -> Call, in order of execution.
        aliases: the plain name of a layer that is called more than once -> the address of its last call.
    """

    function: Any
    picture: Any
    logits: Any
    head: str
    calls: dict[str, Call]
    aliases: dict[str, str] = field(default_factory=dict)

    def call(self, address: str) -> Call:
        """Return the call of a layer.

        Args:
            address: of the call, or a layer's plain name.

        Raises:
            UnknownNameError: for a layer that is not there.
        """
        address = self.aliases.get(address, address)
        if address not in self.calls:
            raise UnknownNameError("layer", address, self.calls, "this model")
        return self.calls[address]

    def part(self, feeds: list[Any], fetches: list[Any]) -> Any:
        """Return the function from `feeds` to `fetches`, with all that it does not need left out.

        The operations are copied as a GraphDef: `WrappedFunction.prune` makes each of them anew in Python, which takes several times as
        long as all else of a small network's first answer.

        Args:
            feeds: tensors whose values are given.
            fetches: tensors that are computed.

        Returns:
            A ConcreteFunction of the feeds' values, which returns the list of the fetches'.
        """
        tf, graph = tensorflow(), self.function.graph
        captures = {inside.name: outside for outside, inside in graph.captures}
        given = [tensor.name for tensor in feeds]
        definition = _definition(graph, fetches, {*given, *captures})
        used = {name for node in definition.node for name in map(_tensor_name, node.input)}

        def run(*values: Any) -> list[Any]:
            held = {name: _here(outside) for name, outside in captures.items() if name in used}
            tensors = {**held, **dict(zip(given, values, strict=True))}
            mapped = {name: tensor for name, tensor in tensors.items() if name in used}
            wanted = [tensor.name for tensor in fetches if tensor.name not in tensors]
            computed = tf.graph_util.import_graph_def(definition, mapped, wanted, name="") if wanted else []
            tensors.update(zip(wanted, computed, strict=True))
            return [tensors[tensor.name] for tensor in fetches]

        specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in feeds]
        concrete = tf.function(run, input_signature=specs, autograph=False).get_concrete_function()
        concrete.graph.variables = graph.variables  # what freezes it looks for them
        return concrete


def _definition(graph: Any, fetches: list[Any], known: set[str]) -> Any:
    """-> the operations that the fetches need, as a GraphDef; those whose tensors are known are left out."""
    definition = tensorflow().compat.v1.GraphDef()
    definition.versions.CopyFrom(graph.graph_def_versions)
    waiting, seen, has_functions = [tensor.op for tensor in fetches if tensor.name not in known], set[str](), False
    while waiting:
        operation = waiting.pop()
        if operation.name in seen:
            continue
        seen.add(operation.name)
        node = operation.node_def
        node.attr.pop("_class", None)  # it may name an operation that is left out
        has_functions |= any(value.HasField("func") or value.list.func for value in node.attr.values())
        definition.node.append(node)
        waiting += [tensor.op for tensor in operation.inputs if tensor.name not in known]
        waiting += operation.control_inputs
    if has_functions:
        definition.library.CopyFrom(graph.as_graph_def().library)
    return definition


def _tensor_name(name: str) -> str:
    """-> the name of a tensor as a graph has it, from what a GraphDef calls it."""
    return name if ":" in name else f"{name}:0"


def _here(tensor: Any) -> Any:
    """-> a tensor of the outside, such as a variable's handle, in the graph that is being built."""
    graph: Any = tensorflow().compat.v1.get_default_graph()
    return graph.capture(tensor)


def trace_function(
    build: Callable[[Any], tuple[Any, list[Call]]], shape: tuple[int | None, int | None, int], guided: bool = False
) -> Trace:
    """Trace what computes a network's output from its picture, for any number of pictures.

    Args:
        build: takes the picture's tensor (N, h, w, c) float32 and returns the network's output and its calls in order of execution.
        shape: (h, w, c) of the pictures, None = any.
        guided: every ReLU's gradient also drops negative gradients (guided backpropagation).

    Raises:
        ModelError: where the output is not one vector of class scores a picture.
    """
    tf = tensorflow()
    traced: dict[str, Any] = {}

    def run(picture: Any) -> Any:
        graph = tf.compat.v1.get_default_graph()
        with graph.gradient_override_map({"Relu": _guided_relu(tf)} if guided else {}):
            output, calls = build(picture)
            traced["logits"], traced["head"] = _logits(tf, output)
            traced["calls"] = [call for call in calls if getattr(call.tensor, "graph", None) is graph]
        traced["picture"] = picture
        return traced["logits"]

    function = tf.compat.v1.wrap_function(run, [tf.TensorSpec([None, *shape], tf.float32)])
    calls, aliases = _named(traced["calls"])
    return Trace(function, traced["picture"], traced["logits"], traced["head"], calls, aliases)


def _logits(tf: Any, output: Any) -> tuple[Any, str]:
    """Walk back from the network's output over operations that change no value to a softmax or sigmoid, and undo it."""
    shape = output.shape
    wide = [d for d in shape[1:] if d != 1] if shape.rank else None
    if wide is None or any(d is None for d in wide) or len(wide) > 1 or shape.rank < 2:
        raise ModelError(f"the network returns {tuple(shape)}; ferviz needs one score a class, (N, classes)")
    classes, tensor = (wide[0] if wide else 1), output
    while True:
        kind = tensor.op.type
        if kind in _HEADS:
            tensor = tensor.op.inputs[0]
            break
        # In a vector with ones around it a transposition moves nothing either.
        if kind not in _VALUE_PRESERVING and not (kind == "Transpose" and len(shape) > 2):
            tensor, kind = output, ""
            break
        tensor = tensor.op.inputs[0]
    logits = tf.cast(tf.reshape(tensor, [-1, classes]), tf.float32)
    return logits, _HEADS.get(kind, "linear")


def _guided_relu(tf: Any) -> str:
    with contextlib.suppress(KeyError):  # registered by an earlier trace

        @tf.RegisterGradient(_GUIDED)
        def gradient(op: Any, upstream: Any) -> Any:
            passes = tf.logical_and(op.outputs[0] > 0, upstream > 0)
            return tf.where(passes, upstream, tf.zeros_like(upstream))

    return _GUIDED


def _named(records: list[Call]) -> tuple[dict[str, Call], dict[str, str]]:
    """Give repeated calls of a layer the addresses name:0, name:1, ..."""
    times: dict[str, int] = {}
    for record in records:
        times[record.address] = times.get(record.address, 0) + 1
    calls: dict[str, Call] = {}
    count: dict[str, int] = {}
    aliases: dict[str, str] = {}
    for record in records:
        address = record.address
        if times[address] > 1:
            address = f"{record.address}:{count.get(record.address, 0)}"
            count[record.address] = count.get(record.address, 0) + 1
            aliases[record.address] = address
        calls[address] = replace(record, address=address)
    return calls, aliases
