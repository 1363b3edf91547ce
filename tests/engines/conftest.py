"""Engines that several tests here ask: each network traced and compiled once, and how it was before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ferviz.engines.compiler.convert import compile_network
from ferviz.engines.litert import LiteRTEngine

DEFAULT = {
    "functional": "relu2", "sequential": "conv2", "subclassed": "conv2", "with_function": "conv", "nested": "backbone/inner/pool3",
    "shared": "twice:1", "channels_first": "conv2", "rgb": "relu2", "any_size": "relu2", "softmax_layer": "conv1", "sigmoid": "relu2",
}  # fmt: skip
"""The layer that each network of tests/networks.py is compiled for."""


@pytest.fixture(scope="session")
def pair(engine: Any) -> Callable[..., tuple[Any, LiteRTEngine]]:
    """A function from the name of a network, and of layers (none = every map), to its engines: Keras and LiteRT.

    The layer "default" is the network's one of DEFAULT, which is always compiled.
    """
    made: dict[tuple[str, Any], tuple[Any, LiteRTEngine]] = {}

    def get(kind: str, *layers: str) -> tuple[Any, LiteRTEngine]:
        if (kind, layers) not in made:
            wanted = [DEFAULT[kind] if layer == "default" else layer for layer in layers] or None
            network = compile_network(engine(kind), (18, 18), DEFAULT[kind], wanted)
            made[kind, layers] = (engine(kind), LiteRTEngine(network, threads=1))
        return made[kind, layers]

    return get
