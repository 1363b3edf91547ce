"""Models of the fixture networks (tests/networks.py), each built once: four classes, pictures of 18 x 18."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

LABELS = ("angry", "happy", "sad", "surprise")


@pytest.fixture(autouse=True)
def every_network_frozen_once(frozen_once: None) -> None:
    """Every test here dreams on the same few models."""


@pytest.fixture(scope="session")
def model(networks: ModuleType) -> Callable[..., Any]:
    """A function from a network's name to a Model on the Keras engine; scaling is the model's."""
    from ferviz.engines.keras import KerasEngine
    from ferviz.models.input_spec import InputSpec
    from ferviz.models.model import Model

    engines: dict[tuple[str, int], Any] = {}
    made: dict[str, Any] = {}

    def get(name: str = "functional", scaling: str = "-1..1", seed: int = 0) -> Any:
        key = f"{name} {scaling} {seed}"
        if (name, seed) not in engines:
            engines[name, seed] = KerasEngine(networks.build(name, seed))
        if key not in made:
            side = None if name == "any_size" else networks.SIZE
            inputs = InputSpec(side, side, 3 if name == "rgb" else 1, scaling, default_side=20)
            made[key] = Model(name, "", LABELS, inputs, engines[name, seed])
        return made[key]

    return get


@pytest.fixture(scope="session")
def every(model: Callable[..., Any]) -> Any:
    """A dream of all four classes of the functional network, with three pictures of the way; nobody changes it."""
    import ferviz
    from ferviz.dreaming.dream import DreamConfig

    return ferviz.dream(model(), steps=6, config=DreamConfig(samples=2, frames=3))
