"""A ModelComparison: two networks measured on the same faces, and which of them is better where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ferviz.errors import UnknownNameError
from ferviz.evaluation import metrics
from ferviz.evaluation.evaluation import Evaluation
from ferviz.rendering.chart_page import ChartPage
from ferviz.rendering.printed_result import ChartResult
from ferviz.rendering.printing import PrintSize

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image


@dataclass(frozen=True)
class ModelComparison(ChartResult):
    """Two networks on the same faces.

    Attributes:
        first, second: their Evaluations, cut to the faces that both were measured on.
    """

    command: ClassVar[str] = "evaluate"

    first: Evaluation
    second: Evaluation

    @cached_property
    def test(self) -> metrics.McNemar:
        """McNemar's test of the difference."""
        return metrics.mcnemar(self.first.correct, self.second.correct)

    @cached_property
    def disagreement(self) -> float:
        """Share of the faces for which the two networks predict different labels."""
        return len(self.disagreements) / len(self.first) if len(self.first) else 0.0

    @cached_property
    def disagreements(self) -> np.ndarray:
        """Indices of the faces with different predictions; the faces where the less confident network is most confident come first."""
        names = [np.array(e.labels)[e.predicted] for e in (self.first, self.second)]
        differ = np.flatnonzero(names[0] != names[1])
        confidence = np.minimum(*(e.probabilities[differ].max(axis=1) for e in (self.first, self.second)))
        return differ[np.argsort(-confidence, kind="stable")]

    @property
    def shared_labels(self) -> tuple[str, ...]:
        """The class names that both networks have, in the first one's order."""
        return tuple(n for n in self.first.labels if n in self.second.labels)

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data."""
        t = self.test
        return {
            "models": [self.first.model, self.second.model],
            "n": t.n,
            "accuracy": [self.first.accuracy, self.second.accuracy],
            "difference": t.difference,
            "interval": list(t.interval),
            "only_first_right": t.only_first,
            "only_second_right": t.only_second,
            "mcnemar_p": t.p,
            "disagreement": self.disagreement,
            "disagreement_rows": self.first.rows[self.disagreements].tolist(),
            "disagreements": [self._disagreement(i) for i in self.disagreements[:16]],
            "recall": {
                name: [e.classes[e.labels.index(name)].recall for e in (self.first, self.second)] for name in self.shared_labels
            },
        }  # fmt: skip

    def _disagreement(self, i: int) -> dict[str, Any]:
        both = (self.first, self.second)
        return {
            "row": int(self.first.rows[i]),
            "true": self.first.labels[self.first.true[i]],
            "predicted": [e.labels[e.predicted[i]] for e in both],
            "confidence": [float(e.probabilities[i].max()) for e in both],
        }

    def picture(
        self, view: str = "page", most: int = 40, *, width_mm: float | None = None, dpi: float | None = None,
        font_size: float | None = None,
    ) -> Image.Image:  # fmt: skip
        """Return the comparison as an RGB picture.

        Args:
            view, most: as in `plot`.
            width_mm: the width of a printed page, in millimetres; None = a page for screens.
            dpi: pixels an inch of a printed page; None = 300.
            font_size: points of a printed page's text; None = 8.

        Raises:
            UsageError: there is no such page.
            UnknownNameError: another view.
        """
        return self.chart_picture(width_mm, dpi, font_size, view, most)

    def plot(
        self, view: str = "page", most: int = 40, *, figsize: tuple[float, float] | None = None, width_mm: float | None = None,
        dpi: float | None = None, font_size: float | None = None,
    ) -> Figure:  # fmt: skip
        """Return the first printed page of the comparison as a matplotlib Figure (made without pyplot).

        Args:
            view: "page" for accuracies, recalls side by side, and how many faces only one network gets right; "disagreements" for a sheet
                of the faces with different predictions, the most confident first.
            most: faces on the sheet, at most.
            figsize: (width, height) of the figure in inches; only the width counts.
            width_mm: of the page, in millimetres; None = 174.
            dpi, font_size: as in `picture`.

        Raises:
            UsageError: there is no such page.
            UnknownNameError: another view.
        """
        return self.pages(view, most, figsize=figsize, width_mm=width_mm, dpi=dpi, font_size=font_size)[0]

    def chart_page(self, size: PrintSize | None, view: str = "page", most: int = 40) -> ChartPage:
        """Return what the page shows.

        Args:
            size: of a printed page; None = a page for screens.
            view, most: as in `plot`.

        Raises:
            UnknownNameError: another view.
        """
        from ferviz.evaluation.comparison_page import SCREEN, comparison_page, disagreements_page

        if view == "page":
            return comparison_page(self, size or SCREEN)
        if view == "disagreements":
            return disagreements_page(self, size or SCREEN, most)
        raise UnknownNameError("view", view, ("page", "disagreements"))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the rows of the faces, the probabilities of both networks, and the indices of the disagreements."""
        probabilities = {"first": self.first.probabilities, "second": self.second.probabilities}
        arrays = {"rows": self.first.rows, "disagreements": self.disagreements}
        return arrays | {f"probabilities/{name}": p for name, p in probabilities.items()}

    def table(self) -> Sequence[Sequence[Any]]:
        """Return one row for each disagreement: row, true class, and both networks' predictions and confidences."""
        rows: list[list[Any]] = [["row", "true", "first", "first_confidence", "second", "second_confidence"]]
        for i in self.disagreements:
            d = self._disagreement(i)
            (first, second), (p, q) = d["predicted"], d["confidence"]
            rows.append([d["row"], d["true"], first, round(p, 6), second, round(q, 6)])
        return rows

    def text(self) -> str:
        """Return the figures as lines for a terminal."""
        from ferviz.evaluation.report import comparison_text

        return comparison_text(self)


def compare_models(first: Evaluation, second: Evaluation) -> ModelComparison:
    """Compare two networks on the faces that both were measured on.

    Args:
        first, second: their evaluations on the same data; faces are matched by their rows. Networks of the same name are
            distinguished by the digests of their files.

    Returns:
        The comparison.
    """
    _, at_first, at_second = np.intersect1d(first.rows, second.rows, return_indices=True)
    if first.model == second.model:
        distinct = first.sha256[:8] != second.sha256[:8]
        first = replace(first, model=f"{first.model} ({first.sha256[:8] if distinct else 'first'})")
        second = replace(second, model=f"{second.model} ({second.sha256[:8] if distinct else 'second'})")
    return ModelComparison(_take(first, at_first), _take(second, at_second))


def _take(e: Evaluation, at: np.ndarray) -> Evaluation:
    return replace(e[at], tta={}, occlusion={}, in_training=None)
