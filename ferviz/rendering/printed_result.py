"""Results that are laid out for print, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ferviz.rendering.chart_page import ChartPage
from ferviz.rendering.marks import vector_figure
from ferviz.rendering.printing import PrintSize, figure_size, long_figure, page_figures, screen_or_print
from ferviz.results import Result
from ferviz.writers import rasterised

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


class ChartResult(Result):
    """Base of results that are charts: one page for screens, and pages in millimetres for print.

    A subclass overrides `chart_page`, which takes the arguments of its `plot`, and calls `chart_picture` in its `picture`.
    """

    def chart_page(self, size: PrintSize | None, *args: Any, **options: Any) -> ChartPage:
        """Return what the page shows.

        Args:
            size: of a printed page; None = a page for screens.
            *args: positional arguments of `plot`.
            **options: keyword arguments of `plot`, without those of `figure_size`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no charts")

    def chart_picture(
        self, width_mm: float | None, dpi: float | None, font_size: float | None, *args: Any, **options: Any
    ) -> Image.Image:
        """Return all of it as an RGB picture.

        Args:
            width_mm, dpi, font_size: of a printed page; a page for screens without width and size of the text.
            *args: further positional arguments of `plot`.
            **options: further keyword arguments of `plot`.
        """
        page = self.chart_page(screen_or_print(width_mm, dpi, font_size), *args, **options)
        return rasterised(page.long_figure(), page.size.dpi)

    def pages(
        self, *args: Any, figsize: tuple[float, float] | None = None, width_mm: float | None = None, dpi: float | None = None,
        font_size: float | None = None, **options: Any,
    ) -> list[Figure]:  # fmt: skip
        """Return all of it as printed pages: what a PDF file holds.

        Args:
            *args: positional arguments of `plot`.
            figsize, width_mm, dpi, font_size: as of `plot`.
            **options: further keyword arguments of `plot`.
        """
        return self.chart_page(figure_size(figsize, width_mm, dpi, font_size), *args, **options).figures()

    def long_page(
        self, *args: Any, figsize: tuple[float, float] | None = None, width_mm: float | None = None, dpi: float | None = None,
        font_size: float | None = None, **options: Any,
    ) -> Figure:  # fmt: skip
        """Return all of it on one page: what an SVG file holds.

        Args:
            *args: positional arguments of `plot`.
            figsize, width_mm, dpi, font_size: as of `plot`.
            **options: further keyword arguments of `plot`.
        """
        return self.chart_page(figure_size(figsize, width_mm, dpi, font_size), *args, **options).long_figure()
