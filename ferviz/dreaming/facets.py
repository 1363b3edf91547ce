"""Facets: the different ways to look happy, as groups of real faces.

A class has many faces (open and closed mouths, from the front and from the side), and a dream shows one of them. Real faces of
the class are sorted into groups by k-means over the network's own features, and each group gives a start and a direction to a dream of
its own (after Nguyen, Yosinski and Clune 2016, arXiv:1602.03616).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.dreaming.face_features import features, penultimate
from ferviz.dreaming.face_statistics import CONTRAST, resized
from ferviz.dreaming.objectives import Objective, direction, odds
from ferviz.emotions import canonical
from ferviz.errors import UnknownNameError, UsageError
from ferviz.models.model import Model

MAX_FACES = 1000
"""Faces of a class that are grouped, the first ones."""

PULL = 0.5
"""How much the direction towards a group counts beside the class, in units of one deviation of the class's faces along it."""


@dataclass(frozen=True)
class Facet:
    """One group of faces.

    Attributes:
        objective: the class and the direction towards the group.
        mean: (h, w) in 0..1, the group's mean face.
        count: the number of its faces.
    """

    objective: Objective
    mean: np.ndarray = field(repr=False)
    count: int


def facets(model: Model, target: str, faces: Dataset, count: int, seed: int) -> list[Facet]:
    """Sort one class's faces into groups.

    Args:
        model: the network in whose features the faces are grouped.
        target: a class that model and faces know.
        faces: real faces with labels.
        count: how many groups.
        seed: of k-means' start.

    Returns:
        The groups, the largest first.

    Raises:
        UnknownNameError: for a class that the faces do not have.
        UsageError: where the class has fewer faces than groups.
    """
    names = [canonical(name) for name in faces.names]
    if canonical(target) not in names:
        raise UnknownNameError("class", target, faces.names, "these faces")
    images = faces.images[faces.labels == names.index(canonical(target))][:MAX_FACES]
    if len(images) < count:
        raise UsageError(f"{count} facets of {target} need at least as many of its faces, and there are {len(images)}")
    layer = penultimate(model)
    points = features(model, images, layer).astype(np.float64)
    group = kmeans(points, count, np.random.default_rng(seed))
    groups = []
    for number in range(count):
        members = group == number
        toward = points[members].mean(0) - points.mean(0)
        length = np.linalg.norm(toward)
        objective = odds(target)
        if length > 0:
            spread = float((points @ (toward / length)).std()) or 1.0
            objective = objective + (PULL / spread) * direction(layer, toward)
        groups.append(Facet(objective, _mean_face(images[members], model.input.size), int(members.sum())))
    groups.sort(key=lambda facet: -facet.count)
    return [
        Facet(f.objective.named(f"{target} {number}"), f.mean, f.count) if count > 1 else f
        for number, f in enumerate(groups, start=1)
    ]


def kmeans(points: np.ndarray, count: int, random: np.random.Generator, rounds: int = 50) -> np.ndarray:
    """Group points by Lloyd's algorithm from k-means++.

    Args:
        points: (N, C).
        count: how many groups.
        random: the source of the start.
        rounds: at most so many.

    Returns:
        (N,) the group of each point in 0..count-1; every group has at least one.

    References:
        Arthur and Vassilvitskii, "k-means++: The Advantages of Careful Seeding", 2007.
    """
    centres = points[[random.integers(len(points))]]
    while len(centres) < count:
        distance = _squared(points, centres).min(1)
        total = distance.sum()
        odds = distance / total if total > 0 else np.full(len(points), 1 / len(points))
        centres = np.concatenate([centres, points[[random.choice(len(points), p=odds)]]])
    group = np.full(len(points), -1)
    for _ in range(rounds):
        distance = _squared(points, centres)
        new = distance.argmin(1)
        for number in range(count):
            if not (new == number).any():
                # An empty group takes the point that fits worst where it is, from a group that can spare one.
                spare = np.bincount(new, minlength=count)[new] > 1
                fit = np.where(spare, np.take_along_axis(distance, new[:, None], 1)[:, 0], -1.0)
                new[int(fit.argmax())] = number
        if (new == group).all():
            break
        group = new
        centres = np.stack([points[group == number].mean(0) for number in range(count)])
    return group


def _squared(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return np.maximum((points**2).sum(1)[:, None] + (centres**2).sum(1)[None] - 2.0 * points @ centres.T, 0.0)


def _mean_face(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    grey = images.mean(3) if images.ndim == 4 else images.astype(np.float64)
    mean = grey.mean(0) / 255.0
    lit = 0.5 + (mean - mean.mean()) * (0.9 * CONTRAST / max(mean.std(), 1e-6))
    return resized(np.clip(lit, 0.03, 0.97)[None], size)[0]
