"""Maps without a page around them: to be placed in a document, or in somebody else's figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ferviz.errors import UsageError
from ferviz.rendering.sheets.sheet import Cell, Sheet
from ferviz.rendering.tiles import SMALL, blend, cover, resize_map

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 512
"""Pixels of the longer side where none are asked for."""

INSIDE_AXES = 900  # pixels of a map in somebody's axes: 300 dots an inch at three inches


def enlarge(pixels: np.ndarray, side: int) -> Image.Image:
    """Return a picture at exactly a size, each pixel of a small one a square.

    Args:
        pixels: (H, W) or (H, W, 3) uint8.
        side: of the longer side, in pixels.
    """
    ratio = side / max(pixels.shape[:2])
    return _resized(pixels, side, max(pixels.shape[:2]) <= SMALL and ratio >= 1)


def squares(pixels: np.ndarray, side: int) -> Image.Image:
    """Return a picture at exactly a size, each of its pixels a square however many there are.

    Args:
        pixels, side: as for `enlarge`.
    """
    return _resized(pixels, side, True)


def _resized(pixels: np.ndarray, side: int, as_squares: bool) -> Image.Image:
    picture = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    ratio = side / max(picture.size)
    size = (max(1, round(picture.width * ratio)), max(1, round(picture.height * ratio)))
    return picture.resize(size, Image.Resampling.NEAREST if as_squares else Image.Resampling.LANCZOS)


def overlays(sheet: Sheet, side: int = SIDE) -> list[list[Image.Image]]:
    """Return each map over its face in grey, and nothing else.

    Args:
        sheet: the faces, their maps, scales and colours.
        side: of the longer side of each picture, in pixels.

    Returns:
        For each face a list with one RGB picture a map; a map that is zero everywhere is the grey face.
    """
    return [[_overlay(sheet, cell, k, side) for k in range(len(cell.names))] for cell in sheet.cells]


def heatmap_images(sheet: Sheet, side: int = SIDE) -> list[list[Image.Image]]:
    """Return each map by itself, transparent where there is no evidence; laid over the grey face it is the overlay.

    Args:
        sheet, side: as for `overlays`.

    Returns:
        For each face a list with one RGBA picture a map.
    """
    pictures = []
    for cell in sheet.cells:
        width, height = enlarge(cell.face, side).size
        row = []
        for number, heat in enumerate(cell.maps):
            values = resize_map(heat, width, height)
            paint, share = cover(values, sheet.vmax_of(cell, number), sheet.signed, sheet.cmap)
            alpha = np.rint(share * 255).astype(np.uint8)
            row.append(Image.fromarray(np.concatenate([paint, alpha], axis=-1), "RGBA"))
        pictures.append(row)
    return pictures


def map_axes(sheet: Sheet, axes: Any, title: str | None = None) -> Figure:
    """Draw each map of a sheet into axes of somebody else's figure.

    Args:
        sheet: the faces, their maps, scales and colours.
        axes: one of matplotlib's Axes, or as many as there are maps, in the order faces by targets.
        title: above each; None = what the map explains, "" = none.

    Raises:
        UsageError: there are not as many axes as maps.
    """
    pictures = [picture for row in overlays(sheet, INSIDE_AXES) for picture in row]
    return fill_axes(axes, pictures, [name for cell in sheet.cells for name in cell.names], title)


def fill_axes(axes: Any, pictures: Sequence[Any], names: Sequence[str], title: str | None = None) -> Figure:
    """Draw pictures into axes of somebody else's figure.

    Args:
        axes: one of matplotlib's Axes, or as many as there are pictures.
        pictures: RGB.
        names: of the pictures, drawn as titles.
        title: instead of the names; None = the names, "" = none.

    Returns:
        The figure of the axes.

    Raises:
        UsageError: there are not as many axes as pictures.
    """
    places = list(np.ravel(np.asarray(axes, dtype=object)))
    if len(places) != len(pictures):
        raise UsageError(
            f"{len(pictures)} pictures cannot be drawn into {len(places)} axes; give as many axes, or choose one face "
            "and one target"
        )
    for place, picture, name in zip(places, pictures, names, strict=True):
        pixels = np.asarray(picture)
        place.imshow(pixels, interpolation="nearest", cmap="gray" if pixels.ndim == 2 else None)
        place.set_xticks([])
        place.set_yticks([])
        for spine in place.spines.values():
            spine.set_visible(False)
        if title != "":
            place.set_title(name if title is None else title)
    figure: Figure = places[0].figure
    return figure


def _overlay(sheet: Sheet, cell: Cell, number: int, side: int) -> Image.Image:
    face = np.asarray(enlarge(cell.face, side).convert("L").convert("RGB"))
    values = resize_map(cell.maps[number], face.shape[1], face.shape[0])
    return Image.fromarray(blend(face, values, sheet.vmax_of(cell, number), sheet.signed, sheet.cmap))
