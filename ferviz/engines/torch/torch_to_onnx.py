"""A PyTorch network as an ONNX graph: what compiling, diagrams and kernels work on, under the names that its layers have in PyTorch.

The graph is exported in memory and read by ferviz' own reader. Its nodes have names of their own, so each layer is found again by what it
computes: the layer and the node whose outputs are the same for the same pictures. A layer that the exporter has merged into another one (a
normalisation into the convolution before it) has no node any more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ferviz.engines.base import Array, LayerInfo, PictureShape
from ferviz.engines.graph.graph_trace import Trace
from ferviz.engines.onnx.onnx_engine import SIDE, OnnxEngine
from ferviz.errors import ModelError

_SAME = 1e-4
"""Of the range: outputs that differ less are those of one layer."""


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
