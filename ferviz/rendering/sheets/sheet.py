"""What a picture of explanations shows, as plain data: the same sheet is drawn by Pillow and by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ferviz.rendering.tiles import finite, has_evidence

PERCENTILE = 99.5
"""Where the scale of signed maps ends: single pixels of a gradient would leave the rest of a face without colour."""

FAINT_SHARE = 0.15
"""The map of the predicted class is faint where it reaches no more than this share of the scale."""


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
        ends: (T,) the value at the end of each map's own scale; () = the sheet's.
        remarks: one for each map, or none.
        labels: for each map what is written on it: (x, y) of the middle in 0..1 of the face, and a few characters; or none.
    """

    face: np.ndarray = field(repr=False)
    maps: np.ndarray = field(repr=False)
    names: tuple[str, ...]
    label: str = ""
    probabilities: dict[str, float] = field(default_factory=dict)
    caption: str = ""
    ends: tuple[float, ...] = ()
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
        cmap: the colour map; None = the usual one.
    """

    title: str
    subtitle: str
    cells: tuple[Cell, ...]
    vmax: float
    signed: bool
    ends: tuple[str, str] = ("against", "for")
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    cmap: str | None = None

    def vmax_of(self, cell: Cell, number: int = 0) -> float:
        """Return the value that takes the colour map's end in one map of a cell.

        Args:
            cell: one of `cells`.
            number: of the map, from 0.
        """
        return cell.ends[number] if cell.ends else self.vmax

    @property
    def own_scales(self) -> bool:
        """Whether each map has a scale of its own."""
        return any(cell.ends for cell in self.cells)

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


def scale_end(maps: Sequence[np.ndarray], signed: bool) -> float:
    """Return where a scale ends by default: at the largest magnitude, of signed maps at the PERCENTILE of their magnitudes.

    Args:
        maps: arrays of any shape.
        signed: they hold evidence for and against.
    """
    if not signed or not any(has_evidence(m) for m in maps):
        return shared_vmax(maps)
    return float(np.percentile(np.concatenate([np.abs(finite(m)).ravel() for m in maps]), PERCENTILE)) or shared_vmax(
        maps
    )


def scale_note(maps: Sequence[np.ndarray], signed: bool, each: bool = False) -> str:
    """Return a line about where the scale ends by default; "" where it holds all values.

    Args:
        maps: arrays of any shape.
        signed: they hold evidence for and against.
        each: each map has a scale of its own.
    """
    if not signed or not any(has_evidence(m) for m in maps):
        return ""
    if each:
        return f"The scale of each map ends at the {PERCENTILE}th percentile of its magnitudes."
    largest = f"{shared_vmax(maps):.3g}"
    if largest == f"{scale_end(maps, signed):.3g}":  # nothing that could be read off the scale lies beyond it
        return ""
    return f"The scale ends at the {PERCENTILE}th percentile of the magnitudes; the largest is {largest}."


def faint_note(cells: Sequence[Cell], vmax: float) -> str:
    """Return a line about a predicted class whose map is faint since another class sets the scale; "" where none is.

    Args:
        cells: the faces.
        vmax: > 0, the end of the scale that they share.
    """
    for cell in cells:
        if cell.label not in cell.names or len(cell.names) < 2:
            continue
        strongest = [float(np.max(np.abs(finite(m)))) for m in cell.maps]
        first, own = int(np.argmax(strongest)), cell.names.index(cell.label)
        share = strongest[own] / vmax
        chance, others = cell.probabilities.get(cell.label), cell.probabilities.get(cell.names[first])
        if has_evidence(cell.maps[own]) and share <= FAINT_SHARE and chance is not None and others is not None:
            return (
                f"{cell.names[first]} ({others:.2f}) sets the scale, of which {cell.label} ({chance:.2f}) reaches {share:.0%}; "
                "--own-scale (shared_scale=False) gives each map its own"
            )
    return ""
