"""A network of the same architecture that has learned nothing: what explanations of it look like says what the weights contribute."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ferviz.engines.base import KerasBacked, require
from ferviz.errors import ModelError
from ferviz.models.model import Model


def randomised(model: Model, seed: int = 0) -> Model:
    """Return a model whose weights are drawn anew: kernels as Glorot and Bengio draw them, all others as a new layer has them.

    Every kernel is drawn whole. (Shuffling its first axis, as some toolkits do, leaves a 1 x 1 kernel as it is.)

    Args:
        model: the network; it is not changed.
        seed: of the weights.

    Raises:
        ModelError: there is no Keras network behind the engine, or one that cannot be built a second time.
    """
    from ferviz.engines.backend import keras
    from ferviz.engines.keras import KerasEngine

    engine = require(model.engine, KerasBacked, "parameter randomisation").keras_engine()
    try:
        network = keras().models.clone_model(engine.network)
    except (ValueError, TypeError, NotImplementedError, AttributeError) as error:
        raise ModelError(f"{model.name} cannot be built a second time with other weights ({error})") from error
    rng = np.random.default_rng(seed)
    for weight in network.trainable_weights:
        if len(weight.shape) > 1:
            weight.assign(_glorot(rng, tuple(weight.shape)))
    return replace(model, name=f"{model.name} at random", sha256="", engine=KerasEngine(network), origin=None)


def _glorot(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    field = int(np.prod(shape[:-2], dtype=np.int64))
    limit = np.sqrt(6 / (field * (shape[-2] + shape[-1])))
    return rng.uniform(-limit, limit, shape).astype(np.float32)
