"""The TrustReport: for each method what it is worth, what it costs, and which to take for a given number of passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ferviz.attribution import titles
from ferviz.engines.base import Array
from ferviz.evaluation.metrics import wilson
from ferviz.evaluation.panel.bootstrap import cluster_interval
from ferviz.evaluation.panel.receptive_fields import Placement
from ferviz.evaluation.panel.stability import Stability
from ferviz.results import Result
from ferviz.trust.calibration import MAX_RANDOM
from ferviz.trust.recommendation import BUDGETS
from ferviz.trust.verdict import BETTER, OUTCOMES, outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SLACK = 1.2
"""A method may take this much more than a budget: RISE's 512 masks count as 500. One pass may follow a pass that finds the class."""

BLOB = "centre blob"

MAX_RANDOMISED = 0.5
"""A method whose maps correlate more than this with those of a network with random weights hardly depends on the weights."""


@dataclass(frozen=True, eq=False)
class MethodRow:
    """One method at one layer, or one control, on N faces.

    Attributes:
        method: its name in the registry, or the control's.
        layer: the layer; "" for a method of the picture and for controls.
        srg: (N, F), the areas between insertion and deletion.
        assessable: (N,) bool, the faces that count.
        groups: (N,), the number of each face's group of identical faces.
        cells: (h, w) of the method's own map.
        passes: through the network, a face.
        seconds: a face.
        stability: what its maps do under changes; None for controls.
        randomised: mean rank correlation with the maps of a network with random weights; None where that could not be measured.
    """

    method: str
    layer: str
    srg: Array = field(repr=False)
    assessable: np.ndarray = field(repr=False)
    groups: np.ndarray = field(repr=False)
    cells: tuple[int, int] = (0, 0)
    passes: float = 0.0
    seconds: float = 0.0
    stability: Stability | None = None
    randomised: float | None = None

    @property
    def control(self) -> bool:
        """Whether this is a map that knows nothing about the network."""
        return not self.passes

    @property
    def fails(self) -> bool:
        """Whether the maps hardly depend on the network's weights; that they do is no proof of anything."""
        return self.randomised is not None and self.randomised > MAX_RANDOMISED

    @property
    def title(self) -> str:
        """The row's name: "Grad-CAM at relu8"."""
        return (
            self.method if self.control else f"{titles.title(self.method)}{f' at {self.layer}' if self.layer else ''}"
        )


@dataclass(frozen=True, eq=False)
class TrustReport(Result):
    """What `ferviz.trust_report` returns.

    Attributes:
        model, model_sha256: the network.
        data: where the faces come from.
        faces: how many were used.
        steps: of deletion and insertion.
        fills: F names.
        delta: the margin by which a map has to beat the centre blob under every fill.
        calibrated: whether it was measured for this network.
        seed: of everything random.
        rows: the controls, then the methods.
        placements: where the layers' cells look.
        notes: what could not be measured.
    """

    command: ClassVar[str] = "trust"

    model: str
    model_sha256: str
    data: str
    faces: int
    steps: int
    fills: tuple[str, ...]
    delta: float
    calibrated: bool
    seed: int
    rows: tuple[MethodRow, ...] = field(repr=False)
    placements: tuple[Placement, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def _blob(self) -> MethodRow:
        return next(row for row in self.rows if row.method == BLOB)

    @property
    def assessable(self) -> int:
        """Faces that count: hiding them changes the answer."""
        return int(self._blob.assessable.sum())

    def passed(self, row: MethodRow) -> float:
        """Return the share of faces on which a method is better than a centre blob.

        Args:
            row: one of `rows`.
        """
        margins = (row.srg - self._blob.srg)[row.assessable]
        return float((outcome(margins, self.delta) == OUTCOMES.index(BETTER)).mean()) if len(margins) else float("nan")

    def recommendation(self, passes: int) -> MethodRow | None:
        """Return the method that passes on the most faces within a budget; None where none passes more often than noise may.

        Args:
            passes: through the network, a face.
        """
        able = [row for row in self.rows if not row.control and not row.fails and row.passes <= max(2, passes * SLACK)]
        best = max(able, key=lambda row: (self.passed(row), self._margin(row)), default=None)
        return best if best is not None and self.passed(best) > MAX_RANDOM else None

    def best_layers(self) -> dict[str, str]:
        """Return {method: the layer at which it passes on the most faces}, without methods that pass no more often than noise may."""
        able = [row for row in self.rows if row.layer and not row.fails and self.passed(row) > MAX_RANDOM]
        ranked = sorted(able, key=lambda row: (self.passed(row), self._margin(row)))
        return {row.method: row.layer for row in ranked}

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {
            "model": self.model, "model_sha256": self.model_sha256, "data": self.data, "faces": self.faces,
            "assessable": self.assessable, "steps": self.steps, "fills": list(self.fills), "delta": self.delta,
            "calibrated": self.calibrated, "seed": self.seed,
            "recommendation": {str(budget): self._recommended(budget) for budget in BUDGETS},
            "layers": self.best_layers(),
            "methods": [self._record(row) for row in self.rows],
            "placement": [asdict(p) | {"ratio": _number(p.ratio), "caution": p.caution or None} for p in self.placements],
            "notes": list(self.notes),
        }  # fmt: skip

    def table(self) -> Sequence[Sequence[Any]]:
        """Return one row for each method and control, the columns' names first."""
        records = [_flat(self._record(row)) for row in self.rows]
        columns = list(dict.fromkeys(name for record in records for name in record))
        return [columns, *([record.get(name, "") for name in columns] for record in records)]

    def text(self) -> str:
        """Return the report as lines for a terminal."""
        width = max(len(row.title) for row in self.rows)
        head = f"{'':{width}}  passes  ms/face  better  " + "  ".join(f"{fill:>8}" for fill in self.fills)
        lines = [f"{self.model} on {self.faces} faces of {self.data}, {self.assessable} assessable", "", head]
        for row in self.rows:
            cost = f"{'':6}  {'':7}" if row.control else f"{row.passes:6.0f}  {1000 * row.seconds:7.1f}"
            areas = "  ".join(f"{value:+8.3f}" for value in row.srg[row.assessable].mean(0)) if self.assessable else ""
            flag = "  fails: the maps hardly depend on the weights" if row.fails else ""
            lines.append(f"{row.title:{width}}  {cost}  {100 * self.passed(row):5.0f}%  {areas}{flag}")
        lines += [
            "",
            f"better: the share of faces on which the map beats a centre blob by more than {self.delta:g} under every fill",
        ]
        for budget in BUDGETS:
            best = self.recommendation(budget)
            answer = (
                "no method passes more often than noise"
                if best is None
                else f"{best.title} ({100 * self.passed(best):.0f}%)"
            )
            lines.append(f"up to {budget} passes a face: {answer}")
        lines += [p.caution for p in self.placements if p.caution]
        return "\n".join([*lines, *self.notes])

    def plot(self) -> Figure:
        """Return the margins over the centre blob, with intervals, one line a method and a colour a fill."""
        from ferviz.evaluation.panel.panel_plot import panel_figure

        return panel_figure(self)

    def margins(self, row: MethodRow) -> dict[str, tuple[float, float, float]]:
        """Return {fill: (mean, lower, upper)}: how far a method's area exceeds the centre blob's, with a 95 % interval over faces.

        Args:
            row: one of `rows`.
        """
        values = (row.srg - self._blob.srg)[row.assessable]
        groups = row.groups[row.assessable]
        return {
            fill: (float(values[:, i].mean()) if len(values) else float("nan"), *cluster_interval(values[:, i], groups, seed=self.seed))
            for i, fill in enumerate(self.fills)
        }  # fmt: skip

    def _margin(self, row: MethodRow) -> float:
        values = (row.srg - self._blob.srg)[row.assessable]
        return float(values.mean(0).min()) if len(values) else float("-inf")

    def _recommended(self, budget: int) -> dict[str, Any] | None:
        row = self.recommendation(budget)
        return (
            None
            if row is None
            else {"method": row.method, "layer": row.layer or None, "better": _number(self.passed(row))}
        )

    def _record(self, row: MethodRow) -> dict[str, Any]:
        share, count = self.passed(row), int(row.assessable.sum())
        record: dict[str, Any] = {
            "method": row.method, "layer": row.layer or None, "control": row.control,
            "srg": {fill: _number(v) for fill, v in zip(self.fills, _mean(row.srg[row.assessable]), strict=True)},
            "margin": {fill: [_number(v) for v in values] for fill, values in self.margins(row).items()},
            "better": _number(share),
            "better_interval": [_number(v) for v in wilson(share * count if count else 0, count)],
        }  # fmt: skip
        if not row.control:
            record |= {
                "cells": list(row.cells), "passes": round(row.passes, 1), "seconds": round(row.seconds, 5),
                "randomised": None if row.randomised is None else _number(row.randomised), "fails": row.fails,
                "stability": None if row.stability is None else {k: _number(v) for k, v in asdict(row.stability).items()},
            }  # fmt: skip
        return record


def _mean(values: np.ndarray) -> np.ndarray:
    return values.mean(0) if len(values) else np.full(values.shape[1], np.nan)


def _number(value: float) -> float | None:
    """-> a number for JSON, which knows no NaN."""
    return round(float(value), 4) if np.isfinite(value) else None


def _flat(record: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            cells |= _flat(value, f"{prefix}{key}_")
        elif isinstance(value, list):
            ends = ("", "_low", "_high") if len(value) == 3 else ("_1", "_2")
            cells |= {f"{prefix}{key}{end}": "" if v is None else v for end, v in zip(ends, value, strict=True)}
        else:
            cells[f"{prefix}{key}"] = "" if value is None else value
    return cells
