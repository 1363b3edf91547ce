"""Explanations side by side: a row a face, a column a method (or layer, or network), and a table of how far they agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from ferviz.rendering.charts import caption
from ferviz.rendering.colormaps import colors
from ferviz.rendering.layout import hstack, resize_canvas, vstack
from ferviz.rendering.marks import draw_box, paper, place
from ferviz.rendering.sheets.overlays import remark_tone
from ferviz.rendering.sheets.page import page
from ferviz.rendering.sheets.sheet import Remark, is_signed, scale_end
from ferviz.rendering.text import GREY, INK, PAPER, line, line_height, paragraph
from ferviz.rendering.tiles import face_tile, overlay_tile, tile_side

ROWS = 12
"""Most faces on one picture."""


def comparison_picture(
    faces: Sequence[np.ndarray],
    captions: Sequence[str],
    names: Sequence[str],
    maps: Sequence[np.ndarray],
    correlation: np.ndarray,
    *,
    title: str,
    subtitle: str = "",
    notes: tuple[str, ...] = (),
    warnings: tuple[str, ...] = (),
    remarks: Sequence[Sequence[Remark]] = (),
    zoom: float = 1.0,
) -> Image.Image:
    """Return the maps of M explanations over the same N faces, with the table of their rank correlations below.

    Each column has a scale of its own, shared by its faces: methods measure in units of their own, so their colours do not compare.

    Args:
        faces: N pictures (H, W, 3) uint8; the first ROWS are drawn.
        captions: N texts under the faces.
        names: M texts above the columns.
        maps: M arrays (N, h, w).
        correlation: (M, M), -1..1.
        title, subtitle, notes, warnings: as for `page`.
        remarks: (M, N), what is remarked below each map; none = nothing below any.
        zoom: 1 for screens, 2 for fine print.
    """
    faces, captions = list(faces)[:ROWS], list(captions)[:ROWS]
    side, size = tile_side([f.shape[:2] for f in faces], round(144 * zoom)), round(13 * zoom)
    gap = round(8 * zoom)
    first = [
        vstack([face_tile(f, side), caption(c, size, side)], gap // 3) for f, c in zip(faces, captions, strict=True)
    ]
    remarked = remarks or [()] * len(maps)
    below = [[paragraph(r.short, size, side, remark_tone(r)) for r in row[:ROWS]] for row in remarked]
    room = max([first[0].height, *(side + gap // 3 + text.height for row in below for text in row)])
    columns = [_column("face", [resize_canvas(tile, side, room) for tile in first], side, size, gap)]
    for name, values, texts in zip(names, maps, below, strict=True):
        signed = is_signed(list(values))
        vmax = scale_end(list(values), signed)
        tiles = [overlay_tile(f, v, side, vmax, signed) for f, v in zip(faces, values, strict=False)]
        if texts:
            tiles = [vstack(pair, gap // 3) for pair in zip(tiles, texts, strict=True)]
        columns.append(_column(name, [resize_canvas(tile, side, room) for tile in tiles], side, size, gap))
    table = vstack(
        [
            line("Rank correlation of the maps, mean over the faces", size, INK, bold=True),
            _table(names, correlation, size),
        ],
        gap,
    )
    return page(vstack([hstack(columns, gap), table], 2 * gap), title, subtitle, None, notes, warnings, zoom)


def _column(name: str, tiles: list[Image.Image], side: int, size: int, gap: int) -> Image.Image:
    parts = name.split(", ")
    head = vstack([caption(p, size, side, INK if i == 0 else GREY, bold=i == 0) for i, p in enumerate(parts)])
    return resize_canvas(vstack([head, vstack(tiles, gap)], gap // 2), side)


def _table(names: Sequence[str], correlation: np.ndarray, size: int) -> Image.Image:
    """One coloured cell a pair; the numbers stand in them."""
    high, wide = line_height(size) + size // 2, size * 4
    labels = [line(name, size, INK) for name in names]
    room = max(label.width for label in labels) + size
    rows = []
    for label, values in zip(labels, correlation, strict=True):
        cells = [resize_canvas(label, room, high)]
        for value in values:
            paint = tuple(int(c) for c in colors(np.array([[value]], np.float32), 1.0, signed=True)[0, 0])
            dark = sum(paint) < 330
            cell = paper((wide, high), PAPER)
            ground = "#{:02x}{:02x}{:02x}".format(*paint)
            text = line(f"{value:+.2f}", size, PAPER if dark else INK, paper=ground)
            draw_box(cell, (0, 0, wide, high), ground)
            place(cell, text, ((wide - text.width) // 2, (high - text.height) // 2))
            cells.append(cell)
        rows.append(hstack(cells, 1))
    return vstack(rows, 1)


def methods_by_class(
    face: np.ndarray, columns: Sequence[str], maps: dict[str, np.ndarray], zoom: float = 1.0
) -> Image.Image:
    """Return one face's maps with a row a method and a column a class.

    Each row has a scale of its own, shared by its classes, which ends where all but one in two hundred values lie: single pixels of
    a gradient would leave the rest of their row without colour.

    Args:
        face: (H, W, 3) uint8.
        columns: T texts above the columns.
        maps: {method: (T, h, w)}.
        zoom: 1 for screens, 2 for fine print.
    """
    side, size, gap = tile_side([face.shape[:2]], round(96 * zoom)), round(13 * zoom), round(4 * zoom)
    room = max(line(name, size, INK).width for name in maps) + size
    heads = [resize_canvas(caption(c, size, side, INK, bold=True), side) for c in columns]
    rows = [
        hstack(
            [resize_canvas(line("face", size, INK), room), resize_canvas(face_tile(face, side), side)], gap, "middle"
        )
    ]
    rows.append(hstack([resize_canvas(line("", size), room), *heads], gap))
    for name, values in maps.items():
        signed = is_signed(list(values))
        vmax = scale_end(list(values), True)
        tiles = [overlay_tile(face, v, side, vmax, signed) for v in values]
        rows.append(hstack([resize_canvas(line(name, size, INK), room), *tiles], gap, "middle"))
    notes = (
        "Each row has a scale of its own, shared by its classes, up to its 99.5th percentile.",
        "Red is evidence for the class, blue against it.",
    )
    return page(vstack(rows, gap), "One face, every method, every class", "", None, notes, (), zoom)
