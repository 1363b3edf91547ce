"""Maps to picture size, with half-pixel centres: a cell's evidence stays above the pixels that the cell stands for."""

from __future__ import annotations

import cv2
import numpy as np

from ferviz.engines.base import Array


def resize_maps(maps: Array, height: int, width: int, centres: tuple[np.ndarray, np.ndarray] | None = None) -> Array:
    """Return maps at another size, linearly interpolated as `cv2.resize(..., INTER_LINEAR)` does it.

    Linear interpolation is a matrix on each axis, so a thousand maps are two matrix products. Cell i's centre (i + 0.5) / h falls on
    the same place in the picture; beyond the outermost centres the value stays that of the outermost cell. (Interpolation that aligns
    corners instead would move a 3 x 3 map's evidence by up to 7.5 of 48 pixels.)

    Args:
        maps: (..., h, w).
        height, width: the new size in pixels.
        centres: where the centres of the rows (h,) and of the columns (w,) fall, in pixels of the new size, rising; None = evenly.

    Returns:
        (..., height, width) float32.
    """
    h, w = maps.shape[-2:]
    if (h, w) == (height, width) and centres is None:
        return np.ascontiguousarray(maps, np.float32)
    flat = np.ascontiguousarray(maps, np.float32).reshape(-1, h, w)
    down, across = (None, None) if centres is None else centres
    wide = flat.reshape(-1, w) @ _weights(w, width, across).T  # (maps * h, width)
    tall = np.matmul(_weights(h, height, down), wide.reshape(-1, h, width))
    return tall.reshape(*maps.shape[:-2], height, width)


def cell_shares(masks: Array, cells: int) -> Array:
    """Return how much of each cell of a square map lies in masks.

    Args:
        masks: (..., h, w).
        cells: rows and columns of the map.

    Returns:
        (..., cells, cells) float32.
    """
    flat = masks.reshape(-1, *masks.shape[-2:])
    resized = [cv2.resize(mask, (cells, cells), interpolation=cv2.INTER_AREA) for mask in flat]
    return np.stack(resized).reshape(*masks.shape[:-2], cells, cells)


def _weights(old: int, new: int, centres: np.ndarray | None = None) -> Array:
    """-> (new, old) float32, the weights of linear interpolation between the old cells' centres; each row adds up to 1."""
    even = (np.arange(new) + 0.5) * old / new - 0.5
    at = np.clip(even if centres is None else np.interp(np.arange(new), centres, np.arange(old)), 0, old - 1)
    left = np.minimum(np.floor(at).astype(int), max(old - 2, 0))
    share = at - left
    weights = np.zeros((new, old), np.float32)
    weights[np.arange(new), left] = 1 - share
    if old > 1:
        weights[np.arange(new), left + 1] += share
    return weights
