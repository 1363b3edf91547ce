"""The LiteRT engine: what any engine computes, from a compiled network, without TensorFlow or Keras."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ferviz.engines.base import INPUT, LOGITS, Array, PictureShape
from ferviz.engines.compiled_network import CompiledNetwork
from ferviz.engines.litert_graphs import LiteRTGraphs
from ferviz.engines.tflite.admission import admit
from ferviz.errors import NotCompiledError, UnknownNameError, UsageError


class LiteRTEngine:
    """Executes a compiled network, without TensorFlow or Keras.

    Safe to share between threads: one call is answered at a time. A forked process makes an interpreter of its own.

    Args:
        compiled: the network.
        threads: of the processor, None = all that this process may use.

    Raises:
        ModelError: for graphs that it is not safe to run, that LiteRT cannot run, or that are not what `compiled` declares.
    """

    name = "litert"
    channels_first = False

    def __init__(self, compiled: CompiledNetwork, threads: int | None = None) -> None:
        self.compiled = compiled
        self.classes, self.head, self.layers = compiled.classes, compiled.head, compiled.layers
        self.input_shape: PictureShape = compiled.size
        if not compiled.trusted:
            admit(compiled.content, compiled.digest, compiled.source)
        self._threads = threads or _processors()
        self._begin()
        self._check()
        _ENGINES.add(self)

    # -- the three primitives --------------------------------------------------------------------------------------

    def logits(self, batch: Array) -> Array:
        """Compute the class scores before softmax or sigmoid.

        Args:
            batch: (N, h, w, c) float32.

        Returns:
            (N, K) float32.
        """
        return self._predict(batch)[0].copy()

    def activations(self, batch: Array, layers: Sequence[str]) -> list[Array]:
        """Compute the outputs of layers.

        Args:
            batch: (N, h, w, c) float32.
            layers: names of layers; INPUT is the picture.

        Returns:
            The output of each named layer, float32: (N, h, w, C) for maps, (N, ...) otherwise.

        Raises:
            UnknownNameError: for a layer that the network does not have.
            NotCompiledError: for one that the file lacks.
        """
        wanted = [layer for layer in dict.fromkeys(layers) if layer != INPUT]
        for layer in wanted:
            self._check_layer(layer)
            if layer not in self.compiled.activations:
                raise NotCompiledError(f"the compiled network does not hold the activation of {layer!r}")
        if wanted == [self.compiled.default_layer]:
            outputs = {wanted[0]: self._predict(batch)[1].copy()}
        elif wanted:
            named = {layer: f"activation/{layer}" for layer in wanted}
            answer = self._run("layers", named.values(), picture=self._batch(batch))
            outputs = {layer: answer[name] for layer, name in named.items()}
        return [batch if layer == INPUT else outputs[layer] for layer in layers]

    def gradients(self, batch: Array, layer: str, weights: Array, of: str = LOGITS) -> tuple[Array, Array, Array]:
        """Compute for each of T targets the gradient of `sum_k weights[n, t, k] * logits[n, k]` at `layer`.

        At the default layer all targets share one pass through the network.

        Args:
            batch: (N, h, w, c) float32.
            layer: where the gradient is taken; INPUT is the picture.
            weights: (N, T, K).
            of: LOGITS; a compiled network holds no gradients of layers.

        Returns:
            The activation (N, h, w, C), the gradient (N, T, h, w, C) and the logits (N, K); all float32.

        Raises:
            UnknownNameError: for a layer that the network does not have.
            UsageError: for weights of another shape.
            NotCompiledError: with the reason, for a gradient that the file lacks.
        """
        if of != LOGITS:
            self._check_layer(of)
            raise NotCompiledError(f"the compiled network holds gradients of the logits, not of {of!r}")
        return self._gradients(batch, layer, weights, "picture")

    # -- more that this engine can do ------------------------------------------------------------------------------

    def guided_gradients(self, batch: Array, layer: str, weights: Array) -> tuple[Array, Array, Array]:
        """Compute gradients at the picture where every ReLU on the way back also stops negative gradients.

        Args:
            batch: (N, h, w, c) float32.
            layer: INPUT.
            weights: (N, T, K) float32.

        Returns:
            As `gradients`.

        Raises:
            NotCompiledError: for any other layer.
        """
        if layer != INPUT:
            raise NotCompiledError(f"the compiled network has guided gradients at the picture only, not at {layer!r}")
        return self._gradients(batch, layer, weights, "guided")

    def logits_from(self, batch: Array, layer: str, activation: Array) -> Array:
        """Compute the logits that follow when the default layer's activation is replaced.

        Args:
            batch: (N, h, w, c) float32; not used, for nothing bypasses the layer.
            layer: the layer whose output is replaced.
            activation: (N, h, w, C) float32, what stands in its place.

        Returns:
            (N, K) float32.

        Raises:
            UnknownNameError: for a layer that the network does not have.
            NotCompiledError: for any but the default layer.
        """
        self._check_layer(layer)
        if layer != self.compiled.default_layer or "head" not in self._graphs:
            raise NotCompiledError(f"the compiled network cannot be entered at {layer!r}")
        blank = np.zeros((len(activation), self.classes), np.float32)
        return self._run("head", ["logits"], activation=_contiguous(activation), weights=blank)["logits"]

    def taught_values(self, batch: Array) -> tuple[Array, Array, Array]:
        """Compute what the taught explainer in the file answers, in one pass.

        Args:
            batch: (N, h, w, c) float32.

        Returns:
            The logits (N, K), the values (N, cells, cells, 2 K) of each class's log-odds and then of each logit, and the errors
            (N, 2 K) that the explainer expects of them; all float32.

        Raises:
            NotCompiledError: the network was not taught.
        """
        self._check_explainer()
        answer = self._run("explain", ["logits", "values", "error"], picture=self._batch(batch))
        return answer["logits"], answer["values"], answer["error"]

    def taught_values_from(self, activations: Sequence[Array]) -> tuple[Array, Array]:
        """Compute what the taught explainer answers from activations that another engine computed.

        Args:
            activations: of each of the layers `compiled.explainer`, (N, h, w, C) float32.

        Returns:
            The values and the errors, as `taught_values`.

        Raises:
            NotCompiledError: the network was not taught.
        """
        self._check_explainer()
        feeds = {
            f"activation/{name}": _contiguous(maps)
            for name, maps in zip(self.compiled.explainer, activations, strict=True)
        }
        answer = self._run("explain_head", ["values", "error"], **feeds)
        return answer["values"], answer["error"]

    # -- inside ----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._lock = threading.RLock()
        self._last: tuple[Array, Array, Array] | None = None
        self._interpreter: LiteRTGraphs | None = None

    @property
    def _graphs(self) -> LiteRTGraphs:
        with self._lock:
            if self._interpreter is None:
                self._interpreter = LiteRTGraphs(self.compiled.content, self._threads)
            return self._interpreter

    def begin_in_child(self) -> None:
        """Forget, in a forked process, the interpreter and the lock: the threads that work in the one and hold the other are not there."""
        if self._interpreter is not None:
            _PARENTS.append(self._interpreter)
        self._begin()

    def _gradients(self, batch: Array, layer: str, weights: Array, at_picture: str) -> tuple[Array, Array, Array]:
        batch, weights = self._batch(batch), _contiguous(weights)
        if weights.ndim != 3 or weights.shape[0] != len(batch) or weights.shape[2] != self.classes:
            raise UsageError(f"weights must be ({len(batch)}, targets, {self.classes}), got {weights.shape}")
        self._check_layer(layer)
        count, targets = weights.shape[:2]
        rows = weights.reshape(count * targets, self.classes)

        def repeated(values: Array) -> Array:
            return values if targets == 1 else np.repeat(values, targets, axis=0)

        def by_target(values: Array) -> Array:
            return values.reshape(count, targets, *values.shape[1:])

        if layer == INPUT:
            if at_picture not in self._graphs:
                reason = self.compiled.refused.get(INPUT, "it was left out")
                raise NotCompiledError(f"the compiled network has no gradient at the picture: {reason}")
            answer = self._run(at_picture, ["gradient", "logits"], picture=repeated(batch), weights=rows)
            return batch, by_target(answer["gradient"]), np.ascontiguousarray(answer["logits"][::targets])
        if layer not in self.compiled.gradients:
            reason = self.compiled.refused.get(layer, "it was left out when the network was compiled")
            raise NotCompiledError(f"the compiled network has no gradient at {layer!r}: {reason}")
        if layer == self.compiled.default_layer and "head" in self._graphs:
            logits, activation = self._predict(batch)
            answer = self._run("head", ["gradient"], activation=repeated(activation), weights=rows)
            return activation.copy(), by_target(answer["gradient"]), logits.copy()
        names = [f"activation/{layer}", f"gradient/{layer}", "logits"]
        answer = self._run("gradients", names, picture=repeated(batch), weights=rows)
        activation, gradient, logits = (answer[name] for name in names)
        return np.ascontiguousarray(activation[::targets]), by_target(gradient), np.ascontiguousarray(logits[::targets])

    def _predict(self, batch: Array) -> tuple[Array, Array]:
        """-> (logits, activation of the default layer). The last answer is kept: an explanation asks for it twice."""
        batch = self._batch(batch)
        with self._lock:
            if self._last is None or not np.array_equal(self._last[0], batch):
                answer = self._run("predict", ["logits", "activation"], picture=batch)
                self._last = (batch.copy(), answer["logits"], answer["activation"])
            return self._last[1], self._last[2]

    def _batch(self, batch: Array) -> Array:
        batch = _contiguous(batch)
        if batch.shape[1:] != self.compiled.size:
            expected = ", ".join(map(str, self.compiled.size))
            raise UsageError(f"the network was compiled for pictures (N, {expected}), got {batch.shape}")
        return batch

    def _check_layer(self, layer: str) -> None:
        if layer != INPUT and all(layer != info.name for info in self.layers):
            raise UnknownNameError("layer", layer, [info.name for info in self.layers], "this model")

    def _check_explainer(self) -> None:
        if not self.compiled.explainer:
            raise NotCompiledError("the compiled network was not taught to explain itself")

    def _run(self, graph: str, outputs: Iterable[str], **feeds: Array) -> dict[str, Array]:
        with self._lock:
            return self._graphs.run(graph, list(outputs), feeds)

    def _check(self) -> None:
        c = self.compiled
        picture = (-1, *c.size)
        weights = (-1, c.classes)
        self._graphs.expect("predict", {"picture": picture}, {"logits": weights, "activation": None})
        if c.activations != {c.default_layer} or "layers" in self._graphs:
            self._graphs.expect("layers", {"picture": picture}, {f"activation/{name}": None for name in c.activations})
        if c.gradients and (c.gradients != {c.default_layer} or "head" not in self._graphs):
            both = {f"{what}/{name}": None for what in ("activation", "gradient") for name in c.gradients}
            self._graphs.expect("gradients", {"picture": picture, "weights": weights}, {"logits": weights, **both})
        if "head" in self._graphs:
            self._graphs.expect("head", {"activation": None, "weights": weights}, {"logits": weights, "gradient": None})
        if c.explainer:
            outputs = {"values": (-1, c.cells, c.cells, 2 * c.classes), "error": (-1, 2 * c.classes)}
            self._graphs.expect("explain", {"picture": picture}, {"logits": weights, **outputs})
            self._graphs.expect("explain_head", {f"activation/{name}": None for name in c.explainer}, outputs)
        for name in ("picture", "guided"):
            if name in self._graphs:
                feeds = {"picture": picture, "weights": weights}
                self._graphs.expect(name, feeds, {"logits": weights, "gradient": picture})


_ENGINES: weakref.WeakSet[LiteRTEngine] = weakref.WeakSet()
_PARENTS: list[Any] = []
"""In a forked process: the interpreters of its parent. Ending one would wait for its threads, which are not there."""


def _forked() -> None:
    for engine in list(_ENGINES):
        engine.begin_in_child()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forked)


def _contiguous(values: Array) -> Array:
    return np.ascontiguousarray(values, np.float32)


def _processors() -> int:
    """-> how many threads to use: those that OMP_NUM_THREADS allows, as in other libraries, else as many as there are processors."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    if limit.isdecimal() and int(limit):
        return int(limit)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1
