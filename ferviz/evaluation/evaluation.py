"""An Evaluation: a network's answers to labelled faces, and every figure that follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ferviz.data.where import mask_of, parse_where, prediction_columns
from ferviz.errors import UnknownNameError
from ferviz.evaluation import metrics
from ferviz.files import PathLike
from ferviz.rendering.chart_page import ChartPage
from ferviz.rendering.printed_result import ChartResult
from ferviz.rendering.printing import PrintSize
from ferviz.tables.selection import Selection, positions

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

    from ferviz.evaluation.comparison import ModelComparison


@dataclass(frozen=True)
class Evaluation(ChartResult):
    """A network measured on labelled faces.

    Attributes:
        model: the network's name.
        sha256: the digest of its file.
        split: the name of what was measured.
        labels: the K class names.
        true: (N,) int64, the true classes.
        probabilities: (N, K), the network's answers.
        images: (N, H, W) or (N, H, W, 3) uint8, the faces.
        rows: (N,) int64, their rows in the data's source.
        tta: {name of a test-time augmentation: (N, K) probabilities}.
        occlusion: {region: (N, K) probabilities with that region hidden}.
        in_training: (N,) bool, faces that are pixel-identical to a training face; None where no training faces are known.
        notes: what to know about the figures, a sentence each.
        settings: how it was measured.
    """

    command: ClassVar[str] = "evaluate"

    model: str
    sha256: str
    split: str
    labels: tuple[str, ...]
    true: np.ndarray = field(repr=False)
    probabilities: np.ndarray = field(repr=False)
    images: np.ndarray = field(repr=False)
    rows: np.ndarray = field(repr=False)
    tta: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    occlusion: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    in_training: np.ndarray | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.true)

    def __getitem__(self, which: Selection) -> Evaluation:
        """Return the evaluation of some of the faces: a number, a slice, a boolean mask or indices."""
        at = positions(which, len(self))
        return replace(
            self, true=self.true[at], probabilities=self.probabilities[at], images=self.images[at], rows=self.rows[at],
            tta={name: p[at] for name, p in self.tta.items()}, occlusion={name: p[at] for name, p in self.occlusion.items()},
            in_training=None if self.in_training is None else self.in_training[at],
        )  # fmt: skip

    def where(self, condition: str) -> Evaluation:
        """Return the evaluation of the faces for which conditions hold.

        Args:
            condition: such as "true=fear predicted=sad confidence>0.6" (see `ferviz.data.where`).

        Raises:
            UsageError, UnknownNameError: the conditions are none.
        """
        true = [self.labels[k] for k in self.true]
        columns = prediction_columns(self.probabilities, self.labels, true)
        columns |= {"true": np.array(true, str), "row": self.rows}
        return self[mask_of(parse_where(condition), columns, self.labels)]

    def __repr__(self) -> str:
        low, high = self.interval
        return f"Evaluation({self.model!r} on {len(self)} faces of {self.split!r}: accuracy {self.accuracy:.3f} ({low:.3f} to {high:.3f}))"

    @cached_property
    def predicted(self) -> np.ndarray:
        """(N,) int64, the most probable classes."""
        return self.probabilities.argmax(axis=1)

    @cached_property
    def correct(self) -> np.ndarray:
        """(N,) bool, whether the most probable class is the true one."""
        return self.predicted == self.true

    @cached_property
    def accuracy(self) -> float:
        """Share of the faces whose most probable class is the true one."""
        return float(self.correct.mean()) if len(self) else 0.0

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy."""
        return metrics.wilson(int(self.correct.sum()), len(self))

    @cached_property
    def ranks(self) -> np.ndarray:
        """(N,) int64, the place of the true class, 1 = most probable."""
        return metrics.ranks(self.probabilities, self.true)

    @cached_property
    def confusion(self) -> np.ndarray:
        """(K, K) int64, the confusion matrix: rows are true, columns predicted classes."""
        return metrics.confusion(self.true, self.predicted, len(self.labels))

    @cached_property
    def classes(self) -> list[metrics.ClassFigures]:
        """Precision, recall and F1 of each class."""
        return metrics.per_class(self.confusion)

    @cached_property
    def reliability(self) -> metrics.Reliability:
        """Confidence against accuracy, in ten bins."""
        return metrics.reliability(self.probabilities, self.true)

    def mistakes(self, limit: int = 16) -> np.ndarray:
        """Return the indices of the most confident wrong answers, the most confident first.

        Args:
            limit: how many, at most.
        """
        wrong = np.flatnonzero(~self.correct)
        confidence = self.probabilities[wrong].max(axis=1)
        return wrong[np.argsort(-confidence, kind="stable")[:limit]]

    def to_dict(self) -> dict[str, Any]:
        """Return every figure as plain data."""
        document = {
            "model": self.model,
            "sha256": self.sha256,
            "split": self.split,
            **figures(self.probabilities, self.true),
            "labels": list(self.labels),
            "confusion": self.confusion.tolist(),
            "confusion_normalised": np.round(metrics.row_normalised(self.confusion), 4).tolist(),
            "per_class": {
                name: {
                    "precision": c.precision, "recall": c.recall, "f1": c.f1, "support": c.support,
                    "predicted": c.predicted, "interval": list(c.interval),
                }
                for name, c in zip(self.labels, self.classes, strict=True)
            },
            "ranks": np.bincount(self.ranks, minlength=len(self.labels) + 1)[1:].tolist(),
            "reliability": self._bins(),
            "mistakes": [
                {
                    "row": int(self.rows[i]), "true": self.labels[self.true[i]], "predicted": self.labels[self.predicted[i]],
                    "confidence": float(self.probabilities[i].max()),
                }
                for i in self.mistakes()
            ],
            "notes": list(self.notes),
            "settings": self.settings,
        }  # fmt: skip
        if self.in_training is not None:
            document["duplicates"] = {
                "in_training": figures(self.probabilities[self.in_training], self.true[self.in_training]),
                "without": figures(self.probabilities[~self.in_training], self.true[~self.in_training]),
            }
        if self.tta:
            document["tta"] = {name: figures(p, self.true) for name, p in self.tta.items()}
        if self.occlusion:
            shown = {"none": self.probabilities, **self.occlusion}
            document["occlusion"] = {name: self._occluded(p) for name, p in shown.items()}
        return document

    def _bins(self) -> list[dict[str, Any]]:
        r = self.reliability
        return [
            {"from": float(low), "to": float(high), "n": int(n), "confidence": float(c), "accuracy": float(a)}
            for low, high, n, c, a in zip(r.edges, r.edges[1:], r.count, r.confidence, r.accuracy, strict=False)
            if n
        ]

    def _occluded(self, probabilities: np.ndarray) -> dict[str, Any]:
        predicted = probabilities.argmax(axis=1)
        classes = metrics.per_class(metrics.confusion(self.true, predicted, len(self.labels)))
        hits = int((predicted == self.true).sum())
        return {
            "accuracy": hits / max(len(self), 1),
            "interval": list(metrics.wilson(hits, len(self))),
            "recall": {name: c.recall for name, c in zip(self.labels, classes, strict=True)},
        }

    def picture(
        self,
        view: str = "page",
        *,
        show_faces: bool = True,
        width_mm: float | None = None,
        dpi: float | None = None,
        font_size: float | None = None,
    ) -> Image.Image:
        """Return the evaluation as an RGB picture.

        Args:
            view, show_faces: as in `plot`.
            width_mm: the width of a printed page, in millimetres; None = a page for screens.
            dpi: pixels an inch of a printed page; None = 300.
            font_size: points of a printed page's text; None = 8.

        Raises:
            UsageError: there is no such page.
            UnknownNameError: another view.
        """
        return self.chart_picture(width_mm, dpi, font_size, view, show_faces=show_faces)

    def plot(
        self, view: str = "page", *, show_faces: bool = True, figsize: tuple[float, float] | None = None,
        width_mm: float | None = None, dpi: float | None = None, font_size: float | None = None,
    ) -> Figure:  # fmt: skip
        """Return the first printed page of the evaluation as a matplotlib Figure (made without pyplot).

        Args:
            view: "page" for confusion matrix, figures of each class, calibration and the most confident mistakes; "mistakes" for a
                larger sheet of mistakes.
            show_faces: the page shows the most confident mistakes; a data set's licence may forbid that.
            figsize: (width, height) of the figure in inches; only the width counts.
            width_mm: of the page, in millimetres; None = 174.
            dpi, font_size: as in `picture`.

        Raises:
            UsageError: there is no such page.
            UnknownNameError: another view.
        """
        return self.pages(
            view, show_faces=show_faces, figsize=figsize, width_mm=width_mm, dpi=dpi, font_size=font_size
        )[0]

    def chart_page(self, size: PrintSize | None, view: str = "page", *, show_faces: bool = True) -> ChartPage:
        """Return what the page shows.

        Args:
            size: of a printed page; None = a page for screens.
            view, show_faces: as in `plot`.

        Raises:
            UnknownNameError: another view.
        """
        from ferviz.evaluation.evaluation_page import SCREEN, evaluation_page, mistakes_page

        if view == "page":
            return evaluation_page(self, size or SCREEN, show_faces)
        if view == "mistakes":
            return mistakes_page(self, size or SCREEN)
        raise UnknownNameError("view", view, ("page", "mistakes"))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the rows, true classes and probabilities, also under each augmentation and with each region hidden."""
        arrays = {
            "rows": self.rows,
            "true": self.true,
            "probabilities": self.probabilities,
            "confusion": self.confusion,
        }
        arrays |= {f"tta/{name}": p for name, p in self.tta.items()}
        return arrays | {f"occlusion/{name}": p for name, p in self.occlusion.items()}

    def table(self) -> Sequence[Sequence[Any]]:
        """Return one row for each face: row, true and predicted class, confidence, rank of the true class, all probabilities."""
        rows: list[list[Any]] = [["row", "true", "predicted", "confidence", "rank", *self.labels]]
        for i, p in enumerate(self.probabilities):
            true, predicted = self.labels[self.true[i]], self.labels[self.predicted[i]]
            rows.append(
                [
                    int(self.rows[i]),
                    true,
                    predicted,
                    round(float(p.max()), 6),
                    int(self.ranks[i]),
                    *(round(float(v), 6) for v in p),
                ]
            )
        return rows

    def text(self) -> str:
        """Return the figures as lines for a terminal."""
        from ferviz.evaluation.report import evaluation_text

        return evaluation_text(self)

    def save_report(
        self, out: PathLike, comparison: ModelComparison | None = None, force: bool = False, show_faces: bool = True,
        **printing: float | None,
    ) -> list[Path]:  # fmt: skip
        """Write a report; see `ferviz.evaluation.report.write_report`.

        Args:
            out: a folder, or a file that `save` writes.
            comparison: a comparison with another network, which is written too.
            force: replace existing files.
            show_faces: whether pictures of single faces are drawn.
            **printing: width_mm, dpi and font_size of the figures, as of `plot`.

        Returns:
            The files.

        Raises:
            UsageError, OutputExistsError, OutputError: as `save`.
        """
        from ferviz.evaluation.report import write_report

        return write_report(self, out, comparison, force, show_faces, **printing)


def figures(probabilities: np.ndarray, true: np.ndarray) -> dict[str, Any]:
    """Return the overall figures as plain data: n, accuracy and its interval, top2, mean rank, macro precision, recall and F1, ECE.

    Args:
        probabilities: (N, K).
        true: (N,), the true classes.
    """
    n, classes = probabilities.shape
    if not n:
        return {"n": 0}
    predicted = probabilities.argmax(axis=1)
    ranks = metrics.ranks(probabilities, true)
    per_class = metrics.per_class(metrics.confusion(true, predicted, classes))
    hits = int((predicted == true).sum())
    return {
        "n": n,
        "accuracy": hits / n,
        "interval": list(metrics.wilson(hits, n)),
        "top2": float((ranks <= 2).mean()),
        "mean_rank": float(ranks.mean()),
        "macro_precision": metrics.macro([c.precision if c.support else None for c in per_class]),
        "macro_recall": metrics.macro([c.recall for c in per_class]),
        "macro_f1": metrics.macro([c.f1 for c in per_class]),
        "ece": metrics.reliability(probabilities, true).ece,
    }
