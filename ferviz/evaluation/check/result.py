"""The result of `check`: conventions with their accuracy, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ferviz.errors import DataError, OutputExistsError, UsageError
from ferviz.evaluation.check.candidates import Preprocessing
from ferviz.evaluation.check.label_orders import INFERRED, LabelOrder
from ferviz.evaluation.metrics import Z95, McNemar, mcnemar, wilson
from ferviz.evaluation.plots import percent
from ferviz.files import PathLike
from ferviz.models.model import Model
from ferviz.results import Result


@dataclass(frozen=True)
class Convention:
    """A preprocessing and a label order, and how accurate the network is with them.

    Attributes:
        preprocessing: the preprocessing of the faces.
        order: the meaning of the outputs.
        correct: (N,) bool, for the faces that were tried; for an inferred order, under the order that was inferred from the other half of
            the faces.
        covered: (N,) bool, faces whose class is in the order; the others do not count.
        predicted: (N,) the outputs with the highest logit.
        losses: (N,) the negative log-likelihood of the true class.
        finite: all logits were numbers.
        recalls: for each class that counts: (its faces, those of them that are correct, all faces predicted as it).
    """

    preprocessing: Preprocessing
    order: LabelOrder
    correct: np.ndarray = field(repr=False)
    covered: np.ndarray = field(repr=False)
    predicted: np.ndarray = field(repr=False)
    losses: np.ndarray = field(repr=False)
    finite: bool = True
    recalls: tuple[tuple[int, int, int], ...] = ()

    @property
    def n(self) -> int:
        """Faces that count."""
        return int(self.covered.sum())

    @cached_property
    def accuracy(self) -> float:
        """Share of the counting faces that are correct; 0 where the logits are not numbers."""
        return float(self.correct[self.covered].mean()) if self.n and self.finite else 0.0

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy."""
        return wilson(self.accuracy * self.n, self.n)

    @cached_property
    def skill(self) -> float:
        """How far the recalls are above chance, from 0 (chance) to 1: comparable between orders that count different faces.

        It is the mean recall, each class with the square root of its number of faces as weight. Accuracy would favour orders that leave
        out a hard class; the plain mean, orders in which a rare class takes the place of a frequent one. Chance means answers that are
        as frequent as these, given blindly.
        """
        return self._skill_and_error[0]

    @cached_property
    def skill_interval(self) -> tuple[float, float]:
        """The 95 % interval of `skill`, with Agresti and Coull's variance for each recall."""
        skill, error = self._skill_and_error
        return skill - Z95 * error, skill + Z95 * error

    @cached_property
    def _skill_and_error(self) -> tuple[float, float]:
        if len(self.recalls) < 2 or not self.finite:
            return 0.0, 0.0
        n, hits, answers = np.array(self.recalls, float).T
        weight = np.sqrt(n) / np.sqrt(n).sum()
        chance = float(weight @ answers / n.sum())
        rate = (hits + 2) / (n + 4)
        error = float(np.sqrt(weight**2 @ (rate * (1 - rate) / (n + 4))))
        left = max(1 - chance, 1e-9)
        return (float(weight @ (hits / n)) - chance) / left, error / left

    @property
    def title(self) -> str:
        """The convention in words: preprocessing and labels."""
        return f"{self.preprocessing.title}, labels {', '.join(n or '?' for n in self.order.labels)}"

    def same_as(self, other: Convention | None) -> bool:
        """Return whether another convention has the same preprocessing and the same labels.

        Args:
            other: the other convention, or None.
        """
        return (
            other is not None and self.preprocessing is other.preprocessing and self.order.labels == other.order.labels
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the convention as plain data."""
        spec, name = self.preprocessing.spec, self.preprocessing.name
        return {
            "scaling": spec.scaling, "statistics": self.preprocessing.statistics or None, "preprocessing": name,
            "labels": list(self.order.labels), "label_order": self.order.name, "resize": spec.resize, "order": spec.order,
            "size": list(spec.size), "equalize": spec.equalize, "crop_pct": spec.crop_pct,
            "n": self.n, "accuracy": self.accuracy, "interval": list(self.interval), "skill": self.skill,
            "log_loss": float(self.losses[self.covered].mean()) if self.n else None,
        }  # fmt: skip


@dataclass(frozen=True)
class CheckResult(Result):
    """The verdict of `check`.

    Attributes:
        model: the network as it was given.
        best: the best convention.
        current: the present convention, None where the outputs have no names yet.
        candidates: all conventions that were tried, the best first; those that were dropped early, on fewer faces, are at the end.
        warnings: sentences.
        n: faces.
        classes: the data's classes.
        majority: accuracy of predicting the most frequent class every time.
        source: where the data was read from.
    """

    command: ClassVar[str] = "check"

    model: Model
    best: Convention
    current: Convention | None
    candidates: tuple[Convention, ...] = field(repr=False)
    warnings: tuple[str, ...]
    n: int
    classes: tuple[str, ...]
    majority: float = 0.0
    source: str = ""

    def __repr__(self) -> str:
        low, high = (100 * share for share in self.best.interval)
        best = f"best {self.best.preprocessing.title}, {self.best.order.name}: {100 * self.best.accuracy:.1f} % ({low:.1f} to {high:.1f})"
        return f"CheckResult({self.model.name!r} on {self.n} faces, {best}, current_is_best={self.current_is_best})"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.text())}</pre>"

    @cached_property
    def cost(self) -> McNemar | None:
        """What the present settings lose against the best, tested on the same faces; None where the present ones are unknown."""
        if self.current is None:
            return None
        both = self.best.covered & self.current.covered
        return mcnemar(self.best.correct[both], self.current.correct[both])

    @property
    def current_is_best(self) -> bool:
        """Whether the present settings are those of the best convention."""
        return self.best.same_as(self.current)

    @property
    def usable(self) -> bool:
        """Whether the best convention is better than predicting the most frequent class every time."""
        return self.best.interval[0] > self.majority

    def corrected(self) -> Model:
        """Return the network with the preprocessing and the labels of the best convention."""
        return replace(self.model, input=replace(self.best.preprocessing.spec, assumed=()), labels=self.labels)

    @property
    def labels(self) -> tuple[str, ...]:
        """The best convention's labels; an output that fits no class is called class0, class1, ..."""
        return tuple(name or f"class{k}" for k, name in enumerate(self.best.order.labels))

    def write_sidecar(self, path: PathLike, force: bool = False) -> Path:
        """Write the best convention beside a network's file, so that ferviz uses it from now on.

        Args:
            path: the network's file.
            force: replace an existing sidecar.

        Returns:
            The sidecar's path.

        Raises:
            DataError: no convention is better than chance.
            OutputExistsError: there is a sidecar already and `force` is false.
        """
        from ferviz.models.sidecar import write_sidecar

        if not self.usable:
            raise DataError(
                f"no convention makes {self.model.name} better than predicting one class every time, so nothing was written"
            )
        about = {
            "checked_on": self.source,
            "faces": self.n,
            "accuracy": self.best.accuracy,
            "interval": list(self.best.interval),
        }
        return write_sidecar(path, self.labels, self.best.preprocessing.spec, about, force)

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as plain data."""
        current = {"scaling": self.model.input.scaling, "labels": list(self.model.labels), "accuracy": None}
        return {
            "model": self.model.name,
            "sha256": self.model.sha256,
            "n": self.n,
            "majority": self.majority,
            "current": self.current.to_dict() if self.current else current,
            "best": self.best.to_dict(),
            "current_is_best": self.current_is_best,
            "usable": self.usable,
            "cost": self._cost(),
            "candidates": [c.to_dict() for c in self.candidates],
            "warnings": list(self.warnings),
        }

    def _cost(self) -> dict[str, Any] | None:
        if self.cost is None:
            return None
        points, (low, high) = self.cost.difference * 100, self.cost.interval
        return {"points": points, "interval": [100 * low, 100 * high], "mcnemar_p": self.cost.p}

    def table(self) -> Sequence[Sequence[Any]]:
        """Return one row for each convention that was tried, the best first."""
        head = ("preprocessing", "resize", "order", "label_order", "labels", "n", "accuracy", "low", "high", "skill")
        rows: list[Sequence[Any]] = [head]
        for c in self.candidates:
            spec, (low, high) = c.preprocessing.spec, c.interval
            labels = " ".join(n or "?" for n in c.order.labels)
            figures = (f"{value:.4f}" for value in (c.accuracy, low, high, c.skill))
            rows.append([c.preprocessing.title, spec.resize, spec.order, c.order.name, labels, c.n, *figures])
        return rows

    def text(self, show_all: bool = False) -> str:
        """Return the ranked table and the verdict as lines for a terminal.

        Args:
            show_all: list every convention that was tried; otherwise the best preprocessing with every label order, each other
                preprocessing with its best one, and the present convention.
        """
        shown = list(self.candidates) if show_all else self._shown()
        lines = [f"{self.model.name} on {self.n:,} labelled faces", "", *self._table_lines(shown)]
        if len(shown) < len(self.candidates):
            lines.append(f"   ({len(self.candidates) - len(shown)} more; --all prints them)")
        lines += ["   (* = best, = present)", "", *self._verdict()]
        return "\n".join([*lines, *(f"warning: {w}" for w in self.warnings)])

    def _shown(self) -> list[Convention]:
        seen: list[Preprocessing] = []
        out = []
        for c in self.candidates:
            first = not any(c.preprocessing is p for p in seen)
            seen.append(c.preprocessing)
            if first or c.preprocessing is self.best.preprocessing or c.same_as(self.current):
                out.append(c)
        return out

    def _table_lines(self, shown: list[Convention]) -> list[str]:
        wide = max(len("preprocessing"), *(len(c.preprocessing.title) for c in shown))
        order = max(len("label order"), *(len(c.order.name) for c in shown))
        mixed = any(c.n != len(c.covered) for c in shown)  # then accuracies are of different faces, and skill ranks
        head = f"   {'preprocessing':<{wide}}  resized  {'label order':<{order}}  accuracy (95 % interval)   faces"
        lines = [head + ("  skill" if mixed else "")]
        for c in shown:
            mark = "*" if c.same_as(self.best) else "=" if c.same_as(self.current) else " "
            rate = percent(c.accuracy, c.interval)
            lines.append(
                f" {mark} {c.preprocessing.title:<{wide}}  {c.preprocessing.spec.resize:<7}  {c.order.name:<{order}}  {rate:<24} {c.n:7,}"
                + (f"{c.skill:7.2f}" if mixed else "")
                + (f"  {', '.join(label or '?' for label in c.order.labels)}" if c.order.name == INFERRED else "")
            )
        return lines

    def _verdict(self) -> list[str]:
        if not self.usable:
            chance = percent(self.majority)
            return [f"verdict: no convention makes it better than predicting one class every time ({chance})"]
        if self.current_is_best:
            return [f"verdict: preprocessing and labels are right: {self.best.title}"]
        lines = [f"verdict: use {self.best.title}"]
        if self.current is not None and self.cost is not None:
            low, high = (100 * v for v in self.cost.interval)
            lines.append(
                f"the present settings ({self.current.title}) cost {self.cost.difference * 100:.1f} points ({low:.1f} to {high:.1f})"
            )
        return lines


def check_sidecar(path: PathLike, force: bool = False) -> None:
    """Check that `CheckResult.write_sidecar` may write beside a network; call it before the work.

    Args:
        path: the network's file.
        force: whether an existing sidecar may be replaced.

    Raises:
        UsageError: it is the name of the bundled network.
        OutputExistsError: there is a sidecar already and `force` is false.
    """
    from ferviz.models.bundled import bundled_networks
    from ferviz.models.sidecar import find_sidecar

    if str(path) in bundled_networks():
        raise UsageError(f"no sidecar can be written for the bundled network {path}; check a network file of your own")
    existing = find_sidecar(path)
    if existing and not force:
        raise OutputExistsError(f"{existing} is already there; pass --force (force=True) to replace it")
