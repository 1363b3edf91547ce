"""What the explainer's network is shown of a face: the maps of some layers, all brought to one size and few channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ferviz.engines.base import Array
from ferviz.faces.face import Face
from ferviz.models.model import Model
from ferviz.training.explainer.coalitions import CELLS

KEPT = 96
"""Most channels that are kept of a layer: its first principal components."""

_SAMPLE = 200
"""Faces that the principal components are computed from."""

_FLOOR = 0.05
"""Smallest deviation of a component, as a share of the largest: what hardly varies is not blown up."""

_BATCH = 32


@dataclass(frozen=True, eq=False)
class Projection:
    """An affine map from a layer's channels to components with mean 0 and deviation 1 (the smallest have less).

    Attributes:
        mean: (C,).
        basis: (C, D).
    """

    mean: Array = field(repr=False)
    basis: Array = field(repr=False)

    def __call__(self, maps: np.ndarray) -> np.ndarray:
        """Return (..., C) maps as (..., D) float16."""
        projected: np.ndarray = ((maps - self.mean) @ self.basis).astype(np.float16)
        return projected


def projections_of(model: Model, faces: Sequence[Face], layers: Sequence[str]) -> list[Projection]:
    """Return for each layer the projection on its principal components.

    Args:
        model: the network.
        faces: some faces; a part of them suffices.
        layers: their names.
    """
    views = [maps for maps, _ in _views(model, faces[:_SAMPLE], layers)]
    return [_projection(np.concatenate(parts).reshape(-1, parts[0].shape[-1])) for parts in zip(*views, strict=True)]


def tap_features(
    model: Model, faces: Sequence[Face], layers: Sequence[str], projections: Sequence[Projection]
) -> list[np.ndarray]:
    """Return what the explainer is shown of faces and of their mirror images.

    Args:
        model: the network.
        faces: N faces.
        layers: names of the layers.
        projections: of each.

    Returns:
        For each layer (N, 2, CELLS, CELLS, D) float16; the second of each pair is the mirror image's.
    """
    parts = []
    for views in _views(model, faces, layers):
        seen = [[project(maps) for project, maps in zip(projections, view, strict=True)] for view in views]
        parts.append([np.stack(pair, axis=1) for pair in zip(*seen, strict=True)])
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


def to_cells(maps: Array) -> Array:
    """Bring maps to CELLS x CELLS: means of 2 x 2 while they are at least twice as large, then linear interpolation.

    Args:
        maps: (N, h, w, C).

    Returns:
        (N, CELLS, CELLS, C) float32.
    """
    maps = maps.astype(np.float32, copy=False)
    while min(maps.shape[1:3]) >= 2 * CELLS:
        count, height, width, channels = maps.shape
        even = maps[:, : height // 2 * 2, : width // 2 * 2]
        maps = even.reshape(count, height // 2, 2, width // 2, 2, channels).mean((2, 4))
    rows, columns = (_interpolation(side) for side in maps.shape[1:3])
    return np.einsum("ih,nhwc,jw->nijc", rows, maps, columns, optimize=True).astype(np.float32)


def _views(model: Model, faces: Sequence[Face], layers: Sequence[str]) -> Iterator[tuple[list[Array], list[Array]]]:
    """Yield the layers' maps of some faces at a time, and those of their mirror images."""
    for start in range(0, len(faces), _BATCH):
        pictures = model.input.resized([face.pixels for face in faces[start : start + _BATCH]])
        views = (pictures, np.ascontiguousarray(pictures[:, :, ::-1]))
        plain, mirrored = (
            [to_cells(maps) for maps in model.engine.activations(model.input.scaled(view), layers)] for view in views
        )
        yield plain, mirrored


def _projection(rows: Array) -> Projection:
    """Return the projection of (M, C) rows on their principal components."""
    mean = rows.mean(0, dtype=np.float64)
    centred = rows - mean
    values, vectors = np.linalg.eigh(centred.T @ centred / max(len(rows) - 1, 1))
    order = np.argsort(values)[::-1][:KEPT]
    deviation = np.sqrt(np.maximum(values[order], 0))
    floor = max(_FLOOR * float(deviation[0]), 1e-6)
    return Projection(mean.astype(np.float32), (vectors[:, order] / np.maximum(deviation, floor)).astype(np.float32))


def _interpolation(side: int) -> Array:
    """-> (CELLS, side), linear interpolation with half-pixel centres."""
    positions = np.clip((np.arange(CELLS) + 0.5) * side / CELLS - 0.5, 0, side - 1)
    low = np.minimum(np.floor(positions).astype(int), max(side - 2, 0))
    share = (positions - low).astype(np.float32)
    weights = np.zeros((CELLS, side), np.float32)
    weights[np.arange(CELLS), low] += 1 - share
    weights[np.arange(CELLS), np.minimum(low + 1, side - 1)] += share
    return weights
