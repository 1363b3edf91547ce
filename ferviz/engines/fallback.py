"""An engine that answers from a compiled network, and from the network itself where the compiled one cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ferviz.engines.base import Array, Engine, LayerInfo
from ferviz.engines.litert import LiteRTEngine, NotCompiledError


class FallbackEngine:
    """Asks `compiled` first; when something is not in its file, loads the network and asks that from then on.

    load: returns the Keras engine of the same network; called at most once, since it imports TensorFlow.
    say: takes the sentence that tells why, when it happens. `fallback` keeps that sentence ("" until then), `name` is the name of
    the engine that answers now.
    """

    def __init__(
        self, compiled: LiteRTEngine, load: Callable[[], Engine], say: Callable[[str], None] | None = None
    ) -> None:
        self.compiled, self._load, self.say = compiled, load, say
        self._other: Any = None
        self.fallback = ""

    @property
    def name(self) -> str:
        """ "litert", or "keras" once the network itself had to be loaded."""
        return self._now.name  # type: ignore[no-any-return]

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

    def logits(self, batch: Array) -> Array:
        """As `Engine.logits`."""
        return self._ask("logits", batch)  # type: ignore[no-any-return]

    def activations(self, batch: Array, layers: Sequence[str]) -> list[Array]:
        """As `Engine.activations`."""
        return self._ask("activations", batch, layers)  # type: ignore[no-any-return]

    def gradients(self, batch: Array, layer: str, weights: Array) -> tuple[Array, Array, Array]:
        """As `Engine.gradients`."""
        return self._ask("gradients", batch, layer, weights)  # type: ignore[no-any-return]

    def guided_gradients(self, batch: Array, layer: str, weights: Array) -> tuple[Array, Array, Array]:
        """As `gradients`, but every ReLU on the way back also stops negative gradients."""
        return self._ask("guided_gradients", batch, layer, weights)  # type: ignore[no-any-return]

    def logits_from(self, batch: Array, layer: str, activation: Array) -> Array:
        """What the network answers when `layer` says `activation` instead of what it would say."""
        return self._ask("logits_from", batch, layer, activation)  # type: ignore[no-any-return]

    @property
    def network(self) -> Any:
        """The keras.Model, for what only Keras can do (dreaming, another library's methods); loads it."""
        return self.whole().network

    @property
    def channels_first(self) -> bool:
        """Whether the Keras network wants (N, c, h, w); loads it."""
        return bool(self.whole().channels_first)

    def whole(self) -> Any:
        """Return the Keras engine of the network, loading it if it was not needed so far."""
        return self._fall_back("this needs the network itself, not only its compiled form")

    @property
    def _now(self) -> Any:
        return self.compiled if self._other is None else self._other

    def _ask(self, question: str, *arguments: Any) -> Any:
        try:
            return getattr(self._now, question)(*arguments)
        except NotCompiledError as error:
            return getattr(self._fall_back(error.reason), question)(*arguments)

    def _fall_back(self, reason: str) -> Any:
        if self._other is None:
            self.fallback = f"{reason}, so Keras is loaded"
            if self.say is not None:
                self.say(self.fallback)
            self._other = self._load()
        return self._other
