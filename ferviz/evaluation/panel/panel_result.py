"""The TrustReport: for each method what it is worth, what it costs, and which to take for a given number of passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ferviz.attribution import titles
from ferviz.attribution.maps.receptive_fields import Placement
from ferviz.attribution.methods.registry import METHODS
from ferviz.engines.base import Array
from ferviz.evaluation.metrics import wilson
from ferviz.evaluation.panel.bootstrap import cluster_interval, json_number, known_mean
from ferviz.evaluation.panel.permutation import holm, sign_flip_p
from ferviz.evaluation.panel.randomisation import Cascade, Randomisation
from ferviz.evaluation.panel.region_agreement import RegionAgreement
from ferviz.evaluation.panel.stability import Stability
from ferviz.rendering.chart_page import ChartPage
from ferviz.rendering.printed_result import ChartResult
from ferviz.rendering.printing import PrintSize
from ferviz.trust.calibration import MAX_RANDOM
from ferviz.trust.recommendation import BUDGETS
from ferviz.trust.verdict import BETTER, OUTCOMES, outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

SLACK = 1.2
"""A method may take this much more than a budget: RISE's 512 masks count as 500. One pass may follow a pass that finds the class."""

BLOB = "centre blob"

TIE = 0.05
"""Methods whose shares of faces differ by no more than this count as equal, and their agreement with the regions decides."""


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
        randomised: how like them its maps of networks with random weights are; None where that could not be measured.
        regions: how its evidence by region agrees with the regions' exact Shapley values; None for the method whose values these are,
            and where the pictures show no faces.
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
    randomised: Randomisation | None = None
    regions: RegionAgreement | None = None

    @property
    def control(self) -> bool:
        """Whether this is a map that knows nothing about the network."""
        return self.cells == (0, 0)

    @property
    def fails(self) -> bool:
        """Whether the maps hardly depend on the network's weights; that they do is no proof of anything."""
        return self.randomised is not None and self.randomised.fails

    @property
    def title(self) -> str:
        """The row's name: "Grad-CAM at relu8"."""
        return (
            self.method if self.control else f"{titles.title(self.method)}{f' at {self.layer}' if self.layer else ''}"
        )


@dataclass(frozen=True, eq=False)
class TrustReport(ChartResult):
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
        warnings: what was assumed about the network.
        cascade: how networks with random weights were drawn; None where there are none.
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
    warnings: tuple[str, ...] = ()
    cascade: Cascade | None = None

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

    @cached_property
    def p_values(self) -> dict[tuple[str, str], float]:
        """{(method, layer): p}: how likely maps that know no more than the centre blob have such a lead, for all methods together.

        Of the fills the one that is hardest for the method decides; the correction is Holm's, and the family all methods of the report.
        """
        rows = [row for row in self.rows if not row.control]
        leads = [(row.srg - self._blob.srg)[row.assessable] for row in rows]
        p = [
            sign_flip_p(lead, row.groups[row.assessable], seed=self.seed).max()
            for lead, row in zip(leads, rows, strict=True)
        ]
        return {(row.method, row.layer): float(v) for row, v in zip(rows, holm(np.array(p)), strict=True)}

    def recommendation(self, passes: int) -> MethodRow | None:
        """Return the method that passes on the most faces within a budget; None where none passes more often than noise may.

        Methods that come with a caution (guided backpropagation draws edges, whatever the weights are) or that need a face's regions are
        never recommended. Of methods within 5 points of the first, the one whose evidence by region agrees best with the regions'
        Shapley values.

        Args:
            passes: through the network, a face.
        """
        limit = max(2, passes * SLACK)
        able = [row for row in self.rows if not (row.control or row.fails or _warned(row)) and row.passes <= limit]
        best = max(able, key=lambda row: (self.passed(row), self._margin(row)), default=None)
        if best is None or not self.passed(best) > MAX_RANDOM:
            return None
        tied = [row for row in able if self.passed(row) >= max(self.passed(best) - TIE, MAX_RANDOM)]
        return max(tied, key=lambda row: (known_mean(row.regions.rank) if row.regions else -1.0, row is best))

    def caveat(self, row: MethodRow) -> str:
        """Return what a recommended method cannot tell, or "": that it names the regions that count no better than a centre blob does.

        Args:
            row: one of `rows`.
        """
        if row.regions is None or self._blob.regions is None:
            return ""
        lead = row.regions.rank - self._blob.regions.rank
        at = np.isfinite(lead)
        low, _ = cluster_interval(lead[at], row.groups[at], seed=self.seed)
        if low > 0:
            return ""
        own, blob = known_mean(row.regions.rank), known_mean(self._blob.regions.rank)
        return (
            f"{row.title} does not tell which part of a face counts better than a centre blob does (rank {own:+.2f} against {blob:+.2f}); "
            "ask the method regions"
        )

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
            "calibrated": self.calibrated, "seed": self.seed, "family": len(self.p_values),
            "recommendation": {str(budget): self._recommended(budget) for budget in BUDGETS},
            "layers": self.best_layers(),
            "methods": [self._record(row) for row in self.rows],
            "randomisation": None if self.cascade is None else self.cascade.to_dict(),
            "placement": [place.to_dict() for place in self.placements],
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }  # fmt: skip

    def table(self) -> Sequence[Sequence[Any]]:
        """Return one row for each method and control, the columns' names first."""
        records = [_flat(self._record(row)) for row in self.rows]
        columns = list(dict.fromkeys(name for record in records for name in record))
        return [columns, *([record.get(name, "") for name in columns] for record in records)]

    def text(self) -> str:
        """Return the report as lines for a terminal."""
        from ferviz.evaluation.panel.panel_text import report_text

        return report_text(self)

    def picture(
        self, *, width_mm: float | None = None, dpi: float | None = None, font_size: float | None = None
    ) -> Image.Image:
        """Return the panel as an RGB picture.

        Args:
            width_mm: the width of a printed page, in millimetres; None = a page for screens.
            dpi: pixels an inch of a printed page; None = 300.
            font_size: points of a printed page's text; None = 8.

        Raises:
            UsageError: there is no such page.
        """
        return self.chart_picture(width_mm, dpi, font_size)

    def plot(
        self, *, figsize: tuple[float, float] | None = None, width_mm: float | None = None, dpi: float | None = None,
        font_size: float | None = None,
    ) -> Figure:  # fmt: skip
        """Return the margins over the centre blob as a matplotlib Figure, with intervals, one line a method and a colour a fill.

        Args:
            figsize: (width, height) of the figure in inches; only the width counts.
            width_mm: of the page, in millimetres; None = 174.
            dpi, font_size: as in `picture`.

        Raises:
            UsageError: there is no such page.
        """
        return self.pages(figsize=figsize, width_mm=width_mm, dpi=dpi, font_size=font_size)[0]

    def chart_page(self, size: PrintSize | None) -> ChartPage:
        """Return what the panel shows.

        Args:
            size: of a printed page; None = a page for screens.
        """
        from ferviz.evaluation.panel.panel_plot import SCREEN, panel_page

        return panel_page(self, size or SCREEN)

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

    def _regions(self, agreement: RegionAgreement, groups: np.ndarray) -> dict[str, Any]:
        """-> mean and 95 % interval of the rank correlation, share and interval of the same region on top, faces."""
        known = np.isfinite(agreement.rank)
        count, hits = int(known.sum()), float(np.nansum(agreement.top))
        interval = cluster_interval(agreement.rank[known], groups[known], seed=self.seed)
        return {
            "rank": [json_number(v) for v in (known_mean(agreement.rank), *interval)], "top": json_number(known_mean(agreement.top)),
            "top_interval": [json_number(v) for v in wilson(hits, count)], "faces": count,
        }  # fmt: skip

    def _margin(self, row: MethodRow) -> float:
        values = (row.srg - self._blob.srg)[row.assessable]
        return float(values.mean(0).min()) if len(values) else float("-inf")

    def _recommended(self, budget: int) -> dict[str, Any] | None:
        row = self.recommendation(budget)
        return (
            None
            if row is None
            else {"method": row.method, "layer": row.layer or None, "better": json_number(self.passed(row))}
        )

    def _record(self, row: MethodRow) -> dict[str, Any]:
        share, count = self.passed(row), int(row.assessable.sum())
        record: dict[str, Any] = {
            "method": row.method, "layer": row.layer or None, "control": row.control,
            "srg": {fill: json_number(v) for fill, v in zip(self.fills, _mean(row.srg[row.assessable]), strict=True)},
            "margin": {fill: [json_number(v) for v in values] for fill, values in self.margins(row).items()},
            "better": json_number(share),
            "better_interval": [json_number(v) for v in wilson(share * count if count else 0, count)],
            "regions": None if row.regions is None else self._regions(row.regions, row.groups),
        }  # fmt: skip
        if not row.control:
            record |= {
                "p": json_number(self.p_values[row.method, row.layer]), "cells": list(row.cells),
                "passes": round(row.passes, 1), "seconds": round(row.seconds, 5),
                "randomised": None if row.randomised is None else row.randomised.to_dict(), "fails": row.fails,
                "stability": None if row.stability is None else {k: json_number(v) for k, v in asdict(row.stability).items()},
            }  # fmt: skip
        return record


def _warned(row: MethodRow) -> bool:
    """-> whether a method is not for every picture, or not for reading without more ado."""
    return row.method in METHODS and bool(METHODS[row.method].caution or METHODS[row.method].needs_regions)


def _mean(values: np.ndarray) -> np.ndarray:
    return values.mean(0) if len(values) else np.full(values.shape[1], np.nan)


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
