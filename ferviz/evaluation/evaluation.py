"""An Evaluation: what a network answered to labelled faces, and every figure that follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.evaluation import metrics
from ferviz.files import PathLike, manifest, to_json, write_text


@dataclass(frozen=True)
class Evaluation:
    """A network on labelled faces.

    model: its name. sha256: of its file. split: what was measured. labels: (K,) class names. true: (N,) int64. probabilities: (N, K).
    images: (N, H, W[, 3]) uint8 and rows: (N,), the faces and their rows in the data's source. tta: {name: (N, K) probabilities}.
    occlusion: {region: (N, K) probabilities with that region hidden}. in_training: (N,) bool, faces that are pixel-identical to a
    training face, None where no training faces are known. notes: what to know about the figures, a sentence each.
    settings: how it was done.
    """

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

    def __repr__(self) -> str:
        low, high = self.interval
        return f"Evaluation({self.model!r} on {len(self)} faces of {self.split!r}: accuracy {self.accuracy:.3f} ({low:.3f} to {high:.3f}))"

    @cached_property
    def predicted(self) -> np.ndarray:
        """(N,) int64, the most probable class."""
        return self.probabilities.argmax(axis=1)

    @cached_property
    def right(self) -> np.ndarray:
        """(N,) bool."""
        return self.predicted == self.true

    @cached_property
    def accuracy(self) -> float:
        """Share of the faces whose most probable class is the true one."""
        return float(self.right.mean()) if len(self) else 0.0

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy."""
        return metrics.wilson(int(self.right.sum()), len(self))

    @cached_property
    def ranks(self) -> np.ndarray:
        """(N,) int64, the place of the true class, 1 = most probable."""
        return metrics.ranks(self.probabilities, self.true)

    @cached_property
    def confusion(self) -> np.ndarray:
        """(K, K) int64, rows = true."""
        return metrics.confusion(self.true, self.predicted, len(self.labels))

    @cached_property
    def classes(self) -> list[metrics.ClassFigures]:
        """Precision, recall, F1 of each class."""
        return metrics.per_class(self.confusion)

    @cached_property
    def reliability(self) -> metrics.Reliability:
        """Confidence against accuracy, in ten bins."""
        return metrics.reliability(self.probabilities, self.true)

    def mistakes(self, most: int = 16) -> np.ndarray:
        """Return the indices of the wrong answers that the network was surest of, surest first; at most `most`."""
        wrong = np.flatnonzero(~self.right)
        sure = self.probabilities[wrong].max(axis=1)
        return wrong[np.argsort(-sure, kind="stable")[:most]]

    def to_dict(self) -> dict[str, Any]:
        """Return every figure as plain values for JSON."""
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
            document["occlusion"] = {name: self._hidden(p) for name, p in shown.items()}
        return document

    def _bins(self) -> list[dict[str, Any]]:
        r = self.reliability
        return [
            {"from": float(low), "to": float(high), "n": int(n), "confidence": float(c), "accuracy": float(a)}
            for low, high, n, c, a in zip(r.edges, r.edges[1:], r.count, r.confidence, r.accuracy, strict=False)
            if n
        ]

    def _hidden(self, probabilities: np.ndarray) -> dict[str, Any]:
        found = metrics.per_class(metrics.confusion(self.true, probabilities.argmax(axis=1), len(self.labels)))
        hits = int((probabilities.argmax(axis=1) == self.true).sum())
        return {
            "accuracy": hits / max(len(self), 1),
            "interval": list(metrics.wilson(hits, len(self))),
            "recall": {name: c.recall for name, c in zip(self.labels, found, strict=True)},
        }

    def plot(self) -> Any:
        """Return one page as a matplotlib Figure: confusion matrix, per-class figures, calibration, and the surest mistakes."""
        from ferviz.evaluation.plots import evaluation_figure

        return evaluation_figure(self)

    def save(self, path: PathLike, force: bool = False) -> list[Path]:
        """Write the report; -> the files that were written.

        path: ends in .json: the figures; .png, .pdf or .svg: the page; anything else is a folder (made where it is missing) that gets
        report.json, report.png, mistakes.png and predictions.csv. force: replace existing files.
        """
        from ferviz.evaluation.output import write_figure

        path = Path(path)
        if path.suffix.lower() == ".json":
            write_text(path, to_json(manifest(**self.to_dict()), indent=2) + "\n", force)
            return [path]
        if path.suffix:
            write_figure(path, self.plot(), force, self._facts())
            return [path]
        from ferviz.evaluation.output import folder_files
        from ferviz.evaluation.plots import mistakes_figure

        files = folder_files(path, ("report.json", "report.png", "mistakes.png", "predictions.csv"), force)
        self.save(files[0], force)
        write_figure(files[1], self.plot(), force, self._facts())
        write_figure(files[2], mistakes_figure(self), force, self._facts())
        write_text(files[3], self.table(), force)
        return files

    def table(self) -> str:
        """Return one line a face as CSV: row, true and predicted class, confidence, rank of the true class, all probabilities."""
        head = ["row", "true", "predicted", "confidence", "rank", *self.labels]
        lines = [",".join(head)]
        for i in range(len(self)):
            p = self.probabilities[i]
            cells = [
                str(self.rows[i]),
                self.labels[self.true[i]],
                self.labels[self.predicted[i]],
                f"{p.max():.4f}",
                str(self.ranks[i]),
            ]
            lines.append(",".join([*cells, *(f"{v:.4f}" for v in p)]))
        return "\n".join(lines) + "\n"

    def _facts(self) -> dict[str, Any]:
        return {"model": self.model, "sha256": self.sha256, "split": self.split, **self.settings}

    def _repr_png_(self) -> bytes:
        from io import BytesIO

        buffer = BytesIO()
        self.plot().savefig(buffer, format="png", dpi=100)
        return buffer.getvalue()


def figures(probabilities: np.ndarray, true: np.ndarray) -> dict[str, Any]:
    """Return the overall figures as plain values: n, accuracy and its interval, top2, mean rank, macro recall and F1, ECE."""
    n, classes = probabilities.shape
    if not n:
        return {"n": 0}
    predicted = probabilities.argmax(axis=1)
    places = metrics.ranks(probabilities, true)
    found = metrics.per_class(metrics.confusion(true, predicted, classes))
    hits = int((predicted == true).sum())
    return {
        "n": n,
        "accuracy": hits / n,
        "interval": list(metrics.wilson(hits, n)),
        "top2": float((places <= 2).mean()),
        "mean_rank": float(places.mean()),
        "macro_precision": metrics.macro([c.precision if c.support else None for c in found]),
        "macro_recall": metrics.macro([c.recall for c in found]),
        "macro_f1": metrics.macro([c.f1 for c in found]),
        "ece": metrics.reliability(probabilities, true).ece,
    }
