"""Many objectives, a bounded number at a time: each batch is one compiled ascent, all batches share one compilation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ferviz.dreaming.ascent import Ascent, Schedule
from ferviz.dreaming.differentiable import DreamNetwork
from ferviz.dreaming.objectives import Objective, bind
from ferviz.dreaming.priors import Prior
from ferviz.dreaming.transforms import Transforms
from ferviz.models.model import Model

VIEWS = 128
"""Most views that go through the network at once; 256 channels need no more memory than 16."""

CHUNK = 32
"""Steps between two looks at the clock (and the progress bar); the loop itself runs inside TensorFlow."""

Progress = Callable[[int, int], None]
"""(steps done, steps in all)."""


@dataclass(frozen=True)
class AscentResult:
    """What came out. pictures: (F, h, w, c) float32 in 0..1. trace: (F, steps). frames: (T, F, h, w, c) uint8, T may be 0."""

    pictures: np.ndarray = field(repr=False)
    trace: np.ndarray = field(repr=False)
    frames: np.ndarray = field(repr=False)


def ascend(
    network: DreamNetwork,
    objectives: Sequence[Objective],
    prior: Prior,
    transforms: Transforms,
    schedule: Schedule,
    *,
    seed: int,
    copies: int = 1,
    frames: int = 0,
    progress: Progress | None = None,
) -> AscentResult:
    """Dream all objectives, as many side by side as VIEWS allows.

    prior: its `starts` hold one picture an objective. copies: pictures an objective, from different noise. frames: how many pictures
    of the way to keep. progress: called between chunks of steps. -> F = len(objectives) * copies pictures, objective by objective.
    """
    most = max(1, VIEWS // (schedule.samples * copies))
    batches = -(-len(objectives) // most)
    size = -(-len(objectives) // batches)
    parts, ascents = [], dict[object, Ascent]()
    for number in range(batches):
        chosen = list(range(number * size, min((number + 1) * size, len(objectives))))
        # The last batch is filled up with its last objective, so that it has the shape of the others.
        padded = chosen + [chosen[-1]] * (size - len(chosen))
        some = [objectives[i] for i in padded]
        key = tuple(tuple(term.key for _, term in o.terms) for o in some)
        if key not in ascents:
            ascents[key] = Ascent(
                network.forward,
                some,
                network.size,
                prior.parameterization,
                transforms,
                prior.penalties,
                schedule,
                copies,
            )
        starts = np.repeat(prior.starts[padded], copies, axis=0)

        def tell(done: int, before: int = number) -> None:
            if progress:
                progress(before * schedule.steps + done, batches * schedule.steps)

        part = _climb_one(ascents[key], some, network.model, starts, seed, copies, frames, tell)
        parts.append(_first(part, len(chosen) * copies))
    return AscentResult(
        np.concatenate([p.pictures for p in parts]),
        np.concatenate([p.trace for p in parts]),
        np.concatenate([p.frames for p in parts], axis=1),
    )


def _climb_one(
    ascent: Ascent,
    objectives: Sequence[Objective],
    model: Model,
    starts: np.ndarray,
    seed: int,
    copies: int,
    frames: int,
    tell: Callable[[int], None],
) -> AscentResult:
    layers = {layer.name: layer for layer in model.layers}
    bound = [bind(objective, layers, model.labels) for objective in objectives]
    weights = [[weight for weight, _ in objective.terms] for objective in objectives]
    steps = ascent.schedule.steps
    stops = set(range(CHUNK, steps, CHUNK)) | {steps}
    kept = {round(i * steps / (frames - 1)) for i in range(frames)} if frames > 1 else set()
    state = ascent.start([seed + copy for copy in range(copies)])
    traces, pictures = [], []
    if 0 in kept:
        pictures.append(_bytes(ascent.draw(state, starts)))
    for stop in sorted(stops | kept - {0}):
        state, trace = ascent.ascend(state, starts, bound, weights, seed, stop - state.done)
        traces.append(trace)
        if stop in kept:
            pictures.append(_bytes(ascent.draw(state, starts)))
        tell(stop)
    final = ascent.draw(state, starts)
    return AscentResult(
        final, np.concatenate(traces).T, np.stack(pictures) if pictures else np.zeros((0, *final.shape), np.uint8)
    )


def _first(climbed: AscentResult, count: int) -> AscentResult:
    return replace(
        climbed, pictures=climbed.pictures[:count], trace=climbed.trace[:count], frames=climbed.frames[:, :count]
    )


def _bytes(pictures: np.ndarray) -> np.ndarray:
    return np.rint(pictures * 255.0).astype(np.uint8)
