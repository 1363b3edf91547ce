"""The Keras engine: logits, activations and gradients of any Keras network, compiled, without touching the network."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np

from ferviz.engines.affine import is_affine
from ferviz.engines.backend import tensorflow
from ferviz.engines.base import INPUT, LOGITS, Array, LayerInfo, PictureShape
from ferviz.engines.keras_trace import Call, Trace, input_shape, trace, wants_channels_first
from ferviz.errors import FervizError, ModelError, UnknownNameError, UsageError

MOST_TARGETS = 16
"""Targets that one compiled function answers at once; more are asked in several goes."""

WORTH = 8
"""Passes back, a class, from which a linear head's gradients are computed once and for all."""


class KerasEngine:
    """Executes a Keras network for explanations.

    network: any `keras.Model` that takes one picture and returns one score a class; it is never changed.
    channels_first: whether it wants (N, c, h, w); None finds out from the network. Batches are (N, h, w, c) either way.
    shape: (h, w, c) of its pictures where the network does not know (a subclassed network that was never called).
    Each question is compiled once, for any number of pictures, when it is first asked.
    Raises ModelError for a network with several inputs or outputs, or whose input is not a picture.
    """

    name = "keras"
    takes_predicted: Literal[True] = True

    def __init__(self, network: Any, channels_first: bool | None = None, shape: PictureShape | None = None) -> None:
        self.network = network
        known = input_shape(network)
        self.channels_first = wants_channels_first(network) if channels_first is None else channels_first
        if shape is None:
            if known is None:
                raise ModelError(
                    "the network was never built; call it on a picture once, or pass the shape of its pictures"
                )
            if len(known) != 4:
                raise ModelError(f"the network takes {known}; ferviz needs one picture, (N, height, width, channels)")
            height, width, channels = known[1:] if not self.channels_first else (known[2], known[3], known[1])
            if channels is None:
                raise ModelError(f"the network takes {known}; the number of its picture's channels has to be fixed")
            shape = (height, width, channels)
        self.input_shape: PictureShape = shape
        self._functions: dict[tuple[Any, ...], Callable[..., Any]] = {}
        self._affine: dict[str, bool] = {}
        self._lock = threading.RLock()

    # -- what the network is ---------------------------------------------------------------------------------------

    @cached_property
    def traced(self) -> Trace:
        """The traced network (see `ferviz.engines.keras_trace`)."""
        return self._traced()

    @cached_property
    def _guided(self) -> Trace:
        return self._traced(guided=True)

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
        calls = self.traced.calls.values()
        return tuple(_info(call, _attentions(calls)) for call in calls)

    # -- the three primitives --------------------------------------------------------------------------------------

    def logits(self, batch: Array) -> Array:
        """batch (N, h, w, c) float32 -> class scores before softmax or sigmoid, (N, K) float32."""
        t = self.traced
        function = self._function(("logits",), lambda: t.part([t.picture], [t.logits]))
        return self._run(function, batch)[0]

    def activations(self, batch: Array, layers: Sequence[str]) -> list[Array]:
        """-> the output of each named layer, float32: (N, h, w, C) for maps, (N, ...) otherwise.

        Raises UnknownNameError for a layer that is not there.
        """
        t = self.traced
        wanted = [address for address in layers if address != INPUT]
        calls = [self._call(t, address) for address in wanted]
        if not calls:
            return [batch for _ in layers]

        def build() -> Callable[..., Any]:
            with t.function.graph.as_default():
                return t.part([t.picture], [_channels_last(call.tensor, call) for call in calls])

        function = self._function(("activations", *wanted), build)
        found = dict(zip(wanted, self._run(function, batch), strict=True))
        return [batch if address == INPUT else found[address] for address in layers]

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
        many = len(batch) * (weights.shape[1] - 1) > WORTH * self.classes
        if many and layer != INPUT and self._is_affine(layer):
            return self._constant_gradients(batch, layer, weights)
        return self._gradients("traced", batch, layer, weights)

    # -- more that this engine can do ------------------------------------------------------------------------------

    def keras_engine(self) -> KerasEngine:
        """Return this engine: it executes the Keras network itself."""
        return self

    def guided_gradients(self, batch: Array, layer: str, weights: Array) -> tuple[Array, Array, Array]:
        """As `gradients`, but every ReLU on the way back also stops negative gradients (guided backpropagation)."""
        return self._gradients("_guided", batch, layer, weights)

    def logits_from(self, batch: Array, layer: str, activation: Array) -> Array:
        """What the network answers when `layer` says `activation` (N, h, w, C) instead of what it would say.

        Only the part after `layer` is run, with `batch` (N, h, w, c) for connections that pass the layer by. -> (N, K).
        """
        t, call = self.traced, self._call(self.traced, layer)
        tf = tensorflow()

        def build() -> Callable[..., Any]:
            return t.part([t.picture, call.tensor], [t.logits])

        function = self._function(("from", layer), build)
        said = np.moveaxis(activation, -1, 1) if call.channels_first and activation.ndim == 4 else activation
        return self._run(function, batch, tf.cast(said, call.tensor.dtype))[0]

    # -- inside ----------------------------------------------------------------------------------------------------

    def _traced(self, guided: bool = False) -> Trace:
        try:
            with self._lock:
                return trace(self.network, self.input_shape, self.channels_first, guided)
        except FervizError:
            raise
        except Exception as error:  # code of the network's own may raise anything
            lines = [line for line in re.sub(r"\x1b\[\d+m", "", str(error)).splitlines() if line.strip()]
            reason = " ".join(lines[:2])[:240] or type(error).__name__
            raise ModelError(f"the network {self.network.name!r} cannot be run: {reason}") from error

    def _gradients(self, which: str, batch: Array, layer: str, weights: Array) -> tuple[Array, Array, Array]:
        t: Trace = getattr(self, which)
        weights = self._weights(batch, weights)
        parts = []
        for start in range(0, weights.shape[1], MOST_TARGETS):
            some = weights[:, start : start + MOST_TARGETS]
            build = partial(self._gradient_part, t, layer, some.shape[1])
            function = self._function(("gradients", which, layer, some.shape[1]), build)
            activation, logits, gradient = self._run(function, batch, some)
            parts.append(gradient)
        return activation, parts[0] if len(parts) == 1 else np.concatenate(parts, 1), logits

    def _weights(self, batch: Array, weights: Array) -> Array:
        """-> weights (N, T, K + 1)."""
        weights = np.ascontiguousarray(weights, np.float32)
        if weights.ndim != 3 or weights.shape[0] != len(batch) or weights.shape[2] - self.classes not in (0, 1):
            raise UsageError(f"weights must be ({len(batch)}, targets, {self.classes}), got {weights.shape}")
        return np.pad(weights, ((0, 0), (0, 0), (0, 1))) if weights.shape[2] == self.classes else weights

    def _is_affine(self, layer: str) -> bool:
        t, call = self.traced, self._call(self.traced, layer)
        with self._lock:
            if call.address not in self._affine:
                self._affine[call.address] = call.tensor.shape.rank == 4 and is_affine(t.logits, call.tensor, t.picture)
            return self._affine[call.address]

    def _constant_gradients(self, batch: Array, layer: str, weights: Array) -> tuple[Array, Array, Array]:
        """As `_gradients` where everything behind the layer is linear: one pass forward, and each class's gradient once."""
        t, call = self.traced, self._call(self.traced, layer)
        tf = tensorflow()

        def forward() -> Callable[..., Any]:
            with t.function.graph.as_default():
                return t.part([t.picture], [_channels_last(call.tensor, call), t.logits])

        def back() -> Callable[..., Any]:
            with t.function.graph.as_default():
                seed = tf.compat.v1.placeholder(tf.float32, [None, self.classes])
                gradient = tf.gradients(t.logits, call.tensor, seed)[0]
                return t.part([t.picture, call.tensor, seed], [_channels_last(gradient, call)])

        activation, logits = self._run(self._function(("forward", layer), forward), batch)
        # What is fed there has no part in the answer; the weights have, so that it is asked anew each time.
        sizes = np.moveaxis(activation, -1, 1).shape[1:] if call.channels_first else activation.shape[1:]
        nothing = np.zeros((self.classes, *batch.shape[1:]), np.float32), np.zeros((self.classes, *sizes), np.float32)
        function = self._function(("back", layer), back)
        (one,) = self._run(function, *nothing, np.eye(self.classes, dtype=np.float32))  # (K, h, w, C)
        total = (
            weights[..., :-1] + weights[..., -1:] * np.eye(self.classes, dtype=np.float32)[logits.argmax(1)][:, None]
        )
        count, targets = total.shape[:2]
        if count > 1 and (total == total[:1]).all():
            alike = (total[0] @ one.reshape(self.classes, -1)).reshape(1, targets, *one.shape[1:])
            return activation, np.broadcast_to(alike, (count, *alike.shape[1:])), logits
        gradient = total.reshape(count * targets, -1) @ one.reshape(self.classes, -1)
        return activation, gradient.reshape(count, targets, *one.shape[1:]), logits

    def _gradients_of_layer(self, batch: Array, layer: str, weights: Array, of: str) -> tuple[Array, Array, Array]:
        """As `_gradients`, of a layer's output instead of the logits."""
        t, weights = self.traced, np.ascontiguousarray(weights, np.float32)
        call = self._tensor(t, of)[1]
        shape = self.input_shape if call is None else _info(call).shape
        fits = len(weights.shape) == 2 + len(shape) and len(weights) == len(batch)
        if not fits or any(want not in (None, have) for want, have in zip(shape, weights.shape[2:], strict=True)):
            wanted = ", ".join(str(side or "any") for side in shape)
            raise UsageError(f"weights of {of!r} must be ({len(batch)}, targets, {wanted}), got {weights.shape}")
        parts = []
        for start in range(0, weights.shape[1], MOST_TARGETS):
            chunk = weights[:, start : start + MOST_TARGETS]
            build = partial(self._layer_gradient_part, t, layer, of, chunk.shape[1])
            function = self._function(("gradients of", of, layer, chunk.shape[1]), build)
            activation, value, gradient = self._run(function, batch, chunk)
            parts.append(gradient)
        return activation, parts[0] if len(parts) == 1 else np.concatenate(parts, 1), value

    def _layer_gradient_part(self, t: Trace, layer: str, of: str, targets: int) -> Callable[..., Any]:
        tf = tensorflow()
        (at, call), (tensor, outer) = self._tensor(t, layer), self._tensor(t, of)
        with t.function.graph.as_default():
            value = _channels_last(tensor, outer)
            weights = tf.compat.v1.placeholder(tf.float32, [None, targets, *value.shape[1:]])
            gradients = [tf.gradients(tf.reduce_sum(value * weights[:, i]), at)[0] for i in range(targets)]
            if gradients[0] is None:
                raise ModelError(
                    f"{of!r} does not depend on {layer!r} in a differentiable way; choose an earlier layer"
                )
            gradient = tf.stack([_channels_last(g, call) for g in gradients], 1)
            return t.part([t.picture, weights], [_channels_last(at, call), value, gradient])

    def _tensor(self, t: Trace, address: str) -> tuple[Any, Call | None]:
        if address == INPUT:
            return t.picture, None
        call = self._call(t, address)
        return call.tensor, call

    def _gradient_part(self, t: Trace, layer: str, targets: int) -> Callable[..., Any]:
        tf = tensorflow()
        call = None if layer == INPUT else self._call(t, layer)
        with t.function.graph.as_default():
            at = t.picture if call is None else call.tensor
            weights = tf.compat.v1.placeholder(tf.float32, [None, targets, self.classes + 1])
            predicted = tf.one_hot(tf.argmax(t.logits, 1), self.classes)[:, None]
            total = weights[..., :-1] + weights[..., -1:] * predicted
            gradients = [tf.gradients(tf.reduce_sum(t.logits * total[:, i]), at)[0] for i in range(targets)]
            if gradients[0] is None:
                raise ModelError(f"the logits do not depend on {layer!r} in a differentiable way; choose another layer")
            gradient = tf.stack([_channels_last(g, call) for g in gradients], 1)
            return t.part([t.picture, weights], [_channels_last(at, call), t.logits, gradient])

    def _call(self, t: Trace, address: str) -> Call:
        address = t.aliases.get(address, address)
        if address not in t.calls:
            raise UnknownNameError("layer", address, t.calls, "this model")
        return t.calls[address]

    def _function(self, key: tuple[Any, ...], build: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
        with self._lock:
            if key not in self._functions:
                self._functions[key] = _signed(build())
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
        try:
            return [r.numpy() for r in function(*given)]
        except tf.errors.ResourceExhaustedError as error:
            raise ModelError(
                f"the network {self.network.name!r} needs more memory for {len(batch)} pictures at once than there is; take a "
                "smaller batch_size, or a smaller network"
            ) from error


def _signed(part: Any) -> Callable[..., Any]:
    """A pruned function with a signature. Without one TensorFlow tries to bind the arguments to that of the function it was pruned
    from, fails, and prints the whole batch into an error that it drops."""
    tf = tensorflow()
    given = part.inputs[: len(part.inputs) - len(part.captured_inputs)]
    signature = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in given]
    signed: Callable[..., Any] = tf.function(lambda *values: part(*values), input_signature=signature, autograph=False)
    return signed


def _channels_last(tensor: Any, call: Call | None) -> Any:
    tf = tensorflow()
    if call is not None and call.channels_first and tensor.shape.rank == 4:
        tensor = tf.transpose(tensor, [0, 2, 3, 1])
    return tf.cast(tensor, tf.float32)


def _attentions(calls: Iterable[Call]) -> tuple[str, ...]:
    """-> what the addresses inside of attention layers begin with: (heads, tokens, sizes) in there are no maps."""
    kinds = ("MultiHeadAttention", "GroupQueryAttention")
    return tuple(
        call.address.rpartition(":")[0] or call.address for call in calls if type(call.layer).__name__ in kinds
    )


def _info(call: Call, attentions: tuple[str, ...] = ()) -> LayerInfo:
    shape = tuple(call.tensor.shape[1:])
    if len(shape) == 3 and call.channels_first:
        shape = (*shape[1:], shape[0])
    spatial = len(shape) == 3 and (None in shape[:2] or shape[0] * shape[1] > 1)
    spatial = spatial and not any(call.address.startswith(f"{outer}/") for outer in attentions)
    parameters = int(sum(int(np.prod(w.shape)) for w in call.layer.weights))
    return LayerInfo(call.address, type(call.layer).__name__, shape, spatial, parameters)
