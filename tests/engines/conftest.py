"""Engines that several tests here ask: each network traced and compiled once, and how it was before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ferviz.engines.backend import tensorflow
from ferviz.engines.compiler.convert import compile_network
from ferviz.engines.compiler.freeze import freeze
from ferviz.engines.litert import LiteRTEngine
from ferviz.native_logs import silenced, without_warnings

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


@pytest.fixture(scope="session")
def converted() -> Callable[..., bytes]:
    """A function from a graph engine to a file of TensorFlow Lite, as people convert their networks: float, or quantised to integers."""

    def convert(engine: Any, quantised: bool = False) -> bytes:
        tf, frozen = tensorflow(), freeze(engine.traced)
        pictures = np.random.default_rng(0).random((40, 1, 18, 18, 1), np.float32)
        specs = [tf.TensorSpec([1 if quantised else None, 18, 18, 1], tf.float32, name="picture")]
        function = tf.function(lambda picture: tf.nn.softmax(frozen.place(picture)[0]), input_signature=specs)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
        if quantised:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([picture] for picture in pictures)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.uint8
        with without_warnings(output=True), silenced(everything=True):
            content: bytes = converter.convert()
        return content

    return convert
