"""`train`: from labelled faces to a network file, through a run folder that can be left and resumed at any moment."""

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
from ferviz.npz import is_intact_zip
from ferviz.training import run_folder
from ferviz.training.batches import Source, class_weights, resize_faces, soft_targets
from ferviz.training.checkpoint import State, load_state, save_state
from ferviz.training.config import TrainConfig
from ferviz.training.devices import all_devices
from ferviz.training.loop import Learner, validation_scores
from ferviz.training.network import Networks, build_networks
from ferviz.training.plots import check_tensorboard, write_tensorboard
from ferviz.training.schedule import learning_rate_at, plateau_factor, should_stop


@dataclass(frozen=True)
class TrainingProgress:
    """The position of a run, given to `progress` after every step and after every epoch.

    Attributes:
        epoch, epochs: number of the epoch, from 1, and how many there are.
        step, steps: number of the step in the epoch, from 1, and how many there are.
        loss: the mean loss of the epoch so far.
        learning_rate: the learning rate of the step.
        seconds_left: estimated time for the rest of the run.
        validated: the history's row of the epoch that just ended, None after a step.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    learning_rate: float
    seconds_left: float
    validated: dict[str, float] | None = None


@dataclass(frozen=True)
class TrainingRun:
    """A finished run.

    Attributes:
        folder: the run folder, with best.keras, last.keras and the files that say how they were trained.
        history: one row for each epoch: epoch, learning_rate, loss, val_loss, val_accuracy (0 to 1), seconds.
        best: the row of the epoch with the best validation accuracy, whose network best.keras is.
    """

    folder: Path
    history: list[dict[str, float]] = field(repr=False)
    best: dict[str, float] = field(default_factory=dict)


def train(
    data: Dataset | PathLike,
    *,
    out: PathLike,
    architecture: str = "residual",
    options: dict[str, Any] | None = None,
    labels: str | Sequence[str] | LabelScheme | None = None,
    init_from: PathLike | None = None,
    config: TrainConfig | None = None,
    resume: bool = False,
    force: bool = False,
    tensorboard: bool = False,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> TrainingRun:
    """Train a network and leave it, with its history, in a run folder.

    Args:
        data: a Dataset, or what `read_data` takes.
        out: the run folder.
        architecture: a name that `ferviz.architectures()` lists.
        options: {option: value} of the architecture.
        labels: the label scheme of the network; None means the data's.
        init_from: a network file to fine-tune; `architecture` and `options` are then not used.
        config: how the network is trained; None means `TrainConfig()`.
        resume: go on with the run in `out`. Everything but the number of epochs is then read from there, and that too where
            `config` is None.
        force: replace a run that is in `out`.
        tensorboard: write TensorBoard's logs too.
        progress: a function that is called after every step and every epoch.

    Returns:
        The finished run.

    Raises:
        UsageError: an argument makes no sense.
        DataError: there are no faces to learn from or to choose by, a run is resumed with other data, or the loss is no longer a number.
        ModelError: `init_from` or a teacher cannot be used.
        OutputExistsError: `out` holds a run, and neither `resume` nor `force` is true.
        OutputError: the run folder cannot be written; the last state stays.
    """
    if tensorboard:
        check_tensorboard()
    if resume:
        plan = run_folder.resumed_plan(Path(out), data, config)
    else:
        plan = run_folder.new_plan(
            Path(out), data, architecture=architecture, options=options, labels=labels, init_from=init_from, config=config,
            force=force,
        )  # fmt: skip
    with all_devices(plan.config.batch_size):
        return _execute(plan, tensorboard, progress)


def _execute(
    plan: run_folder.Plan, tensorboard: bool, progress: Callable[[TrainingProgress], None] | None
) -> TrainingRun:
    config, classes, networks = plan.config, len(plan.faces.scheme), build_networks(plan)
    training, validating = plan.parts()
    run_folder.begin(plan)
    source = Source(
        resize_faces(training.images, *networks.size),
        training.labels,
        networks.targets(training, soft_targets(training.labels, classes, config.label_smoothing)),
        class_weights(training.labels, classes, config.class_weights),
        config,
        networks.teacher,
    )
    learner = Learner(
        networks.learning, classes, config, ferplus_outputs=networks.ferplus_outputs, distilled=bool(config.teachers),
        steps=source.steps * config.epochs, core=networks.core if config.additive_weight else None,
    )  # fmt: skip
    try:
        history = _run_epochs(plan, networks, learner, source, validating, tensorboard, progress)
    finally:
        learner.close()
    run = TrainingRun(plan.folder, history, max(history, key=lambda row: row["val_accuracy"]))
    run_folder.finish(plan, run.history, run.best)
    return run


def _run_epochs(
    plan: run_folder.Plan, networks: Networks, learner: Learner, source: Source, validating: Dataset, tensorboard: bool,
    progress: Callable[[TrainingProgress], None] | None,
) -> list[dict[str, float]]:  # fmt: skip
    config, validation_images = plan.config, resize_faces(validating.images, *networks.size)
    sample = source.sample()
    state = (load_state(plan.folder) if plan.resume else None) or State(plan=plan.digest())
    if state.epoch:
        run_folder.check_state(plan, state)
        learner.restore(state.variables, state.optimizer)
        with learner.averaged(sample):
            _repair_networks(plan.folder, networks, state)
    while state.epoch < config.epochs and not should_stop(config, [r["val_accuracy"] for r in state.history]):
        row = _run_epoch(learner, source, state, progress)
        with learner.averaged(sample):
            logits = learner.logits(validation_images)
            if not np.isfinite(logits).all():
                raise DataError(
                    f"the network answers with NaN or infinity after epoch {state.epoch + 1}, so this epoch is not saved; try a "
                    "smaller --learning-rate or --precision float32"
                )
            row["val_loss"], row["val_accuracy"] = validation_scores(logits, validating.labels)
            row["seconds"] = time.monotonic() - row.pop("began")
            networks.save(plan.folder, "last")
            if row["val_accuracy"] > max((r["val_accuracy"] for r in state.history), default=-1.0):
                networks.save(plan.folder, "best")
        state = replace(state, epoch=state.epoch + 1, history=[*state.history, row])
        run_folder.write_history(plan.folder, state.history)
        if tensorboard:
            matrix = confusion(validating.labels, logits.argmax(1), len(validating.scheme))
            write_tensorboard(plan.folder, state.history, matrix, validating.names)
        # The state is written last: a run that is cut off earlier repeats this epoch and writes the same files again.
        state.variables, state.optimizer = learner.state()
        save_state(plan.folder, state)
        if progress:
            steps = source.steps
            left = row["seconds"] * (config.epochs - state.epoch)
            progress(
                TrainingProgress(state.epoch, config.epochs, steps, steps, row["loss"], row["learning_rate"], left, row)
            )
    return state.history


def _repair_networks(folder: Path, networks: Networks, state: State) -> None:
    """Write the saved networks again that are missing or damaged, where the state holds their weights."""
    best = max(state.history, key=lambda row: row["val_accuracy"])["epoch"]
    for name, epoch in (("last", state.epoch), ("best", best)):
        if is_intact_zip(folder / f"{name}.keras"):
            networks.save_sidecar(folder, name)
        elif epoch == state.epoch:
            networks.save(folder, name)
        else:
            raise DataError(
                f"{folder / name}.keras, the network of epoch {epoch:.0f}, is missing or damaged, and the saved state is that of epoch "
                f"{state.epoch}; copy it back, or start again with --force"
            )


def _run_epoch(
    learner: Learner, source: Source, state: State, progress: Callable[[TrainingProgress], None] | None
) -> dict[str, float]:
    config, steps, began = source.config, source.steps, time.monotonic()
    factor = plateau_factor(config, [r["val_accuracy"] for r in state.history])
    losses: list[float] = []
    learning_rate = 0.0
    for step, batch in enumerate(source.epoch(state.epoch)):
        learning_rate = learning_rate_at(config, state.epoch * steps + step, steps, factor)
        losses.append(learner.step(batch, learning_rate))
        if not np.isfinite(losses[-1]):
            raise DataError(
                f"the loss became {losses[-1]} in epoch {state.epoch + 1}, step {step + 1}; try a smaller --learning-rate "
                "or --precision float32"
            )
        if progress:
            pace = (time.monotonic() - began) / (step + 1)
            left = pace * ((config.epochs - state.epoch) * steps - step - 1)
            loss = float(np.mean(losses))
            progress(TrainingProgress(state.epoch + 1, config.epochs, step + 1, steps, loss, learning_rate, left))
    return {"epoch": state.epoch + 1, "learning_rate": learning_rate, "loss": float(np.mean(losses)), "began": began}
