"""An ONNX file, read and checked: its nodes, arrays, picture and outputs, before anything of it is computed."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ferviz.engines.base import PictureShape
from ferviz.engines.onnx.tensor_data import external_file, read_tensor
from ferviz.errors import ModelError
from ferviz.printable import printable

MIN_OPSET, MAX_OPSET = 7, 26
"""Versions of ONNX' operators that the reader knows: before 7 additions were written otherwise."""

MAX_NODES = 50_000
MAX_SIDE = 4096
_FLOATS, _INTEGERS = (1, 10, 11, 16), (2, 3, 4, 5, 6, 7, 12, 13)
_EMOTION = re.compile(r"emo|expr|fer(?![a-z])|affect|feel|mood", re.IGNORECASE)


@dataclass(frozen=True)
class OnnxNetwork:
    """The content of an ONNX file.

    Attributes:
        where: the file, for messages.
        nodes: NodeProtos, in the file's order.
        constants: {name: array} of the file's initialisers; floating ones are float32.
        input: the picture's name.
        integer_input: the picture is given as whole numbers.
        shape: (h, w, c) of the picture, None = any.
        channels_first: the picture is (N, c, h, w) in the file.
        batch: the number of pictures that the file was written for, None = any.
        outputs: names of the outputs.
        opset: version of ONNX' own operators.
        files: what it was read from, () for a network in memory.
        metadata: the file's own remarks, {key: text}.
    """

    where: str
    nodes: tuple[Any, ...] = field(repr=False)
    constants: dict[str, np.ndarray] = field(repr=False)
    input: str
    integer_input: bool
    shape: PictureShape
    channels_first: bool
    batch: int | None
    outputs: tuple[str, ...]
    opset: int
    files: tuple[Path, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)


def onnx_package() -> ModuleType:
    """Return the package `onnx`.

    Raises:
        ModelError: it is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise ModelError(
            "reading an ONNX network needs the package onnx; pip install onnx (the extra ferviz[onnx])"
        ) from error
    return onnx


def read_onnx(source: Path | bytes, where: str = "") -> OnnxNetwork:
    """Read an ONNX file.

    Args:
        source: the file, or its content.
        where: what messages call it, "" = the path.

    Raises:
        ModelError: it is no ONNX network that takes one picture, or it is damaged; or the package `onnx` is not installed.
    """
    folder = source.parent if isinstance(source, Path) else None
    where = where or (str(source) if isinstance(source, Path) else "the ONNX network")
    model = _parse(source.read_bytes() if isinstance(source, Path) else source, where)
    graph = model.graph
    opset = _opset(model, where)
    nodes = tuple(graph.node)
    if not nodes:
        raise ModelError(f"{where} holds an ONNX graph without operators, so no network")
    if len(nodes) > MAX_NODES or len(graph.initializer) > MAX_NODES:
        raise ModelError(f"{where} has {len(nodes):,} operators; the most that ferviz reads are {MAX_NODES:,}")
    if len(graph.sparse_initializer):
        raise ModelError(f"{where} keeps sparse weights, which ferviz does not read; save it with plain ones")
    if len(model.functions):
        names = ", ".join(printable(function.name, 40) for function in list(model.functions)[:3])
        raise ModelError(
            f"{where} defines operators of its own ({names}); write them out with onnx.inliner.inline_local_functions first"
        )
    _check_texts(model, where)
    _check_operators(nodes, where)
    constants = {tensor.name: read_tensor(tensor, folder, where) for tensor in graph.initializer}
    picture, channels_first, batch, shape, integer_input = _picture(graph, set(constants), where)
    outputs = tuple(output.name for output in graph.output)
    if not outputs:
        raise ModelError(f"{where} has no output; ferviz needs a score for each class")
    metadata = {entry.key: entry.value for entry in list(model.metadata_props)[:100] if len(entry.value) < 100_000}
    files: tuple[Path, ...] = ()
    if isinstance(source, Path):
        beside = {source.parent / name: None for tensor in graph.initializer if (name := external_file(tensor))}
        files = (source, *beside)
    return OnnxNetwork(
        where, nodes, constants, picture, integer_input, shape, channels_first, batch, outputs, opset, files, metadata
    )


def order_outputs(network: OnnxNetwork) -> Sequence[str]:
    """Return the outputs in the order in which they are tried as the scores of emotions: those that are called so first.

    Args:
        network: the network.
    """
    return sorted(network.outputs, key=lambda name: _EMOTION.search(name) is None)


def _parse(content: bytes, where: str) -> Any:
    onnx = onnx_package()
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError as error:
        raise ModelError(f"{where} is no ONNX network, or a damaged one; copy it again") from error
    if not model.HasField("graph"):
        raise ModelError(f"{where} is no ONNX network: it holds no graph")
    return model


def _opset(model: Any, where: str) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if not versions:
        learners = any(entry.domain == "ai.onnx.ml" for entry in model.opset_import)
        what = "a model of scikit-learn or the like" if learners else "made of operators of its own alone"
        raise ModelError(f"{where} is {what}, no network that looks at pictures")
    if not MIN_OPSET <= versions[0] <= MAX_OPSET:
        raise ModelError(
            f"{where} uses version {versions[0]} of ONNX' operators; ferviz reads {MIN_OPSET} to {MAX_OPSET}, so convert it with "
            "onnx.version_converter"
        )
    return int(versions[0])


def walk_nodes(nodes: Sequence[Any], depth: int = 0) -> Iterator[Any]:
    """Yield nodes and those of the graphs inside them.

    Args:
        nodes: NodeProtos.
        depth: of the graph.
    """
    for node in nodes:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g") and depth < 8:
                yield from walk_nodes(attribute.g.node, depth + 1)


def _check_texts(model: Any, where: str) -> None:
    """Raise ModelError where a name is no text: a string that is not UTF-8 comes as bytes, which no name in the graph equals."""
    graph = model.graph
    texts = itertools.chain(
        (text for node in walk_nodes(graph.node) for text in (node.name, node.op_type, node.domain, *node.input, *node.output)),
        (attribute.name for node in walk_nodes(graph.node) for attribute in node.attribute),
        (value.name for values in (graph.input, graph.output, graph.initializer) for value in values),
        (text for tensor in graph.initializer for entry in tensor.external_data for text in (entry.key, entry.value)),
        (text for entry in model.metadata_props for text in (entry.key, entry.value)),
    )  # fmt: skip
    if any(isinstance(text, bytes) for text in texts):
        raise ModelError(
            f"{where} is damaged (it has a name that is not UTF-8); copy it again, or export it with other names"
        )


def _check_operators(nodes: Sequence[Any], where: str) -> None:
    """Raise ModelError for operators that nothing here computes, all of them in one sentence."""
    from ferviz.engines.onnx.operators import OPERATORS

    missing: dict[str, None] = {}
    for node in walk_nodes(nodes):
        known = node.domain in ("", "ai.onnx") and node.op_type in OPERATORS
        if not known:
            domain = "" if node.domain in ("", "ai.onnx") else f"{node.domain}."
            missing.setdefault(printable(f"{domain}{node.op_type}", 60))
    if not missing:
        return
    names = ", ".join(list(missing)[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    if any(name.startswith("ai.onnx.ml.") for name in missing):
        raise ModelError(f"{where} is a model of scikit-learn or the like ({names}), no network that looks at pictures")
    plural = "operators" if len(missing) > 1 else "operator"
    raise ModelError(
        f"{where} uses the {plural} {names}, which ferviz cannot read; export the network without, or take its Keras or PyTorch form"
    )


def _picture(graph: Any, constants: set[str], where: str) -> tuple[str, bool, int | None, PictureShape, bool]:
    """-> (name, channels first, batch, (h, w, c), whole numbers) of the one picture that the graph takes."""
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(printable(value.name, 40) for value in inputs[:5])
        raise ModelError(
            f"{where} takes {len(inputs)} inputs{f' ({names})' if names else ''}; ferviz explains networks that take one picture"
        )
    value = inputs[0]
    if not value.type.HasField("tensor_type"):
        raise ModelError(f"{where} takes a list or a map of values; ferviz explains networks that take one picture")
    kind = int(value.type.tensor_type.elem_type)
    if kind not in (*_FLOATS, *_INTEGERS):
        raise ModelError(
            f"{where} takes no numbers (ONNX' type {kind}); ferviz explains networks that take one picture"
        )
    sizes = [
        int(axis.dim_value) if axis.HasField("dim_value") and axis.dim_value > 0 else None
        for axis in value.type.tensor_type.shape.dim
    ]
    shown = " x ".join(str(size or "any") for size in sizes[:8])
    if len(sizes) != 4:
        hint = ""
        if len(sizes) in (2, 3):
            hint = (
                "; that looks like a row or a sequence of numbers (a signal, landmarks, text), which has no faces in it"
            )
        raise ModelError(f"{where} takes {shown or 'a single number'}; ferviz needs one picture, four axes{hint}")
    first = sizes[1] in (1, 3) or sizes[3] not in (1, 3)
    batch, height, width, channels = (sizes[0], *sizes[2:], sizes[1]) if first else tuple(sizes)
    if channels not in (1, 3):
        raise ModelError(
            f"{where} takes pictures with {channels or 'any'} channels ({shown}); ferviz works with 1 or 3"
        )
    if any(side is not None and side > MAX_SIDE for side in (height, width)):
        raise ModelError(f"{where} takes pictures of {height} x {width} pixels; the largest side is {MAX_SIDE}")
    return value.name, first, batch, (height, width, channels), kind in _INTEGERS
