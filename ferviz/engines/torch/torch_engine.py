"""The PyTorch engine: logits, activations and gradients of any `nn.Module`, on a copy, so that the module stays as it is."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from ferviz.engines.base import INPUT, LOGITS, Array, LayerInfo, PictureShape
from ferviz.engines.torch.call_recorder import CallRecorder, Collected, Event, Run
from ferviz.engines.torch.torch_trace import TorchCall, TorchTrace, flat_tensors, trace
from ferviz.errors import FervizError, ModelError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from ferviz.engines.graph import GraphEngine

OURS = "_ferviz_ours"
"""The attribute of modules that nobody else uses."""


class TorchEngine:
    """Executes a PyTorch network and computes its gradients, where the module is (processor or GPU), without changing it.

    The copy computes with the channels last in memory, which is faster for most networks and needs no transposing; a network that asks
    for another order (`x.view`) gets it.

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
        self._single, self._side = False, side
        self._exported: GraphEngine | None = None
        self._lock = threading.RLock()
        self._open(channels_last=True)
        height, width, channels = shape
        self._trace = self._first_run((height or side, width or side, channels), classes)
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

    def exported_graph(self) -> GraphEngine:
        """Return the network as a graph, exported by way of ONNX: what compiling, diagrams and kernels need.

        Raises:
            ModelError: the network cannot be exported or read, or the package `onnx` is not installed.
        """
        from ferviz.engines.torch.torch_to_onnx import ExportedEngine, export_onnx

        with self._lock:
            if self._exported is None:
                height, width, channels = self.input_shape
                shape = (height or self._side, width or self._side, channels)
                self._exported = ExportedEngine(export_onnx(copy.deepcopy(self._source).eval().cpu(), shape), self)
            return self._exported

    # -- the three primitives --------------------------------------------------------------------------------------

    def logits(self, batch: Array) -> Array:
        """Compute the class scores before softmax or sigmoid.

        Args:
            batch: (N, h, w, c) float32.

        Returns:
            (N, K) float32.
        """
        return self._each(lambda part: (self._forward(part),), batch)[0]

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
                self._run(part, Run(visit), any(call.function for call in calls.values()))
            return tuple(_array(self._reached(outputs, layer)) for layer in calls)

        computed = dict(zip(calls, self._each(compute, batch), strict=True))
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
                return self._tensor(inside).to(event.output.dtype).reshape(event.output.shape)

            with torch.no_grad():
                return (_array(self._run(part, Run(visit), call.function)),)

        return self._each(compute, batch, activation)[0]

    # -- inside ----------------------------------------------------------------------------------------------------

    def _open(self, channels_last: bool) -> None:
        previous: CallRecorder | None = getattr(self, "_recorder", None)
        if previous is not None:
            previous.close()
        module = own_copy(self._source)
        self._module = module.eval().requires_grad_(False)
        self._channels_last = channels_last
        self._module.to(memory_format=torch.channels_last if channels_last else torch.preserve_format)
        values = next((v for v in (*module.parameters(), *module.buffers()) if v.is_floating_point()), torch.zeros(()))
        self._device, self._dtype = values.device, values.dtype
        for name, weight in module.state_dict().items():
            if weight.is_floating_point() and not weight.isfinite().all():
                raise ModelError(
                    f"the network {type(module).__name__} has weights that are not finite ({name}); training it went wrong, so "
                    "give it finite ones"
                )
        self._recorder = CallRecorder(self._module)

    def _first_run(self, shape: tuple[int, int, int], classes: int | None) -> TorchTrace:
        """Run the network as it should be, and where that fails with another order in memory, or with one picture at a time."""
        pictures = np.random.default_rng(0).random((2, *shape), np.float32)
        failure: BaseException | None = None
        for count, channels_last in ((2, True), (2, False), (1, False)):
            if channels_last is not self._channels_last:
                self._open(channels_last)
            self._single = count == 1
            try:
                return trace(self._recorder, self._module, self._tensor(pictures[:count]), classes)
            except FervizError:
                raise
            except Exception as error:  # code of the network's own may raise anything
                failure = failure or error
        raise self._failure(failure or RuntimeError(), shape)

    def _failure(self, error: BaseException, shape: Sequence[int]) -> ModelError:
        if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
            return ModelError(
                f"the network {type(self._source).__name__} needs more memory than there is; take a smaller batch_size"
            )
        height, width, channels = shape[-3:]
        return ModelError(
            f"the network {type(self._source).__name__} cannot be run on pictures of {height} x {width} x {channels}: {_reason(error)}"
        )

    def _call(self, layer: str) -> TorchCall:
        if layer not in self._calls:
            raise UnknownNameError("layer", layer, self._calls, "this model")
        return self._calls[layer]

    def _tensor(self, values: Array) -> Any:
        """-> a tensor of our own where the network is, maps with the channels first."""
        tensor = torch.tensor(np.asarray(values, np.float32))
        if tensor.ndim == 4:
            tensor = tensor.permute(0, 3, 1, 2)
            if not self._channels_last:
                tensor = tensor.clone(memory_format=torch.contiguous_format)
        return tensor.to(self._device, self._dtype)

    def _each(self, compute: Callable[..., tuple[Array, ...]], batch: Array, *more: Array) -> tuple[Array, ...]:
        """Compute arrays, for all pictures at once or, where the network takes only one, for each picture."""
        batch = np.asarray(batch, np.float32)
        expected = self.input_shape
        if batch.ndim != 4 or any(
            want not in (None, have) for want, have in zip(expected, batch.shape[1:], strict=True)
        ):
            raise UsageError(
                f"the network takes pictures (N, {', '.join(str(d or 'any') for d in expected)}), got {batch.shape}"
            )
        count = len(batch)
        given = (batch, *more)
        if not count:
            given = tuple(np.zeros((1, *values.shape[1:]), np.float32) for values in given)
        try:
            if not self._single or len(given[0]) == 1:
                results = compute(*given)
            else:
                rows = [compute(*(values[n : n + 1] for values in given)) for n in range(count)]
                results = tuple(np.concatenate(parts) for parts in zip(*rows, strict=True))
        except FervizError:
            raise
        except Exception as error:  # code of the network's own may raise anything
            raise self._failure(error, batch.shape) from error
        return results if count else tuple(values[:0] for values in results)

    def _forward(self, batch: Array) -> Array:
        with torch.no_grad():
            return _array(self._run(batch, Run(), functions=False))

    def _run(self, given: Any, run: Run, functions: bool) -> Any:
        """Run the network on pictures (an array, or a tensor as `_tensor` makes it) -> logits (N, K), None where the run was ended."""
        pictures = self._tensor(given) if isinstance(given, np.ndarray) else given
        t, logits = self._trace, []
        if t.end is not None:

            def end(number: int, kind: str, value: Any, output: Any) -> None:
                if number == t.end:
                    logits.append(value.clone())

            run.end = end
        result = None
        with self._recorder.watch(run, functions or run.guided or t.dropout or t.end is not None):
            result = self._module(pictures)
        if result is None:
            return None
        value = logits[0] if t.end is not None else list(flat_tensors(result))[t.output]
        value = value.reshape(len(pictures), self.classes)
        return value.clamp_min(torch.finfo(value.dtype).tiny).log() if t.probabilities else value

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

        activation, gradient, value = self._each(compute, batch, weights)
        return activation, gradient, value

    def _backward(
        self, batch: Array, at: str, weights: Array, to: str, functions: bool, guided: bool
    ) -> tuple[Array, Array, Array]:
        tensors: dict[str, Any] = {}
        pictures = self._tensor(batch)
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
            tensors[LOGITS] = self._run(pictures, Run(visit, guided=guided), functions)
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
            gradients.append(_array(gradient))
        empty = np.zeros((len(batch), 0, *_array(leaf).shape[1:]), np.float32)
        return _array(leaf), np.stack(gradients, 1) if gradients else empty, _array(value)

    def _rows(self, weights: Array, value: Any, to: str) -> list[Any]:
        """-> the weights of each target in the form of the tensor that is differentiated."""
        if to != LOGITS:
            return [self._tensor(weights[:, t]).to(value.dtype).reshape(value.shape) for t in range(weights.shape[1])]
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


def own_copy(module: Any) -> Any:
    """Return a copy of a module, or the module itself where it was read from a file just now (`ours`).

    Args:
        module: an `nn.Module`.

    Raises:
        ModelError: it cannot be copied.
    """
    if getattr(module, OURS, False):
        return module
    try:
        return copy.deepcopy(module)
    except Exception as error:  # copying runs code of the network's own
        raise ModelError(
            f"the network {type(module).__name__} cannot be copied ({_reason(error)}); ferviz works on a copy, so that yours stays as it is"
        ) from error


def ours(module: Any) -> Any:
    """Mark a module as one that nobody else uses, so that no copy is needed: exported programs cannot be copied.

    Args:
        module: an `nn.Module`.
    """
    setattr(module, OURS, True)
    return module


def unwrapped(module: Any) -> Any:
    """Return the network inside wrappers of PyTorch (DataParallel, a compiled module).

    Args:
        module: an `nn.Module`.
    """
    wrappers = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
    while True:
        if isinstance(module, wrappers):
            module = module.module
        elif type(module).__name__ == "OptimizedModule" and hasattr(module, "_orig_mod"):
            module = module._orig_mod
        else:
            return module


def _array(tensor: Any) -> Array:
    """-> float32, maps with the channels last."""
    values = tensor.detach().to(torch.float32).cpu()
    if values.ndim == 4:
        values = values.permute(0, 2, 3, 1)
    return np.ascontiguousarray(values.numpy())


def _free(info: LayerInfo, shape: PictureShape) -> LayerInfo:
    """-> a layer of a network that takes pictures of any size: the sides of its maps are free."""
    if not info.spatial or None not in shape[:2]:
        return info
    return LayerInfo(info.name, info.kind, (None, None, info.shape[2]), True, info.parameters, info.container)


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:240] or type(error).__name__
