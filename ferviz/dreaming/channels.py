"""Which of a layer's many channels to look at."""

from __future__ import annotations

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.dreaming.face_statistics import face_statistics
from ferviz.errors import UsageError
from ferviz.models.model import Model

MOST = 512
"""Faces that the ranking looks at, spread evenly over those given."""


def most_active(model: Model, layer: str, count: int, faces: Dataset | None = None) -> list[int]:
    """Return the channels of a layer that faces move most, the strongest first.

    layer: its address. count: how many at most. faces: real faces to rank by; None = the mean faces of the classes, which ferviz
    brings along. Ranked by the mean activation over faces and places. Raises UnknownNameError, UsageError for a count below 1.
    """
    if count < 1:
        raise UsageError(f"{count} channels are none; ask for 1 or more")
    model.layer(layer)
    if faces is None:
        known = face_statistics()
        images = np.rint(np.concatenate([known.mean[None], known.means]) * 255.0).astype(np.uint8)
    else:
        images = faces.images[np.linspace(0, len(faces) - 1, min(len(faces), MOST)).round().astype(int)]
    activation = model.engine.activations(model.preprocess(images), [layer])[0]
    strength = activation.mean(tuple(range(activation.ndim - 1)))
    return [int(index) for index in np.argsort(-strength, kind="stable")[:count]]
