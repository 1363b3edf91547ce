"""What a picture of explanations shows, as plain data: the same sheet is drawn by Pillow and by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ferviz.rendering.tiles import finite, has_evidence


@dataclass(frozen=True)
class Cell:
    """One face and what explains it.

    face: (H, W, 3) uint8. maps: (T, h, w) float, one map a target, laid over the whole face. names: the T targets' names.
    label: what the network says, or "". probabilities: {class: 0..1}, in the order to draw, or empty. caption: which face this is.
    limit: the end of this cell's own scale; None = the sheet's.
    """

    face: np.ndarray = field(repr=False)
    maps: np.ndarray = field(repr=False)
    names: tuple[str, ...]
    label: str = ""
    probabilities: dict[str, float] = field(default_factory=dict)
    caption: str = ""
    limit: float | None = None


@dataclass(frozen=True)
class Sheet:
    """A picture of many cells, all on one scale.

    title: the method. subtitle: what is explained. cells: the faces. limit: > 0, the value that takes the colour map's end.
    signed: the maps tell for and against; ends: what the two ends of their scale mean. notes: lines of explanation.
    warnings: lines about what may mislead.
    """

    title: str
    subtitle: str
    cells: tuple[Cell, ...]
    limit: float
    signed: bool
    ends: tuple[str, str] = ("against", "for")
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def limit_of(self, cell: Cell) -> float:
        """Return the value that takes the colour map's end in this cell."""
        return cell.limit or self.limit

    @property
    def own_scales(self) -> bool:
        """Whether each cell has a scale of its own."""
        return any(cell.limit is not None for cell in self.cells)

    @property
    def empty(self) -> bool:
        """Whether no map holds any evidence."""
        return not any(has_evidence(m) for cell in self.cells for m in cell.maps)


def shared_limit(maps: Sequence[np.ndarray]) -> float:
    """Return the largest magnitude among the maps: the end of a scale that shows all of them; 1 where none holds evidence."""
    return max((float(np.max(np.abs(finite(m)))) for m in maps if has_evidence(m)), default=1.0)


def is_signed(maps: Sequence[np.ndarray]) -> bool:
    """Return whether any map holds evidence against: a value below -1/1000 of the largest magnitude."""
    floor = -shared_limit(maps) / 1000
    return any(bool(np.min(finite(m), initial=0) < floor) and has_evidence(m) for m in maps)
