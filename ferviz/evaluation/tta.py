"""The views of a face that are measured: its mirror image and crops (test-time augmentation), or the face with a region hidden."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ferviz import fills
from ferviz.engines.base import Array
from ferviz.faces.face import Face
from ferviz.faces.regions import REGIONS, FaceRegions
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


def hide_regions(faces: list[Face], fill: str | float = "mean") -> dict[str, np.ndarray]:
    """Return faces with one region after the other hidden.

    Args:
        faces: faces of one size, with landmarks (see `locate_landmarks`).
        fill: what stands in the region's place, see `ferviz.fills.fill`.

    Returns:
        {name of the region: the faces without it, (N, H, W, 3) uint8}.
    """
    pictures = np.stack([face.pixels for face in faces]).astype(np.float32)
    masks = FaceRegions.of(faces, (pictures.shape[1], pictures.shape[2])).masks
    return {
        name: np.rint(fills.fill(pictures, masks[:, region], fill).clip(0, 255)).astype(np.uint8)
        for region, name in enumerate(REGIONS)
    }


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
