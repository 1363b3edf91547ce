"""Check the graph of a SavedModel against the allow-list, and reduce it to what is run: the serving signature and the restoring of weights.

Works on the protocol buffers alone, so that nothing of the graph is run or imported before it has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import prod
from typing import Any

from ferviz.engines.savedmodel.pure_operations import PURE_OPERATIONS
from ferviz.errors import ModelError, UntrustedModelError

RESTORE = "RestoreV2"
INITIALISER_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")
LARGEST_CONSTANT = 1024**3
_KEPT_ATTRIBUTES = {"_lower_using_switch_merge"}
"""Hints of TensorFlow's own that are kept. The others name devices, compilers and gradient functions, and nothing of that is run."""
_CLEARED_ATTRIBUTES = ("config_proto", "config", "executor_type")
_OPAQUE_TYPES = {20, 21}
"""DT_RESOURCE and DT_VARIANT: a constant of them names an object in memory or holds an encoded one."""
_WIDTHS = {1: 4, 2: 8, 3: 4, 4: 1, 5: 2, 6: 1, 7: 24, 8: 8, 9: 8, 10: 1, 14: 2, 17: 2, 18: 16, 19: 2, 22: 4, 23: 8}


class Graph:
    """A graph with its functions, looked up by name.

    Args:
        meta: a MetaGraphDef.
        where: the folder, for messages.
        is_operation: tells whether TensorFlow itself has an operation of a name.

    Raises:
        ModelError: two nodes or functions have the same name.
        UntrustedModelError: a function is called like an operation.
    """

    def __init__(self, meta: Any, where: str, is_operation: Callable[[str], bool]) -> None:
        self.meta, self.where = meta, where
        self.nodes: dict[str, Any] = {}
        self.functions: dict[str, Any] = {}
        for node in meta.graph_def.node:
            self._add(self.nodes, node.name, node)
        for function in meta.graph_def.library.function:
            self._add(self.functions, function.signature.name, function)
            if is_operation(function.signature.name):
                raise UntrustedModelError(
                    f"{where} has a function that is called {function.signature.name!r:.60} like an operation of TensorFlow; "
                    "pass trust=True (--trust) only if you know where it comes from"
                )

    def _add(self, entries: dict[str, Any], name: str, entry: Any) -> None:
        if name in entries:
            raise ModelError(f"{self.where} is a damaged SavedModel ({name!r:.60} is there twice); copy it again")
        entries[name] = entry

    def reach(self, names: Iterable[str]) -> tuple[set[str], set[str]]:
        """Find everything that is run to compute tensors or operations.

        Args:
            names: of tensors ("a:0") or nodes of the outer graph.

        Returns:
            The names of nodes of the outer graph, and of functions.
        """
        waiting, nodes, functions = [_node_of(name) for name in names], set[str](), set[str]()
        while waiting:
            name = waiting.pop()
            if name in nodes:
                continue
            if name not in self.nodes:
                raise ModelError(
                    f"{self.where} is a damaged SavedModel (its graph has no node {name!r:.60}); copy it again"
                )
            nodes.add(name)
            waiting += [_node_of(source) for source in self.nodes[name].input]
            self.add_functions(self.nodes[name], functions)
        return nodes, functions

    def add_functions(self, node: Any, functions: set[str]) -> None:
        """Add the functions that a node calls, and those that they call.

        Args:
            node: a NodeDef.
            functions: the set that is added to.
        """
        waiting = list(self.calls(node))
        while waiting:
            name = waiting.pop()
            if name not in functions:
                functions.add(name)
                for inner in self.functions[name].node_def:
                    waiting += self.calls(inner)

    def calls(self, node: Any) -> Iterator[str]:
        """Yield the functions that a node names: as its operation, or in an attribute at any depth.

        Args:
            node: a NodeDef.
        """
        if node.op in self.functions:
            yield node.op
        for value in node.attr.values():
            for name in _function_names(value):
                if name not in self.functions:
                    raise ModelError(
                        f"{self.where} is a damaged SavedModel (it has no function {name!r:.60}); copy it again"
                    )
                yield name


def check_graph(graph: Graph) -> None:
    """Check every operation in the file: of all signatures, initialisers and functions.

    Only the part that saves the network again is left out, for it is never run; reading weights is allowed in the part that restores it,
    from the file name that is given to it.

    Args:
        graph: the graph.

    Raises:
        UntrustedModelError: names an operation that is not on the list.
        ModelError: a constant is too large.
    """
    saver = graph.meta.saver_def
    executed, _ = graph.reach(_executed_names(graph))
    restored, _ = graph.reach([saver.restore_op_name] if saver.restore_op_name else [])
    saved, _ = graph.reach([saver.save_tensor_name] if saver.save_tensor_name else [])
    unused = saved - executed
    called, called_by_restoring = set[str](), set[str]()
    for name, node in graph.nodes.items():
        if name in unused:
            continue
        _check_node(graph, node, name in restored and _is_weights_name(node, saver))
        is_restoring = name == _node_of(saver.restore_op_name)
        graph.add_functions(node, called_by_restoring if is_restoring else called)
    restoring = _restoring_function(graph, saver)
    saving = set[str]()
    for name in unused:
        graph.add_functions(graph.nodes[name], saving)
    for name in graph.functions.keys() - (saving - called - called_by_restoring):
        function = graph.functions[name]
        first = function.signature.input_arg[0].name if function.signature.input_arg else None
        for node in function.node_def:
            given = name == restoring and name not in called and bool(node.input) and node.input[0] == first
            _check_node(graph, node, given, f" in the function {name!r:.60}")


def reduce_graph(graph: Graph, names: Iterable[str], kind: type) -> Any:
    """Copy what is run to compute tensors, without devices and without hints for compilers.

    Args:
        graph: a graph that has passed.
        names: of tensors or nodes.
        kind: the class GraphDef.

    Returns:
        A GraphDef.
    """
    nodes, functions = graph.reach(names)
    reduced = kind()
    reduced.versions.CopyFrom(graph.meta.graph_def.versions)
    for name, node in graph.nodes.items():
        if name in nodes:
            _clean(reduced.node.add(), node)
    for name, function in graph.functions.items():
        if name in functions:
            copied = reduced.library.function.add()
            copied.CopyFrom(function)
            copied.attr.clear()
            for inner in copied.node_def:
                _clean(inner, inner)
    return reduced


def _check_node(graph: Graph, node: Any, given: bool, place: str = "") -> None:
    """Raise UntrustedModelError for a node that is neither pure, a call, nor (if `given`) the reading of weights."""
    list(graph.calls(node))
    if node.op not in PURE_OPERATIONS and node.op not in graph.functions and not (given and node.op == RESTORE):
        raise UntrustedModelError(
            f"{graph.where} has the operation {node.op!r:.60}{place}, which is not among those that only compute; "
            "pass trust=True (--trust) only if you know where it comes from"
        )
    for value in node.attr.values():
        for tensor in _tensors(value):
            if tensor.dtype in _OPAQUE_TYPES:
                raise UntrustedModelError(
                    f"{graph.where} has a constant {node.name!r:.60} that is no number or text; "
                    "pass trust=True (--trust) only if you know where it comes from"
                )
            size = prod(max(0, dim.size) for dim in tensor.tensor_shape.dim) * _WIDTHS.get(tensor.dtype, 8)
            if size > LARGEST_CONSTANT:
                raise ModelError(
                    f"{graph.where} has a constant of {size / 1024**3:.1f} GiB ({node.name!r:.60}); the largest has 1 GiB"
                )


def _executed_names(graph: Graph) -> Iterator[str]:
    """The names of every tensor and operation that may be run, whichever signature is chosen."""
    meta = graph.meta
    infos = [
        info
        for signature in meta.signature_def.values()
        for side in (signature.inputs, signature.outputs)
        for info in side.values()
    ]
    yield from (info.name for info in infos if info.name)
    yield from (name for name in (meta.saver_def.restore_op_name, meta.saver_def.filename_tensor_name) if name)
    for key in INITIALISER_COLLECTIONS:
        if key in meta.collection_def:
            yield from meta.collection_def[key].node_list.value


def _restoring_function(graph: Graph, saver: Any) -> str | None:
    """The function that reads the weights: called by the restoring node, with the file's name as its first argument."""
    node = graph.nodes.get(_node_of(saver.restore_op_name))
    return None if node is None or not _is_weights_name(node, saver) else next(graph.calls(node), None)


def _is_weights_name(node: Any, saver: Any) -> bool:
    """Whether the first input of a node is the file name that is given to the graph."""
    name = saver.filename_tensor_name
    return bool(node.input) and bool(name) and node.input[0].removesuffix(":0") == name.removesuffix(":0")


def _node_of(name: str) -> str:
    return name.removeprefix("^").partition(":")[0]


def _function_names(value: Any) -> Iterator[str]:
    """The functions in an attribute, those in the attributes of functions included."""
    for function in [*([value.func] if value.HasField("func") else []), *value.list.func]:
        yield function.name
        for inner in function.attr.values():
            yield from _function_names(inner)


def _tensors(value: Any) -> Iterator[Any]:
    if value.HasField("tensor"):
        yield value.tensor
    yield from value.list.tensor
    for function in [*([value.func] if value.HasField("func") else []), *value.list.func]:
        for inner in function.attr.values():
            yield from _tensors(inner)


def _clean(target: Any, node: Any) -> None:
    if target is not node:
        target.CopyFrom(node)
    target.device = ""
    for name in [name for name in target.attr if name.startswith("_") and name not in _KEPT_ATTRIBUTES]:
        del target.attr[name]
    for name in _CLEARED_ATTRIBUTES:
        if name in target.attr and target.attr[name].HasField("s"):
            target.attr[name].s = b""
    target.ClearField("experimental_debug_info")
