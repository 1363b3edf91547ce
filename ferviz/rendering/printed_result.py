"""A result that is laid out for print, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ferviz.rendering.marks import vector_figure
from ferviz.rendering.printing import PrintSize, long_figure, page_figures
from ferviz.results import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image


class PrintedResult(Result):
    """Base of results with printed pages: a PDF file holds the pages, an SVG file all of them below each other.

    A subclass overrides `printed_pages`, which takes the arguments of its `plot` without `ax`.
    """

    def printed_pages(self, *args: Any, **options: Any) -> tuple[list[Image.Image], PrintSize]:
        """Return the pages, and the size they are laid out for.

        Args:
            *args: positional arguments of `plot`.
            **options: keyword arguments of `plot`, without `ax`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no printed pages")

    def pages(self, *args: Any, **options: Any) -> list[Figure]:
        """Return all of it as printed pages: what a PDF file holds.

        Args:
            *args: positional arguments of `plot`.
            **options: keyword arguments of `plot`, without `ax`.
        """
        return page_figures(*self.printed_pages(*args, **options))

    def long_page(self, *args: Any, **options: Any) -> Figure:
        """Return all pages below each other: what an SVG file holds.

        Args:
            *args: positional arguments of `plot`.
            **options: keyword arguments of `plot`, without `ax`.
        """
        return long_figure(*self.printed_pages(*args, **options))

    def first_page(self, *args: Any, figsize: tuple[float, float] | None = None, **options: Any) -> Figure:
        """Return the first page alone.

        Args:
            *args: positional arguments of `plot`.
            figsize: (width, height) of the figure in inches; None = by `width_mm`, and as tall as its content.
            **options: further keyword arguments of `plot`, without `ax`.
        """
        pages, size = self.printed_pages(*args, figsize=figsize, **options)
        return vector_figure(pages[0], size.inches, figsize and figsize[1])
