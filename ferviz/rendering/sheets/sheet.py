"""What a picture of explanations shows, as plain data: the same sheet is drawn by Pillow and by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ferviz.rendering.tiles import finite, has_evidence


@dataclass(frozen=True)
class Remark:
    """What is remarked below a map.

    Attributes:
        text: a sentence.
        short: the same in two or three words.
        warns: whether it is a warning.
    """

    text: str
    short: str
    warns: bool


@dataclass(frozen=True)
class Cell:
    """One face and what explains it.

    Attributes:
        face: (H, W, 3) uint8.
        maps: (T, h, w) float, one map a target, laid over the whole face.
        names: the T targets' names.
        label: the predicted class, or "".
        probabilities: {class: 0..1}, in the order to draw, or empty.
        caption: which face this is.
        vmax: the end of this cell's own scale; None = the sheet's.
        remarks: one for each map, or none.
        labels: for each map what is written on it: (x, y) of the middle in 0..1 of the face, and a few characters; or none.
    """

    face: np.ndarray = field(repr=False)
    maps: np.ndarray = field(repr=False)
    names: tuple[str, ...]
    label: str = ""
    probabilities: dict[str, float] = field(default_factory=dict)
    caption: str = ""
    vmax: float | None = None
    remarks: tuple[Remark, ...] = ()
    labels: tuple[tuple[tuple[float, float, str], ...], ...] = ()

    def labels_of(self, number: int) -> tuple[tuple[float, float, str], ...]:
        """Return what is written on a map.

        Args:
            number: the map's.
        """
        return self.labels[number] if self.labels else ()


@dataclass(frozen=True)
class Sheet:
    """A picture of many cells, all on one scale.

    Attributes:
        title: the method.
        subtitle: what is explained.
        cells: the faces.
        vmax: > 0, the value that takes the colour map's end.
        signed: the maps show evidence for and against.
        ends: what the two ends of a signed scale mean.
        notes: lines of explanation.
        warnings: lines about what may mislead.
    """

    title: str
    subtitle: str
    cells: tuple[Cell, ...]
    vmax: float
    signed: bool
    ends: tuple[str, str] = ("against", "for")
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def vmax_of(self, cell: Cell) -> float:
        """Return the value that takes the colour map's end in a cell.

        Args:
            cell: one of `cells`.
        """
        return cell.vmax or self.vmax

    @property
    def own_scales(self) -> bool:
        """Whether each cell has a scale of its own."""
        return any(cell.vmax is not None for cell in self.cells)

    @property
    def empty(self) -> bool:
        """Whether no map holds any evidence."""
        return not any(has_evidence(m) for cell in self.cells for m in cell.maps)


def shared_vmax(maps: Sequence[np.ndarray]) -> float:
    """Return the largest magnitude among maps: the end of a scale that shows all of them; 1 where none holds evidence.

    Args:
        maps: arrays of any shape.
    """
    return max((float(np.max(np.abs(finite(m)))) for m in maps if has_evidence(m)), default=1.0)


def is_signed(maps: Sequence[np.ndarray]) -> bool:
    """Return whether any map holds evidence against: a value below -1/1000 of the largest magnitude.

    Args:
        maps: arrays of any shape.
    """
    floor = -shared_vmax(maps) / 1000
    return any(bool(np.min(finite(m), initial=0) < floor) and has_evidence(m) for m in maps)
