"""A network as dreams need it: pictures in 0..1 go in, tensors come out, at any size that the network can take."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from ferviz.dreaming.terms import LOGITS
from ferviz.engines.base import KerasBacked, require
from ferviz.engines.compiler.freeze import freeze
from ferviz.engines.keras_trace import Trace, trace
from ferviz.errors import ModelError, UnknownNameError
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model


class DreamNetwork:
    """A model's network, traced at one picture size.

    model: what dreams. size: (h, w) of the pictures; None = the model's own.
    Raises ModelError for a model without gradients, or one that cannot take pictures of this size.
    """

    def __init__(self, model: Model, size: tuple[int, int] | None = None) -> None:
        engine = require(model.engine, KerasBacked, f"dreaming ({model.name})").keras_engine()
        network = engine.network
        self.model, self.channels_first = model, engine.channels_first
        self.size = (*(size or model.input.size), model.input.channels)
        native = (model.input.height, model.input.width)
        fits = all(own in (None, side) for own, side in zip(native, self.size[:2], strict=True))
        traced = (
            _try(network, self.size, self.channels_first)
            if fits
            else free_size(network, self.size, self.channels_first)
        )
        if traced is None:
            raise ModelError(
                f"{model.name} only takes pictures of {native[0]} x {native[1]} pixels (its weights are tied to that size), "
                f"not {self.size[0]} x {self.size[1]}; dream at its own size"
            )
        self._aliases = traced.aliases
        # Constants instead of variables, normalisation folded into the convolutions: about a third of a step's time.
        self._frozen = freeze(traced)

    def forward(self, pictures: Any, layers: Sequence[str]) -> dict[str, Any]:
        """pictures: (N, h, w, c) tensor in 0..1 -> {name: (N, ...) float32 tensor, channels last}; LOGITS is a name too.

        Puts the network into the graph that is being built, so it is called while TensorFlow traces.
        """
        from ferviz.engines.backend import tensorflow

        tf = tensorflow()
        logits, tensors = self._frozen.place(scaled(self.model.input, pictures))
        found = {}
        for name in layers:
            if name == LOGITS:
                found[name] = tf.cast(logits, tf.float32)
                continue
            address = self._aliases.get(name, name)
            if address not in tensors:
                raise UnknownNameError("layer", name, tensors, "this model")
            tensor, tap = tensors[address], self._frozen.taps[address]
            if tap.channels_first and len(tensor.shape) == 4:
                tensor = tf.transpose(tensor, (0, 2, 3, 1))
            tensor = tf.cast(tensor, tf.float32)
            found[name] = tensor if tap.factor is None else tensor / tap.factor.astype(np.float32)
        return found


def takes_any_size(model: Model) -> bool:
    """Return whether the network can be fed pictures larger than its own (no Flatten and the like in its way)."""
    if model.input.height is None or model.input.width is None:
        return True
    larger = (model.input.height + 8, model.input.width + 8, model.input.channels)
    engine = require(model.engine, KerasBacked, f"dreaming ({model.name})").keras_engine()
    return free_size(engine.network, larger, engine.channels_first) is not None


def free_size(network: Any, size: Sequence[int], channels_first: bool) -> Trace | None:
    """Return a trace of a copy of the network whose input was freed for pictures (h, w, c), or None where that is impossible.

    The copy is made from the network's configuration with the sizes in it opened, and gets the same weights.
    """
    try:
        config = _opened(network.get_config(), 1 if channels_first else 3)
        twin = type(network).from_config(config)
        if not twin.built:
            twin.build((None, *((size[2], *size[:2]) if channels_first else size)))
        twin.set_weights(network.get_weights())
    except Exception:  # whatever a layer raises when its weights no longer fit: it is tied to its size
        return None
    return _try(twin, size, channels_first)


def scaled(spec: InputSpec, pictures: Any) -> Any:
    """Return pictures (N, h, w, c) tensor in 0..1 as the network wants them: `InputSpec.preprocess` as a differentiable graph."""
    from ferviz.engines.backend import tensorflow

    tf = tensorflow()
    if spec.channels == 3 and spec.order == "bgr":
        pictures = pictures[..., ::-1]
    if spec.scaling == "0..1":
        return pictures
    if spec.scaling == "-1..1":
        return 2.0 * pictures - 1.0
    if spec.scaling == "0..255":
        return 255.0 * pictures
    values = pictures * (255.0 / spec.unit)
    if spec.mean is None and spec.std is None:
        mean = tf.reduce_mean(values, [1, 2, 3], keepdims=True)
        deviation = tf.math.reduce_std(values, [1, 2, 3], keepdims=True)
        return (values - mean) / tf.maximum(deviation, 1e-6)
    height, width = pictures.shape[1:3]
    mean = 0.0 if spec.mean is None else _spread(tf, spec.mean, height, width)
    deviation = 1.0 if spec.std is None else _spread(tf, spec.std, height, width)
    return (values - mean) / deviation


def _spread(tf: Any, numbers: Any, height: int, width: int) -> Any:
    """Numbers of an input spec, () or (c,) or (h, w) or (h, w, c), as something that multiplies pictures (N, h, w, c)."""
    numbers = np.asarray(numbers, np.float32)
    if numbers.ndim < 2:
        return numbers
    map_ = numbers[..., None] if numbers.ndim == 2 else numbers
    return map_ if map_.shape[:2] == (height, width) else tf.image.resize(map_, (height, width)).numpy()


def _try(network: Any, size: Sequence[int], channels_first: bool) -> Trace | None:
    try:
        return trace(network, tuple(size), channels_first)  # type: ignore[arg-type]
    except ModelError:
        raise
    except Exception:  # Keras and TensorFlow raise what they like for a shape that does not fit
        return None


def _opened(config: Any, channels_at: int) -> Any:
    """Return a configuration in which every input has free sizes. channels_at: the axis of the channels, which keeps its size.

    What layers noted about the shapes they were built for is left out: they are built again.
    """
    if isinstance(config, dict):
        return {
            key: _opened_shape(value, channels_at) if key in _SHAPES else _opened(value, channels_at)
            for key, value in config.items()
            if key != "build_config"
        }
    if isinstance(config, list | tuple):
        return type(config)(_opened(value, channels_at) for value in config)
    return copy.copy(config)


_SHAPES = ("batch_shape", "batch_input_shape", "build_input_shape")


def _opened_shape(shape: Any, channels_at: int) -> Any:
    if not isinstance(shape, list | tuple) or len(shape) != 4:
        return shape
    return [side if at == channels_at else None for at, side in enumerate(shape)]
