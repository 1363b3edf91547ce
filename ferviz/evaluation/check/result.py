"""What `check` finds: conventions with their accuracy, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.errors import DataError
from ferviz.evaluation.check.candidates import Preprocessing
from ferviz.evaluation.check.label_orders import LabelOrder
from ferviz.evaluation.metrics import Z95, McNemar, mcnemar, wilson
from ferviz.files import PathLike
from ferviz.models.model import Model


@dataclass(frozen=True)
class Convention:
    """One way to feed a network and to read its outputs, and how right it is that way.

    feed, order: see there. right: (N,) bool, for the faces that were tried; for an order that was found, under the one found on the other
    half of the faces. covered: (N,) bool, faces whose class is in the order; the others do not count. said: (N,) the answering outputs.
    surprise: (N,) the negative log-likelihood of the true class. finite: all answers were numbers. recalls: of the classes that count, each
    class' (faces, faces rightly read, answers that name it).
    """

    feed: Preprocessing
    order: LabelOrder
    right: np.ndarray = field(repr=False)
    covered: np.ndarray = field(repr=False)
    said: np.ndarray = field(repr=False)
    surprise: np.ndarray = field(repr=False)
    finite: bool = True
    recalls: tuple[tuple[int, int, int], ...] = ()

    @property
    def n(self) -> int:
        """Faces that count."""
        return int(self.covered.sum())

    @cached_property
    def accuracy(self) -> float:
        """Share of the faces that are read rightly; 0 for a feed that gives no numbers."""
        return float(self.right[self.covered].mean()) if self.n and self.finite else 0.0

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy."""
        return wilson(self.accuracy * self.n, self.n)

    @cached_property
    def skill(self) -> float:
        """How far the recalls are above chance, as part of what chance leaves: for orders that count different faces.

        The mean recall, each class weighing as the root of its number of faces. Accuracy would favour orders that leave out a hard class,
        the plain mean those that take a few faces' class for a frequent one. Chance: answers as frequent as these, given blindly.
        """
        return self._skill[0]

    @cached_property
    def skill_interval(self) -> tuple[float, float]:
        """The 95 % interval of `skill`, with Agresti and Coull's variance for each recall."""
        skill, error = self._skill
        return skill - Z95 * error, skill + Z95 * error

    @cached_property
    def _skill(self) -> tuple[float, float]:
        if len(self.recalls) < 2 or not self.finite:
            return 0.0, 0.0
        n, hits, answers = np.array(self.recalls, float).T
        weight = np.sqrt(n) / np.sqrt(n).sum()
        chance = float(weight @ answers / n.sum())
        rate = (hits + 2) / (n + 4)
        error = float(np.sqrt(weight**2 @ (rate * (1 - rate) / (n + 4))))
        left = max(1 - chance, 1e-9)
        return (float(weight @ (hits / n)) - chance) / left, error / left

    def to_dict(self) -> dict[str, Any]:
        """Return the convention as plain values for JSON."""
        spec = self.feed.spec
        return {
            "scaling": spec.scaling, "statistics": self.feed.statistics or None, "feed": self.feed.name,
            "labels": list(self.order.labels), "label_order": self.order.name, "resize": spec.resize, "order": spec.order,
            "size": list(spec.size), "n": self.n, "accuracy": self.accuracy, "interval": list(self.interval), "skill": self.skill,
            "log_loss": float(self.surprise[self.covered].mean()) if self.n else None,
        }  # fmt: skip


@dataclass(frozen=True)
class CheckResult:
    """The verdict of `check`.

    model: as it was given. best: the winning convention. current: today's, None where the outputs have no names yet. candidates: all
    that were tried, the best first (those that were dropped early, on fewer faces, at the end). warnings: sentences. n: faces.
    classes: the data's. majority: accuracy of naming the most frequent class every time. source: the data's.
    """

    model: Model
    best: Convention
    current: Convention | None
    candidates: tuple[Convention, ...] = field(repr=False)
    warnings: tuple[str, ...]
    n: int
    classes: tuple[str, ...]
    majority: float = 0.0
    source: str = ""

    @cached_property
    def cost(self) -> McNemar | None:
        """What today's settings lose against the best, tested on the same faces; None where today's are unknown."""
        if self.current is None:
            return None
        both = self.best.covered & self.current.covered
        return mcnemar(self.best.right[both], self.current.right[both])

    @property
    def right_now(self) -> bool:
        """Whether the network is fed and read as the best convention says."""
        return (
            self.current is not None
            and self.current.feed is self.best.feed
            and self.current.order.labels == self.best.order.labels
        )

    @property
    def usable(self) -> bool:
        """Whether the best convention beats naming the most frequent class every time."""
        return self.best.interval[0] > self.majority

    def corrected(self) -> Model:
        """Return the network fed and read by the best convention."""
        return replace(self.model, input=replace(self.best.feed.spec, assumed=()), labels=self.labels)

    @property
    def labels(self) -> tuple[str, ...]:
        """The best convention's labels; an output that no class fits is called class0, class1, ..."""
        return tuple(name or f"class{k}" for k, name in enumerate(self.best.order.labels))

    def write(self, path: PathLike, force: bool = False) -> Path:
        """Write the winning sidecar beside the network's file `path`, so that ferviz feeds it rightly from now on; -> its path.

        Raises DataError where no convention is better than chance, OutputExistsError for an existing sidecar without `force`.
        """
        from ferviz.models.sidecar import write_sidecar

        if not self.usable:
            raise DataError(
                f"no convention makes {self.model.name} better than naming one class every time, so nothing was written"
            )
        about = {
            "checked_on": self.source,
            "faces": self.n,
            "accuracy": self.best.accuracy,
            "interval": list(self.best.interval),
        }
        return write_sidecar(path, self.labels, self.best.feed.spec, about, force)

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as plain values for JSON."""
        today = {"scaling": self.model.input.scaling, "labels": list(self.model.labels), "accuracy": None}
        return {
            "model": self.model.name,
            "sha256": self.model.sha256,
            "n": self.n,
            "majority": self.majority,
            "current": self.current.to_dict() if self.current else today,
            "best": self.best.to_dict(),
            "right_now": self.right_now,
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
