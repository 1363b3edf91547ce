"""A page: what every whole picture has around its body (title, colour scale, notes, warnings, margin)."""

from __future__ import annotations

from PIL import Image

from ferviz.rendering.layout import add_margin, resize_canvas, vstack
from ferviz.rendering.printing import PrintSize
from ferviz.rendering.text import AMBER, GREY, INK, line, paragraph, phrase, shorten, width


def page(
    body: Image.Image,
    title: str,
    subtitle: str,
    key: Image.Image | None,
    notes: tuple[str, ...],
    warnings: tuple[str, ...],
    zoom: float = 1.0,
    size: PrintSize | None = None,
) -> Image.Image:
    """Return a picture under its title and above its scale key, notes and warnings, with a margin around all.

    Args:
        body: the picture itself.
        title, subtitle: the heading, and what stands beside it or below it.
        key: the colour scale, or None.
        notes, warnings: lines below, in grey and in amber.
        zoom: 1 for screens, 2 for fine print.
        size: a printed page instead, exactly as wide as that and without a margin.
    """
    big, small = round(24 * zoom), round(14 * zoom)
    middle, room = round(16 * zoom), max(body.width, round(420 * zoom))
    if size:
        zoom, room = size.size / 14, size.room
        big, middle, small = round(size.size * 1.25), size.size, size.size
    heading = line(shorten(title, big, room), big, INK, bold=True)
    if subtitle:
        spare = room - heading.width - middle
        if width(subtitle, middle) <= spare:
            heading = phrase([heading, line(subtitle, middle, GREY)], [big, middle], middle // 2 + 4)
        else:
            heading = vstack([heading, paragraph(subtitle, middle, room)], 2)
    foot = [key] if key is not None else []
    foot += [paragraph(note, small, room, GREY) for note in notes]
    foot += [paragraph(f"Note: {warning}", small, room, AMBER) for warning in warnings]
    blocks = [*([heading] if title or subtitle else []), body] + ([vstack(foot, round(4 * zoom))] if foot else [])
    if size:
        return resize_canvas(vstack(blocks, round(10 * zoom)), room)
    return add_margin(vstack(blocks, round(16 * zoom)), round(24 * zoom))
