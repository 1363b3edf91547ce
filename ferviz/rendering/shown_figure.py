"""A matplotlib Figure that a notebook shows, although pyplot does not know it."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class ShownFigure(Figure):
    """A Figure made without pyplot, which shows itself where it is a cell's last expression.

    A notebook paints a plain Figure only once pyplot was imported there; and what pyplot knows, it shows a second time. Where a notebook
    has a painter of its own for figures, that one is used.
    """

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", bbox_inches="tight")
        return buffer.getvalue()
