"""Charts on a printed page: rows of charts below each other, as tall as they need, all of their words of one size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ferviz.rendering.lettering import one_font, one_size, wrap_lines
from ferviz.rendering.printing import HEIGHT, MILLIMETRES, PrintSize
from ferviz.rendering.text import AMBER, GREY, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINE = 1.35
"""Height of a line of text, in multiples of its size."""

TITLE = 1.25
"""Size of a page's title, in multiples of the text's."""

GAP = 0.08
"""Inches between two rows, and around the charts."""

Line = tuple[str, str, float]
"""A line of text, its colour, and its size in multiples of the page's."""


@dataclass(frozen=True)
class ChartRow:
    """Charts that stand side by side.

    Attributes:
        height: inches.
        charts: each draws itself into a part of a figure (matplotlib's SubFigure).
        widths: of the charts, relative to each other; () = all alike.
    """

    height: float
    charts: tuple[Callable[[Any], None], ...]
    widths: tuple[float, ...] = ()


@dataclass(frozen=True)
class ChartPage:
    """What a page of charts shows, from top to bottom.

    Attributes:
        title: of the page; "" = none.
        sentences: below the title.
        rows: the charts.
        notes: what may mislead, below the charts.
        size: of the page, which the rows were made for.
    """

    title: str
    sentences: tuple[str, ...]
    rows: tuple[ChartRow, ...]
    notes: tuple[str, ...]
    size: PrintSize

    def figures(self) -> list[Figure]:
        """Return the pages, none of them taller than HEIGHT unless a single row is."""
        pages: list[list[ChartRow]] = []
        for row in self._all_rows():
            room = HEIGHT / MILLIMETRES - sum(GAP + other.height for other in pages[-1]) if pages else 0.0
            alone = len(pages) == 1 and len(pages[0]) == 1 and bool(self._head())  # a title stays with its first chart
            if pages and (row.height <= room or alone):
                pages[-1].append(row)
            else:
                pages.append([row])
        return [self._figure(rows) for rows in pages]

    def long_figure(self) -> Figure:
        """Return all of it on one page, for formats that know no pages."""
        return self._figure(self._all_rows())

    def _all_rows(self) -> list[ChartRow]:
        notes = [line for note in self.notes for line in self._wrapped(f"Note: {note}", AMBER)]
        return [*self._text_row(self._head()), *self.rows, *self._text_row(notes, 0.5)]

    def _head(self) -> list[Line]:
        title = self._wrapped(self.title, INK, TITLE) if self.title else []
        return [*title, *(line for words in self.sentences for line in self._wrapped(words, GREY))]

    def _wrapped(self, words: str, color: str, scale: float = 1.0) -> list[Line]:
        room = self.size.inches * 72 - 4
        return [(line, color, scale) for line in wrap_lines(words, scale * self.size.font_size, room)]

    def _text_row(self, lines: Sequence[Line], above: float = 0.1) -> list[ChartRow]:
        if not lines:
            return []
        step = LINE * self.size.font_size / 72
        height = sum(step * scale for _, _, scale in lines) + above * step

        def draw(part: Any) -> None:
            top = height - above * step
            for words, color, scale in lines:
                at, points = top / height, scale * self.size.font_size
                part.text(
                    2 / 72 / self.size.inches, at, words, va="top", color=color, size=points, parse_math=False, gid="line"
                )  # fmt: skip
                top -= step * scale

        return [ChartRow(height, (draw,))]

    def _figure(self, rows: Sequence[ChartRow]) -> Figure:
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        from ferviz.rendering.shown_figure import ShownFigure

        heights = [row.height + GAP for row in rows]
        layout = ConstrainedLayoutEngine(w_pad=GAP / 2, h_pad=GAP / 2, wspace=0, hspace=0)
        figure = ShownFigure(
            figsize=(self.size.inches, sum(heights)), dpi=self.size.dpi, facecolor="white", layout=layout
        )
        figure.suppressComposite = True  # else neighbouring pictures become one of the figure's own resolution
        parts = figure.subfigures(len(rows), 1, height_ratios=heights, squeeze=False)[:, 0]
        for part, row in zip(parts, rows, strict=True):
            places = part.subfigures(1, len(row.charts), width_ratios=row.widths or None, squeeze=False)[0]
            for place, draw in zip(places, row.charts, strict=True):
                draw(place)
        one_font(one_size(figure, self.size.font_size))
        layout.execute(figure)
        figure.set_layout_engine("none")  # what was laid out stays so, whatever resolution a file has
        return figure
