"""`train`: from labelled faces to a network file, through a run folder that can be left and taken up at any moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.emotions import LabelScheme
from ferviz.errors import DataError
from ferviz.evaluation.metrics import confusion
from ferviz.files import PathLike
from ferviz.training import checkpoint as run_state
from ferviz.training import run_folder
from ferviz.training.batches import Source, class_weights, fit_pictures, soft_targets
from ferviz.training.config import TrainConfig
from ferviz.training.devices import all_devices
from ferviz.training.loop import Learner, scores
from ferviz.training.network import Networks, prepare
from ferviz.training.plots import check_tensorboard, write_tensorboard
from ferviz.training.schedule import plateau_factor, rate_at, should_stop


@dataclass(frozen=True)
class Progress:
    """Where a run is: epoch and step count from 1, `loss` is the epoch's mean so far, `seconds_left` an estimate for the
    whole run, `validated` the row of the epoch that just ended (else None)."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    rate: float
    seconds_left: float
    validated: dict[str, float] | None = None


@dataclass(frozen=True)
class TrainingRun:
    """A finished run. folder: holds best.keras, last.keras and how they came about. history: one row an epoch.
    best: the row of the epoch with the best validation accuracy, whose network best.keras is."""

    folder: Path
    history: list[dict[str, float]] = field(repr=False)
    best: dict[str, float] = field(default_factory=dict)


def train(
    data: Dataset | PathLike,
    architecture: str = "residual",
    *,
    out: PathLike,
    labels: str | LabelScheme | None = None,
    options: dict[str, Any] | None = None,
    recipe: TrainConfig | None = None,
    seed: int = 0,
    start: PathLike | None = None,
    teachers: Sequence[PathLike] = (),
    validation: str | None = None,
    fraction: float = 1.0,
    resume: bool = False,
    force: bool = False,
    tensorboard: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> TrainingRun:
    """Train a network on `data` and leave it, with its history, in the folder `out`.

    data: a Dataset, or a file or folder that ferviz.data reads. architecture, options: see ferviz.models.architectures.
    labels: label scheme that the network gets; None = the data's. recipe: None = the defaults. seed: of initial weights, order,
    augmentation and dropout. start: a network file to go on from (then `architecture` and `options` are not used).
    teachers: network files whose answers are learned too. validation: name of the split that chooses the best epoch; None = PublicTest
    (or the only other one).
    fraction: share of the training faces that is learned from, drawn with `seed` from each class alike.
    resume: take up the run in `out`; everything but the number of epochs is then read from there.
    force: replace a run that is there. tensorboard: write its logs too. progress: called after every step.
    Raises UsageError for options that make no sense, DataError for data without faces to train or validate on,
    OutputExistsError when `out` holds a run already, OutputError when it cannot be written (the last state stays).
    """
    recipe = recipe or TrainConfig()
    if tensorboard:
        check_tensorboard()
    plan = run_folder.plan(
        Path(out),
        data,
        architecture,
        options or {},
        labels,
        recipe,
        seed,
        start,
        teachers,
        validation,
        fraction=fraction,
        resume=resume,
        force=force,
    )
    with all_devices(plan.recipe.batch):
        return _prepared(plan, tensorboard, progress)


def _prepared(plan: run_folder.Plan, tensorboard: bool, progress: Callable[[Progress], None] | None) -> TrainingRun:
    recipe, faces, networks = plan.recipe, plan.faces, prepare(plan)
    training, validating = plan.parts()
    run_folder.begin(plan)
    source = Source(
        fit_pictures(training.images, *networks.size),
        training.labels,
        networks.targets(training, soft_targets(training.labels, len(faces.scheme), recipe.smoothing)),
        class_weights(training.labels, len(faces.scheme), recipe.class_weights),
        recipe,
        plan.seed,
        networks.teach,
    )
    learner = Learner(
        networks.learning, len(faces.scheme), recipe, votes=networks.votes, taught=bool(plan.teachers), seed=plan.seed,
        steps=source.steps * recipe.epochs,
    )  # fmt: skip
    try:
        history = _run(plan, networks, learner, source, validating, tensorboard, progress)
    finally:
        learner.close()
    run = TrainingRun(plan.folder, history, max(history, key=lambda row: row["val_accuracy"]))
    run_folder.finish(plan, run.history, run.best)
    return run


def _run(
    plan: run_folder.Plan, networks: Networks, learner: Learner, source: Source, validating: Dataset, tensorboard: bool,
    progress: Callable[[Progress], None] | None,
) -> list[dict[str, float]]:  # fmt: skip
    recipe, judge = plan.recipe, fit_pictures(validating.images, *networks.size)
    sample = source.sample()
    state = (run_state.load(plan.folder) if plan.resume else None) or run_state.State()
    if state.epoch:
        learner.restore(state.variables, state.optimizer)
    while state.epoch < recipe.epochs and not should_stop(recipe, [r["val_accuracy"] for r in state.history]):
        row = _epoch(learner, source, state, progress)
        with learner.averaged(sample):
            answers = learner.logits(judge)
            row["val_loss"], row["val_accuracy"] = scores(answers, validating.labels)
            row["seconds"] = time.monotonic() - row.pop("began")
            networks.save(plan.folder, "last")
            if row["val_accuracy"] > max((r["val_accuracy"] for r in state.history), default=-1.0):
                networks.save(plan.folder, "best")
        state = replace(state, epoch=state.epoch + 1, history=[*state.history, row])
        run_folder.write_history(plan.folder, state.history)
        if tensorboard:
            matrix = confusion(validating.labels, answers.argmax(1), len(validating.scheme))
            write_tensorboard(plan.folder, state.history, matrix, validating.names)
        # The state comes last: a run that is cut off before it repeats this epoch and writes the same files again.
        state.variables, state.optimizer = learner.state()
        run_state.save(plan.folder, state)
        if progress:
            steps = source.steps
            left = row["seconds"] * (recipe.epochs - state.epoch)
            progress(Progress(state.epoch, recipe.epochs, steps, steps, row["loss"], row["rate"], left, row))
    return state.history


def _epoch(
    learner: Learner, source: Source, state: run_state.State, progress: Callable[[Progress], None] | None
) -> dict[str, float]:
    recipe, steps, began = source.recipe, source.steps, time.monotonic()
    factor = plateau_factor(recipe, [r["val_accuracy"] for r in state.history])
    losses: list[float] = []
    rate = 0.0
    for step, batch in enumerate(source.epoch(state.epoch)):
        rate = rate_at(recipe, state.epoch * steps + step, steps, factor)
        losses.append(learner.step(batch, rate))
        if not np.isfinite(losses[-1]):
            raise DataError(
                f"the loss became {losses[-1]} in epoch {state.epoch + 1}, step {step + 1}; try a smaller --rate or --precision float32"
            )
        if progress:
            pace = (time.monotonic() - began) / (step + 1)
            left = pace * ((recipe.epochs - state.epoch) * steps - step - 1)
            progress(Progress(state.epoch + 1, recipe.epochs, step + 1, steps, float(np.mean(losses)), rate, left))
    return {"epoch": state.epoch + 1, "rate": rate, "loss": float(np.mean(losses)), "began": began}
