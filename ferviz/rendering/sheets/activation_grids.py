"""Activations as pictures: a grid of faces by layers, the channels of one layer as tiles, and strips for what has no map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from ferviz.rendering.charts import caption, key_strip, number
from ferviz.rendering.colormaps import colors
from ferviz.rendering.layout import grid, hstack, resize_canvas, vstack
from ferviz.rendering.printing import PrintSize
from ferviz.rendering.sheets.page import page
from ferviz.rendering.sheets.sheet import PERCENTILE
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

NARROWEST = 5.4
"""A printed tile is at least so many times as wide as its text is tall: the two ends of a scale stand below it."""

SCALE_NOTE = f"ends at the {PERCENTILE}th percentile of the magnitudes"
"""Where the scale of a layer ends: a few hot places leave the colours of all others as they are."""


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
    warnings: tuple[str, ...] = (),
    zoom: float = 1.0,
    cmap: str | None = None,
    printing: PrintSize | None = None,
) -> Image.Image:
    """Return a grid with one row a face and one column a layer: the input first, then each layer's channel mean.

    Each column has its own scale, shared by its rows (layers live on different scales, faces do not), and its ends stand below the
    column. More columns than fit side by side go into several bands.

    Args:
        faces: N pictures (H, W, 3) uint8.
        columns: (layer, means) with means (N, h, w), or (N, C) for a layer without a map, which is drawn as a strip of its units.
        captions: N texts under the faces.
        title, subtitle, notes, warnings: as for `page`.
        shared_scale: all columns have the same scale.
        sizes: the size of each column's maps stands below its name.
        zoom: 1 for screens, 2 for fine print.
        cmap: a colour map; None = the usual ones.
        printing: the size of a printed page, which then decides about columns and tiles.
    """
    across = ACROSS
    if printing:
        size, gap = printing.size, max(1, round(printing.size * 0.5))
        # The faces stand once in each band; bands of about the same length.
        across = max(1, int((printing.room + gap) // (NARROWEST * size + gap)) - 1)
        across = -(-len(columns) // -(-len(columns) // across))
        side = printing.tile(across + 1, gap)
    else:
        size, gap = round((13 if len(faces) < 8 else 12) * zoom), round(8 * zoom)
        side = tile_side([f.shape[:2] for f in faces], round(_side(len(faces), len(columns)) * zoom))
    inputs = [
        vstack([face_tile(f, side), caption(c, size, side)], gap // 3) for f, c in zip(faces, captions, strict=True)
    ]
    first = _column("input", "" if sizes else None, inputs, None, side, size, gap)
    common = scale_of(np.concatenate([np.ravel(values) for _, values in columns])) if shared_scale else None
    blocks = []
    for name, values in columns:
        signed, vmax = common or scale_of(values)
        tiles = [resize_canvas(_tile(v, side, vmax, signed, cmap), side, inputs[0].height) for v in values]
        shape = "x".join(str(n) for n in values.shape[1:]) if sizes else None
        ends = None if common else _ends(vmax, signed, side, size, cmap)
        blocks.append(_column(name, shape, tiles, ends, side, size, gap))
    bands = [hstack([first, *blocks[i : i + across]], gap) for i in range(0, len(blocks), across)]
    key = _key(common[1], common[0], round(180 * zoom), round(14 * zoom), printing, cmap) if common else None
    return page(vstack(bands, 2 * gap), title, subtitle, key, notes, warnings, zoom, printing)


def channel_grid(
    face: np.ndarray,
    maps: np.ndarray,
    channels: Sequence[int],
    *,
    title: str,
    subtitle: str = "",
    shared_scale: bool = True,
    silent: Sequence[bool] = (),
    notes: tuple[str, ...] = (),
    warnings: tuple[str, ...] = (),
    zoom: float = 1.0,
    cmap: str | None = None,
    printing: PrintSize | None = None,
) -> Image.Image:
    """Return the face and one tile a channel, each with its number: beside the face first, then below it.

    Args:
        face: (H, W, 3) uint8.
        maps: (h, w, C) float, the channels to draw.
        channels: their C numbers.
        title, subtitle, notes, warnings: as for `page`.
        shared_scale: all tiles on one scale, else each on its own (and then where it ends stands beside its number).
        silent: for each channel whether it passes nothing on; () = those that are zero everywhere.
        zoom: 1 for screens, 2 for fine print.
        cmap: a colour map; None = the usual ones.
        printing: the size of a printed page, which then decides about columns and tiles.
    """
    count = maps.shape[-1]
    across, wanted = (6, 128) if count <= 16 else (10, 96) if count <= 64 else (14, 72)
    if printing:
        size, gap = printing.size, max(1, round(printing.size * 0.5))
        across = max(3, min(across, int((printing.room + gap) // (4.2 * printing.size + gap))))
        side = printing.tile(across, gap)
    else:
        side, size, gap = tile_side([maps.shape[:2]], round(wanted * zoom)), round(13 * zoom), round(8 * zoom)
    signed, vmax = scale_of(maps)
    tiles = []
    for index, channel in enumerate(channels):
        values = maps[..., index]
        own_vmax = vmax if shared_scale else scale_of(values)[1]
        tile = map_tile(values, side, own_vmax, signed, cmap or CHANNEL_MAP, cmap)
        quiet = silent[index] if len(silent) else not np.any(np.abs(values) > 0)
        words = [line(str(channel), size, GREY if quiet else INK)]
        if quiet or not shared_scale:
            words.append(line("silent" if quiet else number(own_vmax), size, GREY))
        tiles.append(resize_canvas(vstack([tile, hstack(words, gap)], gap // 4), side))
    large = side * 2 + gap
    faced = resize_canvas(vstack([face_tile(face, large), line("input", size, INK)], gap // 4), large)
    beside = 2 * (across - 2)
    top = hstack([faced, grid(tiles[:beside], across - 2, (gap, gap))], gap) if tiles else faced
    body = vstack([top, grid(tiles[beside:], across, (gap, gap))], gap) if tiles[beside:] else top
    key = _key(vmax, signed, round(180 * zoom), round(14 * zoom), printing, cmap) if shared_scale else None
    return page(body, title, subtitle, key, notes, warnings, zoom, printing)


def unit_strip(values: np.ndarray, side: int, vmax: float, signed: bool, cmap: str | None = None) -> Image.Image:
    """Return a layer without a map as a square of unit cells, row by row; unused cells are left as paper.

    Args:
        values: (C,) float, one number a unit.
        side: of the square, in pixels.
        vmax: > 0, the value that takes the colour map's end.
        signed: zero is the middle of the colour map.
        cmap: a colour map; None = the usual ones.
    """
    count = len(values)
    across = int(np.ceil(np.sqrt(count)))
    rows = -(-count // across)
    cells = np.full((across, across, 3), 255, np.uint8)
    padded = np.zeros(rows * across, np.float32)
    padded[:count] = values
    painted = colors(padded, vmax, signed, cmap or (None if signed else COLUMN_MAP))
    painted[count:] = 255
    cells[:rows] = painted.reshape(rows, across, 3)
    return cells_tile(cells, side)


def most_active(strengths: np.ndarray, max_channels: int = CHANNELS) -> list[int]:
    """Return the numbers of the strongest channels, strongest first.

    Args:
        strengths: (N, C) float: how strong each channel is for each face; the mean over the faces counts.
        max_channels: how many.
    """
    return [int(i) for i in np.argsort(-strengths.mean(axis=0), kind="stable")[:max_channels]]


def _column(
    name: str, shape: str | None, tiles: list[Image.Image], key: Image.Image | None, side: int, size: int, gap: int
) -> Image.Image:
    head = caption(name, size, side, INK, bold=True)
    head = head if shape is None else vstack([head, line(shape, size, GREY)])
    foot = [key] if key is not None else []
    return resize_canvas(vstack([head, vstack(tiles, gap), *foot], gap // 2), side)


def _tile(values: np.ndarray, side: int, vmax: float, signed: bool, cmap: str | None) -> Image.Image:
    if values.ndim == 1:
        return unit_strip(values, side, vmax, signed, cmap)
    return map_tile(values, side, vmax, signed, cmap or COLUMN_MAP, cmap)


def scale_of(values: np.ndarray) -> tuple[bool, float]:
    """Return (signed, vmax) of a scale: signed where values lie below zero by more than a thousandth of the largest magnitude.

    The scale ends at the PERCENTILE of the magnitudes, so that one hot place does not blacken all others; where nearly all values
    are zero, at the largest.

    Args:
        values: an array of any shape.
    """
    known = finite(values)
    magnitudes = np.abs(known)
    largest = float(np.max(magnitudes, initial=0)) or 1.0
    end = float(np.percentile(magnitudes, PERCENTILE)) if magnitudes.size else 0.0
    return bool(np.min(known, initial=0) < -largest / 1000), end if end > largest / 1e6 else largest


def _ends(vmax: float, signed: bool, side: int, size: int, cmap: str | None) -> Image.Image:
    bar = _bar(signed, side, max(5, size // 2), cmap)
    left, right = line(f"-{number(vmax)}" if signed else "0", size, GREY), line(number(vmax), size, GREY)
    spare = max(0, side - left.width - right.width)
    return vstack([Image.fromarray(bar), hstack([resize_canvas(left, left.width + spare, line_height(size)), right])])


def _key(
    vmax: float, signed: bool, length: int, size: int, printing: PrintSize | None, cmap: str | None
) -> Image.Image:
    if printing:
        length, size = round(printing.size * 13), printing.size
    ends = f"-{number(vmax)}" if signed else "0", number(vmax)
    return key_strip(_bar(signed, length, max(6, round(size * 0.8)), cmap), *ends, size)


def _bar(signed: bool, length: int, thickness: int, cmap: str | None) -> np.ndarray:
    ramp = np.linspace(-1 if signed else 0, 1, length, dtype=np.float32)
    shades = colors(ramp, 1.0, signed, cmap or (None if signed else COLUMN_MAP))
    return np.broadcast_to(shades, (thickness, length, 3)).copy()


def _side(rows: int, columns: int) -> int:
    if columns > 10:
        return 80
    return 144 if rows <= 3 and columns <= 6 else 96
