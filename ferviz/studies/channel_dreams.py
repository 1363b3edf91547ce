"""What the channels of a layer dream of, and what one of their cells sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ferviz.attribution.receptive_fields import Placement, centres, placement
from ferviz.dreaming import objectives
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
        patches: (S, p, q) or (S, p, q, 3) uint8, what one cell sees of the dream of that cell alone.
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
    """Dream of channels, each as a whole and by one cell in the middle of its map.

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
    middle = (grid[0] // 2, grid[1] // 2)
    asked = [objectives.channel(layer, c) for c in channels]
    single = [objectives.neuron(layer, c, middle) for c in channels]
    try:
        dreams = dream(model, [*asked, *single], steps=steps, seed=seed).images
    except FervizError as error:
        return ChannelDreams(none, none, rows, columns, half, size, f"There are no dreams: {error}.")
    y, x = rows[middle[0]], columns[middle[1]]
    top, bottom = (int(np.clip(round(v), 0, height)) for v in (y - half, y + half + 1))
    left, right = (int(np.clip(round(v), 0, width)) for v in (x - half, x + half + 1))
    patches = dreams[len(channels) :, top:bottom, left:right]
    return ChannelDreams(dreams[: len(channels)], patches, rows, columns, half, size)
