"""What the channels of a layer dream of, and what one of their cells sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ferviz.attribution.maps.receptive_fields import Placement, centres, placement
from ferviz.dreaming import objectives
from ferviz.dreaming.ascent.border import border_reach
from ferviz.dreaming.dream import dream
from ferviz.errors import FervizError, ModelError
from ferviz.models.model import Model
from ferviz.studies.study_faces import Progress

MEASURED = 6
"""Faces on which it is measured where a cell looks."""

REACH = 2.0
"""A cell is shown with so many standard deviations of what it looks at to each side."""


@dataclass(frozen=True, eq=False)
class ChannelDreams:
    """Dreams of S channels.

    Attributes:
        dreams: (S, h, w) or (S, h, w, 3) uint8.
        patches: (S, p, q) or (S, p, q, 3) uint8, what the cell sees that each dream excites most, of those away from the border.
        rows: (h',), the centres of what the cells of each row of the map look at, in pixels of the network's input.
        columns: (w',), the same of the columns.
        half: pixels to each side that are shown of what a cell sees.
        size: (height, width) of the network's input.
        note: why there are none, or "".
    """

    dreams: np.ndarray = field(repr=False)
    patches: np.ndarray = field(repr=False)
    rows: np.ndarray = field(repr=False)
    columns: np.ndarray = field(repr=False)
    half: float
    size: tuple[int, int]
    note: str = ""

    def boxes(self, cells: np.ndarray) -> np.ndarray:
        """Return what cells see, as left, top, right and bottom in 0..1 of the picture.

        Args:
            cells: (..., 2), rows and columns of the map.

        Returns:
            (..., 4) float32.
        """
        if not cells.size:
            return np.zeros((*cells.shape[:-1], 4), np.float32)
        y, x = self.rows[cells[..., 0]] + 0.5, self.columns[cells[..., 1]] + 0.5
        height, width = self.size
        ends = [(x - self.half) / width, (y - self.half) / height, (x + self.half) / width, (y + self.half) / height]
        return np.clip(np.stack(ends, axis=-1), 0, 1).astype(np.float32)


def dream_channels(
    model: Model, layer: str, channels: Sequence[int], cells: tuple[int, ...], images: np.ndarray, steps: int, seed: int,
    progress: Progress | None = None,
) -> ChannelDreams:  # fmt: skip
    """Dream of channels, and find what one cell sees of each dream.

    Args:
        model: the network.
        layer: the layer's address.
        channels: S indices.
        cells: (h, w) of the layer's map.
        images: (N, H, W) or (N, H, W, 3) uint8, faces on which it is measured where cells look.
        steps: of gradient ascent.
        seed: of the ascent.
        progress: takes a phrase.

    Returns:
        The dreams; none, with the reason, where the engine has no gradients to dream by.
    """
    height, width = model.input.size
    size = (height, width)
    try:
        place: Placement | None = placement(model, images[:MEASURED], layer, seed)
    except ModelError:
        place = None
    grid = (int(cells[0]), int(cells[1]))
    if place is None:
        rows, columns = ((np.arange(n) + 0.5) * side / n - 0.5 for n, side in zip(grid, size, strict=True))
        half = max(height / grid[0], width / grid[1])
    else:
        rows, columns = centres(place, grid)
        spread = place.spread if np.isfinite(place.spread) else place.pitch
        half = max(REACH * spread, place.pitch / 2, 1.5)
    colours = () if model.input.channels == 1 else (3,)
    none = np.zeros((0, height, width, *colours), np.uint8)
    if not channels:
        return ChannelDreams(none, none, rows, columns, half, size)
    if progress:
        progress(f"dreams of {len(channels)} channels")
    try:
        dreams = dream(model, [objectives.channel(layer, c) for c in channels], steps=steps, seed=seed).images
        maps = model.engine.activations(model.preprocess(dreams), [layer])[0]
        margin = min(border_reach(model, layer), (min(grid) - 1) // 3)
    except FervizError as error:
        return ChannelDreams(none, none, rows, columns, half, size, f"There are no dreams: {error}.")
    own = np.stack([maps[k, ..., c] for k, c in enumerate(channels)])
    patches = [
        _patch(picture, _best_cell(each, margin), rows, columns, half)
        for picture, each in zip(dreams, own, strict=True)
    ]
    return ChannelDreams(dreams, np.stack(patches), rows, columns, half, size)


def _best_cell(cells: np.ndarray, margin: int) -> tuple[int, int]:
    """-> the most excited cell of a map (h, w) that is no nearer to the border than a margin."""
    inner = cells[margin : len(cells) - margin, margin : cells.shape[1] - margin]
    row, column = np.unravel_index(inner.argmax(), inner.shape)
    return int(row) + margin, int(column) + margin


def _patch(
    picture: np.ndarray, cell: tuple[int, int], rows: np.ndarray, columns: np.ndarray, half: float
) -> np.ndarray:
    """-> what a cell sees of a picture (h, w[, 3]); moved into it where it would reach beyond, so that all patches have one size."""
    side = [min(limit, max(1, round(2 * half + 1))) for limit in picture.shape[:2]]
    centre = (rows[cell[0]], columns[cell[1]])
    top, left = (
        int(np.clip(round(middle - (n - 1) / 2), 0, limit - n))
        for middle, n, limit in zip(centre, side, picture.shape[:2], strict=True)
    )
    return picture[top : top + side[0], left : left + side[1]]
