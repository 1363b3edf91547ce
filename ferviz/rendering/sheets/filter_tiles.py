"""Kernels of convolutions as pictures: tiles of signed weights, in bands of output channels under their input channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ferviz.rendering.charts import key_strip, number
from ferviz.rendering.colormaps import colors
from ferviz.rendering.layout import hstack, resize_canvas, vstack
from ferviz.rendering.printing import MILLIMETRES, PrintSize, paginate
from ferviz.rendering.sheets.page import page
from ferviz.rendering.text import GREY, INK, line, paragraph, shorten
from ferviz.rendering.tiles import cells_tile

ACROSS = 16
"""Most output channels side by side; more go below, with the names of the inputs once again."""

NARROWEST = 2.1
"""A printed kernel is at least so many times as wide as its text is tall: its number stands above it."""

WIDEST_KERNEL = 12.0
"""Millimetres of a printed kernel, at most."""

CELLS = 256
"""Most channels a side of a matrix of 1x1 kernels."""


@dataclass(frozen=True, eq=False)
class KernelGrid:
    """Some kernels, chosen and named, ready to draw.

    Attributes:
        values: (kh, kw, rows, columns) float, one kernel a row and column.
        rows, columns: their names; one row without a name where each kernel stands alone.
        vmax: (columns,) float > 0, the weight that takes the colour map's end in each column.
        shared_scale: all columns have the same vmax.
        title: what this part is, e.g. "depthwise"; "" for none.
        notes: its shape and what of it is shown, one sentence each.
        colours: (kh, kw, 3, columns): the same kernels as colours of a picture, drawn above the rows.
    """

    values: np.ndarray
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    vmax: np.ndarray
    shared_scale: bool
    title: str = ""
    notes: tuple[str, ...] = ()
    colours: np.ndarray | None = None

    @property
    def pointwise(self) -> bool:
        """Kernels of one weight each make one matrix."""
        return self.values.shape[:2] == (1, 1) and len(self.rows) > 1

    def tiles(self, column: int) -> list[np.ndarray]:
        """Return the tiles of a column from top to bottom.

        Args:
            column: its number.

        Returns:
            (kh, kw, 3) uint8 each.
        """
        vmax = float(self.vmax[column])
        tiles = [colors(self.values[:, :, row, column], vmax, signed=True) for row in range(len(self.rows))]
        if self.colours is not None:
            grey = 0.5 + self.colours[..., column] / (2 * vmax)
            tiles.insert(0, np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8))
        return tiles

    def names(self) -> tuple[str, ...]:
        """Return what stands beside the tiles of a column."""
        return (*(("colour",) if self.colours is not None else ()), *self.rows)

    def matrix(self) -> np.ndarray:
        """Return kernels of one weight each as cells, (rows, columns, 3) uint8."""
        return colors(self.values[0, 0] / self.vmax, 1.0, signed=True)


def kernel_picture(
    parts: Sequence[KernelGrid],
    *,
    title: str,
    subtitle: str,
    notes: tuple[str, ...] = (),
    zoom: float = 1.0,
    printing: PrintSize | None = None,
) -> Image.Image:
    """Return kernels as an RGB picture: one part below the other.

    Args:
        parts: the kernels.
        title, subtitle, notes: as for `page`.
        zoom: 1 for screens, 2 for fine print.
        printing: the size of a printed page, which then decides how many kernels stand side by side.
    """
    blocks = _blocks(parts, zoom, printing)
    return page(vstack(blocks, _gap(zoom, printing) * 2), title, subtitle, None, notes, (), zoom, printing)


def kernel_pages(
    parts: Sequence[KernelGrid], printing: PrintSize, *, title: str, subtitle: str, notes: tuple[str, ...] = ()
) -> list[Image.Image]:
    """Return kernels as printed pages.

    Args:
        parts, title, subtitle, notes: as for `kernel_picture`.
        printing: the size of a page.
    """
    blocks, gap = _blocks(parts, 1.0, printing), 2 * _gap(1.0, printing)

    def draw(start: int, count: int) -> Image.Image:
        body = vstack(blocks[start : start + count], gap)
        return page(body, title, subtitle, None, notes, (), size=printing)

    return paginate(draw, len(blocks), len(blocks), printing)


def bare_kernels(part: KernelGrid) -> np.ndarray:
    """Return kernels side by side without words, a pixel for each weight and a white one between two kernels.

    Args:
        part: the kernels. Those that stand alone fill a square row by row; of others each column is an output channel.

    Returns:
        (h, w, 3) uint8.
    """
    if part.pointwise:
        return part.matrix()
    columns = [part.tiles(column) for column in range(len(part.columns))]
    if len(columns[0]) == 1:
        across = math.ceil(math.sqrt(len(columns)))
        rows = [[tile for (tile,) in columns[start : start + across]] for start in range(0, len(columns), across)]
    else:
        rows = [list(row) for row in zip(*columns, strict=True)]
    kh, kw = part.values.shape[:2]
    sheet = np.full((len(rows) * (kh + 1) - 1, len(rows[0]) * (kw + 1) - 1, 3), 255, np.uint8)
    for row, tiles in enumerate(rows):
        for column, tile in enumerate(tiles):
            top, left = row * (kh + 1), column * (kw + 1)
            sheet[top : top + kh, left : left + kw] = tile
    return sheet


def _gap(zoom: float, printing: PrintSize | None) -> int:
    return max(1, round(printing.size * 0.5)) if printing else round(8 * zoom)


def _blocks(parts: Sequence[KernelGrid], zoom: float, printing: PrintSize | None) -> list[Image.Image]:
    """-> what a page holds from top to bottom: bands of kernels, the first of a part with its title, the last with its scale."""
    size = printing.size if printing else round(13 * zoom)
    small = printing.size if printing else round(14 * zoom)
    gap, room = _gap(zoom, printing), printing.room if printing else None
    blocks: list[Image.Image] = []
    for part in parts:
        bands = [_matrix(part, zoom, size, gap, room)] if part.pointwise else _bands(part, zoom, size, gap, printing)
        if part.title:
            bands[0] = vstack([line(part.title, round(size * 1.2), INK, bold=True), bands[0]], gap)
        words = [paragraph(note, small, room, GREY) if room else line(note, small, GREY) for note in part.notes]
        bands[-1] = vstack([bands[-1], _key(part, zoom, small, room), *words], gap)
        blocks += bands
    return blocks


def _bands(part: KernelGrid, zoom: float, size: int, gap: int, printing: PrintSize | None) -> list[Image.Image]:
    kh, kw = part.values.shape[:2]
    across = min(ACROSS, len(part.columns))
    heads = _room(part.names(), size) if any(part.names()) else 0
    if printing:
        spare = printing.room - (heads + gap if heads else 0) + gap
        across = max(1, min(across, int(spare // (NARROWEST * size + gap))))
        across = -(-len(part.columns) // -(-len(part.columns) // across))
        wanted = min(spare // across - gap, round(WIDEST_KERNEL / MILLIMETRES * printing.dpi))
        side = max(kh, kw) * max(1, wanted // max(kh, kw))
    else:
        large = across * len(part.rows) <= 3 * ACROSS and len(part.columns) <= 4 * ACROSS
        side = max(kh, kw) * max(1, round((72 if large else 44) * zoom / max(kh, kw)))
    names = [
        resize_canvas(_middle(line(shorten(n, size, 9 * size), size, GREY), side), heads or 1) for n in part.names()
    ]
    tight = max(2, gap // 2)
    bands = []
    for start in range(0, len(part.columns), across):
        chosen = range(start, min(start + across, len(part.columns)))
        columns = []
        for column in chosen:
            words = [line(shorten(part.columns[column], size, side), size, INK)]
            if not part.shared_scale:
                end = number(float(part.vmax[column]))
                words.append(line(shorten(end, round(size * 0.85), side), round(size * 0.85), GREY))
            tiles = [cells_tile(tile, side) for tile in part.tiles(column)]
            columns.append(resize_canvas(vstack([vstack(words), vstack(tiles, tight)], tight), side))
        head = resize_canvas(line("out", size, INK), names[0].width, columns[0].height - len(names) * (side + tight))
        first = [vstack([head, vstack(names, tight)], tight)] if heads else []
        bands.append(hstack([*first, *columns], gap))
    return bands


def _matrix(part: KernelGrid, zoom: float, size: int, gap: int, room: int | None) -> Image.Image:
    rows, columns = part.values.shape[2:]
    cell = max(2, min(round(18 * zoom), round(720 * zoom / max(rows, columns))))
    if room:
        cell = max(1, min(2 * size, room // columns))
    cells = Image.fromarray(part.matrix()).resize((columns * cell, rows * cell), Image.Resampling.NEAREST)
    words = "output channels from left to right, input channels from top to bottom"
    across = paragraph(words, size, room, GREY) if room else line(words, size, GREY)
    return vstack([across, cells], gap // 2)


def _key(part: KernelGrid, zoom: float, size: int, room: int | None) -> Image.Image:
    length = 13 * size if room else round(180 * zoom)
    ramp = np.linspace(-1, 1, length, dtype=np.float32)
    bar = np.broadcast_to(colors(ramp, 1.0, signed=True), (max(6, round(size * 0.8)), length, 3)).copy()
    if part.shared_scale:
        end = number(float(part.vmax[0]))
        return key_strip(bar, f"-{end}", end, size)
    words = f"the largest weight of each kernel{'' if part.pointwise else ', which stands below its number'}"
    if room:
        return vstack([key_strip(bar, "-", "+", size), paragraph(f"Each scale ends at {words}.", size, room, GREY)])
    return key_strip(bar, "-", words, size)


def _middle(words: Image.Image, height: int) -> Image.Image:
    strip = Image.new("RGB", (words.width, height), "#ffffff")
    strip.paste(words, (0, max(0, (height - words.height) // 2)))
    return strip


def _room(names: Sequence[str], size: int) -> int:
    return max(line(shorten(name, size, 9 * size), size).width for name in names)
