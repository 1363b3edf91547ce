"""Explanations as a picture: faces, maps over faces, probability bars, on one scale that the picture states."""

from __future__ import annotations

from PIL import Image

from ferviz.emotions import COLORS, canonical
from ferviz.rendering.charts import caption, own_scale_key, probability_bars, scale_key, slim_bar
from ferviz.rendering.charts import number as number_text
from ferviz.rendering.layout import grid, hstack, resize_canvas, vstack
from ferviz.rendering.sheets.page import page
from ferviz.rendering.sheets.sheet import Cell, Remark, Sheet
from ferviz.rendering.text import AMBER, GREY, INK, line, line_height, paragraph
from ferviz.rendering.tiles import face_tile, has_evidence, overlay_tile, tile_side

PAGE = 48
"""Most cells with one map each on one picture; with several maps each, a third of it or fewer."""

ACROSS = 10
"""Most maps of one face side by side; more go below."""


def page_size(targets: int) -> int:
    """Return how many faces one picture shows.

    Args:
        targets: how many maps each face has.
    """
    return PAGE if targets == 1 else max(1, PAGE // 3 // -(-targets // ACROSS))


def explanation_picture(sheet: Sheet, zoom: float = 1.0) -> Image.Image:
    """Return a sheet as an RGB picture.

    One map a face: face, overlay and probability bars side by side, in as many columns as keep the page near a square. Several
    maps a face: one row a face, under each map its class and that class' probability.

    Args:
        sheet: what is shown.
        zoom: 1 for screens, 2 for fine print.
    """
    single = all(len(cell.names) == 1 for cell in sheet.cells)
    side, size, columns = _measures(sheet, single)
    side, size = tile_side([c.face.shape[:2] for c in sheet.cells], round(side * zoom)), round(size * zoom)
    gap = round(10 * zoom)
    if single:
        body = grid([_single(c, sheet, side, size, gap) for c in sheet.cells], columns, (4 * gap, 2 * gap))
    else:
        body = vstack([_strip(c, sheet, side, size, gap) for c in sheet.cells], 2 * gap)
    return page(body, sheet.title, sheet.subtitle, _key(sheet, zoom), sheet.notes, sheet.warnings, zoom)


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
        cell.face, cell.maps[0], side, sheet.vmax_of(cell), sheet.signed, labels=cell.labels_of(0), cmap=sheet.cmap
    )
    over = vstack([tile, name], gap // 3)
    blocks = [left, over]
    if cell.probabilities:
        blocks.append(probability_bars(cell.probabilities, cell.label, max(60, side // 2), side, size))
    row = hstack(blocks, gap)
    if not cell.remarks:
        return row
    remark = cell.remarks[0]
    return vstack([row, paragraph(remark.text, size, row.width, _tone(remark))], gap // 3)


def _strip(cell: Cell, sheet: Sheet, side: int, size: int, gap: int) -> Image.Image:
    gap = max(8, gap * 4 // 5)
    height = line_height(size)
    under = [caption(cell.label, size, side, INK, bold=True)] if cell.label and cell.label not in cell.names else []
    blocks = [vstack([face_tile(cell.face, side), *under, caption(cell.caption, size, side, GREY)], gap // 2)]
    for number, (name, heat) in enumerate(zip(cell.names, cell.maps, strict=True)):
        labels = cell.labels_of(number)
        parts = [
            overlay_tile(
                cell.face, heat, side, sheet.vmax_of(cell, number), sheet.signed, labels=labels, cmap=sheet.cmap
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
            parts.append(caption(remark.short, size, side, _tone(remark)))
        blocks.append(vstack(parts, gap // 2))
    face, maps = blocks[0], blocks[1:]
    if len(maps) <= ACROSS:
        return hstack(blocks, gap)
    return hstack([face, grid(maps, ACROSS, (gap, gap))], gap)


def _tone(remark: Remark) -> str:
    return AMBER if remark.warns else GREY


def _key(sheet: Sheet, zoom: float) -> Image.Image | None:
    if sheet.empty:
        return None
    length, size = round(180 * zoom), round(14 * zoom)
    if sheet.own_scales:
        return own_scale_key(sheet.signed, length, size, sheet.ends, sheet.cmap)
    return scale_key(sheet.vmax, sheet.signed, length, size, sheet.ends, sheet.cmap)
