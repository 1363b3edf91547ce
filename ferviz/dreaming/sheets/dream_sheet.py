"""Dreams as pictures: a grid with captions and the course of the ascent, and an animation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from ferviz.rendering.layout import grid, resize_canvas, vstack
from ferviz.rendering.printing import PrintSize, paginate
from ferviz.rendering.sheets.page import page
from ferviz.rendering.text import FAINT, GREY, INK, line, paragraph, shorten

NARROWEST = 8.0
"""A printed dream is at least so many times as wide as its text is tall."""


def enlarged(image: np.ndarray, side: int) -> Image.Image:
    """Enlarge a dream by Lanczos; one that is larger already keeps its size.

    Args:
        image: (H, W) or (H, W, 3) uint8.
        side: pixels of the longer side.

    Returns:
        An RGB picture.
    """
    picture = Image.fromarray(np.ascontiguousarray(image)).convert("RGB")
    factor = max(1.0, side / max(picture.size))
    size = (round(picture.width * factor), round(picture.height * factor))
    return picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS)


@dataclass(frozen=True)
class DreamSheet:
    """Dreams in a grid, each with its name above, and the objective over the steps and its captions below.

    Attributes:
        images: (K, H, W) or (K, H, W, 3) uint8.
        names: (K,) names.
        captions: (K,) lists of lines.
        trace: (K, steps), the objective.
        before: (K, H, W[, 3]) or (0, ...), the pictures that the dreams began with; a single one is drawn once, before them.
        title, subtitle: the line above the grid.
        notes, warnings: lines below the grid.
        side: pixels of each dream's longer side; None = by number and size.
        columns: dreams in a row; None = by number and size.
        zoom: 1 for screens, 2 for fine print.
        printing: the size of a printed page, which then decides about the tiles.
    """

    images: np.ndarray
    names: Sequence[str]
    captions: Sequence[Sequence[str]]
    trace: np.ndarray
    before: np.ndarray
    title: str
    subtitle: str = ""
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    side: int | None = None
    columns: int | None = None
    zoom: float = 1.0
    printing: PrintSize | None = None

    def draw(self, start: int, count: int) -> Image.Image:
        """Return the page of some dreams.

        Args:
            start: the first one.
            count: how many.
        """
        shown = slice(start, start + count)
        first = self._first()
        across, wide = columns_and_side(self.images, len(self.images) + (first is not None))
        across, wide = self.columns or across, self.side or round(wide * self.zoom)
        size, large = round((15 if wide >= 120 * self.zoom else 11) * self.zoom), wide >= 120 * self.zoom
        small, gap = round((12 if large else 10) * self.zoom), round(14 * self.zoom if large else 6 * self.zoom)
        if self.printing:
            size = small = self.printing.size
            gap, large = max(1, round(size * 0.8)), True
            across = max(1, min(across, int((self.printing.room + gap) // (NARROWEST * size + gap))))
            wide = self.printing.tile(across, gap)
        with_lines = large or len(self.images) <= 64
        head = max(_heading(name, size, wide, True).height for name in self.names[shown])
        cells = (
            []
            if first is None
            else [self._cell(first, "before", ("the picture as it was",), None, wide, size, small, head)]
        )
        for image, name, lines, course in zip(
            self.images[shown], self.names[shown], self.captions[shown], self.trace[shown], strict=True
        ):
            lines = lines if large else lines[:1] if with_lines else ()
            cells.append(self._cell(image, name, lines, course if large else None, wide, size, small, head))
        notes = self.notes
        if count < len(self.images):
            notes = (*notes, f"Dreams {start + 1} to {start + count} of {len(self.images)}.")
        body = grid(cells, across, (gap, round(gap * 1.2)))
        return page(body, self.title, self.subtitle, None, notes, self.warnings, self.zoom, self.printing)

    def pages(self) -> list[Image.Image]:
        """Return all dreams as printed pages."""
        assert self.printing is not None
        return paginate(self.draw, len(self.images), len(self.images), self.printing)

    def _first(self) -> np.ndarray | None:
        """-> the picture that all dreams began with; None where there is none, or several."""
        shared = len(self.before) and all(np.array_equal(self.before[0], other) for other in self.before[1:])
        return self.before[0] if shared else None

    def _cell(
        self,
        image: np.ndarray,
        name: str,
        lines: Sequence[str],
        course: np.ndarray | None,
        wide: int,
        size: int,
        small: int,
        head: int,
    ) -> Image.Image:
        tile = enlarged(image, wide)
        if self.printing:  # exactly as wide as the column
            tall = round(tile.height * wide / max(tile.size))
            tile = tile.resize((round(tile.width * wide / max(tile.size)), tall), Image.Resampling.LANCZOS)
        room = max(tile.width, wide if self.printing else 0)
        bold = self.printing is not None or wide >= 120 * self.zoom
        heading = _heading(name, size, room, bold)
        parts = [resize_canvas(heading, room, max(head, heading.height)), tile]
        if course is not None:
            parts.append(course_line(course, tile.width, round(size * 1.2)))
        parts += [paragraph(text, small, room, GREY) for text in lines]
        return resize_canvas(vstack(parts, max(2, size // 4)), room)


def _heading(name: str, size: int, room: int, bold: bool) -> Image.Image:
    """Draw the name of a dream: a long one, a formula or a contrast, may take several lines."""
    if len(name) > 24:
        return paragraph(name, size, room, INK, bold)
    return line(shorten(name, size, room), size, INK, bold=bold)


def course_line(values: np.ndarray, width: int, height: int) -> Image.Image:
    """Draw the objective over the steps as a thin line from its least to its greatest value.

    Each step has views of its own, some harder than others; a running mean over a sixteenth of the way evens that out.

    Args:
        values: (steps,) float.
        width, height: pixels.

    Returns:
        An RGB picture.
    """
    scale = 4
    window = max(1, len(values) // 16)
    values = np.convolve(
        np.pad(values, (window // 2, window - 1 - window // 2), "edge"), np.ones(window) / window, "valid"
    )
    drawn = Image.new("RGB", (width * scale, height * scale), "white")
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    span = (high - low) or 1.0
    pad = 2 * scale
    x = np.linspace(pad, width * scale - pad, len(values))
    y = height * scale - pad - (np.nan_to_num(values, nan=low) - low) / span * (height * scale - 2 * pad)
    draw = ImageDraw.Draw(drawn)
    draw.line((0, height * scale - 1, width * scale, height * scale - 1), fill=FAINT, width=2)
    if len(values) > 1:
        draw.line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=GREY, width=scale + 2, joint="curve")
    return drawn.resize((width, height), Image.Resampling.LANCZOS)


def columns_and_side(images: np.ndarray, count: int) -> tuple[int, int]:
    """Return how many dreams stand in a row, and the side of each in pixels, by their number and their own size.

    Args:
        images: (K, H, W[, 3]) uint8.
        count: cells of the sheet.
    """
    longest = max(images.shape[1:3])
    if longest > 144:
        return (1 if count == 1 else 2), longest
    if count == 1:
        return 1, 384
    if count == 2:
        return 2, 288
    if count <= 8:
        return (count if count <= 4 else 4), 192
    if count <= 32:
        return 8, 144
    return 16, 72
