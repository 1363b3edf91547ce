"""What a picture is made of: beside its pixels, a layout remembers its words, bars and pictures, so that it can become a vector figure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KEY = "marks"


@dataclass(frozen=True)
class Word:
    """A word at its baseline.

    Attributes:
        left, top: of its baseline's beginning, in pixels.
        text: the word.
        size: in pixels.
        color: as of Pillow.
        stroke: how much heavier its lines are, in pixels.
        wide: it is set in the font with many alphabets.
        bold: in the heavier one of it.
    """

    left: float
    top: float
    text: str
    size: float
    color: str
    stroke: float = 0.0
    wide: bool = False
    bold: bool = False


@dataclass(frozen=True)
class Box:
    """A filled rectangle.

    Attributes:
        left, top, width, height: in pixels.
        color: as of Pillow.
    """

    left: float
    top: float
    width: float
    height: float
    color: str


@dataclass(frozen=True)
class Raster:
    """A picture without words.

    Attributes:
        left, top: in pixels.
        pixels: the picture.
    """

    left: float
    top: float
    pixels: Image.Image


Mark = Word | Box | Raster


def set_marks(picture: Image.Image, marks: list[Mark]) -> Image.Image:
    """Say what a picture is made of; return it.

    Args:
        picture: it is changed.
        marks: its parts, the lowest first.
    """
    picture.info[_KEY] = marks
    return picture


def marks_of(picture: Image.Image) -> list[Mark]:
    """Return what a picture is made of: itself where nobody said.

    Args:
        picture: an RGB picture.
    """
    known: list[Mark] | None = picture.info.get(_KEY)
    return [Raster(0, 0, picture)] if known is None else known


def paper(size: tuple[int, int], color: str) -> Image.Image:
    """Return an empty sheet, whose marks are those of what is placed on it.

    Args:
        size: (width, height) in pixels.
        color: of the sheet; it is no mark.
    """
    return set_marks(Image.new("RGB", size, color), [])


def place(sheet: Image.Image, block: Image.Image, at: tuple[int, int]) -> None:
    """Paste a block, with its marks.

    Args:
        sheet: made by `paper`.
        block: an RGB picture.
        at: (left, top) in pixels.
    """
    sheet.paste(block, at)
    sheet.info[_KEY] += [replace(m, left=m.left + at[0], top=m.top + at[1]) for m in marks_of(block)]


def draw_box(sheet: Image.Image, box: tuple[int, int, int, int], color: str) -> None:
    """Fill a rectangle.

    Args:
        sheet: made by `paper`.
        box: (left, top, right, bottom) in pixels, the right and bottom ones excluded.
        color: as of Pillow.
    """
    left, top, right, bottom = box
    sheet.paste(color, box)
    sheet.info[_KEY].append(Box(left, top, right - left, bottom - top, color))


def vector_figure(picture: Image.Image, width: float, height: float | None = None) -> Figure:
    """Return a picture as a matplotlib Figure of the same layout: words stay words, and maps keep their pixels.

    Args:
        picture: a page.
        width: of the figure, in inches.
        height: of the figure, in inches, where it is given: the page is made smaller where it would not fit.
    """
    from ferviz.rendering.shown_figure import ShownFigure

    tall = width * picture.height / picture.width
    figure = ShownFigure(figsize=(width, height or tall))
    share = min(1.0, (height or tall) / tall)
    figure.suppressComposite = True  # else neighbouring maps become one picture of the figure's own resolution
    rise = tall * share / (height or tall)
    axes = figure.add_axes((0, 1 - rise, share, rise))
    axes.set_xlim(0, picture.width)
    axes.set_ylim(picture.height, 0)
    axes.set_axis_off()
    points = width * share * 72 / picture.width
    for mark in marks_of(picture):
        _draw(axes, mark, points)
    axes.set_xlim(0, picture.width)
    axes.set_ylim(picture.height, 0)
    axes.set_aspect("auto")
    return figure


def _draw(axes, mark: Mark, points: float) -> None:  # type: ignore[no-untyped-def]
    from matplotlib.font_manager import FontProperties
    from matplotlib.patches import PathPatch, Rectangle
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D

    if isinstance(mark, Raster):
        right, bottom = mark.left + mark.pixels.width, mark.top + mark.pixels.height
        axes.imshow(mark.pixels, extent=(mark.left, right, bottom, mark.top), interpolation="none")
    elif isinstance(mark, Box):
        axes.add_patch(Rectangle((mark.left, mark.top), mark.width, mark.height, color=mark.color, linewidth=0))
    else:
        if mark.wide:
            font = FontProperties(family="DejaVu Sans", weight="bold" if mark.bold else "normal")
        else:
            font = FontProperties(family="Aileron", fname=str(resources.files("ferviz").joinpath("assets/aileron.ttf")))
        if mark.stroke:  # outlines around the letters, which stay letters
            to_page = Affine2D().scale(1, -1).translate(mark.left, mark.top)
            path = TextPath((0, 0), mark.text, size=mark.size, prop=font).transformed(to_page)
            line = 2 * mark.stroke * points
            axes.add_patch(PathPatch(path, facecolor="none", edgecolor=mark.color, linewidth=line))
        font.set_size(mark.size * points)
        axes.text(
            mark.left, mark.top, mark.text, fontproperties=font, color=mark.color, va="baseline", ha="left",
            parse_math=False,
        )  # fmt: skip
