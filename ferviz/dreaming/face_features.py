"""A network's features of faces: what its last layers decide from, as vectors that can be compared."""

from __future__ import annotations

from typing import Any

import numpy as np

from ferviz.models.model import Model


def penultimate(model: Model) -> str:
    """Find the layer whose output the network classifies: the last vector before the outputs, else the last map.

    Args:
        model: the network.

    Returns:
        The layer's address.
    """
    vectors = [layer for layer in model.layers if len(layer.shape) == 1]
    before = [layer for layer in vectors if (layer.shape[0] or 0) > len(model.labels)]
    return before[-1].name if before else model.default_layer()[0]


def features(model: Model, faces: Any, layer: str | None = None, batch_size: int = 256) -> np.ndarray:
    """Compute a network's features of faces.

    Args:
        model: the network.
        faces: uint8 arrays or anything else that `Model.preprocess` takes in slices.
        layer: the layer whose output they are; None = `penultimate`. A map is averaged over its places.
        batch_size: faces in one pass.

    Returns:
        (N, C) float32.
    """
    layer = layer or penultimate(model)
    parts = []
    for start in range(0, len(faces), batch_size):
        values = model.engine.activations(model.preprocess(faces[start : start + batch_size]), [layer])[0]
        parts.append(values.mean(tuple(range(1, values.ndim - 1))) if values.ndim > 2 else values)
    return np.concatenate(parts)
