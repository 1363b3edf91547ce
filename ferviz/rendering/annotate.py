"""A photograph with its faces marked: box, label, and probability bars that are small enough for a group of sixteen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw

from ferviz.emotions import COLORS, canonical
from ferviz.rendering.charts import TRACK, probability_bars
from ferviz.rendering.text import GREY, INK, PAPER, line, line_height, width

Box = tuple[int, int, int, int]

MAX_NAMED = 3
"""Up to so many faces get bars with names beside them; more get slim coloured ones, which the legend explains."""

_MIN_FACE = 56  # pixels; pictures with smaller faces are enlarged so that box and bars are distinct
_MAX_SIDE = 2400  # pixels of an enlarged picture


@dataclass(frozen=True)
class Mark:
    """One face to mark.

    Attributes:
        box: (left, top, right, bottom) in pixels of the picture.
        label: the predicted class.
        probabilities: {class: 0..1}, in order.
        note: a few characters after the label, e.g. a track's number.
    """

    box: Box
    label: str
    probabilities: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


def annotate(
    pixels: np.ndarray,
    marks: Sequence[Mark],
    legend: bool = True,
    zoom: float | None = None,
    named: bool | None = None,
) -> Image.Image:
    """Return a picture with its faces marked.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        marks: the faces, in any order.
        legend: whether a strip below explains the bars' colours.
        zoom: enlargement of the picture; None = 1, or more where faces are small.
        named: bars with names beside them, or slim ones that the legend explains; None = by the number of faces.

    Returns:
        RGB, zoom H + the legend's height by zoom W pixels. A face's bars are where they cover least of other faces.
    """
    height, width_ = pixels.shape[:2]
    if zoom is None:
        zoom = _automatic_zoom(marks, max(height, width_))
    out = Image.fromarray(np.ascontiguousarray(pixels))
    if zoom != 1:
        out = out.resize((round(width_ * zoom), round(height * zoom)), Image.Resampling.BICUBIC)
    size = text_size(out.width, out.height)
    named = len(marks) <= MAX_NAMED if named is None else named
    boxes = [tuple(round(v * zoom) for v in mark.box) for mark in marks]
    draw = ImageDraw.Draw(out)
    stroke = max(2, round(size / 6))
    occupied: list[tuple[Sequence[int], float]] = [(box, 1.0) for box in boxes]
    for mark, box in zip(marks, boxes, strict=True):
        draw.rectangle(box, outline=color_of(mark.label), width=stroke)
    for mark, box in zip(marks, boxes, strict=True):
        card = _card(mark, box, size, named)
        place = _place(card, box, occupied, out.size, stroke)
        out.paste(card, place)
        occupied.append(((*place, place[0] + card.width, place[1] + card.height), 2.0))
    names = list(dict.fromkeys(name for mark in marks for name in mark.probabilities))
    if legend and names and not named:
        out = _with_legend(out, names, size)
    return out


def text_size(picture_width: int, picture_height: int) -> int:
    """Return the size of text that is readable when the whole picture is on the screen, in pixels.

    Args:
        picture_width, picture_height: in pixels.
    """
    return max(12, round(max(picture_width, picture_height) / 80))


def color_of(label: str) -> str:
    """Return a class' colour as "#rrggbb"; classes that are not an emotion share one.

    Args:
        label: the class.
    """
    return COLORS.get(canonical(label), "#4a7ba6")


def ink_on(color: str) -> str:
    """Return the colour of text, dark or white, that is readable on another colour (by WCAG 2.2's relative luminance).

    Args:
        color: "#rrggbb".
    """
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    parts = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (red, green, blue)]
    luminance = 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
    # the contrast with white is 1.05 / (luminance + 0.05); below 3.5 dark text is more readable
    return INK if 1.05 / (luminance + 0.05) < 3.5 else PAPER


def legend_strip(names: Sequence[str], size: int, room: int) -> Image.Image:
    """Return the colours of classes with their names, on as many lines as they need.

    Args:
        names: the classes.
        size: of the text, in pixels.
        room: the strip's width, in pixels.
    """
    gap, patch = size, round(size * 0.7)
    rows: list[list[tuple[str, int]]] = [[]]
    used = gap
    for name in names:
        needed = patch + size // 3 + width(name, size) + gap
        if rows[-1] and used + needed > room:
            rows.append([])
            used = gap
        rows[-1].append((name, used))
        used += needed
    step = line_height(size) + size // 4
    out = Image.new("RGB", (room, step * len(rows) + size // 2), PAPER)
    draw = ImageDraw.Draw(out)
    for number, row in enumerate(rows):
        top = size // 4 + number * step
        for name, left in row:
            middle = top + line_height(size) // 2
            draw.rectangle((left, middle - patch // 2, left + patch, middle + patch // 2), color_of(name))
            out.paste(line(name, size, INK), (left + patch + size // 3, top))
    return out


def _automatic_zoom(marks: Sequence[Mark], side: int) -> float:
    smallest = min((max(m.box[2] - m.box[0], m.box[3] - m.box[1]) for m in marks), default=_MIN_FACE)
    zoom = max(1.0, _MIN_FACE / max(1, smallest), 480 / side)
    return max(1.0, min(zoom, _MAX_SIDE / side, 6.0))


def _card(mark: Mark, box: Sequence[int], size: int, named: bool) -> Image.Image:
    """Return the label on its colour, over the bars."""
    best = mark.probabilities.get(mark.label)
    text = " ".join(part for part in (mark.label, f"{best:.2f}" if best is not None else "", mark.note) if part)
    color = color_of(mark.label)
    label = line(text, size, ink_on(color), bold=True, paper=color)
    pad = max(3, size // 4)
    wide = max(label.width + 2 * pad, min(box[2] - box[0] + 1, size * 9))
    bars = None
    if mark.probabilities:
        bars = _named_bars(mark, size, pad) if named else _slim_bars(mark, wide, size, pad)
        wide = max(wide, bars.width)
    out = Image.new("RGB", (wide, label.height + (bars.height if bars else 0)), PAPER)
    out.paste(color, (0, 0, wide, label.height))
    out.paste(label, (pad, 0))
    if bars:
        out.paste(bars, (0, label.height))
    return out


def _named_bars(mark: Mark, size: int, pad: int) -> Image.Image:
    small = max(11, round(size * 0.85))
    bars = probability_bars(
        mark.probabilities, mark.label, small * 5, round(len(mark.probabilities) * small * 1.4), small
    )
    out = Image.new("RGB", (bars.width + 2 * pad, bars.height + 2 * pad), PAPER)
    out.paste(bars, (pad, pad))
    return out


def _slim_bars(mark: Mark, wide: int, size: int, pad: int) -> Image.Image:
    """Return one upright bar a class, in the classes' order and colours; the full height is probability 1."""
    tall = round(size * 1.8)
    out = Image.new("RGB", (wide, tall + 2 * pad), PAPER)
    draw = ImageDraw.Draw(out)
    step = (wide - 2 * pad) / len(mark.probabilities)
    for number, (name, value) in enumerate(mark.probabilities.items()):
        left, right = round(pad + number * step), round(pad + (number + 1) * step) - max(1, size // 10) - 1
        draw.rectangle((left, pad, max(left, right), pad + tall - 1), TRACK)
        filled = round(tall * float(np.clip(value, 0, 1)))
        if filled:
            draw.rectangle((left, pad + tall - filled, max(left, right), pad + tall - 1), color_of(name))
    draw.line((0, tall + 2 * pad - 1, wide, tall + 2 * pad - 1), GREY)
    return out


def _place(
    card: Image.Image,
    box: Sequence[int],
    occupied: Sequence[tuple[Sequence[int], float]],
    picture: tuple[int, int],
    stroke: int,
) -> tuple[int, int]:
    """Return where a card covers least: of the occupied boxes (pixels, by weight), then nearest to the lower edge of its face."""
    left, top, right, bottom = box
    wide, tall = card.size
    middle = (left + right - wide) // 2
    options = [
        (left, bottom + 1), (left, top - tall), (right + 1, top), (left - wide, top), (middle, bottom + 1), (middle, top - tall),
        (right - wide + 1, bottom + 1), (right - wide + 1, top - tall), (right + 1, bottom - tall), (left - wide, bottom - tall),
        (left, bottom - tall),
    ]  # fmt: skip
    best, place = float("inf"), (0, 0)
    for rank, (x, y) in enumerate(options):
        x_in = min(max(x, 0), max(0, picture[0] - wide))
        y_in = min(max(y, 0), max(0, picture[1] - tall))
        card_box = (x_in, y_in, x_in + wide, y_in + tall)
        covered = sum(weight * _intersection(card_box, other) for other, weight in occupied)
        cost = covered + (rank + abs(x - x_in) + abs(y - y_in)) * stroke
        if cost < best:
            best, place = cost, (x_in, y_in)
    return place


def _intersection(a: Sequence[int], b: Sequence[int]) -> int:
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))


def _with_legend(picture: Image.Image, names: Sequence[str], size: int) -> Image.Image:
    strip = legend_strip(names, size, picture.width)
    out = Image.new("RGB", (picture.width, picture.height + strip.height), PAPER)
    out.paste(picture, (0, 0))
    out.paste(strip, (0, picture.height))
    return out
