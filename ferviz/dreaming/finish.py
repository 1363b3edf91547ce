"""A finished ascent -> a Dream: the network's own predictions for the 8-bit pictures, and what the dreams are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ferviz.dreaming.objectives import Objective
from ferviz.dreaming.result import Dream
from ferviz.dreaming.sheets.dream_titles import dream_names, dream_title
from ferviz.dreaming.terms.class_terms import class_index
from ferviz.models.model import Model


def finish_dream(
    model: Model,
    objectives: Sequence[Objective],
    images: np.ndarray,
    trace: np.ndarray,
    frames: np.ndarray,
    settings: dict[str, Any],
    before: np.ndarray | None = None,
) -> Dream:
    """Make the dream, with the network's own prediction for the 8-bit pictures.

    Args:
        model: the network that dreamt.
        objectives: (K,) what was raised.
        images, trace, frames, settings, before: as the attributes of `Dream`; before None = no picture was given.

    Returns:
        The dream.
    """
    targets = tuple(_target(model, objective) for objective in objectives)
    labels = list(model.labels)
    before = np.zeros((0, *images.shape[1:]), np.uint8) if before is None else before

    def of_target(probabilities: np.ndarray) -> np.ndarray:
        rows = zip(probabilities, targets, strict=False)
        return np.array([row[labels.index(t)] if t else np.nan for row, t in rows], np.float64)

    probabilities = model.probabilities(images)
    first = of_target(model.probabilities(before)) if len(before) else np.zeros(0)
    predicted = tuple(labels[int(row.argmax())] for row in probabilities)
    names = tuple(objective.name for objective in objectives)
    whose = "the bundled network" if model.name == "bundled" else model.name
    drawing = {
        "title": dream_title(objectives, whose, bool(len(before))),
        "names": dream_names(objectives),
        "warnings": model.cautions,
    }
    return Dream(
        images, names, targets, trace, of_target(probabilities), predicted, frames, settings | drawing, None, before, first
    )  # fmt: skip


def _target(model: Model, objective: Objective) -> str:
    """-> the class that an objective raises most, "" where it raises none."""
    target = objective.target
    return "" if target == "" else model.labels[class_index(target, model.labels)]
