"""Text as small pictures: one type family, a few sizes, sharp at any scale, without matplotlib.

Plain ASCII is set in Aileron, which Pillow contains; other text (accents, other alphabets) is set in the DejaVu Sans that matplotlib
installs: its file is located, the package is not imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib import util
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ferviz.paths import is_file
from ferviz.printable import printable
from ferviz.rendering.marks import Mark, Word, place, set_marks
from ferviz.rendering.marks import paper as new_paper

INK, GREY, FAINT, AMBER = "#1c1c1e", "#5f6368", "#9aa0a6", "#9a5b00"
"""Colours of main text, of explanations, of marks, and of warnings."""

PAPER = "#ffffff"

Font = ImageFont.FreeTypeFont


@lru_cache(maxsize=64)
def font(size: int, wide: bool = False, bold: bool = False) -> Font:
    """Return a font.

    Args:
        size: in pixels.
        wide: the font with many alphabets, where it is installed.
        bold: the heavier one of it.
    """
    path = _dejavu(bold) if wide else None
    if path is not None:
        # DejaVu's letters are larger than Aileron's at the same size
        return ImageFont.truetype(path, round(size * 0.88))
    built_in = ImageFont.load_default(size)
    assert isinstance(built_in, ImageFont.FreeTypeFont)
    return built_in


def width(text: str, size: int) -> int:
    """Return the width of text in one line, in pixels.

    Args:
        text: the text.
        size: in pixels.
    """
    text = printable(text)
    face = _font_for(text, size)
    words = text.split(" ")
    return round(sum(face.getlength(word) for word in words) + (len(words) - 1) * _space(size)) + 1


def line_height(size: int) -> int:
    """Return the height of one line, in pixels, the same for every text.

    Args:
        size: of the text, in pixels.
    """
    return round(size * 1.3)


def line(text: str, size: int, color: str = INK, bold: bool = False, paper: str = PAPER) -> Image.Image:
    """Return one line of text as an RGB picture, `line_height(size)` tall and as wide as the text.

    Args:
        text: the text.
        size: in pixels.
        color, paper: any colour of Pillow's.
        bold: heavier strokes.
    """
    text = printable(text)
    face = _font_for(text, size, bold)
    drawn = Image.new("RGB", (max(1, width(text, size) + (2 if bold else 0)), line_height(size)), paper)
    draw = ImageDraw.Draw(drawn)
    marks: list[Mark] = []
    stroke = size / 48 if bold and face.getname()[0] == "Aileron" else 0
    # Anchored at the baseline, so that lines with and without descenders sit level.
    left = 0.0
    for word in text.split(" "):
        at = (round(left), round(size * 0.98))
        draw.text(at, word, font=face, fill=color, anchor="ls", stroke_width=stroke)
        if word:
            marks.append(Word(*at, word, face.size, color, stroke, not text.isascii(), bold))
        left += face.getlength(word) + _space(size)
    return set_marks(drawn, marks)


def phrase(parts: Sequence[Image.Image], sizes: Sequence[int], gap: int) -> Image.Image:
    """Return lines of different sizes side by side, on one baseline.

    Args:
        parts: pictures of `line`.
        sizes: of the text of each, in pixels.
        gap: pixels between two parts.
    """
    drop = [round(0.98 * size) for size in sizes]
    tops = [max(drop) - d for d in drop]
    height = max(top + part.height for top, part in zip(tops, parts, strict=True))
    out = new_paper((sum(p.width for p in parts) + gap * (len(parts) - 1), height), PAPER)
    left = 0
    for part, top in zip(parts, tops, strict=True):
        place(out, part, (left, top))
        left += part.width + gap
    return out


def shorten(text: str, size: int, room: int) -> str:
    """Return text that fits: its middle is cut out, since the beginning and the end of a file name both matter.

    Args:
        text: the text.
        size: in pixels.
        room: the available width, in pixels.
    """
    text = printable(text)
    if width(text, size) <= room:
        return text
    for keep in range(len(text) - 1, 1, -1):
        tail = min(keep // 2, 10)
        short = f"{text[: keep - tail].rstrip()}...{text[len(text) - tail :].lstrip()}"
        if width(short, size) <= room:
            return short
    return text[:1]


def wrap(text: str, size: int, room: int) -> list[str]:
    """Return text broken between words into lines; a word longer than a line is shortened.

    Args:
        text: the text.
        size: in pixels.
        room: the width of a line, in pixels.
    """
    lines: list[str] = []
    for word in text.split():
        if lines and width(f"{lines[-1]} {word}", size) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(shorten(word, size, room))
    return lines


def paragraph(text: str, size: int, room: int, color: str = GREY, bold: bool = False) -> Image.Image:
    """Return text as a picture, with as many lines as it needs.

    Args:
        text: the text.
        size: in pixels.
        room: the greatest width, in pixels.
        color: any colour of Pillow's.
        bold: heavier strokes.
    """
    lines = [line(part, size, color, bold) for part in wrap(text, size, room)] or [line("", size, color)]
    drawn = new_paper((max(part.width for part in lines), sum(part.height for part in lines)), PAPER)
    top = 0
    for part in lines:
        place(drawn, part, (0, top))
        top += part.height
    return drawn


def _space(size: int) -> float:
    # Aileron's own space is almost invisible at small sizes, so words are set one by one.
    return 0.27 * size


def _font_for(text: str, size: int, bold: bool = False) -> Font:
    return font(size) if text.isascii() else font(size, wide=True, bold=bold)


@lru_cache(maxsize=2)
def _dejavu(bold: bool) -> str | None:
    package = util.find_spec("matplotlib")
    if package is None or package.origin is None:
        return None
    path = Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / f"DejaVuSans{'-Bold' if bold else ''}.ttf"
    return str(path) if is_file(path) else None
