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
from ferviz.numerics import cascade_start, glorot_uniform

STATISTICS = 256
"""Most faces whose statistics batch normalisation learns."""


def randomised(model: Model, seed: int = 0, images: np.ndarray | None = None, share: float = 1.0) -> Model:
    """Return a model whose weights are drawn anew, each by its layer's own initialiser.

    Every kernel is drawn whole. (Shuffling its first axis, as some toolkits do, leaves a 1 x 1 kernel as it is.) Kernels whose layer
    does not say how they begin (no layer of an ONNX file does), or lets them begin as constants, are drawn as Glorot and Bengio draw
    them; quantised ones of a TensorFlow Lite file are shuffled within each of their outputs. With pictures, batch
    normalisation learns their mean and variance in the new network; with those of the old one the signal would fade or explode.

    Args:
        model: the network; it is not changed.
        seed: of the weights; those near the output are drawn first, so that they are the same for every share.
        images: (N, H, W) or (N, H, W, 3) uint8, faces; None = batch normalisation begins with mean 0 and variance 1.
        share: of the layers with kernels, counted from the output, that is drawn; 0 draws the last one, and those before keep what they
            have learned.

    Raises:
        ModelError: the weights cannot be reached, or the network cannot be built a second time.
    """
    return RandomNetworks(model, images).draw(seed, share)


class RandomNetworks:
    """Draws a model's weights anew, as `randomised` does, as often as it is asked.

    A Keras network is built a second time only once and given other weights each time, so that what TensorFlow compiled for one draw serves
    all of them: a model that was drawn must not be used any more after the next draw.

    Args:
        model, images: as for `randomised`.

    Raises:
        ModelError: as for `randomised`.
    """

    def __init__(self, model: Model, images: np.ndarray | None = None) -> None:
        self._model = model
        self._batch = None if images is None else model.preprocess(images[:STATISTICS])
        self._keras = _RandomKeras(model, self._batch) if supports(model.engine, KerasBacked) else None

    def draw(self, seed: int, share: float = 1.0) -> Model:
        """Return a model with other weights.

        Args:
            seed, share: as for `randomised`.

        Raises:
            ModelError: as for `randomised`.
        """
        model = self._model
        if self._keras is not None:
            engine: Engine = self._keras.draw(seed, share)
        else:
            engine = require(model.engine, Randomisable, "parameter randomisation").randomised(seed, self._batch, share)
        return replace(model, name=f"{model.name} at random", sha256="", engine=engine, origin=None)


class _RandomKeras:
    """A Keras network's copy, which gets other weights with each draw. batch: whose statistics batch normalisation learns."""

    def __init__(self, model: Model, batch: np.ndarray | None) -> None:
        from ferviz.engines.backend import keras
        from ferviz.engines.keras import KerasEngine

        engine = require(model.engine, KerasBacked, "parameter randomisation").keras_engine()
        try:
            network = keras().models.clone_model(engine.network)
        except (ValueError, TypeError, NotImplementedError, AttributeError) as error:
            raise ModelError(f"{model.name} cannot be built a second time with other weights ({error})") from error
        self._engine, self._network = KerasEngine(network), network
        self._learned = [weight.numpy() for weight in engine.network.weights]
        self._initial = [weight.numpy() for weight in network.weights]
        if [values.shape for values in self._learned] != [values.shape for values in self._initial]:
            raise ModelError(
                f"{model.name} cannot be built a second time with other weights (its copy has other layers)"
            )
        first = batch is not None and engine.channels_first
        self._batch = batch.transpose(0, 3, 1, 2) if first and batch is not None else batch
        layers = list(_layers(network))
        self._place = {id(weight): place for place, layer in enumerate(layers) for weight in layer.weights}
        self._kernels = sorted({self._place[id(weight)] for weight in network.weights if len(weight.shape) > 1})
        self._names = {id(weight): (layer, name) for layer in layers for name, weight in _named_weights(layer)}
        self._normalisations = {
            place: layer
            for place, layer in enumerate(layers)
            if hasattr(layer, "moving_mean") and hasattr(layer, "momentum")
        }
        for layer in self._normalisations.values():
            layer.momentum = 0.0
        # What a layer was adapted to is how pictures are prepared, and was not learned.
        self._prepared = {id(weight) for layer in layers if hasattr(layer, "adapt") for weight in layer.weights}
        for layer in layers:
            if hasattr(layer, "rate"):  # dropout, which would be on while statistics are learned
                layer.rate = 0.0

    def draw(self, seed: int, share: float) -> Engine:
        rng, start = np.random.default_rng(seed), cascade_start(self._kernels, share)
        weights = list(zip(self._network.weights, self._learned, self._initial, strict=True))
        for weight, learned, initial in sorted(weights, key=lambda row: -self._place[id(row[0])]):
            kept = self._place[id(weight)] < start or id(weight) in self._prepared
            weight.assign(learned if kept else self._random(weight, initial, rng))
        self._learn_statistics(start)
        return self._engine

    def _random(self, weight: Any, initial: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        values = _drawn(*self._names[id(weight)], initial.shape, rng) if id(weight) in self._names else None
        if values is not None:
            return values
        return glorot_uniform(rng, initial.shape) if initial.ndim > 1 else initial

    def _learn_statistics(self, start: int) -> None:
        """Set the statistics of the normalisations that were drawn to those of the batch, layer by layer in one pass."""
        for place, layer in self._normalisations.items():
            layer.trainable = place >= start  # one that is not goes by what it has learned
        if self._batch is not None and any(place >= start for place in self._normalisations):
            self._network(self._batch, training=True)


def _layers(network: Any) -> Iterator[Any]:
    """Yield all layers in order of execution, those of networks inside it too."""
    for layer in network._flatten_layers(include_self=False, recursive=False):
        yield layer
        yield from _layers(layer)


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
