"""What a picture of activations shows: which maps in which order, their title, and the lines below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ferviz.errors import UnknownNameError, UsageError
from ferviz.faces.face import captions
from ferviz.rendering.colormaps import colors
from ferviz.rendering.printing import PrintSize, paginate
from ferviz.rendering.sheets import activation_grids as grids

if TYPE_CHECKING:
    from PIL import Image

    from ferviz.attribution.activations import Activations

MODES = ("mean", "channels")
"""What a picture shows: the mean over the channels of each layer, or the channels of one layer."""

UNITS = " A layer without a map is drawn unit by unit, row by row."
SIGNED = "Blue is below zero, red above, white is zero."

Columns = list[tuple[str, np.ndarray]]


@dataclass(frozen=True)
class ActivationSheet:
    """How activations are drawn.

    Attributes:
        activations: what is drawn.
        mode, cmap, title, zoom, layer, max_channels, shared_scale: as for `Activations.picture`.
        printing: the size of a printed page; None = a page for screens.
    """

    activations: Activations
    mode: str = "mean"
    cmap: str | None = None
    title: str | None = None
    printing: PrintSize | None = None
    zoom: float = 1.0
    layer: str | None = None
    max_channels: int | None = None
    shared_scale: bool = True

    def draw(self, start: int, count: int) -> Image.Image:
        """Return the page of some faces.

        Args:
            start: the first one.
            count: how many, 1 or more.
        """
        page = slice(start, start + count)
        return self._means(page) if self.mode == "mean" else self._channels(page)

    def pages(self) -> list[Image.Image]:
        """Return all faces as printed pages.

        Raises:
            UsageError: there is no face.
        """
        total = len(self.activations.faces)
        if not total:
            raise UsageError("there is no face to draw")
        assert self.printing is not None
        return paginate(self.draw, total, self.activations.page_size(self.mode), self.printing)

    def tiles(self) -> tuple[list[str], list[np.ndarray]]:
        """Return each map by itself, face by face: their names, and (h, w, 3) uint8 each."""
        if self.mode == "mean":
            columns = [(name, values) for name, values in self._layer_means() if values.ndim == 3]
            scales = [grids.scale_of(values) for _, values in columns]
        else:
            name, maps = self._layer()
            chosen = self._chosen(name, slice(0, len(maps)))[0]
            columns = [(f"{name} {channel}", maps[..., channel]) for channel in chosen]
            shared = grids.scale_of(maps[..., chosen])
            scales = [shared if self.shared_scale else grids.scale_of(values) for _, values in columns]
        names, tiles = [], []
        for face in range(len(self.activations.faces)):
            for (name, values), (signed, vmax) in zip(columns, scales, strict=True):
                names.append(name)
                tiles.append(colors(values[face], vmax, signed, self.cmap or (None if signed else grids.COLUMN_MAP)))
        return names, tiles

    def _means(self, page: slice) -> Image.Image:
        arrays, columns = self.activations.arrays, [(name, values[page]) for name, values in self._layer_means()]
        units = "" if all(values.ndim == 4 for values in arrays.values()) else UNITS
        signed = SIGNED if any(grids.scale_of(values)[0] for _, values in columns) else ""
        scale = (
            f"Each layer has a scale of its own, shared by its faces, which {grids.SCALE_NOTE}.{units} {signed}".strip()
        )
        return grids.layer_grid(
            self._pixels(page), columns, captions(self.activations.faces)[page],
            title="Activations" if self.title is None else self.title,
            subtitle="mean over each layer's channels" if self.title is None else "",
            notes=(scale, *self._notes(page)), warnings=self.activations.warnings, zoom=self.zoom, cmap=self.cmap,
            printing=self.printing,
        )  # fmt: skip

    def _channels(self, page: slice) -> Image.Image:
        name, maps = self._layer()
        single, (height, width, count) = page.stop - page.start == 1, maps.shape[1:]
        chosen, order, strengths = self._chosen(name, page)
        share = f"{len(chosen)} of {count} channels" if len(chosen) < count else f"{count} channels"
        subtitle = f"{share} of {height}x{width}, {order}"
        if self.shared_scale:
            scale = f"All channels have one scale, which {grids.SCALE_NOTE}."
        elif single:
            scale = f"Each channel has a scale of its own, which {grids.SCALE_NOTE}; its end stands beside the number."
        else:
            scale = f"Each channel has a scale of its own, shared by its faces, which {grids.SCALE_NOTE}."
        if grids.scale_of(maps[page][..., chosen])[0]:
            scale += f" {SIGNED}"
        title = name if self.title is None else self.title
        subtitle = subtitle if self.title is None else ""
        warnings, notes = self.activations.warnings, (scale, *self._notes(page))
        if single:
            return grids.channel_grid(
                self._pixels(page)[0], maps[page.start][..., chosen], chosen, title=title, subtitle=subtitle,
                shared_scale=self.shared_scale, silent=[strengths[0, channel] == 0 for channel in chosen], notes=notes,
                warnings=warnings, zoom=self.zoom, cmap=self.cmap, printing=self.printing,
            )  # fmt: skip
        columns = [(str(channel), maps[page][..., channel]) for channel in chosen]
        return grids.layer_grid(
            self._pixels(page), columns, captions(self.activations.faces)[page], title=title, subtitle=subtitle,
            shared_scale=self.shared_scale, sizes=False, notes=notes, warnings=warnings, zoom=self.zoom, cmap=self.cmap,
            printing=self.printing,
        )  # fmt: skip

    def _chosen(self, name: str, page: slice) -> tuple[list[int], str, np.ndarray]:
        """-> the channels to draw, in what order they stand, and how strong each is for each face of the page."""
        maps, passed = self.activations.arrays[name][page], self.activations.passed.get(name)
        if passed is not None:
            order, strengths = f"those first that pass most on through {passed[0]}", passed[1][page]
        elif np.min(maps, initial=0) < 0:
            order, strengths = "largest mean magnitude first", np.abs(maps).mean(axis=(1, 2))
        else:
            order, strengths = "most active first", maps.mean(axis=(1, 2))
        most = grids.MOST if len(maps) == 1 else grids.COLUMNS
        chosen = grids.most_active(strengths, min(self.max_channels or grids.CHANNELS, most))
        return chosen, order, strengths

    def _layer(self) -> tuple[str, np.ndarray]:
        arrays = self.activations.arrays
        if self.mode != "channels":
            raise UnknownNameError("mode", self.mode, MODES)
        maps = [name for name, values in arrays.items() if values.ndim == 4]
        if self.layer is None and len(arrays) > 1:
            raise UsageError(f"channels are drawn for one layer at a time; name one of {', '.join(maps)}")
        name = self.layer if self.layer is not None else next(iter(arrays))
        if name not in arrays:
            raise UnknownNameError("layer", name, tuple(arrays), "these activations")
        if name not in maps:
            raise UsageError(
                f"layer {name!r} has no map, so its channels are single numbers; draw it with the mode 'mean'"
            )
        return name, arrays[name]

    def _layer_means(self) -> Columns:
        arrays = self.activations.arrays
        return [(name, values.mean(axis=-1) if values.ndim > 2 else values) for name, values in arrays.items()]

    def _pixels(self, page: slice) -> list[np.ndarray]:
        return [face.pixels for face in self.activations.faces[page]]

    def _notes(self, page: slice) -> list[str]:
        settings, total = self.activations.settings, len(self.activations.faces)
        digest = str(settings.get("model_sha256") or "")
        notes = [f"Network {settings.get('model')}{f' ({digest[:8]})' if digest else ''}"]
        if page.stop - page.start < total:
            notes.append(f"Faces {page.start + 1} to {page.stop} of {total}; a .npz file holds all of them.")
        return notes
