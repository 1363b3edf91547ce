"""An engine that answers from a compiled network, and from the network itself where the compiled one cannot."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ferviz.engines.base import LOGITS, Array, Engine, LayerInfo, PictureShape
from ferviz.engines.litert import LiteRTEngine
from ferviz.engines.protocols import GraphBacked, KerasBacked, Randomisable, require
from ferviz.errors import NotCompiledError

if TYPE_CHECKING:
    from ferviz.engines.graph import GraphEngine
    from ferviz.engines.keras import KerasEngine

T = TypeVar("T")


class FallbackEngine:
    """Asks the compiled network first; when something is not in its file, loads the network and asks that from then on.

    Args:
        compiled: the engine of the compiled network.
        load: returns the graph engine of the same network (Keras, ONNX); called at most once, since it imports TensorFlow.
        log: takes the sentence that tells why the network had to be loaded, when it happens; `notes` keeps that sentence.
    """

    framework = "TensorFlow"
    """What has to be loaded for the network itself, as messages say."""

    def __init__(
        self, compiled: LiteRTEngine, load: Callable[[], GraphEngine], log: Callable[[str], None] | None = None
    ) -> None:
        self.compiled, self._load, self._log = compiled, load, log
        self._loaded: GraphEngine | None = None
        self._lock = threading.RLock()
        self._notes: tuple[str, ...] = ()

    @property
    def _engine(self) -> LiteRTEngine | GraphEngine:
        return self.compiled if self._loaded is None else self._loaded

    @property
    def name(self) -> str:
        """The name of the engine that answers now: "litert", or "keras" and the like once the network itself had to be loaded."""
        return self._engine.name

    @property
    def notes(self) -> tuple[str, ...]:
        """Why the network itself had to be loaded; empty until then."""
        return self._notes

    @property
    def head(self) -> str:
        """What the network does to its logits at the end: "softmax", "sigmoid" or "linear"."""
        return self.compiled.head

    @property
    def classes(self) -> int:
        """K, the number of class scores."""
        return self.compiled.classes

    @property
    def layers(self) -> Sequence[LayerInfo]:
        """Every layer of the network, in order of execution."""
        return self.compiled.layers

    @property
    def input_shape(self) -> PictureShape:
        """(h, w, c) of the pictures that the compiled network takes."""
        return self.compiled.input_shape

    @property
    def channels_first(self) -> bool:
        """Whether what is executed now takes (N, c, h, w)."""
        return self._engine.channels_first

    def logits(self, batch: Array) -> Array:
        """Compute the class scores, as `Engine.logits`.

        Args:
            batch: (N, h, w, c) float32.
        """
        return self._ask(lambda engine: engine.logits(batch))

    def activations(self, batch: Array, layers: Sequence[str]) -> list[Array]:
        """Compute the outputs of layers, as `Engine.activations`.

        Args:
            batch: (N, h, w, c) float32.
            layers: names of layers; INPUT is the picture.
        """
        return self._ask(lambda engine: engine.activations(batch, layers))

    def gradients(self, batch: Array, layer: str, weights: Array, of: str = LOGITS) -> tuple[Array, Array, Array]:
        """Compute gradients, as `Engine.gradients`.

        Args:
            batch: (N, h, w, c) float32.
            layer: where the gradient is taken; INPUT is the picture.
            weights: (N, T, K) for the logits, (N, T, *shape) for a layer.
            of: LOGITS, or the name of a layer, for which the network itself is loaded.
        """
        return self._ask(lambda engine: engine.gradients(batch, layer, weights, of))

    def guided_gradients(self, batch: Array, layer: str, weights: Array) -> tuple[Array, Array, Array]:
        """Compute gradients of the logits where every ReLU also stops negative gradients, as `GuidedGradients`.

        Args:
            batch: (N, h, w, c) float32.
            layer: where the gradient is taken; INPUT is the picture.
            weights: (N, T, K) float32.
        """
        return self._ask(lambda engine: engine.guided_gradients(batch, layer, weights))

    def logits_from(self, batch: Array, layer: str, activation: Array) -> Array:
        """Compute the logits that follow when a layer's activation is replaced, as `LayerInterventions`.

        Args:
            batch: (N, h, w, c) float32.
            layer: the layer whose output is replaced.
            activation: (N, h, w, C) float32, what stands in its place.
        """
        return self._ask(lambda engine: engine.logits_from(batch, layer, activation))

    def graph_engine(self) -> GraphEngine:
        """Return the engine of the network itself, loading it where it was not needed so far."""
        engine = self._fall_back("this needs the network itself, not only its compiled form")
        return require(engine, GraphBacked, "this").graph_engine()

    def randomised(self, seed: int, batch: Array | None, share: float = 1.0) -> Engine:
        """Return an engine for the network itself with weights drawn anew, as `Randomisable`.

        Args:
            seed: of the weights.
            batch: (N, h, w, c) float32, whose statistics batch normalisation learns.
            share: of the layers with kernels, counted from the output, that is drawn.
        """
        engine = self._fall_back("this needs the network itself, not only its compiled form")
        return require(engine, Randomisable, "parameter randomisation").randomised(seed, batch, share)

    def taught_values(self, batch: Array) -> tuple[Array, Array, Array]:
        """Compute what the taught explainer in the compiled file answers, as `TaughtValues.taught_values`.

        Args:
            batch: (N, h, w, c) float32.
        """
        return self.compiled.taught_values(batch)

    def _ask(self, question: Callable[[LiteRTEngine | GraphEngine], T]) -> T:
        try:
            return question(self._engine)
        except NotCompiledError as error:
            return question(self._fall_back(error.reason))

    def _fall_back(self, reason: str) -> GraphEngine:
        with self._lock:  # threads that need it at once wait for one of them to load it
            if self._loaded is None:
                self._notes = (f"{reason}, so {self.framework} is loaded",)
                if self._log is not None:
                    self._log(self._notes[0])
                self._loaded = self._load()
            return self._loaded


class KerasFallbackEngine(FallbackEngine):
    """A FallbackEngine whose network is a Keras network.

    Args:
        compiled: the engine of the compiled network.
        load: returns the Keras engine of the same network.
        log: as for FallbackEngine.
    """

    framework = "Keras"

    def keras_engine(self) -> KerasEngine:
        """Return the Keras engine of the network, loading it where it was not needed so far."""
        engine: Any = self._fall_back("this needs the network itself, not only its compiled form")
        return require(engine, KerasBacked, "this").keras_engine()  # type: ignore[return-value]
