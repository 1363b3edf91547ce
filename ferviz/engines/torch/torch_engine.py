"""The PyTorch engine: logits, activations and gradients of any `nn.Module`, on a copy, so that the module stays as it is."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from ferviz.engines.base import INPUT, LOGITS, Array, LayerInfo, PictureShape
from ferviz.engines.torch.call_recorder import Collected, Event, Run
from ferviz.engines.torch.module_copy import own_copy, unwrapped
from ferviz.engines.torch.module_runner import ModuleRunner, array
from ferviz.engines.torch.torch_trace import TorchCall
from ferviz.errors import ModelError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from ferviz.engines.graph import GraphEngine


class TorchEngine:
    """Executes a PyTorch network and computes its gradients, where the module is (processor or GPU), without changing it.

    Args:
        module: any `nn.Module` that takes a batch of pictures (N, c, h, w) and returns one score a class.
        shape: (h, w, c) of its pictures; None for a side that is free.
        classes: K where it is known; it decides between several outputs.
        side: the side of the pictures that the network is tried on where its size is free.

    Raises:
        ModelError: it cannot be copied, or cannot be run on such pictures, or returns something else than scores.
    """

    name = "torch"
    channels_first = True
    takes_predicted: Literal[True] = True

    def __init__(self, module: Any, shape: PictureShape, classes: int | None = None, side: int = 96) -> None:
        self.input_shape: PictureShape = shape
        self._source = unwrapped(module)
        self._side = side
        self._exported: GraphEngine | None = None
        self._lock = threading.RLock()
        self._runner = ModuleRunner(self._source, shape, classes, side)
        self._trace = self._runner.trace
        self._calls = dict(self._trace.calls)
        self.classes: int = self._trace.classes
        self.head: str = self._trace.head
        self.layers: tuple[LayerInfo, ...] = tuple(_free(call.info, shape) for call in self._calls.values())

    # -- what the network is ---------------------------------------------------------------------------------------

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each thing about the network that decides about its answers."""
        notes = []
        if self._trace.dropout:
            notes.append(
                "the network leaves dropout on when it predicts; here it is off, so that a face has one answer"
            )
        if self._trace.own_statistics:
            notes.append(
                "the network normalises by the pictures of a batch (a norm layer without stored statistics), so a face's answer depends on "
                "the faces beside it"
            )
        return tuple(notes)

    def resized(self, shape: PictureShape) -> TorchEngine:
        """Return an engine for the same network and pictures of another size.

        Args:
            shape: (h, w, c).

        Raises:
            ModelError: the network cannot be run on such pictures.
        """
        return TorchEngine(self._source, shape, self.classes)

    def randomised(self, seed: int, batch: Array | None, share: float = 1.0) -> TorchEngine:
        """Return an engine for the same network with weights drawn anew, as `Randomisable`.

        Args:
            seed: of the weights.
            batch: (N, h, w, c) float32, whose statistics batch normalisation learns; None = mean 0 and variance 1.
            share: of the modules with kernels, counted from the output, that is drawn.

        Raises:
            ModelError: the network's weights cannot be reached, or it cannot be copied.
        """
        from ferviz.engines.torch.random_module import random_module

        module = own_copy(self._source)
        if module is self._source:  # other weights in it would be other weights in this engine
            raise ModelError(
                "an exported program cannot be copied, so there is no second one with random weights; load the weights with their class "
                "(--architecture) instead"
            )
        module = random_module(module, seed, None if batch is None else self._runner.tensor(batch), share)
        return TorchEngine(module, self.input_shape, self.classes, self._side)

    def exported_graph(self) -> GraphEngine:
        """Return the network as a graph, exported by way of ONNX: what compiling, diagrams and kernels need.

        Raises:
            ModelError: the network cannot be exported or read, or the package `onnx` is not installed.
        """
        from ferviz.engines.torch.onnx_export import export_onnx
        from ferviz.engines.torch.torch_to_onnx import ExportedEngine

        with self._lock:
            if self._exported is None:
                height, width, channels = self.input_shape
                shape = (height or self._side, width or self._side, channels)
                module = own_copy(self._source).eval()
                try:
                    self._exported = ExportedEngine(export_onnx(module.cpu(), shape), self)
                finally:
                    module.to(self._runner.device)  # where nobody else uses the module, this engine runs it
            return self._exported

    # -- the three primitives --------------------------------------------------------------------------------------

    def logits(self, batch: Array) -> Array:
        """Compute the class scores before softmax or sigmoid.

        Args:
            batch: (N, h, w, c) float32.

        Returns:
            (N, K) float32.
        """
        return self._runner.each(lambda part: (self._forward(part),), batch)[0]

    def activations(self, batch: Array, layers: Sequence[str]) -> list[Array]:
        """Compute the outputs of layers.

        Args:
            batch: (N, h, w, c) float32.
            layers: names of layers; INPUT is the picture.

        Returns:
            The output of each named layer, float32: (N, h, w, C) for maps, (N, ...) otherwise.

        Raises:
            UnknownNameError: for a layer that is not there.
        """
        calls = {layer: self._call(layer) for layer in layers if layer != INPUT}
        if not calls:
            return [batch for _ in layers]

        def compute(part: Array) -> tuple[Array, ...]:
            outputs: dict[str, Any] = {}
            wanted = {call.source for call in calls.values()}

            def visit(event: Event) -> Any:
                if event.address not in wanted:
                    return None
                outputs[event.address] = event.output.clone()  # what follows may change it in place
                if len(outputs) == len(wanted):
                    raise Collected
                return None

            with torch.no_grad():
                self._runner.run(part, Run(visit), any(call.function for call in calls.values()))
            return tuple(array(self._reached(outputs, layer)) for layer in calls)

        computed = dict(zip(calls, self._runner.each(compute, batch), strict=True))
        return [batch if layer == INPUT else computed[layer] for layer in layers]

    def gradients(self, batch: Array, layer: str, weights: Array, of: str = LOGITS) -> tuple[Array, Array, Array]:
        """Compute for each of T targets the gradient of `sum(weights[n, t] * tensor[n])` at `layer`.

        All targets share one pass forward, of which nothing before the layer is recorded, and no gradient of a weight is computed.

        Args:
            batch: (N, h, w, c) float32.
            layer: where the gradient is taken; INPUT is the picture.
            weights: (N, T, K) for the logits, or (N, T, K + 1): the last column is the weight of the class with the greatest logit.
                (N, T, *shape) for a layer whose activation is (N, *shape), channels last.
            of: the tensor that is differentiated: LOGITS or the name of a layer.

        Returns:
            The activation (N, h, w, C), the gradient (N, T, h, w, C) and the value of `of`, (N, K) or (N, *shape); all float32.

        Raises:
            UnknownNameError: for a layer that the network does not have.
            UsageError: for weights of another shape.
            ModelError: where `of` does not depend on the layer in a differentiable way.
        """
        return self._gradients(batch, layer, weights, of, guided=False)

    # -- more that this engine can do ------------------------------------------------------------------------------

    def guided_gradients(self, batch: Array, layer: str, weights: Array) -> tuple[Array, Array, Array]:
        """Compute gradients of the logits where every ReLU on the way back also stops negative gradients (guided backpropagation).

        Args:
            batch: (N, h, w, c) float32.
            layer: where the gradient is taken; INPUT is the picture.
            weights: (N, T, K) or (N, T, K + 1), as for `gradients`.

        Returns:
            As `gradients`.
        """
        return self._gradients(batch, layer, weights, LOGITS, guided=True)

    def logits_from(self, batch: Array, layer: str, activation: Array) -> Array:
        """Compute the logits that follow when a layer's activation is replaced.

        Args:
            batch: (N, h, w, c) float32, for connections that bypass the layer.
            layer: the layer whose output is replaced.
            activation: (N, h, w, C) float32, what stands in its place.

        Returns:
            (N, K) float32.
        """
        call = self._call(layer)

        def compute(part: Array, inside: Array) -> tuple[Array]:
            def visit(event: Event) -> Any:
                if event.address != call.source:
                    return None
                return self._runner.tensor(inside).to(event.output.dtype).reshape(event.output.shape)

            with torch.no_grad():
                return (array(self._runner.run(part, Run(visit), call.function)),)

        return self._runner.each(compute, batch, activation)[0]

    # -- inside ----------------------------------------------------------------------------------------------------

    def _call(self, layer: str) -> TorchCall:
        if layer not in self._calls:
            raise UnknownNameError("layer", layer, self._calls, "this model")
        return self._calls[layer]

    def _forward(self, batch: Array) -> Array:
        with torch.no_grad():
            return array(self._runner.run(batch, Run(), functions=False))

    def _reached(self, outputs: dict[str, Any], layer: str) -> Any:
        source = self._call(layer).source
        if source not in outputs:
            raise ModelError(f"layer {layer!r} was not run for these pictures; choose another layer")
        return outputs[source]

    def _gradients(self, batch: Array, layer: str, weights: Array, of: str, guided: bool) -> tuple[Array, Array, Array]:
        at = INPUT if layer == INPUT else self._call(layer).source
        to = of if of in (INPUT, LOGITS) else self._call(of).source
        weights = np.asarray(weights, np.float32)
        if to == LOGITS:
            fits = weights.ndim == 3 and weights.shape[2] - self.classes in (0, 1)
            wanted: Sequence[Any] = (self.classes,)
        else:
            wanted = self.input_shape if of == INPUT else next(i.shape for i in self.layers if i.name == of)
            fits = weights.ndim == 2 + len(wanted) and all(
                want in (None, have) for want, have in zip(wanted, weights.shape[2:], strict=True)
            )
        if not fits or len(weights) != len(batch):
            sides = ", ".join(str(side or "any") for side in wanted)
            raise UsageError(f"weights of {of!r} must be ({len(batch)}, targets, {sides}), got {weights.shape}")
        functions = any(name in self._calls and self._calls[name].function for name in (layer, of))

        def compute(part: Array, rows: Array) -> tuple[Array, ...]:
            with torch.inference_mode(False), torch.enable_grad():
                return self._backward(part, at, rows, to, functions, guided)

        activation, gradient, value = self._runner.each(compute, batch, weights)
        return activation, gradient, value

    def _backward(
        self, batch: Array, at: str, weights: Array, to: str, functions: bool, guided: bool
    ) -> tuple[Array, Array, Array]:
        tensors: dict[str, Any] = {}
        pictures = self._runner.tensor(batch)
        if at == INPUT:
            tensors[INPUT] = pictures.detach().requires_grad_()
            pictures = tensors[INPUT].clone()

        def visit(event: Event) -> Any:
            if event.address not in (at, to):
                return None
            output = event.output
            if event.address == at:
                output = output.detach().requires_grad_()
            tensors[event.address] = output
            if to != LOGITS and at in tensors and to in tensors:
                raise Collected
            return output.clone()  # what follows may change it in place

        if not (to == at == INPUT):
            tensors[LOGITS] = self._runner.run(pictures, Run(visit, guided=guided), functions)
        leaf, value = (self._reached_tensor(tensors, name) for name in (at, to))
        if not value.requires_grad:
            raise self._independent(at, to)
        rows = self._rows(weights, value, to)
        gradients = []
        for number, row in enumerate(rows):
            last = number == len(rows) - 1
            (gradient,) = torch.autograd.grad(value, leaf, row, retain_graph=not last, allow_unused=True)
            if gradient is None:
                raise self._independent(at, to)
            gradients.append(array(gradient))
        empty = np.zeros((len(batch), 0, *array(leaf).shape[1:]), np.float32)
        return array(leaf), np.stack(gradients, 1) if gradients else empty, array(value)

    def _rows(self, weights: Array, value: Any, to: str) -> list[Any]:
        """-> the weights of each target in the form of the tensor that is differentiated."""
        if to != LOGITS:
            return [
                self._runner.tensor(weights[:, t]).to(value.dtype).reshape(value.shape) for t in range(weights.shape[1])
            ]
        if weights.shape[2] > self.classes:
            predicted = np.eye(self.classes, dtype=np.float32)[value.detach().argmax(1).cpu().numpy()]
            weights = weights[..., :-1] + weights[..., -1:] * predicted[:, None]
        return [torch.tensor(weights[:, t]).to(value.device, value.dtype) for t in range(weights.shape[1])]

    def _reached_tensor(self, tensors: dict[str, Any], name: str) -> Any:
        if tensors.get(name) is None:
            raise ModelError(f"layer {name!r} was not run for these pictures; choose another layer")
        return tensors[name]

    def _independent(self, at: str, to: str) -> ModelError:
        subject = "the logits do" if to == LOGITS else f"{to!r} does"
        return ModelError(f"{subject} not depend on {at!r} in a differentiable way; choose another layer")


def _free(info: LayerInfo, shape: PictureShape) -> LayerInfo:
    """-> a layer of a network that takes pictures of any size: the sides of its maps are free."""
    if not info.spatial or None not in shape[:2]:
        return info
    return LayerInfo(info.name, info.kind, (None, None, info.shape[2]), True, info.parameters, info.container)
