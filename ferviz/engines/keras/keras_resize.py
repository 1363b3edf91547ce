"""A Keras network for pictures of another size than its own: a copy whose input was freed."""

from __future__ import annotations

import copy
from typing import Any

from ferviz.engines.base import PictureShape
from ferviz.engines.graph.graph_trace import Trace
from ferviz.engines.keras.keras_trace import trace
from ferviz.errors import ModelError


def free_size(network: Any, size: PictureShape, channels_first: bool) -> Trace | None:
    """Trace a copy of a network whose input was freed for pictures of another size.

    Args:
        network: a keras.Model. The copy is made from its configuration with the sizes in it opened, and gets the same weights.
        size: (h, w, c) of the pictures.
        channels_first: whether the network takes (N, c, h, w).

    Returns:
        The trace, or None where the network is tied to its size.
    """
    try:
        config = _opened(network.get_config(), 1 if channels_first else 3)
        twin = type(network).from_config(config)
        if not twin.built:
            twin.build((None, *((size[2], *size[:2]) if channels_first else size)))
        twin.set_weights(network.get_weights())
    except Exception:  # whatever a layer raises when its weights no longer fit: it is tied to its size
        return None
    try:
        return trace(twin, size, channels_first)
    except ModelError:
        raise
    except Exception:  # Keras and TensorFlow raise what they like for a shape that does not fit
        return None


def _opened(config: Any, channels_at: int) -> Any:
    """-> a configuration in which every input has free sizes, except on the axis of the channels; layers are built again."""
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
