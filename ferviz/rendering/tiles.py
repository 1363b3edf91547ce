"""Tiles: one face, or one map over a face, as a square picture in which single pixels stay visible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from ferviz.rendering.colormaps import colors, tints
from ferviz.rendering.marks import paper, place
from ferviz.rendering.text import FAINT, GREY, INK, PAPER, line

NO_EVIDENCE = 1e-8
"""A map that nowhere exceeds this holds no evidence: rounding is not evidence, and is not stretched into any."""

STRONGEST = 0.78
"""How much of the face the strongest evidence covers; the rest of the face shines through."""

SMALL = 64
"""Faces up to this many pixels a side are shown pixel by pixel: they are what networks see. Larger ones are photographs."""

LABELLED = 144
"""Tiles of fewer pixels a side have no room for labels on a map."""

GROUND = "#eceff1"


def tile_side(sizes: Sequence[tuple[int, int]], wanted: int) -> int:
    """Return the side of a tile that shows small faces enlarged by a whole factor.

    Args:
        sizes: (height, width) of the faces in pixels.
        wanted: the side in pixels that it should be near. Where the faces differ in size, or are not small, it is this.
    """
    longest = {max(size) for size in sizes}
    side = longest.pop() if len(longest) == 1 else wanted
    return side * max(1, round(wanted / side)) if side <= SMALL else wanted


def face_tile(pixels: np.ndarray, side: int, grey: bool = False) -> Image.Image:
    """Return a face on a square tile, as large as fits.

    A small face is enlarged by a whole factor without smoothing, so that each of its pixels is a square; one that would fill less
    than three fifths of its tile that way, or is not small, is resampled.

    Args:
        pixels: (H, W) or (H, W, 3) uint8.
        side: of the tile, in pixels.
        grey: without colour.
    """
    return _centre(fit_face(pixels, side, grey), side)


def fit_face(pixels: np.ndarray, side: int, grey: bool = False) -> Image.Image:
    """Return the face itself at the size that `face_tile` shows it, without a tile around it.

    Args:
        pixels, side, grey: as for `face_tile`.
    """
    face = Image.fromarray(np.ascontiguousarray(pixels))
    face = face.convert("L").convert("RGB") if grey else face.convert("RGB")
    longest = max(face.size)
    factor = side // longest
    if longest <= SMALL and factor * longest >= 0.6 * side:
        return face.resize((face.width * factor, face.height * factor), Image.Resampling.NEAREST)
    ratio = side / longest
    size = (max(1, round(face.width * ratio)), max(1, round(face.height * ratio)))
    return face.resize(size, Image.Resampling.LANCZOS)


def overlay_tile(
    pixels: np.ndarray,
    heat: np.ndarray,
    side: int,
    vmax: float,
    signed: bool = False,
    words: bool = True,
    labels: Sequence[tuple[float, float, str]] = (),
    cmap: str | None = None,
    text_size: int = 16,
) -> Image.Image:
    """Return a map over a grey face on a square tile; the cover grows with the evidence.

    A map without evidence is a paler face, with a label.

    Args:
        pixels: (H, W) or (H, W, 3) uint8.
        heat: (h, w) float of any size, laid over the whole face.
        side: of the tile, in pixels.
        vmax: > 0, the value that takes the colour map's end.
        signed: negative values are evidence against.
        words: label a map without evidence.
        labels: (x, y) in 0..1 of the face, and what is written there; on tiles of 144 pixels or more.
        cmap: a colour map; None = the usual one.
        text_size: of labels, in pixels, where they fit; they stay words in a vector figure.
    """
    face = fit_face(pixels, side, grey=True)
    if not has_evidence(heat):
        label = "no evidence" if np.isfinite(heat).all() else "not a number"
        pale = Image.blend(face, Image.new("RGB", face.size, GROUND), 0.55)
        return _written(_centre(pale, side), [_label(pale, label, text_size)] if words else [], side, face)
    values = resize_map(heat, face.width, face.height)
    covered = Image.fromarray(blend(np.asarray(face), values, vmax, signed, cmap))
    texts = [_name(covered, x, y, text, text_size) for x, y, text in labels] if side >= LABELLED else []
    return _written(_centre(covered, side), _apart(texts, covered.height), side, covered)


def blend(
    ground: np.ndarray, values: np.ndarray, vmax: float, signed: bool = False, name: str | None = None
) -> np.ndarray:
    """Return a picture covered by the colours of a map.

    Of amounts the cover is STRONGEST * (value / vmax) ** 0.7, at most STRONGEST: nothing where there is no evidence, half of the
    strongest at about a third of vmax. Signed maps cover in proportion, and with colours as light as a face is on average: around
    zero the picture stays as it is, so that no line runs where the sign changes.

    Args:
        ground: the picture, (H, W, 3) uint8.
        values: the map, (H, W) float.
        vmax: > 0, the value that takes the colour map's end.
        signed: negative values are evidence against.
        name: a colour map; None = the usual one.

    Returns:
        (H, W, 3) uint8.
    """
    paint, share = _cover(signed, name)
    step = _steps(values, vmax, signed)
    return np.rint(ground * (1 - share)[step] + (paint * share)[step]).astype(np.uint8)


def cover(
    values: np.ndarray, vmax: float, signed: bool = False, name: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return what `blend` lays over a picture.

    Args:
        values, vmax, signed, name: as for `blend`.

    Returns:
        Colours, (H, W, 3) uint8, and how much of the picture each covers, (H, W, 1) float32 in 0..1.
    """
    paint, share = _cover(signed, name)
    step = _steps(values, vmax, signed)
    return paint[step], share[step]


def _steps(values: np.ndarray, vmax: float, signed: bool) -> np.ndarray:
    levels = _levels(signed)
    scaled = finite(np.asarray(values, np.float32) / np.float32(vmax))
    zero = levels // 2 if signed else 0
    return np.clip(np.rint(scaled * (levels - zero - 1)) + zero, 0, levels - 1).astype(np.intp)


def _levels(signed: bool) -> int:
    # Finer than eight bits can show, and odd in number where signed, so that zero is one of them.
    return 2047 if signed else 1024


@lru_cache(maxsize=8)
def _cover(signed: bool, name: str | None) -> tuple[np.ndarray, np.ndarray]:
    """-> (the colour of each level (levels, 3) uint8, how much each covers of the ground (levels, 1) float32)."""
    # With tables a picture costs two look-ups a pixel instead of a power.
    values = np.linspace(-1 if signed else 0, 1, _levels(signed), dtype=np.float32)
    share = (STRONGEST * np.abs(values) ** (1.0 if signed else 0.7)).astype(np.float32)[:, None]
    paint = tints(values) if signed and name is None else colors(values, 1.0, signed, name)
    return paint, share


def map_tile(
    values: np.ndarray,
    side: int,
    vmax: float,
    signed: bool = False,
    name: str = "viridis",
    signed_name: str | None = None,
) -> Image.Image:
    """Return a map by itself on a square tile, each of its positions a square where it is small enough.

    Args:
        values: (h, w) float.
        side: of the tile, in pixels.
        vmax: > 0, the value that takes the colour map's end.
        signed: zero is the middle of the colour map.
        name: the colour map for unsigned values.
        signed_name: the one for signed values; None = the usual one.
    """
    return cells_tile(colors(values, vmax, signed, signed_name if signed else name), side)


def cells_tile(cells: np.ndarray, side: int) -> Image.Image:
    """Return coloured cells on a square tile: as squares, as large as fit; where there are more cells than pixels they are averaged.

    Cells of four pixels and more fill the tile, and may differ by a pixel.

    Args:
        cells: (h, w, 3) uint8.
        side: of the tile, in pixels.
    """
    picture = Image.fromarray(cells)
    longest = max(picture.size)
    factor = side / longest if side >= 4 * longest else side // longest
    if factor * longest >= 0.6 * side:
        size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
        picture = picture.resize(size, Image.Resampling.NEAREST)
    else:
        size = (max(1, round(picture.width * side / longest)), max(1, round(picture.height * side / longest)))
        picture = picture.resize(size, Image.Resampling.BOX)
    return _centre(picture, side, PAPER)


def resize_map(heat: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return a map at another size, linearly interpolated with half-pixel centres, so that evidence stays where it is.

    Args:
        heat: (h, w) float; values that are not finite count as 0.
        width, height: the new size in pixels.

    Returns:
        (height, width) float32.
    """
    source = Image.fromarray(np.ascontiguousarray(finite(heat), np.float32))
    return np.asarray(source.resize((width, height), Image.Resampling.BILINEAR))


def has_evidence(heat: np.ndarray) -> bool:
    """Return whether a map has a value whose magnitude exceeds NO_EVIDENCE.

    Args:
        heat: an array of any shape.
    """
    return bool(np.max(np.abs(finite(heat)), initial=0) > NO_EVIDENCE)


def finite(values: np.ndarray) -> np.ndarray:
    """Return values with zeros in the place of those that are not finite: one infinity must not hide everything else.

    Args:
        values: an array of any shape.
    """
    return np.where(np.isfinite(values), values, 0)


@dataclass(frozen=True)
class _Label:
    """A few characters on a map.

    Attributes:
        text: they, as `line` draws them.
        left, top: of the text, in pixels of the map.
        frame: (left, top, right, bottom) of the rounded paper behind it.
        corner: the paper's radius.
        paper, edge: its colours; "" = no edge.
    """

    text: Image.Image
    left: int
    top: int
    frame: tuple[int, int, int, int]
    corner: int
    paper: str
    edge: str = ""


def _label(face: Image.Image, words: str, size: int) -> _Label:
    """-> words in the middle of a map."""
    text = line(words, max(10, min(size, face.width // 7)), GREY, paper=GROUND)
    left, top = (face.width - text.width) // 2, (face.height - text.height) // 2
    return _Label(text, left, top, (left - 5, top - 3, left + text.width + 4, top + text.height + 2), 4, GROUND, FAINT)


def _name(face: Image.Image, x: float, y: float, words: str, size: int) -> _Label:
    """-> words about a place, on paper that keeps them legible, inside the map."""
    text = line(words, max(9, min(size, face.width // 13)), INK)
    left = int(np.clip(x * face.width - text.width / 2, 2, max(2, face.width - text.width - 3)))
    top = int(np.clip(y * face.height - text.height / 2, 2, max(2, face.height - text.height - 3)))
    return _Label(text, left, top, (left - 3, top - 1, left + text.width + 2, top + text.height), 3, PAPER)


def _apart(labels: Sequence[_Label], bottom: int) -> list[_Label]:
    """-> the labels, those that would cover another one moved down, as far as there is room."""
    placed: list[_Label] = []
    for label in sorted(labels, key=lambda label: label.top):
        moved = label
        while (other := next((other for other in placed if _touch(moved.frame, other.frame)), None)) is not None:
            down = other.frame[3] + 2 - moved.frame[1]
            left, upper, right, lower = moved.frame
            moved = replace(moved, top=moved.top + down, frame=(left, upper + down, right, lower + down))
        placed.append(moved if moved.frame[3] <= bottom else label)
    return placed


def _touch(first: tuple[int, int, int, int], second: tuple[int, int, int, int]) -> bool:
    return all(first[axis] <= second[axis + 2] + 1 and second[axis] <= first[axis + 2] + 1 for axis in (0, 1))


def _written(tile: Image.Image, labels: Sequence[_Label], side: int, face: Image.Image) -> Image.Image:
    """-> a tile with labels on the map in its middle, which stay words where the tile becomes a vector figure."""
    if not labels:
        return tile
    right, down = (side - face.width) // 2, (side - face.height) // 2
    draw = ImageDraw.Draw(tile)
    for label in labels:
        frame = (label.frame[0] + right, label.frame[1] + down, label.frame[2] + right, label.frame[3] + down)
        draw.rounded_rectangle(frame, label.corner, label.paper, label.edge or None)
    page = paper(tile.size, PAPER)
    place(page, tile, (0, 0))
    for label in labels:
        place(page, label.text, (label.left + right, label.top + down))
    return page


def _centre(face: Image.Image, side: int, ground: str = GROUND) -> Image.Image:
    if face.size == (side, side):
        return face
    tile = Image.new("RGB", (side, side), ground)
    tile.paste(face, ((side - face.width) // 2, (side - face.height) // 2))
    return tile
