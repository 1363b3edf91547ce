"""Probability bars and scale keys."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image

from ferviz.emotions import COLORS, canonical
from ferviz.rendering.marks import draw_box, paper, place
from ferviz.rendering.text import GREY, INK, PAPER, line, line_height, shorten, width
from ferviz.rendering.tiles import blend

TRACK, PLAIN = "#eceff1", "#b0b6bc"
GROUND_LEVEL = 128
"""The grey under a scale key: what a face is on average, since maps are shown over faces."""


def probability_bars(probabilities: Mapping[str, float], label: str, bar: int, height: int, size: int) -> Image.Image:
    """Return one horizontal bar a class with its name and its probability; the predicted class stands out.

    Of more classes than there is room for, the most probable are drawn.

    Args:
        probabilities: {class: 0..1} in the order to draw.
        label: the predicted class.
        bar: pixels of a full bar.
        height: of the picture, in pixels.
        size: of the text, in pixels (made smaller where the lines would touch).
    """
    room = max(1, height // 11)
    if len(probabilities) > room:
        kept = set(sorted(probabilities, key=lambda name: -probabilities[name])[:room])
        probabilities = {name: value for name, value in probabilities.items() if name in kept}
    rows = max(1, len(probabilities))
    size = min(size, max(8, int(height / rows / 1.25)))
    name_room = min(max((width(name, size) for name in probabilities), default=1), max(bar, 8 * size))
    number_room = width("0.00", size)
    gap = max(4, size // 2)
    chart = paper((name_room + gap + bar + gap + number_room + 2, height), PAPER)
    step = min(height / rows, size * 2.6)
    top = (height - step * rows) / 2
    thickness = max(3, round(size * 0.62))
    for number, (name, value) in enumerate(probabilities.items()):
        predicted = name == label
        centre = top + step * (number + 0.5)
        text_top = round(centre - line_height(size) / 2)
        word = line(shorten(name, size, name_room), size, INK if predicted else GREY, bold=predicted)
        place(chart, word, (name_room - min(word.width, name_room), text_top))
        left, bar_top = name_room + gap, round(centre - thickness / 2)
        draw_box(chart, (left, bar_top, left + bar, bar_top + thickness), TRACK)
        filled = round(bar * _share(value))
        if filled:
            color = COLORS.get(canonical(name), "#4a7ba6") if predicted else PLAIN
            draw_box(chart, (left, bar_top, left + filled, bar_top + thickness), color)
        number_text = line(f"{value:.2f}", size, INK if predicted else GREY, bold=predicted)
        place(chart, number_text, (left + bar + gap, text_top))
    return chart


def _share(value: float) -> float:
    return float(np.clip(value, 0, 1)) if np.isfinite(value) else 0.0


def slim_bar(value: float, length: int, thickness: int, color: str) -> Image.Image:
    """Return one bar without words.

    Args:
        value: the share that is filled, 0..1.
        length, thickness: of the bar, in pixels.
        color: of the filled part.
    """
    track = paper((length, thickness), PAPER)
    draw_box(track, (0, 0, length, thickness), TRACK)
    filled = round(length * _share(value))
    if filled:
        draw_box(track, (0, 0, filled, thickness), color)
    return track


def number(value: float) -> str:
    """Return a number in at most three significant digits, without useless ones: 0.0421, 1.5, 230, 4.2e-05.

    Args:
        value: the number.
    """
    if value == 0:
        return "0"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def scale_key(
    vmax: float, signed: bool, length: int, size: int, ends: tuple[str, str], cmap: str | None = None
) -> Image.Image:
    """Return the colour scale with its end values, as the colours look over a face.

    Args:
        vmax: the value at the end.
        signed: the scale goes from -vmax to vmax, else from 0.
        length: of the bar, in pixels.
        size: of the text, in pixels.
        ends: what the two ends of a signed scale mean.
        cmap: a colour map; None = the usual one.
    """
    bar = _key_bar(signed, length, size, cmap)
    if signed:
        return key_strip(bar, f"{ends[0]} {number(vmax)}", f"{number(vmax)} {ends[1]}", size)
    return key_strip(bar, "0", number(vmax), size)


def own_scale_key(signed: bool, length: int, size: int, ends: tuple[str, str], cmap: str | None = None) -> Image.Image:
    """Return the colour scale of maps that each have their own.

    Args:
        signed, length, size, ends, cmap: as for `scale_key`.
    """
    bar = _key_bar(signed, length, size, cmap)
    return key_strip(
        bar, ends[0] if signed else "0", f"{ends[1] if signed else 'most'}, each map on its own scale", size
    )


def _key_bar(signed: bool, length: int, size: int, cmap: str | None) -> np.ndarray:
    thickness = max(6, round(size * 0.8))
    values = np.broadcast_to(np.linspace(-1 if signed else 0, 1, length, dtype=np.float32), (thickness, length))
    return blend(np.full((thickness, length, 3), GROUND_LEVEL, np.uint8), values, 1.0, signed, cmap)


def key_strip(bar: np.ndarray, low: str, high: str, size: int) -> Image.Image:
    """Return a colour bar with words at its two ends.

    Args:
        bar: (h, w, 3) uint8.
        low, high: the words.
        size: of the text, in pixels.
    """
    strip = Image.fromarray(bar)
    left, right = line(low, size, GREY), line(high, size, GREY)
    gap = max(4, size // 2)
    key = paper((left.width + strip.width + right.width + 2 * gap, line_height(size)), PAPER)
    place(key, left, (0, 0))
    place(key, strip, (left.width + gap, (key.height - strip.height) // 2 + 1))
    place(key, right, (left.width + strip.width + 2 * gap, 0))
    return key


def caption(text: str, size: int, room: int, color: str = GREY, bold: bool = False) -> Image.Image:
    """Return one line of text, cut in its middle where it is too long.

    Args:
        text: the line.
        size: of the text, in pixels.
        room: most pixels across.
        color, bold: of the text.
    """
    return line(shorten(text, size, room), size, color, bold)
