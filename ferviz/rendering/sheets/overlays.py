"""Explanations as a picture: faces, maps over faces, probability bars, on one scale that the picture states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from ferviz.emotions import COLORS, canonical
from ferviz.rendering.charts import caption, own_scale_key, probability_bars, scale_key, slim_bar
from ferviz.rendering.charts import number as number_text
from ferviz.rendering.layout import grid, hstack, resize_canvas, vstack
from ferviz.rendering.printing import MILLIMETRES, WIDEST_TILE, PrintSize, paginate
from ferviz.rendering.sheets.page import page
from ferviz.rendering.sheets.sheet import Cell, Remark, Sheet
from ferviz.rendering.text import AMBER, GREY, INK, line, line_height, paragraph
from ferviz.rendering.tiles import SMALL, face_tile, has_evidence, overlay_tile, tile_side

PAGE = 48
"""Most cells with one map each on one picture; with several maps each, a third of it or fewer."""

ACROSS = 10
"""Most maps of one face side by side; more go below."""


NARROWEST_TILE = 6.9
"""A printed tile is at least so many times as wide as its text is tall: a class and its probability stand below it."""


def page_size(targets: int) -> int:
    """Return how many faces one picture shows.

    Args:
        targets: how many maps each face has.
    """
    return PAGE if targets == 1 else max(1, PAGE // 3 // -(-targets // ACROSS))


def explanation_picture(sheet: Sheet, zoom: float = 1.0, printing: PrintSize | None = None) -> Image.Image:
    """Return a sheet as an RGB picture.

    One map a face: face, overlay and probability bars side by side, in as many columns as keep the page near a square. Several
    maps a face: one row a face, under each map its class and that class' probability.

    Args:
        sheet: what is shown.
        zoom: 1 for screens, 2 for fine print.
        printing: the size of a printed page, which then decides about columns and tiles.
    """
    single = all(len(cell.names) == 1 for cell in sheet.cells)
    if printing:
        body = _printed_singles(sheet, printing) if single else _printed_strips(sheet, printing)
        key = _key(sheet, printing.size / 14)
        return page(body, sheet.title, sheet.subtitle, key, sheet.notes, sheet.warnings, size=printing)
    side, size, columns = _measures(sheet, single)
    side, size = tile_side([c.face.shape[:2] for c in sheet.cells], round(side * zoom)), round(size * zoom)
    gap = round(10 * zoom)
    if single:
        body = grid([_single(c, sheet, side, size, gap) for c in sheet.cells], columns, (4 * gap, 2 * gap))
    else:
        body = vstack([_strip(c, sheet, side, size, gap) for c in sheet.cells], 2 * gap)
    return page(body, sheet.title, sheet.subtitle, _key(sheet, zoom), sheet.notes, sheet.warnings, zoom)


def explanation_pages(sheet: Sheet, printing: PrintSize) -> list[Image.Image]:
    """Return a sheet as printed pages, none of them taller than HEIGHT unless a single face is.

    Args:
        sheet: what is shown.
        printing: the size of the pages.
    """
    total = len(sheet.cells)

    def draw(start: int, count: int) -> Image.Image:
        note = f"Faces {start + 1} to {start + count} of {total}."
        notes = (*sheet.notes, note) if count < total else sheet.notes
        return explanation_picture(
            replace(sheet, cells=sheet.cells[start : start + count], notes=notes), printing=printing
        )

    return paginate(draw, total, page_size(len(sheet.cells[0].names)), printing)


def _printed_singles(sheet: Sheet, printing: PrintSize) -> Image.Image:
    room, size = printing.room, printing.size
    gap = max(1, round(size * 0.6))
    narrowest = 8.75 * size * 2.5 + 7.4 * size  # tiles as tall as seven bars need
    columns = max(1, min(len(sheet.cells), int((room + 4 * gap) // (narrowest + 4 * gap))))
    cell_room = (room - (columns - 1) * 4 * gap) // columns
    side = min(round((cell_room - 7 * size) / 2.5), round(WIDEST_TILE / MILLIMETRES * printing.dpi))
    while True:
        fitted = _fitted([c.face.shape[:2] for c in sheet.cells], max(8, side))
        blocks = [_single(c, sheet, fitted, size, gap) for c in sheet.cells]
        widest = max(block.width for block in blocks)
        if widest <= cell_room or side <= 2 * size:
            return grid(blocks, columns, (4 * gap, 2 * gap))
        side = min(side - 1, round(side - (widest - cell_room) / 2.5))


def _printed_strips(sheet: Sheet, printing: PrintSize) -> Image.Image:
    room, size = printing.room, printing.size
    gap = max(1, round(size * 0.6))
    tiles = 1 + max(len(cell.names) for cell in sheet.cells)
    across = max(1, int((room + gap) // (NARROWEST_TILE * size + gap)))
    across = -(-tiles // -(-tiles // across))  # rows of about the same length
    side = min((room - (across - 1) * gap) // across, round(WIDEST_TILE / MILLIMETRES * printing.dpi))
    side = _fitted([c.face.shape[:2] for c in sheet.cells], side)
    strips = [grid(_blocks(c, sheet, side, size, gap), across, (gap, gap)) for c in sheet.cells]
    return vstack(strips, 2 * gap)


def _fitted(sizes: Sequence[tuple[int, int]], side: int) -> int:
    """-> the side of a tile, no larger than asked for, that shows small faces enlarged by a whole factor."""
    longest = {max(size) for size in sizes}
    pixels = longest.pop() if len(longest) == 1 else side
    return side - side % pixels if pixels <= min(SMALL, side) else side


def _measures(sheet: Sheet, single: bool) -> tuple[int, int, int]:
    """Return (side of a tile, size of the text, columns) in pixels at scale 1."""
    count = len(sheet.cells)
    if not single:
        return (144, 15, 1) if count <= 4 else (96, 13, 1)
    if count == 1:
        return 288, 18, 1
    if count <= 3:
        return 192, 15, 1
    if count <= 12:
        return 144, 13, 2
    return 96, 11, 3 if count <= 30 else 4


def _single(cell: Cell, sheet: Sheet, side: int, size: int, gap: int) -> Image.Image:
    left = vstack([face_tile(cell.face, side), caption(cell.caption, size, side, GREY)], gap // 3)
    name = caption(cell.names[0], size, side, INK, bold=True)
    tile = overlay_tile(
        cell.face,
        cell.maps[0],
        side,
        sheet.vmax_of(cell),
        sheet.signed,
        labels=cell.labels_of(0),
        cmap=sheet.cmap,
        text_size=size,
    )
    over = vstack([tile, name], gap // 3)
    blocks = [left, over]
    if cell.probabilities:
        blocks.append(probability_bars(cell.probabilities, cell.label, max(60, side // 2), side, size))
    row = hstack(blocks, gap)
    if not cell.remarks:
        return row
    remark = cell.remarks[0]
    return vstack([row, paragraph(remark.text, size, row.width, remark_tone(remark))], gap // 3)


def _strip(cell: Cell, sheet: Sheet, side: int, size: int, gap: int) -> Image.Image:
    gap = max(8, gap * 4 // 5)
    face, *maps = blocks = _blocks(cell, sheet, side, size, gap)
    if len(maps) <= ACROSS:
        return hstack(blocks, gap)
    return hstack([face, grid(maps, ACROSS, (gap, gap))], gap)


def _blocks(cell: Cell, sheet: Sheet, side: int, size: int, gap: int) -> list[Image.Image]:
    """-> the face and each map, with what stands below them."""
    height = line_height(size)
    under = [caption(cell.label, size, side, INK, bold=True)] if cell.label and cell.label not in cell.names else []
    blocks = [vstack([face_tile(cell.face, side), *under, caption(cell.caption, size, side, GREY)], gap // 2)]
    for number, (name, heat) in enumerate(zip(cell.names, cell.maps, strict=True)):
        labels = cell.labels_of(number)
        parts = [
            overlay_tile(
                cell.face,
                heat,
                side,
                sheet.vmax_of(cell, number),
                sheet.signed,
                labels=labels,
                cmap=sheet.cmap,
                text_size=size,
            )
        ]
        is_predicted = name == cell.label
        probability = cell.probabilities.get(name)
        if probability is None:
            parts.append(caption(name, size, side, INK))
        else:
            value = line(f"{probability:.2f}", size, INK if is_predicted else GREY, bold=is_predicted)
            word = caption(name, size, side - value.width - 4, INK if is_predicted else GREY, bold=is_predicted)
            parts.append(hstack([resize_canvas(word, side - value.width, height), value]))
            color = COLORS.get(canonical(name), "#4a7ba6")
            parts.append(slim_bar(probability, side, max(3, size // 4), color))
        if cell.ends and has_evidence(heat):
            parts.append(caption(f"scale to {number_text(cell.ends[number])}", size, side, GREY))
        if cell.remarks:
            remark = cell.remarks[number]
            parts.append(paragraph(remark.short, size, side, remark_tone(remark)))
        blocks.append(vstack(parts, gap // 2))
    return blocks


def remark_tone(remark: Remark) -> str:
    """Return the colour that a remark is written in.

    Args:
        remark: the remark.
    """
    return AMBER if remark.warns else GREY


def _key(sheet: Sheet, zoom: float) -> Image.Image | None:
    if sheet.empty:
        return None
    length, size = round(180 * zoom), round(14 * zoom)
    if sheet.own_scales:
        return own_scale_key(sheet.signed, length, size, sheet.ends, sheet.cmap)
    return scale_key(sheet.vmax, sheet.signed, length, size, sheet.ends, sheet.cmap)
