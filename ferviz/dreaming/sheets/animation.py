"""The way to a dream as an animation."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from ferviz.dreaming.sheets.dream_sheet import columns_and_side, enlarged
from ferviz.files import PathLike, check_output, check_suffix
from ferviz.rendering.layout import grid, vstack
from ferviz.rendering.text import line, shorten

ANIMATIONS = (".gif", ".webp")
"""Suffixes of the formats that `animate` writes."""


def check_animation(path: PathLike, force: bool = False) -> None:
    """Check that an animation may be written to a path; call it before the work.

    Args:
        path: the file.
        force: an existing file may be replaced.

    Raises:
        UsageError: for another suffix than .gif or .webp.
        OutputExistsError: the file is there and `force` is false.
        OutputError: the path's folder is not there, or the path is a folder.
    """
    check_suffix(path, ANIMATIONS)
    check_output(path, force)


def animation(frames: np.ndarray, names: Sequence[str], suffix: str, seconds: float, side: int | None = None) -> bytes:
    """Draw the way to the dreams as an endless animation.

    Args:
        frames: (T, K, H, W) or (T, K, H, W, 3) uint8.
        names: (K,) names.
        suffix: ".gif" or ".webp".
        seconds: of the way; the last frame rests for two more.
        side: pixels of a dream's longer side; None = by their number and size.

    Returns:
        The bytes of the file.
    """
    across, wide = columns_and_side(frames[0], len(frames[0]))
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
