"""The views of a face that are measured: its mirror image and crops (test-time augmentation), or the face with a region hidden."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ferviz.engines.base import Array
from ferviz.faces.regions import regions
from ferviz.models.model import Model
from ferviz.registry import Registry

Views = Callable[[np.ndarray], list[np.ndarray]]
"""From faces to several views of each."""

CROP = 11 / 12
"""Side of a crop as part of the face's: 44 of 48 pixels."""


def flip(images: np.ndarray) -> list[np.ndarray]:
    """Return the faces and their mirror images.

    Args:
        images: (N, H, W) or (N, H, W, 3).
    """
    return [images, images[:, :, ::-1]]


def ten_crop(images: np.ndarray) -> list[np.ndarray]:
    """Return five crops of 11/12 of the side (corners and centre), and their mirror images.

    Args:
        images: (N, H, W) or (N, H, W, 3).
    """
    height, width = images.shape[1:3]
    h, w = max(1, round(height * CROP)), max(1, round(width * CROP))
    down, right = height - h, width - w
    places = ((0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2))
    crops = [images[:, top : top + h, left : left + w] for top, left in places]
    return [view for crop in crops for view in flip(crop)]


TTA: Registry[Views] = Registry("test-time augmentation")
TTA.add("flip", "the face and its mirror image", flip)
TTA.add("ten-crop", "five crops and their mirror images", ten_crop)


def hide_regions(images: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name of each face region, and the faces with that region filled by each picture's own mean grey.

    Args:
        images: (N, H, W) or (N, H, W, 3) uint8.
    """
    mean = np.rint(images.mean(axis=(1, 2), keepdims=True)).astype(np.uint8)
    for name, mask in regions(*images.shape[1:3]).items():
        where = mask if images.ndim == 3 else mask[..., None]
        yield name, np.where(where, mean, images)


def batched_logits(model: Model, images: np.ndarray, batch_size: int = 256) -> Array:
    """Return the logits of faces in memory, (N, K) float32; the faces are preprocessed one batch at a time.

    Args:
        model: the network.
        images: (N, H, W) or (N, H, W, 3) uint8.
        batch_size: faces in one pass.
    """
    parts = [
        model.engine.logits(model.input.preprocess(np.ascontiguousarray(images[start : start + batch_size])))
        for start in range(0, len(images), batch_size)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, len(model.labels)), np.float32)
