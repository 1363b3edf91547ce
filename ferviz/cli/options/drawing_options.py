"""Options: how results are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import click

from ferviz.cli.sections import Number, OptionGroup, option
from ferviz.errors import UsageError


@dataclass(frozen=True)
class DrawingOptions(OptionGroup):
    """How results are drawn: arguments of `Result.save`."""

    section: ClassVar[str] = "Drawing"
    shared_scale: bool = option(
        "--shared-scale/--own-scale", default=True, help="One colour scale for everything drawn, or one for each map."
    )
    vmax: float | None = option(
        "--vmax",
        type=Number(1e-30, 1e30),
        metavar="NUMBER",
        help="The value at the end of the colour scale, to compare pictures.  [default: the largest, of signed maps the 99.5th percentile]",
    )
    zoom: float = option(
        "--zoom", default=1.0, type=Number(0.5, 4), help="Size of the picture: 1 for screens, 2 for print."
    )
    cmap: str | None = option(
        "--cmap", metavar="NAME", help="A colour map: inferno, viridis, magma, cividis, or another of matplotlib's."
    )

    def __post_init__(self) -> None:
        if self.cmap:
            from ferviz.rendering.colormaps import table

            table(self.cmap)  # a wrong name is an error before any work


@dataclass(frozen=True)
class PrintOptions(OptionGroup):
    """How large a picture is printed: arguments of `Result.save`."""

    section: ClassVar[str] = "Drawing"
    width_mm: float | None = option(
        "--width-mm",
        type=Number(20, 1000),
        metavar="MM",
        help="Lay the picture out for print, so wide: 84 is a column, 174 a page.  [default for .pdf, .svg: 174]",
    )
    dpi: float | None = option(
        "--dpi", type=Number(36, 2400), metavar="NUMBER", help="Dots an inch, which PNG files say.  [default: 300]"
    )
    font_size: float | None = option(
        "--font-size", type=Number(3, 40), metavar="POINTS", help="Text of a printed picture.  [default: 8]"
    )

    def __post_init__(self) -> None:
        if self.width_mm or self.font_size:
            from ferviz.rendering.printing import print_size

            print_size(**self.given())  # a page that cannot be laid out is an error before any work

    def given(self) -> dict[str, float | None]:
        """Return the options as keyword arguments of `Result.save`."""
        return {"width_mm": self.width_mm, "dpi": self.dpi, "font_size": self.font_size}


@dataclass(frozen=True)
class BareOptions(OptionGroup):
    """Maps without a page around them, to place them in a document."""

    section: ClassVar[str] = "Drawing"
    bare: bool = option(
        "--bare", default=False, help="Only the map over its face, without words; one file for each map."
    )
    bare_heatmap: bool = option(
        "--bare-heatmap", default=False, help="Only the map, transparent where there is no evidence (PNG, WebP)."
    )
    side: int | None = option(
        "--side", type=click.IntRange(8, 8192), help="Pixels of the longer side of a --bare picture.  [default: 512]"
    )

    @property
    def asked(self) -> bool:
        """Whether bare pictures are to be written instead of a page."""
        return self.bare or self.bare_heatmap

    def __post_init__(self) -> None:
        if self.bare and self.bare_heatmap:
            raise UsageError("--bare and --bare-heatmap are two different pictures; ask for one at a time")
        if self.side and not (self.bare or self.bare_heatmap):
            raise UsageError("--side is the size of a --bare picture; --zoom enlarges a page")
