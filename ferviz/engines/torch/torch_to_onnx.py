"""A PyTorch network as an ONNX graph: what compiling, diagrams and kernels work on, under the names that its layers have in PyTorch.

The graph is exported in memory and read by ferviz' own reader. Its nodes have names of their own, so each layer is found again by what it
computes: the layer and the node whose outputs are the same for the same pictures. A layer that the exporter has merged into another one (a
normalisation into the convolution before it) has no node any more.
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np

from ferviz.engines.base import Array, LayerInfo, PictureShape
from ferviz.engines.graph.graph_trace import Trace
from ferviz.engines.onnx.onnx_engine import SIDE, OnnxEngine
from ferviz.engines.onnx.onnx_file import onnx_package
from ferviz.engines.torch.torch_import import torch
from ferviz.errors import ModelError
from ferviz.native_logs import silenced, without_warnings
from ferviz.printable import printable

OPSET = 17
_SAME = 1e-4
"""Of the range: outputs that differ less are those of one layer."""


def export_onnx(module: Any, shape: tuple[int, int, int]) -> bytes:
    """Export a module as ONNX, with any number of pictures.

    PyTorch's older exporter comes first: it needs no further package and takes a tenth of the time. What it cannot write the newer
    one is asked for.

    Args:
        module: an `nn.Module` that is in evaluation mode.
        shape: (h, w, c) of its pictures.

    Returns:
        The ONNX file.

    Raises:
        ModelError: neither exporter can write it, or the package `onnx` is not installed.
    """
    onnx_package()
    height, width, channels = shape
    pictures = torch().zeros(2, channels, height, width)
    reasons = []
    for export in (_by_tracing, _by_dynamo):
        try:
            with without_warnings(output=True), silenced(everything=True):
                return export(module, pictures)
        except Exception as error:  # an exporter runs code of the network's own
            lines = str(error).strip().splitlines()
            reasons.append(printable(lines[0], 120) if lines else type(error).__name__)
    raise ModelError(
        f"the network {type(module).__name__} cannot be exported as ONNX ({'; '.join(reasons)}), so it is explained by PyTorch alone"
    )


def _by_tracing(module: Any, pictures: Any) -> bytes:
    stream = io.BytesIO()
    names = {"input_names": ["picture"], "output_names": ["scores"], "dynamic_axes": {"picture": {0: "n"}}}
    torch().onnx.export(module, (pictures,), stream, dynamo=False, opset_version=OPSET, **names)
    return stream.getvalue()


def _by_dynamo(module: Any, pictures: Any) -> bytes:
    shapes = ({0: torch().export.Dim("n")},)
    program = torch().onnx.export(module, (pictures,), dynamo=True, dynamic_shapes=shapes, verbose=False)
    content: bytes = program.model_proto.SerializeToString()
    return content


class ExportedEngine(OnnxEngine):
    """Executes the ONNX form of a PyTorch network; its layers have PyTorch's names.

    Args:
        content: the ONNX file.
        engine: the network in PyTorch.

    Raises:
        ModelError: the file cannot be read, or does not compute what PyTorch does.
    """

    name = "torch"

    def __init__(self, content: bytes, engine: Any) -> None:
        super().__init__(content)
        self._names: dict[str, str] = {}
        self._order = {layer.name: place for place, layer in enumerate(engine.layers)}
        height, width, channels = (size or SIDE for size in self.input_shape)
        batch = np.random.default_rng(0).uniform(-1, 1, (2, height, width, channels)).astype(np.float32)
        ours, theirs = self.logits(batch), engine.logits(batch)
        if ours.shape != theirs.shape or not _is_same(ours, theirs):
            raise ModelError(
                "the network computes something else once it is exported as ONNX, so it is explained by PyTorch alone"
            )
        self._names = _match(super().trace_at(self.input_shape), self, engine, batch)
        self._traces.clear()
        self._functions.clear()
        self.__dict__.pop("layers", None)

    def trace_at(self, shape: PictureShape, guided: bool = False, separate: bool = False) -> Trace:
        """Trace the network, as `OnnxEngine.trace_at`.

        Args:
            shape: (h, w, c) of the pictures.
            guided: every ReLU's gradient also drops negative gradients (guided backpropagation).
            separate: every call returns a tensor of its own.
        """
        trace = super().trace_at(shape, guided, separate)
        calls = [replace(call, address=self._names.get(address, address)) for address, call in trace.calls.items()]
        places, last = [], -1
        for call in calls:  # in PyTorch's order: an exporter may write one branch of a network before the other
            last = self._order.get(call.address, last)
            places.append(last)
        ordered = [call for _, call in sorted(zip(places, calls, strict=True), key=lambda pair: pair[0])]
        return replace(trace, calls={call.address: call for call in ordered})


def _match(trace: Trace, exported: OnnxEngine, engine: Any, batch: Array) -> dict[str, str]:
    """-> {node: layer} of those that compute the same."""
    nodes = list(trace.calls)
    layers: list[LayerInfo] = list(engine.layers)
    computed = dict(zip(nodes, exported.activations(batch, nodes), strict=True))
    names: dict[str, str] = {}
    for layer, output in zip(layers, engine.activations(batch, [layer.name for layer in layers]), strict=True):
        for node, values in computed.items():
            if node not in names and values.size == output.size and _is_same(values.reshape(output.shape), output):
                names[node] = layer.name
                break
    taken = set(names.values())
    return names | {node: f"{node}#onnx" for node in nodes if node not in names and node in taken}


def _is_same(a: Array, b: Array) -> bool:
    span = float(np.abs(b).max()) or 1.0
    return bool(np.abs(a - b).max() <= _SAME * span)
