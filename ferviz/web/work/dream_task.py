"""The task "dream": a picture that grows until a class or a channel answers most, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ferviz.dreaming.dream import DreamConfig, dream
from ferviz.dreaming.objectives import Objective, channel, odds
from ferviz.errors import UsageError
from ferviz.models.model import Model
from ferviz.web.work.workbench import Report, Workbench, packed

STEPS = 128
FRAMES = 33
"""Pictures on the way, the first one included."""


def grow_dream(bench: Workbench, job: Mapping[str, Any], report: Report) -> None:
    """Dream of a class or of a channel.

    Args:
        bench: the networks.
        job: network; class (its number), or layer and channel; seed.
        report: takes {"step", "of", "picture", "width", "height", "channels"}, and at last the same with "probabilities".
    """
    model = bench.network(job.get("network", 0))
    height, width = model.input.size

    def watch(step: int, pictures: np.ndarray) -> None:
        report({"step": step, "of": STEPS, **_picture(pictures[0])})

    report({"step": 0, "of": STEPS, "width": width, "height": height})
    config = replace(DreamConfig(), frames=FRAMES, watch=watch)
    result = dream(model, _objective(model, job), steps=STEPS, seed=int(job.get("seed", 0)), config=config)
    report({
        "step": STEPS, "of": STEPS, **_picture(result.images[0]), "objective": result.objective[0],
        "probabilities": model.probabilities(result.images)[0].tolist(), "first": float(result.trace[0, 0]),
        "last": float(result.trace[0, -1]),
    })  # fmt: skip


def _objective(model: Model, job: Mapping[str, Any]) -> Objective:
    if "class" in job:
        number = int(job["class"])
        if not 0 <= number < len(model.labels):
            raise UsageError(f"there is no class {number}; there are {len(model.labels)}")
        return odds(number)
    return channel(str(job["layer"]), int(job["channel"]))


def _picture(pixels: np.ndarray) -> dict[str, Any]:
    values = pixels if pixels.ndim == 3 else pixels[..., None]
    return {
        "picture": packed(values.astype(np.uint8)),
        "height": values.shape[0],
        "width": values.shape[1],
        "channels": values.shape[2],
    }
