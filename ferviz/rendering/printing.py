"""Printed pages: widths in millimetres, text in points, and how both become the pixels that pictures are laid out in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from ferviz.errors import UsageError
from ferviz.rendering.marks import vector_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MILLIMETRES = 25.4
"""Of an inch."""

WIDTH = 174.0
"""Millimetres of a figure over both columns of a journal, where no other width is asked for."""

HEIGHT = 230.0
"""Most millimetres of a page."""

DPI = 300
"""Least dots an inch of the maps in a figure."""

FONT_SIZE = 8.0
"""Points of the text."""

WIDEST_TILE = 50.0
"""Millimetres of a printed tile, at most."""

MOST_PIXELS = 16_500
"""Of a page's width: the memory of a page has an end."""


@dataclass(frozen=True)
class PrintSize:
    """How large a page is printed.

    Attributes:
        width: millimetres.
        dpi: pixels an inch that the maps are drawn with.
        font_size: points of the text.
    """

    width: float = WIDTH
    dpi: float = DPI
    font_size: float = FONT_SIZE

    def __post_init__(self) -> None:
        if not 20 <= self.width <= 1000:
            raise UsageError(f"a page of {self.width:g} mm cannot be laid out; its width is 20 to 1000 mm")
        if not 3 <= self.font_size <= 40:
            raise UsageError(f"text of {self.font_size:g} points cannot be laid out; its size is 3 to 40 points")
        if not 36 <= self.dpi <= 2400 or self.room > MOST_PIXELS:
            raise UsageError(
                f"{self.width:g} mm at {self.dpi:g} dots an inch cannot be drawn; take 36 to 2400 dots an inch, and "
                f"{MOST_PIXELS} pixels at most"
            )

    @property
    def room(self) -> int:
        """The page's width in pixels."""
        return round(self.width / MILLIMETRES * self.dpi)

    @property
    def size(self) -> int:
        """The text's size in pixels."""
        return max(1, round(self.font_size / 72 * self.dpi))

    def tile(self, columns: int, gap: int) -> int:
        """Return the side in pixels of tiles that stand side by side on the page.

        Args:
            columns: how many; alone one is at most WIDEST_TILE wide.
            gap: pixels between two of them.
        """
        fit = (self.room - (columns - 1) * gap) // columns
        return max(1, min(fit, round(WIDEST_TILE / MILLIMETRES * self.dpi)))

    @property
    def tallest(self) -> float:
        """Most pixels of the page's height."""
        return HEIGHT / MILLIMETRES * self.dpi

    @property
    def inches(self) -> float:
        """The page's width in inches."""
        return self.width / MILLIMETRES


def print_size(width_mm: float | None = None, dpi: float | None = None, font_size: float | None = None) -> PrintSize:
    """Return the size of a page, with what is usual where nothing is asked for.

    Args:
        width_mm: millimetres; None = 174.
        dpi: pixels an inch; None = 300.
        font_size: points; None = 8.

    Raises:
        UsageError: there is no such page.
    """
    return PrintSize(width_mm or WIDTH, dpi or DPI, font_size or FONT_SIZE)


def figure_size(
    figsize: tuple[float, float] | None = None,
    width_mm: float | None = None,
    dpi: float | None = None,
    font_size: float | None = None,
) -> PrintSize:
    """Return the size of the pages of a figure, whose maps have DPI dots an inch or more.

    Args:
        figsize: (width, height) of the figure in inches; only the width counts.
        width_mm, dpi, font_size: as for `print_size`; the width is that of `figsize` where that is given.

    Raises:
        UsageError: there is no such page.
    """
    return print_size(figsize[0] * MILLIMETRES if figsize else width_mm, max(DPI, dpi or DPI), font_size)


def screen_or_print(width_mm: float | None, dpi: float | None, font_size: float | None) -> PrintSize | None:
    """Return the size of a printed page where one is asked for, None for a page on screens.

    Args:
        width_mm, dpi, font_size: as for `print_size`; dots alone do not ask for one.
    """
    return print_size(width_mm, dpi, font_size) if width_mm or font_size else None


def paginate(draw: Callable[[int, int], Image.Image], total: int, most: int, size: PrintSize) -> list[Image.Image]:
    """Return printed pages, none of them taller than HEIGHT unless what cannot be divided is.

    Args:
        draw: draws the page that begins with an item (from 0) and holds so many of them.
        total: how many items there are.
        most: items of a page.
        size: of the pages.
    """
    count = max(1, min(most, total))
    while True:
        first = draw(0, count)
        if first.height <= size.tallest or count == 1:
            return [first, *(draw(start, min(count, total - start)) for start in range(count, total, count))]
        count = min(count - 1, max(1, int(count * size.tallest / first.height)))


def page_figures(pages: Sequence[Image.Image], size: PrintSize) -> list[Figure]:
    """Return printed pages as figures.

    Args:
        pages: as `paginate` returns them.
        size: of the pages.
    """
    return [vector_figure(page, size.inches) for page in pages]


def long_figure(pages: Sequence[Image.Image], size: PrintSize) -> Figure:
    """Return printed pages below each other in one figure, for formats that know no pages.

    Args:
        pages: as `paginate` returns them.
        size: of the pages.
    """
    from ferviz.rendering.layout import vstack

    return vector_figure(vstack(list(pages), 2 * size.size), size.inches)


def printed(
    draw: Callable[[float], Image.Image], width: float = WIDTH, figsize: tuple[float, float] | None = None
) -> Figure:
    """Return a picture as a figure of a width, its maps at DPI or more.

    Args:
        draw: draws the picture at a zoom.
        width: millimetres.
        figsize: (width, height) in inches, instead.
    """
    inches = figsize[0] if figsize else width / MILLIMETRES
    zoom = max(1.0, inches * DPI / draw(1.0).width)
    return vector_figure(draw(zoom * 1.02), inches, figsize[1] if figsize else None)  # a little more: sizes are rounded
