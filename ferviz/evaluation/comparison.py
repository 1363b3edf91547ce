"""A ModelComparison: two networks measured on the same faces, and which of them is better where."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ferviz.evaluation import metrics
from ferviz.evaluation.evaluation import Evaluation


@dataclass(frozen=True)
class ModelComparison:
    """Two networks on the same faces. first, second: their Evaluations, cut to the faces and classes that both were measured on."""

    first: Evaluation
    second: Evaluation

    @cached_property
    def test(self) -> metrics.McNemar:
        """McNemar's test of the difference."""
        return metrics.mcnemar(self.first.right, self.second.right)

    @cached_property
    def disagreement(self) -> float:
        """Share of the faces that the two give different labels."""
        return len(self.disagreements) / len(self.first) if len(self.first) else 0.0

    @cached_property
    def disagreements(self) -> np.ndarray:
        """Indices of the faces that the two give different labels, those first where the less sure of the two is surest."""
        names = [np.array(e.labels)[e.predicted] for e in (self.first, self.second)]
        apart = np.flatnonzero(names[0] != names[1])
        sure = np.minimum(*(e.probabilities[apart].max(axis=1) for e in (self.first, self.second)))
        return apart[np.argsort(-sure, kind="stable")]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values for JSON."""
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
            "disagreements": [self._apart(i) for i in self.disagreements[:16]],
            "recall": {
                name: [e.classes[e.labels.index(name)].recall for e in (self.first, self.second)] for name in self.shared
            },
        }  # fmt: skip

    def _apart(self, i: int) -> dict[str, Any]:
        both = (self.first, self.second)
        return {
            "row": self.first.rows[i],
            "true": self.first.labels[self.first.true[i]],
            "predicted": [e.labels[e.predicted[i]] for e in both],
            "confidence": [float(e.probabilities[i].max()) for e in both],
        }

    @property
    def shared(self) -> tuple[str, ...]:
        """The class names that both networks have, in the first one's order."""
        return tuple(n for n in self.first.labels if n in self.second.labels)

    def plot(self) -> Any:
        """Return a matplotlib Figure: accuracies, recalls side by side, and how the faces fall between the two."""
        from ferviz.evaluation.comparison_plots import comparison_figure

        return comparison_figure(self)

    def sheet(self, rows: int = 5, columns: int = 8) -> Any:
        """Return a matplotlib Figure of the faces that the two disagree on, with both answers, surest first."""
        from ferviz.evaluation.comparison_plots import disagreements_figure

        return disagreements_figure(self, rows, columns)

    def table(self) -> str:
        """Return one line a face that the two disagree on as CSV: row, true class, and each one's answer and confidence."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["row", "true", "first", "first_confidence", "second", "second_confidence"])
        for i in self.disagreements:
            d = self._apart(i)
            (first, second), (p, q) = d["predicted"], d["confidence"]
            rows.writerow([d["row"], d["true"], first, f"{p:.4f}", second, f"{q:.4f}"])
        return text.getvalue()


def compare_models(first: Evaluation, second: Evaluation) -> ModelComparison:
    """Compare two Evaluations on the faces (by row) that both have; networks of one name are told apart by their files' digests."""
    common, a, b = np.intersect1d(first.rows, second.rows, return_indices=True)
    del common
    if first.model == second.model:
        first = replace(first, model=f"{first.model} ({first.sha256[:8] or 'first'})")
        second = replace(second, model=f"{second.model} ({second.sha256[:8] or 'second'})")
    return ModelComparison(_take(first, a), _take(second, b))


def _take(e: Evaluation, at: Sequence[int] | np.ndarray) -> Evaluation:
    return Evaluation(
        e.model, e.sha256, e.split, e.labels, e.true[at], e.probabilities[at], e.images[at], e.rows[at],
        notes=e.notes, settings=e.settings,
    )  # fmt: skip
