"""What a network is shown to be measured: the face, its mirror and crops (test-time augmentation), or the face with a part hidden."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ferviz.engines.base import Array
from ferviz.faces.regions import regions
from ferviz.models.model import Model
from ferviz.registry import Registry

Views = Callable[[np.ndarray], list[np.ndarray]]

CROP = 11 / 12
"""Side of a crop against the face's: 44 of 48 pixels."""


def flip(images: np.ndarray) -> list[np.ndarray]:
    """Return the faces and their mirror images. images: (N, H, W) or (N, H, W, 3)."""
    return [images, images[:, :, ::-1]]


def ten_crop(images: np.ndarray) -> list[np.ndarray]:
    """Return five crops of CROP of the side (corners and centre), and their mirror images."""
    height, width = images.shape[1:3]
    h, w = max(1, round(height * CROP)), max(1, round(width * CROP))
    down, right = height - h, width - w
    places = ((0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2))
    crops = [images[:, top : top + h, left : left + w] for top, left in places]
    return [view for crop in crops for view in flip(crop)]


TTA: Registry[Views] = Registry("test-time augmentation")
TTA.add("flip", "the face and its mirror image", flip)
TTA.add("ten-crop", "five crops and their mirror images", ten_crop)


def hidden(images: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (region, faces with that region filled by each picture's own mean grey), for every band of `faces.regions`."""
    mean = np.rint(images.mean(axis=(1, 2), keepdims=True)).astype(np.uint8)
    for name, mask in regions(*images.shape[1:3]).items():
        where = mask if images.ndim == 3 else mask[..., None]
        yield name, np.where(where, mean, images)


def logits(model: Model, images: np.ndarray, batch_size: int = 256) -> Array:
    """Return (N, K) float32 logits of faces in memory; prepared a batch at a time. images: (N, H, W) or (N, H, W, 3) uint8."""
    parts = [
        model.engine.logits(model.input.preprocess(np.ascontiguousarray(images[start : start + batch_size])))
        for start in range(0, len(images), batch_size)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, len(model.labels)), np.float32)
