"""The task "dream": a picture that grows until a class or a channel answers most, step by step; from noise, or from a face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ferviz.dreaming.dream import DreamConfig, dream
from ferviz.dreaming.objectives import Objective, channel, odds
from ferviz.errors import UsageError
from ferviz.models.model import Model
from ferviz.web.work.workbench import Report, Workbench, packed, picture_of

STEPS = 128
FRAMES = 33
"""Pictures on the way, the first one included."""

FACE_STEPS, FACE_FRAMES = 64, 9
"""The same for a face that is changed towards a class."""


def grow_dream(bench: Workbench, job: Mapping[str, Any], report: Report) -> None:
    """Dream of a class or of a channel, or change a face towards a class.

    Args:
        bench: the networks.
        job: network; class (its number), or layer and channel; seed; for a face that is changed its picture, and a judge: another network.
        report: takes {"step", "of", "picture", "width", "height", "channels"}, and at last the same with "probabilities", "first" and
            "last". Those of a face say "probabilities" at every step, and "judge": {"name", "labels", "probabilities"} if there is one.
    """
    model = bench.network(job.get("network", 0))
    height, width = model.input.size
    start = _face(picture_of(job, model)[0]) if "picture" in job else None
    steps, frames = (STEPS, FRAMES) if start is None else (FACE_STEPS, FACE_FRAMES)
    judge = None if start is None or job.get("judge") is None else bench.network(job["judge"])

    def opinions(picture: np.ndarray) -> dict[str, Any]:
        opinion: dict[str, Any] = {"probabilities": model.probabilities(picture[None])[0].tolist()}
        if judge is not None:
            answer = judge.probabilities(picture[None])[0].tolist()
            opinion["judge"] = {"name": judge.name, "labels": list(judge.labels), "probabilities": answer}
        return opinion

    def watch(step: int, pictures: np.ndarray) -> None:
        report({"step": step, "of": steps, **_picture(pictures[0]), **({} if start is None else opinions(pictures[0]))})

    report({"step": 0, "of": steps, "width": width, "height": height})
    config = replace(DreamConfig(), frames=frames, watch=watch)
    result = dream(model, _objective(model, job), steps=steps, seed=int(job.get("seed", 0)), config=config, image=start)
    report({
        "step": steps, "of": steps, **_picture(result.images[0]), "objective": result.objective[0], **opinions(result.images[0]),
        "first": float(result.trace[0, 0]), "last": float(result.trace[0, -1]),
    })  # fmt: skip


def _objective(model: Model, job: Mapping[str, Any]) -> Objective:
    if "class" in job:
        number = int(job["class"])
        if not 0 <= number < len(model.labels):
            raise UsageError(f"there is no class {number}; there are {len(model.labels)}")
        return odds(number)
    return channel(str(job["layer"]), int(job["channel"]))


def _face(picture: np.ndarray) -> np.ndarray:
    """-> a network's picture (h, w, c) as one that people see, (h, w, 3) uint8."""
    pixels = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def _picture(pixels: np.ndarray) -> dict[str, Any]:
    values = pixels if pixels.ndim == 3 else pixels[..., None]
    return {
        "picture": packed(values.astype(np.uint8)),
        "height": values.shape[0],
        "width": values.shape[1],
        "channels": values.shape[2],
    }
