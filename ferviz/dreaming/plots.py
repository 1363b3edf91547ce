"""Dreams as pictures: a grid with captions and the course of the ascent, a figure for papers, an animation."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from ferviz.rendering.layout import grid, resize_canvas, vstack
from ferviz.rendering.sheets.page import page
from ferviz.rendering.text import FAINT, GREY, INK, line, shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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


def dream_sheet(
    images: np.ndarray,
    names: Sequence[str],
    captions: Sequence[Sequence[str]],
    trace: np.ndarray,
    *,
    title: str,
    notes: tuple[str, ...] = (),
    side: int | None = None,
    columns: int | None = None,
) -> Image.Image:
    """Draw the dreams in a grid, each with its name above, and the objective over the steps and its captions below.

    Args:
        images: (K, H, W) or (K, H, W, 3) uint8.
        names: (K,) names.
        captions: (K,) lists of lines.
        trace: (K, steps), the objective.
        title: the line above the grid.
        notes: lines below the grid.
        side: pixels of each dream's longer side; None = by number and size.
        columns: dreams in a row; None = by number and size.

    Returns:
        An RGB picture.
    """
    across, wide = _layout(images)
    across, wide = columns or across, side or wide
    large = wide >= 120
    size = 15 if large else 11
    cells = []
    for image, name, lines, course in zip(images, names, captions, trace, strict=True):
        tile = enlarged(image, wide)
        parts = [line(shorten(name, size, tile.width), size, INK, bold=large), tile]
        if large:
            parts.append(course_line(course, tile.width, 18))
            parts += [line(shorten(text, 12, tile.width), 12, GREY) for text in lines]
        elif lines and len(images) <= 64:
            parts.append(line(shorten(lines[0], 10, tile.width), 10, GREY))
        cells.append(resize_canvas(vstack(parts, 4 if large else 2), tile.width))
    return page(grid(cells, across, (14, 16) if large else (6, 8)), title, "", None, notes, ())


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


def dream_figure(
    images: np.ndarray, names: Sequence[str], captions: Sequence[Sequence[str]], trace: np.ndarray, title: str
) -> Figure:
    """Draw the dreams for papers: pictures above, each with the objective over the steps below.

    Args:
        images, names, captions, trace, title: as for `dream_sheet`.

    Returns:
        A matplotlib Figure.
    """
    from matplotlib.figure import Figure

    across = min(len(images), _layout(images)[0])
    rows = -(-len(images) // across)
    figure = Figure(figsize=(1.7 * across, 2.6 * rows + 0.5), layout="constrained")
    figure.suptitle(title, fontsize=11)
    axes = figure.subplots(2 * rows, across, squeeze=False, height_ratios=[4, 1] * rows)
    for k in range(rows * across):
        shown, course = axes[2 * (k // across), k % across], axes[2 * (k // across) + 1, k % across]
        shown.set_axis_off()
        course.tick_params(labelsize=5, length=2)
        if k >= len(images):
            course.set_axis_off()
            continue
        shown.imshow(images[k], cmap="gray", vmin=0, vmax=255, interpolation="lanczos")
        shown.set_title("\n".join([names[k], *captions[k]]), fontsize=6)
        course.plot(trace[k], color=GREY, linewidth=0.8)
    return figure


def animation(frames: np.ndarray, names: Sequence[str], suffix: str, seconds: float, side: int | None = None) -> bytes:
    """Draw the way to the dreams as an endless animation.

    Args:
        frames: (T, K, H, W) or (T, K, H, W, 3) uint8.
        names: (K,) names.
        suffix: ".gif" or ".webp".
        seconds: of the way; the last frame rests for two more.
        side: as for `dream_sheet`.

    Returns:
        The bytes of the file.
    """
    across, wide = _layout(frames[0])
    wide = side or min(wide, 144)
    pages = []
    for frame in frames:
        cells = [
            vstack([line(shorten(n, 12, wide), 12), enlarged(i, wide)], 2) for i, n in zip(frame, names, strict=True)
        ]
        pages.append(grid(cells, across, (8, 8)))
    durations = [max(20, round(1000 * seconds / len(pages)))] * len(pages)
    durations[-1] += 2000
    if suffix == ".gif":  # one palette for all frames, or grey flickers
        palette = pages[-1].quantize(255)
        pages = [page.quantize(palette=palette, dither=Image.Dither.NONE) for page in pages]
    buffer = io.BytesIO()
    kind, options = ("GIF", {"disposal": 1}) if suffix == ".gif" else ("WEBP", {"quality": 90, "method": 4})
    pages[0].save(buffer, kind, save_all=True, append_images=pages[1:], duration=durations, loop=0, **options)
    return buffer.getvalue()


def _layout(images: np.ndarray) -> tuple[int, int]:
    """-> (columns, side of a dream in pixels) that suit the number of dreams and their own size."""
    count, longest = len(images), max(images.shape[1:3])
    if longest > 144:
        return (1 if count == 1 else 2), longest
    if count == 1:
        return 1, 384
    if count <= 8:
        return (count if count <= 4 else 4), 192
    if count <= 32:
        return 8, 144
    return 16, 72
