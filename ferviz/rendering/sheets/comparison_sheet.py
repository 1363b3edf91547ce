"""Explanations side by side: a row a face, a column a method (or layer, or network), and a table of how far they agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest

import numpy as np
from PIL import Image

from ferviz.rendering.charts import GROUND_LEVEL, caption, number
from ferviz.rendering.colormaps import colors
from ferviz.rendering.layout import hstack, resize_canvas, vstack
from ferviz.rendering.marks import draw_box, paper, place
from ferviz.rendering.printing import PrintSize
from ferviz.rendering.sheets.overlays import remark_tone
from ferviz.rendering.sheets.page import page
from ferviz.rendering.sheets.sheet import Remark, is_signed, scale_end
from ferviz.rendering.text import GREY, INK, PAPER, line, line_height, paragraph
from ferviz.rendering.tiles import blend, face_tile, overlay_tile, tile_side

NARROWEST = 6.0
"""A printed tile is at least so many times as wide as its text is tall."""

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
    details: Sequence[str] = (),
    answers: Sequence[Sequence[str]] = (),
    gains: Sequence[float | None] = (),
    zoom: float = 1.0,
    printing: PrintSize | None = None,
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
        details: M texts below the columns' names: how large the maps are, and where they come from.
        answers: (M, N), what each network itself says of each face, below its map.
        gains: M numbers of deletion and insertion, beside the table; None where they were not measured.
        zoom: 1 for screens, 2 for fine print.
        printing: the size of a printed page, which then decides about columns and tiles.
    """
    faces, captions = list(faces)[:ROWS], list(captions)[:ROWS]
    across = max(1, len(names))
    if printing:
        size, gap = printing.size, max(1, round(printing.size * 0.6))
        across = max(1, int((printing.room + gap) // (NARROWEST * size + gap)) - 1)
        across = -(-len(names) // -(-len(names) // across))
        side = printing.tile(across + 1, gap)
    else:
        side, size = tile_side([f.shape[:2] for f in faces], round(144 * zoom)), round(13 * zoom)
        gap = round(8 * zoom)
    first = [
        vstack([face_tile(f, side), caption(c, size, side)], gap // 3) for f, c in zip(faces, captions, strict=True)
    ]
    below = []
    for column in range(len(names)):
        answered = [line(text, size, INK) for text in answers[column][:ROWS]] if answers else []
        noted = [paragraph(r.short, size, side, remark_tone(r)) for r in remarks[column][:ROWS]] if remarks else []
        below.append(
            [vstack([part for part in pair if part]) for pair in zip_longest(answered, noted)]
            if answered or noted
            else []
        )
    room = max([first[0].height, *(side + gap // 3 + text.height for row in below for text in row)])
    columns = []
    for at, (name, values, texts) in enumerate(zip(names, maps, below, strict=True)):
        signed = is_signed(list(values))
        vmax = scale_end(list(values), signed)
        tiles = [overlay_tile(f, v, side, vmax, signed, text_size=size) for f, v in zip(faces, values, strict=False)]
        if texts:
            tiles = [vstack(pair, gap // 3) for pair in zip(tiles, texts, strict=True)]
        tiles = [resize_canvas(tile, side, room) for tile in tiles]
        detail = details[at] if details else ""
        columns.append(_column(name, detail, [*tiles, _scale(vmax, signed, side, size)], side, size, gap))
    faced = _column("face", " " if details else "", [resize_canvas(t, side, room) for t in first], side, size, gap)
    head = max(column.height for column in columns)
    bands = [
        hstack([faced, *(resize_canvas(column, side, head) for column in columns[start : start + across])], gap)
        for start in range(0, len(columns), across)
    ]
    table = [
        line("Rank correlation of the maps, mean over the faces", size, INK, bold=True),
        _table(names, correlation, size, gains),
    ]
    if any(gain is not None for gain in gains):
        words = "Area: between insertion and deletion; the larger, the better the map points at what is needed."
        table.append(paragraph(words, size, max(bands[0].width, 30 * size), GREY))
    body = vstack([*bands, vstack(table, gap)], 2 * gap)
    return page(body, title, subtitle, None, notes, warnings, zoom, printing)


def _scale(vmax: float, signed: bool, side: int, size: int) -> Image.Image:
    """One column's colour bar, and what its two ends mean."""
    ramp = np.linspace(-1 if signed else 0, 1, side, dtype=np.float32)
    thickness = max(5, size // 2)
    ground = np.full((thickness, side, 3), GROUND_LEVEL, np.uint8)
    bar = Image.fromarray(blend(ground, np.broadcast_to(ramp, (thickness, side)), 1.0, signed))
    ends = [("against", "for"), (f"-{number(vmax)}", number(vmax))] if signed else [("0", number(vmax))]
    rows: list[Image.Image] = []
    for left, right in ends:
        first, last = line(left, size, GREY), line(right, size, GREY)
        rows.append(hstack([resize_canvas(first, max(first.width, side - last.width)), last]))
    return vstack([bar, *rows])


def _column(name: str, detail: str, tiles: list[Image.Image], side: int, size: int, gap: int) -> Image.Image:
    parts = name.split(", ")
    heads = [caption(p, size, side, INK if i == 0 else GREY, bold=i == 0) for i, p in enumerate(parts)]
    head = vstack([*heads, caption(detail, size, side, GREY)] if detail else heads)
    return resize_canvas(vstack([head, vstack(tiles, gap)], gap // 2), side)


def _table(names: Sequence[str], correlation: np.ndarray, size: int, gains: Sequence[float | None] = ()) -> Image.Image:
    """One coloured cell a pair, in which its number stands; beside them the areas, if there are any."""
    high, wide = line_height(size) + size // 2, size * 4
    labels = [line(name, size, INK) for name in names]
    room = max(label.width for label in labels) + size
    rows: list[Image.Image] = []
    if any(gain is not None for gain in gains):
        left = room + (wide + 1) * len(names)
        rows.append(
            hstack([resize_canvas(line("", size), left), resize_canvas(line("area", size, GREY), wide, None, "right")])
        )
    for label, values, gain in zip_longest(labels, correlation, gains):
        cells = [resize_canvas(label, room)]
        for value in values:
            paint = tuple(int(c) for c in colors(np.array([[value]], np.float32), 1.0, signed=True)[0, 0])
            dark = sum(paint) < 330
            cell = paper((wide, high), PAPER)
            ground = "#{:02x}{:02x}{:02x}".format(*paint)
            text = line(f"{value:+.2f}", size, PAPER if dark else INK, paper=ground)
            draw_box(cell, (0, 0, wide, high), ground)
            place(cell, text, ((wide - text.width) // 2, (high - text.height) // 2))
            cells.append(cell)
        if gain is not None:
            cells.append(resize_canvas(line(f"{gain:+.2f}", size, INK), wide, None, "right"))
        rows.append(hstack(cells, 1, "middle"))
    return vstack(rows, 1)


def methods_by_class(
    face: np.ndarray,
    columns: Sequence[str],
    maps: Mapping[str, np.ndarray],
    remarks: Mapping[str, Sequence[Remark]] | None = None,
    zoom: float = 1.0,
) -> Image.Image:
    """Return one face's maps with a row a method and a column a class.

    Each row has a scale of its own, shared by its classes, which ends where all but one in two hundred values lie: single pixels of
    a gradient would leave the rest of their row without colour.

    Args:
        face: (H, W, 3) uint8.
        columns: T texts above the columns.
        maps: {method: (T, h, w)}.
        remarks: {method: T remarks}, the short form of which stands below each map; None = none does.
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
        tiles = [overlay_tile(face, v, side, vmax, signed, text_size=size) for v in values]
        if remarks is not None:
            words = [caption(r.short, round(size * 0.9), side, remark_tone(r)) for r in remarks[name]]
            tiles = [vstack([tile, word]) for tile, word in zip(tiles, words, strict=True)]
        rows.append(hstack([resize_canvas(line(name, size, INK), room), *tiles], gap, "middle"))
    tested = "Below each map: is it better than a blob in the middle of the face at telling what the network needs?"
    notes = (
        *(() if remarks is None else (tested,)),
        "Each row has a scale of its own, shared by its classes, up to its 99.5th percentile.",
        "Red is evidence for the class, blue against it.",
    )
    return page(vstack(rows, gap), "One face, every method, every class", "", None, notes, (), zoom)
