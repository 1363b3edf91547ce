"""Many objectives, a bounded number at a time: each batch is one ascent, all batches share one compilation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ferviz.dreaming.ascent.ascent_config import Ascent, AscentConfig
from ferviz.dreaming.ascent.compiled_ascent import CompiledAscent
from ferviz.dreaming.ascent.differentiable import DreamNetwork, graph_engine_of
from ferviz.dreaming.ascent.engine_network import EngineNetwork
from ferviz.dreaming.ascent.numpy_ascent import NumpyAscent
from ferviz.dreaming.objectives import Objective, bind
from ferviz.errors import ModelError
from ferviz.models.model import Model

MAX_VIEWS = 128
"""Views that go through the network at once; 256 channels need no more memory than 16."""

CHUNK = 32
"""Steps between two calls of `progress`; with TensorFlow the loop itself runs inside a graph."""

Progress = Callable[[int, int], None]
"""(steps done, steps in all)."""

Watch = Callable[[int, np.ndarray], None]
"""(steps done, pictures (F, h, w, c) uint8 as they are then)."""


@dataclass(frozen=True)
class AscentResult:
    """The result of an ascent of F pictures.

    Attributes:
        pictures: (F, h, w, c) float32 in 0..1.
        trace: (F, steps) float32, the objective before each step.
        frames: (T, F, h, w, c) uint8, pictures on the way; T may be 0.
    """

    pictures: np.ndarray = field(repr=False)
    trace: np.ndarray = field(repr=False)
    frames: np.ndarray = field(repr=False)


def open_network(model: Model, size: tuple[int, int] | None = None) -> DreamNetwork | EngineNetwork:
    """Make a model's network ready to dream: traced by TensorFlow where its graph is behind it, else through its engine.

    Args:
        model: the model that dreams.
        size: (h, w) of the pictures; None = the model's own.

    Returns:
        The network.

    Raises:
        ModelError: for a network that cannot take pictures of this size.
    """
    return DreamNetwork(model, size) if graph_engine_of(model) else EngineNetwork(model, size)


def ascend(
    network: DreamNetwork | EngineNetwork,
    objectives: Sequence[Objective],
    starts: np.ndarray,
    config: AscentConfig,
    *,
    seed: int,
    copies: int = 1,
    frames: int = 0,
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> AscentResult:
    """Dream all objectives, as many side by side as MAX_VIEWS allows.

    Args:
        network: the network, from `open_network`.
        objectives: what to raise.
        starts: (len(objectives), h, w, c) in 0..1, a start picture for each objective, or (len(objectives), copies, h, w, c).
        config: what the ascent changes and how it walks.
        seed: of the noise and of the views.
        copies: pictures per objective, from different noise.
        frames: how many pictures of the way to keep.
        progress: called between chunks of steps.
        watch: takes each picture of the way as soon as it is there.

    Returns:
        F = len(objectives) * copies pictures, objective by objective.

    Raises:
        ModelError: where the engine or an objective has no gradients, or the objective becomes NaN or infinite.
    """
    at_once = max(1, MAX_VIEWS // (config.samples * copies))
    batches = -(-len(objectives) // at_once)
    size = -(-len(objectives) // batches)
    parts, ascents = [], dict[object, Ascent]()
    for number in range(batches):
        chosen = list(range(number * size, min((number + 1) * size, len(objectives))))
        # The last batch is filled up with its last objective, so that it has the shape of the others.
        padded = chosen + [chosen[-1]] * (size - len(chosen))
        groups = [objectives[i] for i in padded]
        key = tuple(tuple(term.key for _, term in o.terms) for o in groups)
        if key not in ascents:
            ascents[key] = _ascent(network, groups, config, copies)

        def report(done: int, before: int = number) -> None:
            if progress:
                progress(before * config.steps + done, batches * config.steps)

        begin = starts[padded]
        begin = begin.reshape(-1, *begin.shape[2:]) if starts.ndim == 5 else np.repeat(begin, copies, axis=0)
        seeds = [seed + copy for copy in range(copies)]
        part = _ascend_batch(ascents[key], groups, network.model, begin, seeds, frames, report, watch)
        parts.append(_first(part, len(chosen) * copies))
    return AscentResult(
        np.concatenate([p.pictures for p in parts]),
        np.concatenate([p.trace for p in parts]),
        np.concatenate([p.frames for p in parts], axis=1),
    )


def _ascent(
    network: DreamNetwork | EngineNetwork, groups: Sequence[Objective], config: AscentConfig, copies: int
) -> Ascent:
    if isinstance(network, EngineNetwork):
        return NumpyAscent(network, groups, config, copies)
    return CompiledAscent(network.forward, groups, network.size, config, copies)


def _ascend_batch(
    ascent: Ascent,
    objectives: Sequence[Objective],
    model: Model,
    starts: np.ndarray,
    seeds: Sequence[int],
    frames: int,
    report: Callable[[int], None],
    watch: Watch | None,
) -> AscentResult:
    layers = {layer.name: layer for layer in model.layers}
    bound = [bind(objective, layers, model.labels) for objective in objectives]
    weights = [[weight for weight, _ in objective.terms] for objective in objectives]
    steps = ascent.config.steps
    stops = set(range(CHUNK, steps, CHUNK)) | {steps}
    kept = {round(i * steps / (frames - 1)) for i in range(frames)} if frames > 1 else set()
    state = ascent.start(seeds)
    traces, pictures = [], []

    def keep(step: int) -> None:
        pictures.append(_bytes(_checked(ascent.draw(state, starts), model, step)))
        if watch:
            watch(step, pictures[-1])

    if 0 in kept:
        keep(0)
    for stop in sorted(stops | kept - {0}):
        state, trace = ascent.ascend(state, starts, bound, weights, seeds[0], stop - state.done)
        traces.append(_checked(trace, model, stop))
        if stop in kept:
            keep(stop)
        report(stop)
    final = _checked(ascent.draw(state, starts), model, steps)
    return AscentResult(
        final, np.concatenate(traces).T, np.stack(pictures) if pictures else np.zeros((0, *final.shape), np.uint8)
    )


def _checked(values: np.ndarray, model: Model, step: int) -> np.ndarray:
    """Return the values of an ascent or its pictures; NaN and infinity, which never become numbers again, are a ModelError."""
    if not np.isfinite(values).all():
        raise ModelError(
            f"the dream of {model.name} stops before step {step}, because it becomes NaN or infinite; the network's weights are damaged "
            "or too large, or the ascent needs a smaller --learning-rate"
        )
    return values


def _first(result: AscentResult, count: int) -> AscentResult:
    return replace(
        result, pictures=result.pictures[:count], trace=result.trace[:count], frames=result.frames[:, :count]
    )


def _bytes(pictures: np.ndarray) -> np.ndarray:
    return np.rint(pictures * 255.0).astype(np.uint8)
