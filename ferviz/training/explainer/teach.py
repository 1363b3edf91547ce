"""`teach`: fit an explainer to a network's answers about faces of which parts are hidden, and put both into one file."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.engines.base import Array, LayerInfo
from ferviz.engines.fallback import FallbackEngine
from ferviz.engines.litert import LiteRTEngine
from ferviz.errors import DataError, ModelError, UsageError, check_integer
from ferviz.faces.face import Face
from ferviz.files import PathLike, check_output, check_suffix
from ferviz.models.compiled.compile import compile_model, compile_taught, open_compiled
from ferviz.models.compiled.explainer import Lesson
from ferviz.models.compiled.file import SUFFIX
from ferviz.models.model import Model, as_model
from ferviz.models.require_graph import require_graph
from ferviz.training.explainer import work_folder
from ferviz.training.explainer.coalitions import CELLS, CONCLUSIVE, FILLS, CoalitionScores, answer_coalitions
from ferviz.training.explainer.examination import RegionValues, error_scale, exact_values, examine
from ferviz.training.explainer.explainer_network import WIDTH, choose_taps
from ferviz.training.explainer.export import explainer_weights
from ferviz.training.explainer.fit import MAP_SCALE, fit_explainer, lessons_of, score_scale
from ferviz.training.explainer.pupils import FEWEST, teaching_faces
from ferviz.training.explainer.tap_features import projections_of, tap_features

ASKING, TESTING, FITTING = "asking the network", "computing exact values", "fitting the explainer"
STAGES = {ASKING: 0.62, TESTING: 0.08, FITTING: 0.3}
"""The share of the time that each stage may take."""

CHUNK = 32
"""Faces in one saved part of the answers."""


@dataclass(frozen=True)
class TeachConfig:
    """How an explainer is taught.

    Attributes:
        faces: most faces to learn from.
        examined: most faces to compute exact values for, which it does not learn from; at most a fifth of all.
        region_pairs, patch_pairs: pairs of pictures of each face that hide regions, and patches.
        epochs: most passes over the faces.
        width: channels of the explainer's network.
        fills: what stands where faces are hidden while it learns, one or two of "harmonic", "blur" and "mean"; another one tests it.
        taps: names of the layers that the explainer looks at; () = chosen by the size of their maps.
    """

    faces: int = 16_384
    examined: int = 64
    region_pairs: int = 8
    patch_pairs: int = 8
    epochs: int = 60
    width: int = WIDTH
    fills: tuple[str, ...] = FILLS
    taps: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("faces", "examined", "region_pairs", "patch_pairs", "epochs", "width"):
            check_integer(name, getattr(self, name), 1)
        if not set(self.fills) < set(CONCLUSIVE) or not self.fills:
            raise UsageError(
                f"fills are one or two of {', '.join(CONCLUSIVE)}, because another one tests the explainer"
            )

    @property
    def held_out(self) -> str:
        """The fill that tests the explainer, which it never saw."""
        return next(fill for fill in CONCLUSIVE if fill not in self.fills)


@dataclass(frozen=True)
class TeachingProgress:
    """The position of a run of `teach`.

    Attributes:
        stage: one of STAGES.
        done: faces or epochs so far.
        total: of them; of the faces that the network is asked about, as many as the time is estimated to suffice for.
        note: what is known of the result so far, or "".
    """

    stage: str
    done: int
    total: int
    note: str = ""


@dataclass(frozen=True)
class Teaching:
    """What `teach` made.

    Attributes:
        path: the compiled network with its explainer.
        lesson: how it was taught, and how well it does.
        layers: the layers that the explainer looks at.
        history: for each epoch the mean loss of the faces that were learned from, and that of others.
    """

    path: Path
    lesson: Lesson
    layers: tuple[str, ...]
    history: list[dict[str, float]] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data."""
        return {"out": str(self.path), "layers": list(self.layers), **asdict(self.lesson), "epochs": len(self.history)}


def teach(
    model: Model,
    data: Any,
    *,
    out: PathLike,
    minutes: float | None = 30,
    seed: int = 0,
    config: TeachConfig | None = None,
    resume: bool = False,
    force: bool = False,
    progress: Callable[[TeachingProgress], None] | None = None,
) -> Teaching:
    """Teach a network to explain itself: afterwards `method="fastshap"` draws in one pass what hiding parts of a face would tell.

    The network itself stays as it is. It is asked about faces of which random regions and patches are hidden, and a small network, which
    looks at the maps of two or three layers, is fitted to the answers. The result is a compiled network with its explainer.

    Args:
        model: a network of Keras, or in another form that can be compiled.
        data: faces like those that are to be explained: a Dataset, a file or folder that `read_data` takes (of its Training split if it
            has several), a folder of face crops, or faces as `explain` takes them. Labels are not needed and not used.
        out: the `.ferviz` file to write. Until it is finished the answers lie beside it in a folder `<out>.teaching`.
        minutes: how long it may take; None = until all of `config` is done.
        seed: of what is hidden, of the order of the faces and of the explainer's first weights.
        config: how it is taught; None = `TeachConfig()`.
        resume: use the answers that a stopped run left beside `out`.
        force: replace `out`, and the answers of a stopped run.
        progress: a function that is called after every step.

    Returns:
        Where the file is, and how good the explainer is on faces that it was not taught with, under a fill that it never saw.

    Raises:
        UsageError: an argument makes no sense.
        DataError: there are too few faces, or a resumed run began with other ones.
        ModelError: the network cannot be compiled, or has no map to look at.
        OutputExistsError: `out` is there, or the answers of a stopped run are, and neither `resume` nor `force` is true.
        OutputError: something cannot be written.
    """
    model, config = as_model(model), config or TeachConfig()
    check_suffix(out, [SUFFIX])
    path = check_output(out, force)
    if minutes is not None and not 0 < minutes < 1e6:
        raise UsageError(f"minutes is how long teaching may take, a number above 0, not {minutes!r}")
    check_integer("seed", seed, 0)
    if len(model.labels) < 2:
        raise ModelError(f"{model.name} has one output unit; ferviz explains networks with two classes or more")
    require_graph(model, "teaching")
    asked = _quick_form(model)
    taps = tuple(model.layer(name).name for name in config.taps) or choose_taps(_sized_layers(asked))
    faces = teaching_faces(data)
    faces = [faces[row] for row in np.random.default_rng(seed).permutation(len(faces))]
    examined = faces[-min(config.examined, len(faces) // 5) :]
    learners = faces[: min(config.faces, len(faces) - len(examined))]
    folder = work_folder.open_folder(path, asked, faces, config, seed, resume, force)
    clock = _Clock(minutes, progress or (lambda _: None))
    scores = _ask(asked, learners, config, seed, folder, clock)
    exact = _examination(asked, examined, config.held_out, folder, clock)
    learners = [learners[number] for number in scores.faces]
    fitted = _fit(asked, taps, learners, examined[: len(exact)], scores, exact, config, seed, clock)
    weights, measured, history = fitted
    lesson = Lesson(len(scores), config.fills, config.held_out, measured)
    compile_taught(model, path, weights, lesson, force)
    shutil.rmtree(folder, ignore_errors=True)
    return Teaching(path, lesson, taps, history)


def _sized_layers(model: Model) -> list[LayerInfo]:
    """-> the layers, those of a network of any size with the sides that their maps have at the size which its pictures are brought to."""
    layers = [info for info in model.layers if info.spatial]
    if all(side for info in layers for side in info.shape[:2]):
        return list(model.layers)
    batch = np.zeros((1, *model.input.size, model.input.channels), np.float32)
    maps = model.engine.activations(batch, [info.name for info in layers])
    return [replace(info, shape=tuple(array.shape[1:])) for info, array in zip(layers, maps, strict=True)]


def _quick_form(model: Model) -> Model:
    """-> the compiled form of a network, which answers faster."""
    if isinstance(model.engine, LiteRTEngine | FallbackEngine):
        return model
    return replace(open_compiled(compile_model(model)), origin=model.origin)


class _Clock:
    """Shares the time among the stages, and reports."""

    def __init__(self, minutes: float | None, report: Callable[[TeachingProgress], None]) -> None:
        self.report = report
        self._seconds = None if minutes is None else 60.0 * minutes
        self._spent_share = 0.0
        self._begin = self._stage_begin = time.monotonic()

    def start(self, stage: str) -> None:
        self._spent_share += STAGES[stage]
        self._stage_begin = time.monotonic()

    def left(self) -> float:
        """Seconds until the stage has to end."""
        if self._seconds is None:
            return np.inf
        return self._begin + self._spent_share * self._seconds - time.monotonic()

    def affordable(self, done: int, total: int) -> int:
        """-> how many of the total the stage will have done when its time is up."""
        spent = time.monotonic() - self._stage_begin
        rate = done / max(spent, 1e-9)
        return int(min(total, done + max(self.left(), 0) * rate)) if np.isfinite(self.left()) else total


def _ask(
    model: Model, faces: Sequence[Face], config: TeachConfig, seed: int, folder: Path, clock: _Clock
) -> CoalitionScores:
    """Ask the network about as many faces as there is time for; what was saved before is not asked again."""
    clock.start(ASKING)
    parts: list[CoalitionScores] = []
    for number, start in enumerate(range(0, len(faces), CHUNK)):
        chunk = faces[start : start + CHUNK]
        numbers = np.arange(start, start + len(chunk))
        pairs = (config.region_pairs, config.patch_pairs)
        part = work_folder.load_part(folder, number, numbers, pairs, len(model.labels))
        if part is None:
            if start >= FEWEST and clock.left() <= 0:
                continue
            part = answer_coalitions(model, chunk, numbers, config.fills[number % len(config.fills)], pairs, seed)
            if not (np.isfinite(part.shown).all() and np.isfinite(part.covered).all()):
                raise ModelError(f"{model.name} answers with NaN or infinity when parts of a face are hidden")
            work_folder.save_part(folder, number, part)
        parts.append(part)
        done = start + len(chunk)
        clock.report(TeachingProgress(ASKING, done, clock.affordable(done, len(faces))))
    return work_folder.join_parts(parts)


def _examination(model: Model, faces: Sequence[Face], fill: str, folder: Path, clock: _Clock) -> RegionValues:
    clock.start(TESTING)
    parts: list[RegionValues] = []
    for number, face in enumerate(faces):
        if number >= 8 and clock.left() <= 0:
            break
        ask = partial(exact_values, model, [face], fill)
        parts.append(work_folder.kept_values(folder, number, len(model.labels), ask))
        clock.report(TeachingProgress(TESTING, number + 1, clock.affordable(number + 1, len(faces))))
    return work_folder.join_exact(parts)


def _fit(
    model: Model,
    taps: tuple[str, ...],
    learners: Sequence[Face],
    examined: Sequence[Face],
    scores: CoalitionScores,
    exact: RegionValues,
    config: TeachConfig,
    seed: int,
    clock: _Clock,
) -> tuple[Any, dict[str, float], list[dict[str, float]]]:
    """-> the explainer's weights, how well it does, and the history of the fit."""
    clock.start(FITTING)
    projections = projections_of(model, learners, taps)
    features = tap_features(model, learners, taps, projections)
    scale = score_scale(scores)
    lessons = lessons_of(scores, features, scale)
    watched = max(1, min(256, len(lessons) // 10))
    history: list[dict[str, float]] = []

    def after_epoch(epoch: int, loss: float, other: float) -> None:
        history.append({"epoch": float(epoch + 1), "loss": loss, "val_loss": other})
        clock.report(
            TeachingProgress(FITTING, epoch + 1, config.epochs, f"loss {loss:.4f}, of other faces {other:.4f}")
        )

    network = fit_explainer(
        lessons.rows(watched, None),
        lessons.rows(0, watched),
        config.epochs,
        seed,
        after_epoch,
        clock.left,
        config.width,
    )
    if not all(np.isfinite(row["loss"]) for row in history):
        raise DataError("the loss is no longer a number; give other faces, or check the network's scaling")
    maps, doubt = _answers(network, tap_features(model, examined, taps, projections), scale)
    trust = error_scale(maps, doubt, exact)
    measured = examine(maps, exact)
    return explainer_weights(network, taps, projections, scale, trust), measured, history


def _answers(network: Any, features: list[np.ndarray], scale: Array) -> tuple[Array, Array]:
    """-> the maps (N, cells, cells, 2 K) of faces, and the deviations (N, 2 K) that the network expects of their scores."""
    answer = np.asarray(network.predict_on_batch([tap[:, 0].astype(np.float32) for tap in features]))
    maps = answer[:, : CELLS**2].reshape(len(answer), CELLS, CELLS, -1) * scale * np.float32(MAP_SCALE)
    return maps, np.exp(answer[:, -1] / 2) * scale
