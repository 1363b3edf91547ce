"""The graph engine: logits, activations and gradients of any network that can be traced into one TensorFlow graph, compiled."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np

from ferviz.engines.backend import tensorflow
from ferviz.engines.base import INPUT, LOGITS, Array, LayerInfo, PictureShape
from ferviz.engines.graph.affine import is_affine
from ferviz.engines.graph.graph_gradients import channels_last, class_gradients, layer_gradient, logits_gradient
from ferviz.engines.graph.graph_trace import Trace
from ferviz.engines.graph.topology import layer_infos, output_shape
from ferviz.errors import FervizError, ModelError, UsageError

MAX_TARGETS = 16
"""Targets that one compiled function answers at once; more are computed in several parts."""

AFFINE_PAYS = 8
"""Backward passes, per class, from which it pays to compute a linear head's gradients once for all pictures."""


class GraphEngine:
    """Executes a network and computes its gradients, on TensorFlow, from the graphs that a subclass traces.

    Each question is compiled once, for any number of pictures, when it is first asked. A subclass says how the network is traced
    (`trace_at`); all else follows.

    Args:
        title: what messages call the network.
        shape: (h, w, c) of its pictures, None = any.
        channels_first: whether what is traced takes (N, c, h, w). Batches are (N, h, w, c) either way.
    """

    name = "graph"
    takes_predicted: Literal[True] = True
    has_own_code: bool = False
    """Whether the network computes something outside of its layers, which a diagram cannot show."""

    def __init__(self, title: str, shape: PictureShape, channels_first: bool = False) -> None:
        self.title, self.channels_first = title, channels_first
        self.input_shape: PictureShape = shape
        self._traces: dict[bool, Trace] = {}  # guided -> the trace
        self._functions: dict[tuple[Any, ...], Callable[..., Any]] = {}
        self._affine: dict[str, bool] = {}
        self._lock = threading.RLock()

    # -- what a subclass says --------------------------------------------------------------------------------------

    def trace_at(self, shape: PictureShape, guided: bool = False, separate: bool = False) -> Trace:
        """Trace the network for any number of pictures.

        Args:
            shape: (h, w, c) of the pictures, None = any, among those that the network takes.
            guided: every ReLU's gradient also drops negative gradients (guided backpropagation).
            separate: every call returns a tensor of its own, also a layer that returns its own input.

        Raises:
            ModelError: where the network does not return one vector of class scores a picture. Code of the network's own may raise
                anything else.
        """
        raise NotImplementedError

    def trace_resized(self, shape: PictureShape) -> Trace | None:
        """Trace the network for pictures of a size that it does not take as it is, with its sizes opened.

        Args:
            shape: (h, w, c) of the pictures.

        Returns:
            The trace, or None where the network is tied to its size.
        """
        raise NotImplementedError

    # -- what the network is ---------------------------------------------------------------------------------------

    @property
    def traced(self) -> Trace:
        """The traced network (see `ferviz.engines.graph.graph_trace`)."""
        return self._traces.get(False) or self._trace()

    @property
    def _guided(self) -> Trace:
        return self._traces.get(True) or self._trace(guided=True)

    @property
    def head(self) -> str:
        """What the network does to its logits at the end: "softmax", "sigmoid" or "linear" (nothing)."""
        return self.traced.head

    @property
    def classes(self) -> int:
        """K, the number of class scores."""
        return int(self.traced.logits.shape[-1])

    @cached_property
    def layers(self) -> tuple[LayerInfo, ...]:
        """Every layer call of the network, in order of execution."""
        return layer_infos(self.traced.calls.values())

    # -- the three primitives --------------------------------------------------------------------------------------

    def logits(self, batch: Array) -> Array:
        """Compute the class scores before softmax or sigmoid.

        Args:
            batch: (N, h, w, c) float32.

        Returns:
            (N, K) float32.
        """
        t = self.traced
        function = self._function(("logits",), lambda: t.part([t.picture], [t.logits]))
        return self._run(function, batch)[0]

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
        t = self.traced
        wanted = [address for address in layers if address != INPUT]
        calls = [t.call(address) for address in wanted]
        if not calls:
            return [batch for _ in layers]

        def build() -> Callable[..., Any]:
            with t.function.graph.as_default():
                return t.part([t.picture], [channels_last(call.tensor, call) for call in calls])

        function = self._function(("activations", *wanted), build)
        outputs = dict(zip(wanted, self._run(function, batch), strict=True))
        return [batch if address == INPUT else outputs[address] for address in layers]

    def gradients(self, batch: Array, layer: str, weights: Array, of: str = LOGITS) -> tuple[Array, Array, Array]:
        """Compute for each of T targets the gradient of `sum(weights[n, t] * tensor[n])` at `layer`.

        All targets share one pass through the network up to `layer`. Where everything between it and the logits is linear, many pictures
        and targets need no pass back at all: the gradient may then be a read-only view that all pictures share.

        Args:
            batch: (N, h, w, c) float32.
            layer: where the gradient is taken; INPUT is the picture.
            weights: (N, T, K) for the logits, or (N, T, K + 1): the last column is the weight of the class with the greatest logit,
                whichever that is. (N, T, *shape) for a layer whose activation is (N, *shape), channels last.
            of: the tensor that is differentiated: LOGITS or the name of a layer.

        Returns:
            The activation (N, h, w, C), the gradient (N, T, h, w, C) and the value of `of`, (N, K) or (N, *shape); all float32.

        Raises:
            UnknownNameError: for a layer that the network does not have.
            UsageError: for weights of another shape.
            ModelError: where `of` does not depend on the layer in a differentiable way.
        """
        if of != LOGITS:
            return self._gradients_of_layer(batch, layer, weights, of)
        weights = self._weights(batch, weights)
        # The passes back that it saves, all targets but the first, against the classes whose gradients it computes.
        many = len(batch) * (weights.shape[1] - 1) > AFFINE_PAYS * self.classes
        if many and layer != INPUT and self._is_affine(layer):
            return self._constant_gradients(batch, layer, weights)
        return self._gradients(self.traced, batch, layer, weights)

    # -- more that this engine can do ------------------------------------------------------------------------------

    def graph_engine(self) -> GraphEngine:
        """Return this engine: it has the network as a graph."""
        return self

    def guided_gradients(self, batch: Array, layer: str, weights: Array) -> tuple[Array, Array, Array]:
        """Compute gradients of the logits where every ReLU on the way back also stops negative gradients (guided backpropagation).

        Args:
            batch: (N, h, w, c) float32.
            layer: where the gradient is taken; INPUT is the picture.
            weights: (N, T, K) or (N, T, K + 1), as for `gradients`.

        Returns:
            As `gradients`.
        """
        return self._gradients(self._guided, batch, layer, weights)

    def logits_from(self, batch: Array, layer: str, activation: Array) -> Array:
        """Compute the logits that follow when a layer's activation is replaced; only the part after the layer is run.

        Args:
            batch: (N, h, w, c) float32, for connections that bypass the layer.
            layer: the layer whose output is replaced.
            activation: (N, h, w, C) float32, what stands in its place.

        Returns:
            (N, K) float32.
        """
        t, call = self.traced, self.traced.call(layer)
        tf = tensorflow()

        def build() -> Callable[..., Any]:
            return t.part([t.picture, call.tensor], [t.logits])

        function = self._function(("from", layer), build)
        inside = np.moveaxis(activation, -1, 1) if call.channels_first and activation.ndim == 4 else activation
        return self._run(function, batch, tf.cast(inside, call.tensor.dtype))[0]

    # -- inside ----------------------------------------------------------------------------------------------------

    def _trace(self, guided: bool = False) -> Trace:
        tensorflow()  # refuses in a forked process, where another thread's hold on the lock would last for ever
        try:
            # Two threads that ask at once get the same trace: the tensors of one mean nothing to the other.
            with self._lock:
                if guided not in self._traces:
                    self._traces[guided] = self.trace_at(self.input_shape, guided)
                return self._traces[guided]
        except FervizError:
            raise
        except Exception as error:  # code of the network's own may raise anything
            lines = [line for line in re.sub(r"\x1b\[\d+m", "", str(error)).splitlines() if line.strip()]
            reason = " ".join(lines[:2])[:240] or type(error).__name__
            raise ModelError(f"{self.title} cannot be run: {reason}") from error

    def _gradients(self, t: Trace, batch: Array, layer: str, weights: Array) -> tuple[Array, Array, Array]:
        weights = self._weights(batch, weights)
        guided = t is not self.traced

        def function(targets: int) -> Callable[..., Any]:
            return self._function(("gradients", guided, layer, targets), partial(logits_gradient, t, layer, targets))

        return self._in_parts(batch, weights, function)

    def _gradients_of_layer(self, batch: Array, layer: str, weights: Array, of: str) -> tuple[Array, Array, Array]:
        """As `_gradients`, of a layer's output instead of the logits."""
        t, weights = self.traced, np.ascontiguousarray(weights, np.float32)
        shape = self.input_shape if of == INPUT else output_shape(t.call(of))
        fits = weights.ndim == 2 + len(shape) and len(weights) == len(batch)
        if not fits or any(want not in (None, have) for want, have in zip(shape, weights.shape[2:], strict=True)):
            wanted = ", ".join(str(side or "any") for side in shape)
            raise UsageError(f"weights of {of!r} must be ({len(batch)}, targets, {wanted}), got {weights.shape}")

        def function(targets: int) -> Callable[..., Any]:
            return self._function(("gradients of", of, layer, targets), partial(layer_gradient, t, layer, of, targets))

        return self._in_parts(batch, weights, function)

    def _in_parts(
        self, batch: Array, weights: Array, function: Callable[[int], Callable[..., Any]]
    ) -> tuple[Array, Array, Array]:
        """Ask a compiled function for a few targets at a time -> (activation, gradient, value)."""
        parts = []
        for start in range(0, weights.shape[1], MAX_TARGETS):
            chunk = weights[:, start : start + MAX_TARGETS]
            activation, value, gradient = self._run(function(chunk.shape[1]), batch, chunk)
            parts.append(gradient)
        return activation, parts[0] if len(parts) == 1 else np.concatenate(parts, 1), value

    def _weights(self, batch: Array, weights: Array) -> Array:
        """-> weights (N, T, K + 1)."""
        weights = np.ascontiguousarray(weights, np.float32)
        if weights.ndim != 3 or weights.shape[0] != len(batch) or weights.shape[2] - self.classes not in (0, 1):
            raise UsageError(f"weights must be ({len(batch)}, targets, {self.classes}), got {weights.shape}")
        return np.pad(weights, ((0, 0), (0, 0), (0, 1))) if weights.shape[2] == self.classes else weights

    def _is_affine(self, layer: str) -> bool:
        t, call = self.traced, self.traced.call(layer)
        with self._lock:
            if call.address not in self._affine:
                self._affine[call.address] = call.tensor.shape.rank == 4 and is_affine(t.logits, call.tensor, t.picture)
            return self._affine[call.address]

    def _constant_gradients(self, batch: Array, layer: str, weights: Array) -> tuple[Array, Array, Array]:
        """As `_gradients` where everything behind the layer is linear: one pass forward, and each class's gradient once."""
        t, call = self.traced, self.traced.call(layer)

        def forward() -> Callable[..., Any]:
            with t.function.graph.as_default():
                return t.part([t.picture], [channels_last(call.tensor, call), t.logits])

        activation, logits = self._run(self._function(("forward", layer), forward), batch)
        # What is fed there has no influence on the gradient; the network's weights have, so that it is computed anew each time.
        sizes = np.moveaxis(activation, -1, 1).shape[1:] if call.channels_first else activation.shape[1:]
        blank = np.zeros((self.classes, *batch.shape[1:]), np.float32), np.zeros((self.classes, *sizes), np.float32)
        function = self._function(("class gradients", layer), lambda: class_gradients(t, layer))
        (by_class,) = self._run(function, *blank, np.eye(self.classes, dtype=np.float32))  # (K, h, w, C)
        total = (
            weights[..., :-1] + weights[..., -1:] * np.eye(self.classes, dtype=np.float32)[logits.argmax(1)][:, None]
        )
        count, targets = total.shape[:2]
        if count > 1 and (total == total[:1]).all():
            shared = (total[0] @ by_class.reshape(self.classes, -1)).reshape(1, targets, *by_class.shape[1:])
            return activation, np.broadcast_to(shared, (count, *shared.shape[1:])), logits
        gradient = total.reshape(count * targets, -1) @ by_class.reshape(self.classes, -1)
        return activation, gradient.reshape(count, targets, *by_class.shape[1:]), logits

    def _function(self, key: tuple[Any, ...], build: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
        tensorflow()
        with self._lock:
            if key not in self._functions:
                self._functions[key] = build()
            return self._functions[key]

    def _run(self, function: Callable[..., Any], batch: Array, *more: Any) -> list[np.ndarray]:
        tf = tensorflow()
        batch = np.ascontiguousarray(batch, np.float32)
        expected = self.input_shape
        if batch.ndim != 4 or any(
            want not in (None, have) for want, have in zip(expected, batch.shape[1:], strict=True)
        ):
            raise UsageError(
                f"the network takes pictures (N, {', '.join(str(d or 'any') for d in expected)}), got {batch.shape}"
            )
        given = [tf.constant(m) if isinstance(m, np.ndarray) else m for m in (batch, *more)]
        count = len(batch)
        if not count:  # oneDNN's products refuse a batch without rows
            given = [tf.zeros((1, *value.shape[1:]), value.dtype) for value in given]
        try:
            return [r.numpy()[:count] for r in function(*given)]
        except tf.errors.ResourceExhaustedError as error:
            raise ModelError(
                f"{self.title} needs more memory for {len(batch)} pictures at once than there is; take a smaller batch_size, or "
                "a smaller network"
            ) from error
