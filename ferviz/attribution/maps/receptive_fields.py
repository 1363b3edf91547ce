"""Where a layer's cells look: the measured centres of their receptive fields, beside those that a map is drawn at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ferviz.engines.base import INPUT
from ferviz.errors import ModelError
from ferviz.models.model import Model

CELLS = 6
"""Most cells a side that are measured, evenly spread."""

MAX_SIDE = 10_000
"""Pixels; a centre lies nearer than that."""

MIN_RATIO = 0.6
"""A map whose cells' measured centres span less than this share of the nominal range is drawn in the wrong places."""

MAX_SPREAD = 0.75
"""Cells that see further than this many cells to each side blur the map."""


@dataclass(frozen=True)
class Placement:
    """Where a layer's cells look, in pixels of the network's input.

    Attributes:
        layer: its name.
        nominal: (rows, columns) of centres that a map is drawn at, for the cells that were measured.
        measured: the same, measured.
        pitch: pixels from cell to cell.
        spread: standard deviation of what a cell looks at, the mean of both axes.
    """

    layer: str
    nominal: tuple[tuple[float, ...], tuple[float, ...]] = field(repr=False)
    measured: tuple[tuple[float, ...], tuple[float, ...]] = field(repr=False)
    pitch: float
    spread: float

    @property
    def ratio(self) -> float:
        """The range of the measured centres as a share of the nominal range, the smaller of both axes; NaN for a single cell."""
        ranges = [
            (max(seen) - min(seen)) / (max(drawn) - min(drawn))
            for seen, drawn in zip(self.measured, self.nominal, strict=True)
            if len(drawn) > 1
        ]
        return min(ranges, default=float("nan"))

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the network's input, in whose middle the first and the last cell's places have theirs."""
        height, width = (round(axis[0] + axis[-1] + 1) for axis in self.nominal)
        return height, width

    @property
    def caution(self) -> str:
        """What a reader of the layer's maps has to know, or ""."""
        if self.ratio < MIN_RATIO:
            range_ = f"range {self.ratio:.2f} of the nominal"
            return f"the cells of {self.layer} look closer to the centre than they are drawn ({range_}); take an earlier layer"
        if self.spread > MAX_SPREAD * self.pitch:
            steps = f"{self.spread:.0f} pixels to each side, cells are {self.pitch:.0f} apart"
            return f"a cell of {self.layer} sees far beyond itself ({steps}): its maps look sharper than they are"
        return ""

    def to_dict(self) -> dict[str, Any]:
        """Return the placement as plain data, None for centres that are not known."""
        axes = {name: [[_number(v) for v in axis] for axis in getattr(self, name)] for name in ("nominal", "measured")}
        numbers = {name: _number(getattr(self, name)) for name in ("pitch", "spread", "ratio")}
        return {"layer": self.layer, **axes, **numbers, "caution": self.caution or None}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Placement:
        """Return the placement that `to_dict` described.

        Args:
            record: plain data.

        Raises:
            ValueError, KeyError, TypeError: it is not such a record.
        """
        if not isinstance(record["layer"], str):
            raise TypeError("a layer has a name")
        nominal, measured = _axes(record["nominal"]), _axes(record["measured"])
        if [len(axis) for axis in nominal] != [len(axis) for axis in measured] or not np.isfinite(
            sum(nominal, ())
        ).all():
            raise ValueError("every cell that was measured is drawn somewhere")
        pitch, spread = (math.nan if record[name] is None else float(record[name]) for name in ("pitch", "spread"))
        return cls(record["layer"], nominal, measured, pitch, spread)


def centres(place: Placement, cells: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return where the cells of a layer's map look, for `resize_maps`.

    Args:
        place: what was measured, perhaps not of every row and column; between those that were, centres are equally spaced.
        cells: (h, w) of the map.

    Returns:
        The centres of the rows (h,) and of the columns (w,), rising, in pixels of the network's input.

    Raises:
        ModelError: more cells were measured than the map has.
    """
    rising = []
    for measured, nominal, count in zip(place.measured, place.nominal, cells, strict=True):
        known = np.isfinite(measured)
        steps = np.unique(np.linspace(0, count - 1, len(measured)).round().astype(int))
        if len(steps) < len(measured):
            raise ModelError(
                f"the centres of {len(measured)} cells a side were kept for {place.layer}, whose map has {count}; "
                "run ferviz trust --write again"
            )
        where = np.array(measured) if known.any() else np.array(nominal)
        known = known | ~known.any()
        # Two cells that look at one place would leave nothing between them to interpolate.
        rising.append(
            np.maximum.accumulate(np.interp(np.arange(count), steps[known], where[known])) + 1e-3 * np.arange(count)
        )
    return rising[0], rising[1]


def placement(model: Model, images: np.ndarray, layer: str, seed: int = 0) -> Placement:
    """Measure where a layer's cells look: by the squared gradients of their activations at the picture.

    Args:
        model: the network; its engine has to differentiate a layer.
        images: (N, H, W) or (N, H, W, 3) uint8; the squares are averaged over them, a few dozen are enough.
        layer: a layer whose output is a map.
        seed: of the random signs that stand for all channels of a cell.

    Raises:
        ModelError: the engine cannot differentiate the layer.
    """
    batch = model.preprocess(images)
    (activation,) = model.engine.activations(batch[:1], [layer])
    rows, columns, channels = activation.shape[1:]
    at = [np.unique(np.linspace(0, side - 1, min(side, CELLS)).round().astype(int)) for side in (rows, columns)]
    cells = [(y, x) for y in at[0] for x in at[1]]
    signs = np.random.default_rng(seed).choice(np.array([-1, 1], np.float32), (len(batch), channels))
    total = np.zeros((len(cells), *batch.shape[1:3]))
    for picture, sign in zip(batch, signs, strict=True):
        weights = np.zeros((1, len(cells), rows, columns, channels), np.float32)
        for number, (y, x) in enumerate(cells):
            weights[0, number, y, x] = sign
        _, gradient, _ = model.engine.gradients(picture[None], INPUT, weights, layer)
        total += (gradient[0].astype(np.float64) ** 2).sum(-1)
    centres, spreads = _moments(total)
    shape = (len(at[0]), len(at[1]))
    by_row, by_column = _means(centres[:, 0].reshape(shape).T), _means(centres[:, 1].reshape(shape))
    sides = batch.shape[1:3]
    nominal = tuple(
        tuple(((a + 0.5) * side / n - 0.5).tolist()) for a, side, n in zip(at, sides, (rows, columns), strict=True)
    )
    pitch = float(np.mean([sides[0] / rows, sides[1] / columns]))
    measured = (tuple(by_row.tolist()), tuple(by_column.tolist()))
    return Placement(layer, (nominal[0], nominal[1]), measured, pitch, float(_means(spreads[:, None])[0]))


def _number(value: float) -> float | None:
    """-> a number for JSON, which knows no NaN."""
    return round(float(value), 4) if math.isfinite(value) else None


def _axes(record: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """-> the centres of the rows and of the columns. Raises ValueError or TypeError where they are none."""
    rows, columns = (_axis(part) for part in record)
    return rows, columns


def _axis(record: Sequence[Any]) -> tuple[float, ...]:
    axis = tuple(math.nan if value is None else float(value) for value in record)
    if not 0 < len(axis) <= CELLS:
        raise ValueError(f"from 1 to {CELLS} cells a side are measured")
    if any(abs(value) > MAX_SIDE for value in axis):
        raise ValueError("a centre lies in the picture")
    return axis


def _means(values: np.ndarray) -> np.ndarray:
    """-> the mean of each column without its NaN."""
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(0)
    return np.divide(total, known.sum(0), out=np.full(values.shape[1], np.nan), where=known.any(0))


def _moments(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """-> the centres (M, 2) as (y, x), and the standard deviation (M,) of M distributions (M, h, w), the mean of both axes."""
    mass = weights.sum((1, 2), keepdims=True)
    shares = np.divide(weights, mass, out=np.zeros_like(weights), where=mass > 0)
    grid = np.indices(weights.shape[1:]).reshape(2, -1)
    centres = shares.reshape(len(weights), -1) @ grid.T
    squares = shares.reshape(len(weights), -1) @ (grid**2).T
    spreads = np.sqrt(np.maximum(squares - centres**2, 0).mean(1))
    empty = mass.ravel() == 0  # a cell whose units are silent on every face
    return np.where(empty[:, None], np.nan, centres), np.where(empty, np.nan, spreads)
