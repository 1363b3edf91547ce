"""Activations as pictures: a grid of faces by layers, the channels of one layer as tiles, and strips for what has no map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from ferviz.rendering.charts import caption, key_strip, number
from ferviz.rendering.colormaps import colors
from ferviz.rendering.layout import grid, hstack, resize_canvas, vstack
from ferviz.rendering.sheets.page import page
from ferviz.rendering.text import GREY, INK, line, line_height
from ferviz.rendering.tiles import cells_tile, face_tile, finite, map_tile, tile_side

CHANNELS = 64
"""Most channels of a layer on one picture."""

MOST = 256
"""Channels beyond this many are never drawn on one picture."""

ROWS = 24
"""Most faces on one picture, beside up to ACROSS layers."""

ACROSS = 16
"""Most layers side by side; more go below, with the faces once again."""

COLUMNS = 12
"""Most channels beside several faces."""

COLUMN_MAP, CHANNEL_MAP = "viridis", "viridis"


def page_size(columns: int) -> int:
    """Return how many faces one picture shows.

    Args:
        columns: how many layers stand beside each face.
    """
    return max(1, ROWS // -(-columns // ACROSS))


def layer_grid(
    faces: Sequence[np.ndarray],
    columns: Sequence[tuple[str, np.ndarray]],
    captions: Sequence[str],
    *,
    title: str,
    subtitle: str = "",
    shared_scale: bool = False,
    sizes: bool = True,
    notes: tuple[str, ...] = (),
    zoom: float = 1.0,
) -> Image.Image:
    """Return a grid with one row a face and one column a layer: the input first, then each layer's channel mean.

    Each column has its own scale, shared by its rows (layers live on different scales, faces do not), and its ends stand below the
    column. More than ACROSS columns go into several bands.

    Args:
        faces: N pictures (H, W, 3) uint8.
        columns: (layer, means) with means (N, h, w), or (N, C) for a layer without a map, which is drawn as a strip of its units.
        captions: N texts under the faces.
        title, subtitle, notes: as for `page`.
        shared_scale: all columns have the same scale.
        sizes: the size of each column's maps stands below its name.
        zoom: 1 for screens, 2 for fine print.
    """
    side, size = _side(len(faces), len(columns)), round((13 if len(faces) < 8 else 12) * zoom)
    side, gap = tile_side([f.shape[:2] for f in faces], round(side * zoom)), round(8 * zoom)
    inputs = [
        vstack([face_tile(f, side), caption(c, size, side)], gap // 3) for f, c in zip(faces, captions, strict=True)
    ]
    first = _column("input", "" if sizes else None, inputs, None, side, size, gap)
    common = scale_of(np.concatenate([np.ravel(values) for _, values in columns])) if shared_scale else None
    blocks = []
    for name, values in columns:
        signed, vmax = common or scale_of(values)
        tiles = [resize_canvas(_tile(v, side, vmax, signed), side, inputs[0].height) for v in values]
        shape = "x".join(str(n) for n in values.shape[1:]) if sizes else None
        ends = None if common else _ends(vmax, signed, side, size)
        blocks.append(_column(name, shape, tiles, ends, side, size, gap))
    bands = [hstack([first, *blocks[i : i + ACROSS]], gap) for i in range(0, len(blocks), ACROSS)]
    key = _key(common[1], common[0], round(180 * zoom), round(14 * zoom)) if common else None
    return page(vstack(bands, 2 * gap), title, subtitle, key, notes, (), zoom)


def channel_grid(
    face: np.ndarray,
    maps: np.ndarray,
    channels: Sequence[int],
    *,
    title: str,
    subtitle: str = "",
    shared_scale: bool = True,
    notes: tuple[str, ...] = (),
    zoom: float = 1.0,
) -> Image.Image:
    """Return the face followed by one tile a channel, each with its number.

    Args:
        face: (H, W, 3) uint8.
        maps: (h, w, C) float, the channels to draw.
        channels: their C numbers.
        title, subtitle, notes: as for `page`.
        shared_scale: all tiles on one scale, else each on its own (and then its largest value stands beside its number).
        zoom: 1 for screens, 2 for fine print.
    """
    count = maps.shape[-1]
    across = 4 if count <= 16 else 8 if count <= 64 else 12
    wanted = {4: 128, 8: 96, 12: 72}[across]
    side, size, gap = round(wanted * zoom), round(13 * zoom), round(8 * zoom)
    side = tile_side([maps.shape[:2]], side)
    signed, vmax = scale_of(maps)
    tiles = []
    for index, channel in enumerate(channels):
        own_signed, own_vmax = (signed, vmax) if shared_scale else (signed, scale_of(maps[..., index])[1])
        tile = map_tile(maps[..., index], side, own_vmax, own_signed, CHANNEL_MAP)
        silent = not np.any(np.abs(maps[..., index]) > 0)
        words = [line(str(channel), size, GREY if silent else INK)]
        if silent or not shared_scale:
            words.append(line("silent" if silent else number(own_vmax), size, GREY))
        tiles.append(vstack([tile, hstack(words, gap)], gap // 4))
    key = _key(vmax, signed, round(180 * zoom), round(14 * zoom)) if shared_scale else None
    large = tile_side([face.shape[:2]], side * 2 + gap)
    faced = vstack([face_tile(face, large), line("input", size, INK)], gap // 4)
    body = hstack([faced, grid(tiles, across, (gap, gap))], gap * 2)
    return page(body, title, subtitle, key, notes, (), zoom)


def unit_strip(values: np.ndarray, side: int, vmax: float, signed: bool) -> Image.Image:
    """Return a layer without a map as a square of unit cells, row by row; unused cells are left as paper.

    Args:
        values: (C,) float, one number a unit.
        side: of the square, in pixels.
        vmax: > 0, the value that takes the colour map's end.
        signed: zero is the middle of the colour map.
    """
    count = len(values)
    across = int(np.ceil(np.sqrt(count)))
    rows = -(-count // across)
    cells = np.full((across, across, 3), 255, np.uint8)
    padded = np.zeros(rows * across, np.float32)
    padded[:count] = values
    painted = colors(padded, vmax, signed, None if signed else COLUMN_MAP)
    painted[count:] = 255
    cells[:rows] = painted.reshape(rows, across, 3)
    return cells_tile(cells, side)


def most_active(maps: np.ndarray, max_channels: int = CHANNELS) -> list[int]:
    """Return the numbers of the channels whose mean magnitude is largest, strongest first.

    Args:
        maps: (..., C) float.
        max_channels: how many.
    """
    strength = np.abs(maps).mean(axis=tuple(range(maps.ndim - 1)))
    return [int(i) for i in np.argsort(-strength, kind="stable")[:max_channels]]


def _column(
    name: str, shape: str | None, tiles: list[Image.Image], key: Image.Image | None, side: int, size: int, gap: int
) -> Image.Image:
    head = caption(name, size, side, INK, bold=True)
    head = head if shape is None else vstack([head, line(shape, size, GREY)])
    foot = [key] if key is not None else []
    return resize_canvas(vstack([head, vstack(tiles, gap), *foot], gap // 2), side)


def _tile(values: np.ndarray, side: int, vmax: float, signed: bool) -> Image.Image:
    if values.ndim == 1:
        return unit_strip(values, side, vmax, signed)
    return map_tile(values, side, vmax, signed, COLUMN_MAP)


def scale_of(values: np.ndarray) -> tuple[bool, float]:
    """Return (signed, vmax) of a scale that holds all values: signed where some lie below zero by more than a thousandth.

    Args:
        values: an array of any shape.
    """
    known = finite(values)
    vmax = float(np.max(np.abs(known), initial=0)) or 1.0
    return bool(np.min(known, initial=0) < -vmax / 1000), vmax


def _ends(vmax: float, signed: bool, side: int, size: int) -> Image.Image:
    bar = _bar(signed, side, max(5, size // 2))
    left, right = line(f"-{number(vmax)}" if signed else "0", size, GREY), line(number(vmax), size, GREY)
    spare = max(0, side - left.width - right.width)
    return vstack([Image.fromarray(bar), hstack([resize_canvas(left, left.width + spare, line_height(size)), right])])


def _key(vmax: float, signed: bool, length: int, size: int) -> Image.Image:
    return key_strip(
        _bar(signed, length, max(6, round(size * 0.8))), f"-{number(vmax)}" if signed else "0", number(vmax), size
    )


def _bar(signed: bool, length: int, thickness: int) -> np.ndarray:
    ramp = np.linspace(-1 if signed else 0, 1, length, dtype=np.float32)
    return np.broadcast_to(colors(ramp, 1.0, signed, None if signed else COLUMN_MAP), (thickness, length, 3)).copy()


def _side(rows: int, columns: int) -> int:
    if columns > 10:
        return 80
    return 144 if rows <= 3 and columns <= 6 else 96
