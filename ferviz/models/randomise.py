"""A network of the same architecture that has learned nothing: what explanations of it look like says what the weights contribute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ferviz.engines.base import Engine
from ferviz.engines.protocols import KerasBacked, Randomisable, require, supports
from ferviz.errors import ModelError
from ferviz.models.model import Model
from ferviz.numerics import glorot_uniform

STATISTICS = 256
"""Most faces whose statistics batch normalisation learns."""


def randomised(model: Model, seed: int = 0, images: np.ndarray | None = None) -> Model:
    """Return a model whose weights are drawn anew, each by its layer's own initialiser.

    Every kernel is drawn whole. (Shuffling its first axis, as some toolkits do, leaves a 1 x 1 kernel as it is.) Kernels whose layer
    does not say how they begin (no layer of an ONNX file does), or lets them begin as constants, are drawn as Glorot and Bengio draw
    them; quantised ones of a TensorFlow Lite file are shuffled within each of their outputs. With pictures, batch
    normalisation learns their mean and variance in the new network; with those of the old one the signal would fade or explode.

    Args:
        model: the network; it is not changed.
        seed: of the weights.
        images: (N, H, W) or (N, H, W, 3) uint8, faces; None = batch normalisation begins with mean 0 and variance 1.

    Raises:
        ModelError: the weights cannot be reached, or the network cannot be built a second time.
    """
    batch = None if images is None else model.preprocess(images[:STATISTICS])
    if supports(model.engine, KerasBacked):
        engine: Engine = _random_keras(model, seed, batch)
    else:
        engine = require(model.engine, Randomisable, "parameter randomisation").randomised(seed, batch)
    return replace(model, name=f"{model.name} at random", sha256="", engine=engine, origin=None)


def _random_keras(model: Model, seed: int, batch: np.ndarray | None) -> Engine:
    from ferviz.engines.backend import keras
    from ferviz.engines.keras import KerasEngine

    engine = require(model.engine, KerasBacked, "parameter randomisation").keras_engine()
    try:
        network = keras().models.clone_model(engine.network)
    except (ValueError, TypeError, NotImplementedError, AttributeError) as error:
        raise ModelError(f"{model.name} cannot be built a second time with other weights ({error})") from error
    rng = np.random.default_rng(seed)
    own = {id(weight): (layer, name) for layer in _layers(network) for name, weight in _named_weights(layer)}
    for weight in network.trainable_weights:
        values = _drawn(*own[id(weight)], tuple(weight.shape), rng) if id(weight) in own else None
        if values is None and len(weight.shape) > 1:
            values = glorot_uniform(rng, tuple(weight.shape))
        if values is not None:
            weight.assign(values)
    if batch is not None:
        _estimate_statistics(network, batch.transpose(0, 3, 1, 2) if engine.channels_first else batch)
    return KerasEngine(network)


def _layers(network: Any) -> list[Any]:
    """-> all layers, those of networks inside it too."""
    layers: list[Any] = list(network._flatten_layers(include_self=False))
    return layers


def _named_weights(layer: Any) -> Iterator[tuple[str, Any]]:
    """Yield (name of the initialiser, variable) of the weights for which a layer names one."""
    for name in vars(layer):
        if name.endswith("_initializer"):
            stem = name.removesuffix("_initializer")
            # A separable convolution's depthwise_initializer is that of depthwise_kernel, a depthwise convolution's that of kernel.
            weights = (getattr(layer, attribute, None) for attribute in (stem, f"{stem}_kernel", "kernel"))
            weight = next((w for w in weights if getattr(w, "shape", None) is not None), None)
            if weight is not None:
                yield name, weight


def _drawn(layer: Any, name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray | None:
    """-> a weight as the layer's initialiser draws it, None where that gives a kernel that is a constant."""
    initializer = getattr(layer, name)
    config: dict[str, Any] = getattr(initializer, "get_config", dict)()
    if "seed" in config:
        initializer = type(initializer).from_config({**config, "seed": int(rng.integers(2**31))})
    values = np.asarray(initializer(shape), np.float32)
    return None if values.ndim > 1 and np.ptp(values) == 0 else values


def _estimate_statistics(network: Any, batch: np.ndarray) -> None:
    """Set the moving mean and variance of batch normalisation to those of a batch, layer by layer in one pass."""
    normalisations = [
        layer for layer in _layers(network) if hasattr(layer, "moving_mean") and hasattr(layer, "momentum")
    ]
    dropouts = [layer for layer in _layers(network) if hasattr(layer, "rate")]
    for layer in normalisations:
        layer.momentum = 0.0
    for layer in dropouts:
        layer.rate = 0.0
    if normalisations:
        network(batch, training=True)
