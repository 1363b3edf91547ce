"""How many passes through a network a method takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ferviz.engines.base import LOGITS, Array, Engine
from ferviz.models.model import Model


class CountingEngine:
    """An engine that counts the pictures that go through it; a gradient is one pass for each target.

    Args:
        engine: does the work, and has whatever else is asked for.

    Attributes:
        passes: so far.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self.passes = engine, 0

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._engine, name)
        # Not a method of this class: an engine without guided gradients must not seem to have them.
        return self._guided(value) if name == "guided_gradients" else value

    def _guided(self, gradients: Callable[..., Any]) -> Callable[..., Any]:
        def guided(batch: Array, layer: str, weights: Array) -> Any:
            self.passes += len(batch) * weights.shape[1]
            return gradients(batch, layer, weights)

        return guided

    def logits(self, batch: Array) -> Array:
        """As of the engine.

        Args:
            batch: as of the engine.
        """
        self.passes += len(batch)
        return self._engine.logits(batch)

    def activations(self, batch: Array, layers: Sequence[str]) -> list[Array]:
        """As of the engine.

        Args:
            batch, layers: as of the engine.
        """
        self.passes += len(batch)
        return self._engine.activations(batch, layers)

    def gradients(self, batch: Array, layer: str, weights: Array, of: str = LOGITS) -> tuple[Array, Array, Array]:
        """As of the engine.

        Args:
            batch, layer, weights, of: as of the engine.
        """
        self.passes += len(batch) * weights.shape[1]
        return self._engine.gradients(batch, layer, weights, of)

    def logits_from(self, batch: Array, layer: str, activation: Array) -> Array:
        """As of the engine.

        Args:
            batch, layer, activation: as of the engine.
        """
        self.passes += len(batch)
        return self._engine.logits_from(batch, layer, activation)  # type: ignore[attr-defined,no-any-return]

    def taught_values(self, batch: Array) -> tuple[Array, Array, Array]:
        """As of the engine.

        Args:
            batch: as of the engine.
        """
        self.passes += len(batch)
        return self._engine.taught_values(batch)  # type: ignore[attr-defined,no-any-return]


def counted(model: Model) -> tuple[Model, CountingEngine]:
    """Return a model whose passes are counted, and the counter.

    Args:
        model: the network.
    """
    engine = CountingEngine(model.engine)
    return replace(model, engine=engine), engine
