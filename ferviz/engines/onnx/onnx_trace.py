"""An ONNX network as a Trace: its operators, one after another, in a TensorFlow graph.

It is gone through twice. The first time only shapes are worked out, with a prime (`values.BATCH`) for the number of pictures, and what does
not depend on the picture becomes an array. The second time the graph is made for any number of pictures: each shape is known, and where the
prime stands in one, there is the number of pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ferviz.engines.backend import tensorflow
from ferviz.engines.base import Array
from ferviz.engines.graph.graph_trace import DEPTHWISE, KERNEL, Call, Trace, trace_function
from ferviz.engines.onnx.onnx_file import OnnxNetwork
from ferviz.engines.onnx.onnx_node import MAX_NUMBERS, OnnxNode, UnreadableNodeError, integers, node_error
from ferviz.engines.onnx.operators import OPERATORS
from ferviz.engines.onnx.operators.table import has_batch
from ferviz.engines.onnx.values import BATCH, IMAGE, LAST, Operand, Value, static_sizes
from ferviz.errors import ModelError
from ferviz.printable import printable

_NO_LAYERS = {"Identity", "Dropout", "Cast", "CastLike", "Constant", "Shape", "Expand", "If"}
_WITH_WEIGHTS = {
    "Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "InstanceNormalization", "LayerNormalization", "GroupNormalization",
    "PRelu", "Add", "Sub", "Mul", "Div",
}  # fmt: skip
_SHAPED = {"Expand": 1, "ConstantOfShape": 0, "Tile": 1}
"""Operators that make numbers of a shape, and which operand it is."""

_MAX_DEPTH = 8


@dataclass
class Plan:
    """What the first pass through a network finds out.

    Attributes:
        output: the name of the output that holds the scores.
        nodes: those that it depends on, each after its inputs.
        constants: {name: array} of what does not depend on the picture.
        sizes: {name: shape} of what does, BATCH for the number of pictures.
    """

    output: str
    nodes: list[Any]
    constants: dict[str, np.ndarray] = field(repr=False)
    sizes: dict[str, tuple[int | None, ...]] = field(default_factory=dict, repr=False)


def make_plan(network: OnnxNetwork, output: str, shape: tuple[int, int, int]) -> Plan:
    """Work out the shapes of everything that an output depends on.

    Args:
        network: the file's content.
        output: the name of the output.
        shape: (h, w, c) of the pictures.

    Raises:
        ModelError: an operator cannot be computed, or makes more numbers than any network for faces has.
    """
    tf = tensorflow()
    plan = Plan(output, list(_needed(network, output)), dict(network.constants))

    def run(picture: Any) -> Any:
        OnnxPass(network, plan, picture, first=True).run()
        return tf.zeros([])

    tf.compat.v1.wrap_function(run, [tf.TensorSpec([BATCH, *shape], tf.float32)])
    return plan


def trace_onnx(network: OnnxNetwork, plan: Plan, shape: tuple[int, int, int], guided: bool, separate: bool) -> Trace:
    """Trace a network for any number of pictures.

    Args:
        network: the file's content.
        plan: of the same shape.
        shape: (h, w, c) of the pictures.
        guided: every ReLU's gradient also drops negative gradients.
        separate: every call returns a tensor of its own.

    Raises:
        ModelError: where the output is not one vector of class scores a picture.
    """

    def build(picture: Any) -> tuple[Any, list[Call]]:
        run = OnnxPass(network, plan, picture, first=False, separate=separate)
        return run.run(), run.calls

    return trace_function(build, shape, guided)


def _needed(network: OnnxNetwork, output: str) -> Iterator[Any]:
    """Yield the nodes that an output depends on, each after its inputs."""
    makers = {name: node for node in network.nodes for name in node.output if name}
    done: set[int] = set()
    begun: set[int] = set()
    stack: list[tuple[Any, bool]] = [(makers[output], False)] if output in makers else []
    while stack:
        node, ready = stack.pop()
        if id(node) in done:
            continue
        if ready:
            done.add(id(node))
            yield node
        elif id(node) in begun:
            raise ModelError(f"{network.where} is damaged: its operators go in a circle")
        else:
            begun.add(id(node))
            stack.append((node, True))
            inside = [
                name for attribute in node.attribute if attribute.HasField("g") for name in _outer_names(attribute.g)
            ]
            for name in [*node.input, *inside]:
                if name in makers and name not in network.constants and id(makers[name]) not in done:
                    stack.append((makers[name], False))


def _outer_names(graph: Any, depth: int = 0) -> Iterator[str]:
    for node in graph.node:
        yield from node.input
        for attribute in node.attribute:
            if attribute.HasField("g") and depth < _MAX_DEPTH:
                yield from _outer_names(attribute.g, depth + 1)
    yield from (value.name for value in graph.output)


class OnnxPass:
    """One way through the network.

    Args:
        network: the file's content.
        plan: what is found out by the first pass, and known to the second one.
        picture: the tensor that stands for the pictures.
        first: only shapes are worked out.
        separate: every call returns a tensor of its own.
    """

    def __init__(self, network: OnnxNetwork, plan: Plan, picture: Any, first: bool, separate: bool = False) -> None:
        tf = tensorflow()
        self.network, self.plan, self.first, self.separate = network, plan, first, separate
        self.batch = BATCH if first else tf.shape(picture)[0]
        self.calls: list[Call] = []
        self.values: dict[str, Value] = {}
        self._keep(network.input, Value(_as_given(tf, picture, network), LAST if network.channels_first else IMAGE))
        self.graph = tf.compat.v1.get_default_graph()

    def run(self) -> Any:
        """Go through all nodes.

        Returns:
            The tensor of the output.

        Raises:
            ModelError: a node cannot be computed, or the output does not depend on the picture.
        """
        for proto in self.plan.nodes:
            if not all(name in self.plan.constants for name in proto.output if name) or self.first:
                self.run_node(proto)
        output = self.plan.output
        if output not in self.values:
            raise ModelError(f"{self.network.where} gives the same {printable(output, 60)!r} for every picture")
        tensor = self.values[output].tensor
        if (
            tensor.op.type == "LogSoftmax"
        ):  # what stands before it are logits too, and other classes have no part in those
            return tensorflow().nn.softmax(tensor.op.inputs[0])
        return tensor

    def run_node(self, proto: Any, depth: int = 0) -> None:
        """Compute one node and keep its outputs.

        Args:
            proto: the NodeProto.
            depth: how many branches it lies within.

        Raises:
            ModelError: it cannot be computed.
        """
        node = OnnxNode(proto, self.network.where, self.network.opset, self.network.batch, self.batch)
        before = len(self.graph.get_operations()) if self.first else 0
        try:
            operands = [self._operand(name) if name else None for name in node.inputs]
            if node.kind == "If":
                self._run_branch(node, operands, depth)
                return
            while operands and operands[-1] is None:
                operands.pop()
            results = OPERATORS[node.kind](node, *operands)
            results = results if isinstance(results, list) else [results]
            if self.first:
                self._check_operations(before)
                results = self._folded(node, operands, results)
        except ModelError:
            raise
        except UnreadableNodeError as error:
            raise node_error(node, error) from error
        except (
            TypeError,
            ValueError,
            IndexError,
            KeyError,
            OverflowError,
            ZeroDivisionError,
            tensorflow().errors.OpError,
        ) as error:
            raise node_error(node, f"its inputs do not fit ({_first_line(error)})") from error
        for number, (name, result) in enumerate(zip(node.outputs, results, strict=False)):
            if name and not (number and node.kind in ("Dropout", "BatchNormalization")):
                self._keep(name, self._recorded(node, operands, result, number))

    def _operand(self, name: str) -> Operand:
        if name in self.plan.constants:
            return self.plan.constants[name]
        if name not in self.values:
            raise UnreadableNodeError(f"its input {printable(name, 60)!r} is computed nowhere")
        return self.values[name]

    def _keep(self, name: str, result: Operand) -> None:
        if isinstance(result, np.ndarray):
            self.plan.constants[name] = result
            return
        if self.first:
            self.plan.sizes[name] = static_sizes(result.tensor, result.layout)
        self.values[name] = Value(result.tensor, result.layout, self.plan.sizes[name])

    def _folded(self, node: OnnxNode, operands: Sequence[Operand | None], results: list[Operand]) -> list[Operand]:
        """-> the results as arrays where no operand depends on the picture, or on how many there are."""
        if any(isinstance(operand, Value) for operand in operands):
            return results
        if node.kind in _SHAPED and has_batch(integers(operands[_SHAPED[node.kind]], "shape")):
            return results
        if all(isinstance(result, np.ndarray) for result in results):
            return results
        with tensorflow().init_scope():  # outside of the graph, where values are computed at once
            again = OPERATORS[node.kind](node, *operands)
        again = again if isinstance(again, list) else [again]
        return [result if isinstance(result, np.ndarray) else np.asarray(result.tensor) for result in again]

    def _check_operations(self, before: int) -> None:
        for operation in self.graph.get_operations()[before:]:
            for tensor in operation.outputs:
                sizes = tensor.shape.as_list() if tensor.shape.rank is not None else []
                count = float(np.prod([float(size) for size in sizes if size is not None]))
                count = count / BATCH if any(size and size % BATCH == 0 for size in sizes) else count
                if count > MAX_NUMBERS and operation.type != "Const":
                    raise UnreadableNodeError(f"it needs {count:.3g} numbers a face; the most are {MAX_NUMBERS:,}")

    def _run_branch(self, node: OnnxNode, operands: Sequence[Operand | None], depth: int) -> None:
        """Run the branch of an If whose condition is known, as exporters write for a shape that decides."""
        condition = operands[0] if operands else None
        if not isinstance(condition, np.ndarray) or condition.size != 1 or depth >= _MAX_DEPTH:
            raise UnreadableNodeError("what it computes depends on the picture")
        branch = node.graph("then_branch" if condition.reshape(()) else "else_branch")
        outside = dict(self.plan.constants), dict(self.values)
        from ferviz.engines.onnx.tensor_data import read_tensor

        for tensor in branch.initializer:
            self.plan.constants[tensor.name] = read_tensor(tensor, None, self.network.where)
        for proto in branch.node:
            self.run_node(proto, depth + 1)
        results = [self._operand(value.name) for value in branch.output]
        if self.first:
            self.plan.constants = outside[0]
        self.values = outside[1]
        for name, result in zip(node.outputs, results, strict=False):
            self._keep(name, result)

    def _recorded(self, node: OnnxNode, operands: Sequence[Operand | None], result: Operand, number: int) -> Operand:
        """-> the result, noted as the output of a layer where it is one."""
        if self.first or isinstance(result, np.ndarray) or node.kind in _NO_LAYERS:
            return result
        given = [operand for operand in operands if isinstance(operand, Value)]
        tensor = result.tensor
        if not given or not tensor.dtype.is_floating or any(tensor is operand.tensor for operand in given):
            return result
        if self.separate:
            tensor = tensorflow().identity(tensor)
        arrays = [o for o in operands if isinstance(o, np.ndarray) and o.dtype.kind == "f" and o.size > 1]
        parameters = sum(array.size for array in arrays) if node.kind in _WITH_WEIGHTS else 0
        self.calls.append(
            Call(
                layer_name(node, number),
                node.kind,
                tensor,
                channels_first=False,
                inputs=tuple(operand.tensor for operand in given),
                parameters=parameters,
                kernels=_kernels(node, operands),
                is_map=result.layout in (LAST, IMAGE),
            )
        )
        return Value(tensor, result.layout)


def layer_name(node: OnnxNode, number: int = 0) -> str:
    """Return the address of a node's output: the node's name without a leading slash.

    Args:
        node: the node.
        number: of the output.
    """
    name = node.name.strip("/").replace(":", "_").replace(",", "_").replace(" ", "_") or node.kind
    return f"{name}.{number}" if number else name


def _kernels(node: OnnxNode, operands: Sequence[Operand | None]) -> Callable[[], dict[str, Array]]:
    kernel = operands[1] if node.kind in ("Conv", "ConvTranspose") else None
    if not isinstance(kernel, np.ndarray):
        return dict
    groups = node.integer("group", 1)
    return partial(_kernel_arrays, kernel, groups, node.kind == "ConvTranspose")


def _kernel_arrays(kernel: np.ndarray, groups: int, transposed: bool) -> dict[str, Array]:
    if transposed:
        return {KERNEL: np.asarray(kernel.transpose(2, 3, 0, 1), np.float32)}
    array = np.asarray(kernel.transpose(2, 3, 1, 0), np.float32)
    if groups > 1 and array.shape[2] == 1:
        return {DEPTHWISE: array[:, :, 0].reshape(*array.shape[:2], groups, -1)}
    return {KERNEL: array}


def _as_given(tf: Any, picture: Any, network: OnnxNetwork) -> Any:
    return tf.round(picture) if network.integer_input else picture


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return printable(lines[0], 160) if lines else type(error).__name__
