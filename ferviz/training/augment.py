"""Augmentation of face crops: one pure function from pictures and a random generator to pictures."""

from __future__ import annotations

import cv2
import numpy as np

from ferviz.training.config import Augmentation


def augment(images: np.ndarray, augmentation: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Return randomly changed copies of faces.

    Args:
        images: (N, H, W) or (N, H, W, C) uint8.
        augmentation: the largest changes.
        rng: the source of every random number; the same state gives the same pictures.

    Returns:
        (N, H, W, C) float32 in 0..255.
    """
    n, height, width = images.shape[:3]
    out = np.empty((n, height, width, images.shape[3] if images.ndim == 4 else 1), np.float32)
    matrices = _matrices(n, height, width, augmentation, rng)
    for i, image in enumerate(images):
        if matrices is None:
            out[i] = image.reshape(out.shape[1:])
        else:
            warped = cv2.warpAffine(
                image, matrices[i], (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
            )
            out[i] = warped.reshape(out.shape[1:])
    _light(out, augmentation, rng)
    _erase(out, augmentation.erase, rng)
    if augmentation.noise:
        out += rng.standard_normal(out.shape, dtype=np.float32) * np.float32(augmentation.noise * 255)
    return np.clip(out, 0, 255, out=out)


def _matrices(
    n: int, height: int, width: int, augmentation: Augmentation, rng: np.random.Generator
) -> np.ndarray | None:
    """Return (n, 2, 3) affine matrices about the picture's centre, or None when none of them would move a pixel."""
    if not (augmentation.flip or augmentation.shift or augmentation.rotate or augmentation.zoom):
        return None
    angle = np.deg2rad(rng.uniform(-augmentation.rotate, augmentation.rotate, n))
    scale = 1 + rng.uniform(-augmentation.zoom, augmentation.zoom, n)
    mirror = np.where(rng.random(n) < augmentation.flip, -1.0, 1.0)
    shift = rng.uniform(-augmentation.shift, augmentation.shift, (n, 2)) * np.array([width, height]) / 48
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.stack([np.stack([cos * mirror, -sin], -1), np.stack([sin * mirror, cos], -1)], -2)
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    offset = centre + shift - linear @ centre
    return np.concatenate([linear, offset[:, :, None]], -1)


def _light(out: np.ndarray, augmentation: Augmentation, rng: np.random.Generator) -> None:
    if not (augmentation.brightness or augmentation.contrast):
        return
    n = len(out)
    factor = (1 + rng.uniform(-augmentation.contrast, augmentation.contrast, (n, 1, 1, 1))).astype(np.float32)
    shift = (255 * rng.uniform(-augmentation.brightness, augmentation.brightness, (n, 1, 1, 1))).astype(np.float32)
    centre = out.mean((1, 2, 3), keepdims=True)
    out -= centre
    out *= factor
    out += centre + shift


def _erase(out: np.ndarray, probability: float, rng: np.random.Generator) -> None:
    """Fill in some pictures a rectangle of 2 to 15 % of the area with one grey (Zhong et al. 2020, milder)."""
    if not probability:
        return
    n, height, width = out.shape[:3]
    chosen = np.flatnonzero(rng.random(n) < probability)
    area = rng.uniform(0.02, 0.15, n) * height * width
    ratio = np.exp(rng.uniform(np.log(0.5), np.log(2.0), n))
    h = np.clip(np.sqrt(area * ratio), 1, height).astype(int)
    w = np.clip(np.sqrt(area / ratio), 1, width).astype(int)
    top = (rng.random(n) * (height - h + 1)).astype(int)
    left = (rng.random(n) * (width - w + 1)).astype(int)
    grey = np.asarray(rng.uniform(0, 255, n))
    for i in chosen:
        out[i, top[i] : top[i] + h[i], left[i] : left[i] + w[i]] = grey[i]
