"""How other networks classify dreams, and how near dreams are to real faces.

A dream that only the network that dreamt it recognises shows that network's blind spots; one that other networks recognise too, trained by
other people on other crops, shows something that the class means to all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.dreaming.face_features import features
from ferviz.emotions import canonical
from ferviz.errors import UsageError
from ferviz.models.model import Model


@dataclass(frozen=True)
class Judgement:
    """How J other networks, the judges, classify F dreams.

    Attributes:
        targets: (F,) the classes that were dreamt of.
        judges: (J,) names.
        probability: (J, F), each judge's probability of the class that was dreamt of, on the saved 8-bit picture; NaN where it does not
            know that class.
        predicted: (J, F) the class that each judge predicts.
        own_class, other_classes: (J, F) mean cosine distance in the judge's penultimate features to real faces of the class, and to those
            of the others; None where no faces were given.
        nearest: (J, F, n) rows of the nearest real faces; None where no faces were given.
    """

    targets: tuple[str, ...]
    judges: tuple[str, ...]
    probability: np.ndarray = field(repr=False)
    predicted: tuple[tuple[str, ...], ...]
    own_class: np.ndarray | None = field(default=None, repr=False)
    other_classes: np.ndarray | None = field(default=None, repr=False)
    nearest: np.ndarray | None = field(default=None, repr=False)

    @property
    def recognised(self) -> np.ndarray:
        """(J, F) bool: the judge's most probable class is the one that was dreamt of."""
        names = [[word == target for word, target in zip(row, self.targets, strict=True)] for row in self.predicted]
        return np.array(names, bool).reshape(len(self.judges), len(self.targets))

    @property
    def recognised_by(self) -> np.ndarray:
        """(F,) int: how many judges recognise each dream."""
        return self.recognised.sum(0)

    @property
    def mean_probability(self) -> np.ndarray:
        """(J,) each judge's mean probability of the classes that were dreamt of, without those that it does not know."""
        known = ~np.isnan(self.probability)
        total = np.where(known, self.probability, 0.0).sum(1)
        return np.where(known.any(1), total / np.maximum(known.sum(1), 1), np.nan)

    def to_dict(self) -> dict[str, Any]:
        """Describe the judgement as plain data.

        Returns:
            Targets and judges; for each judge the number of dreams that it recognised and knew, and its answers.
        """
        document: dict[str, Any] = {
            "targets": self.targets,
            "judges": {
                name: {
                    "recognised": int(self.recognised[j].sum()),
                    "known": int((~np.isnan(self.probability[j])).sum()),
                    "mean_probability": float(self.mean_probability[j]),
                    "probability": self.probability[j],
                    "predicted": self.predicted[j],
                }
                for j, name in enumerate(self.judges)
            },
            "recognised_by": self.recognised_by,
        }
        if self.own_class is not None:
            document |= {
                "distance_to_own_class": self.own_class,
                "distance_to_other_classes": self.other_classes,
                "nearest_rows": self.nearest,
            }
        return document

    def __str__(self) -> str:
        lines = [
            f"{name}: {int(self.recognised[j].sum())} of {int((~np.isnan(self.probability[j])).sum())} recognised, "
            f"mean probability {self.mean_probability[j]:.2f}"
            for j, name in enumerate(self.judges)
        ]
        return "\n".join(lines)


def judge(
    images: np.ndarray,
    targets: Sequence[str],
    judges: Model | Sequence[Model] | Mapping[str, Model],
    faces: Dataset | None = None,
    *,
    each: int = 100,
    nearest: int = 3,
) -> Judgement:
    """Classify dreams with networks that took no part in them.

    Args:
        images: (F, H, W) or (F, H, W, 3) uint8, exactly as saved.
        targets: (F,) class names.
        judges: one or more models; a mapping gives them names of your own.
        faces: real faces to measure distances to; None = no distances.
        each: at most so many faces of a class, in their order.
        nearest: how many nearest faces to name.

    Returns:
        The judgement.

    Raises:
        UsageError: where there is no judge, or no class to judge.
    """
    if isinstance(judges, Model):
        judges = [judges]
    named = dict(judges) if isinstance(judges, Mapping) else _unique(judges)
    if not named:
        raise UsageError("dreams are judged by at least one other network, and there is none; name one")
    if len(targets) != len(images) or not any(targets):
        raise UsageError("only dreams of classes can be judged; these are of layers, channels or directions")
    wanted = [canonical(target) for target in targets]
    probability, predicted = [], []
    for model in named.values():
        labels = [canonical(label) for label in model.labels]
        answers = model.probabilities(images)
        probability.append(
            [row[labels.index(t)] if t in labels else np.nan for row, t in zip(answers, wanted, strict=True)]
        )
        predicted.append(tuple(labels[int(row.argmax())] for row in answers))
    distances = (
        _distances(images, wanted, list(named.values()), faces, each, nearest) if faces is not None else (None,) * 3
    )
    return Judgement(tuple(wanted), tuple(named), np.array(probability, np.float64), tuple(predicted), *distances)


def _distances(
    images: np.ndarray, targets: Sequence[str], models: Sequence[Model], faces: Dataset, each: int, nearest: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    names = [canonical(name) for name in faces.names]
    rows = np.concatenate([np.flatnonzero(faces.labels == k)[:each] for k in range(len(names))])
    classes = np.array([names[k] for k in faces.labels[rows]])
    own, other, close = [], [], []
    for model in models:
        real, dreamt = _unit(features(model, faces.images[rows])), _unit(features(model, images))
        distance = 1.0 - dreamt @ real.T
        same = np.array([classes == target for target in targets])
        own.append([_mean(d[s]) for d, s in zip(distance, same, strict=True)])
        other.append([_mean(d[~s]) for d, s in zip(distance, same, strict=True)])
        close.append(faces.rows[rows[np.argsort(distance, axis=1, kind="stable")[:, :nearest]]])
    return np.array(own), np.array(other), np.array(close)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _unique(models: Sequence[Model]) -> dict[str, Model]:
    named: dict[str, Model] = {}
    for model in models:
        name, number = model.name, 2
        while name in named:
            name, number = f"{model.name} ({number})", number + 1
        named[name] = model
    return named
