"""The run folder: the plan of a run, and the files that it leaves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ferviz.data.dataset import Dataset
from ferviz.data.duplicates import also_in
from ferviz.data.read import as_dataset, relabel
from ferviz.data.splits import sample
from ferviz.emotions import LabelScheme, label_scheme
from ferviz.errors import DataError, OutputError, OutputExistsError, UsageError
from ferviz.files import PathLike, make_folder, write_text
from ferviz.manifests import manifest, to_json
from ferviz.models.network_address import parse_network
from ferviz.paths import exists, is_file, unseen
from ferviz.tables.csv_table import csv_text
from ferviz.training.checkpoint import COLUMNS, State
from ferviz.training.checkpoint import NAME as STATE
from ferviz.training.config import TrainConfig
from ferviz.training.plots import write_curves

CONFIG, HISTORY, MANIFEST = "config.json", "history.csv", "manifest.json"


@dataclass(frozen=True)
class Plan:
    """Everything that decides a run.

    Attributes:
        folder: the run folder.
        faces: the faces of all splits, with the labels of the network.
        architecture, options: the architecture's name and options.
        init_from: the network file whose weights the run begins with, or None.
        config: how the network is trained; its `validation` names a split.
        resume: whether the run goes on from its saved state.
    """

    folder: Path
    faces: Dataset = field(repr=False)
    architecture: str
    options: dict[str, Any]
    init_from: str | None
    config: TrainConfig
    resume: bool = False

    def parts(self) -> tuple[Dataset, Dataset]:
        """Return the faces to learn from and the faces that choose the best epoch.

        Raises:
            DataError: one of the two splits has no faces, or has none left without copies.
        """
        validation = self.config.validation or ""
        training, validating = (self.faces.take(self.faces.split == name) for name in ("Training", validation))
        for part, name in ((training, "Training"), (validating, validation)):
            if not len(part):
                splits = ", ".join(sorted(set(self.faces.split.tolist()))) or "none"
                raise DataError(
                    f"{self.faces.source or 'the data'} has no {name} rows; its splits are {splits} (--split random draws new ones)"
                )
        if self.config.drop_copies:
            training = training.take(~also_in(training, validating))
            if not len(training):
                raise DataError(
                    f"every Training face of {self.faces.source or 'the data'} is a copy of one of {validation}"
                )
        return sample(training, self.config.fraction, self.config.seed), validating

    def to_dict(self) -> dict[str, Any]:
        """Return the content of config.json: everything that a resumed run must agree with."""
        return {
            "architecture": self.architecture, "options": self.options, "labels": list(self.faces.names), "scheme": self.faces.scheme.name,
            "init_from": self.init_from, "config": self.config.to_dict(),
            "data": {"source": self.faces.source, "sha256": self.faces.sha256, "rows": len(self.faces)},
        }  # fmt: skip

    def digest(self) -> str:
        """Return a hash of what stays the same in a resumed run: everything but the number of epochs and the data's path."""
        facts, usual = self.to_dict(), TrainConfig().to_dict()
        # Without the defaults, so that a field that ferviz gets later changes no hash.
        config = {name: value for name, value in facts["config"].items() if name != "epochs" and value != usual[name]}
        data = {name: value for name, value in facts["data"].items() if name != "source"}
        return hashlib.sha256(to_json(facts | {"config": config, "data": data}).encode()).hexdigest()


def new_plan(
    folder: Path,
    data: Dataset | PathLike,
    *,
    architecture: str,
    options: dict[str, Any] | None,
    labels: str | Sequence[str] | LabelScheme | None,
    init_from: PathLike | None,
    config: TrainConfig | None,
    force: bool = False,
) -> Plan:
    """Return the plan of a new run, checked; nothing is written yet.

    Args:
        folder: the run folder.
        data, architecture, options, labels, init_from, config: see `ferviz.train`.
        force: whether a run that is there may be replaced.

    Raises:
        UsageError: an argument makes no sense.
        DataError: the data cannot be read, or has no faces to learn from or to choose by.
        OutputExistsError: the folder holds a run and `force` is false.
    """
    if exists(folder / CONFIG) and not force:
        raise OutputExistsError(
            f"{folder} holds a run already; pass --resume to go on with it, --force to start over, or name another folder"
        )
    faces = _faces(data, labels)
    config = config or TrainConfig()
    config = replace(config, validation=config.validation or _validation_split(faces))
    plan = Plan(folder, faces, architecture, dict(options or {}), None if init_from is None else str(init_from), config)
    plan.parts()
    return plan


def resumed_plan(folder: Path, data: Dataset | PathLike, config: TrainConfig | None = None) -> Plan:
    """Return the plan of a run that is resumed; nothing is written yet.

    Args:
        folder: the run folder.
        data: the data that the run began with.
        config: a configuration of which the number of epochs is taken; None keeps the run's own.

    Raises:
        UsageError: the folder holds no run.
        DataError: its files are damaged, or the run began with other data.
    """
    saved = _read_config(folder)
    faces = _faces(data, saved["scheme"])
    if saved["data"]["sha256"] != faces.sha256:
        raise DataError(
            f"the run in {folder} learned from other data than {faces.source or 'these'}; resume it with the data it began with"
        )
    try:
        before = TrainConfig.from_dict(saved["config"])
    except UsageError as error:
        raise UsageError(f"{folder / CONFIG}: {error}") from error
    except (TypeError, ValueError) as error:
        raise _damaged(folder / CONFIG) from error
    merged = before if config is None else replace(before, epochs=config.epochs)
    plan = Plan(folder, faces, saved["architecture"], saved["options"], saved.get("init_from"), merged, resume=True)
    plan.parts()
    return plan


def begin(plan: Plan) -> None:
    """Make or open the run's folder, and write config.json.

    It is called once the networks are built, so that a mistake in their options leaves no folder that looks like a run.

    Args:
        plan: the run.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    make_folder(plan.folder)
    if not plan.resume:
        (plan.folder / STATE).unlink(missing_ok=True)
    write_text(plan.folder / CONFIG, to_json(plan.to_dict(), indent=2) + "\n")


def check_state(plan: Plan, state: State) -> None:
    """Check that a saved state belongs to the plan that config.json describes.

    Args:
        plan: the resumed run.
        state: its saved state.

    Raises:
        DataError: it is another run's, or config.json was changed or is damaged.
    """
    if state.plan != plan.digest():
        raise DataError(
            f"{plan.folder / CONFIG} does not describe the run whose state is beside it; undo its changes, or start again with --force"
        )


def run_labels(folder: PathLike) -> str:
    """Return the labels of a run, as the name of a scheme or as "happy,sad,...": what its data is to be read with.

    Args:
        folder: the run folder.

    Raises:
        UsageError: the folder holds no run.
        DataError: config.json is damaged.
    """
    return str(_read_config(Path(folder))["scheme"])


def write_history(folder: Path, history: list[dict[str, float]]) -> None:
    """Write history.csv, atomically: one row for each epoch, with the columns COLUMNS.

    Args:
        folder: the run folder.
        history: one row for each epoch.
    """
    rows = [[row[k] if k == "epoch" else f"{row[k]:.6g}" for k in COLUMNS] for row in history]
    write_text(folder / HISTORY, csv_text([COLUMNS, *rows]))


def finish(plan: Plan, history: list[dict[str, float]], best: dict[str, float]) -> None:
    """Write curves.png and manifest.json: the configuration, the outcome and the versions.

    Args:
        plan: the run.
        history: one row for each epoch.
        best: the row of the best epoch.
    """
    names = [Path(parse_network(teacher)[0]).stem for teacher in plan.config.teachers]
    teachers = f", teachers {', '.join(names)}" if names else ""
    write_curves(plan.folder, history, f"{plan.architecture}{teachers}, seed {plan.config.seed}")
    facts = manifest(kind="training run", **plan.to_dict(), best=best, epochs=len(history))
    write_text(plan.folder / MANIFEST, to_json(facts, indent=2) + "\n")


def _faces(data: Dataset | PathLike, labels: str | Sequence[str] | LabelScheme | None) -> Dataset:
    faces = as_dataset(data)
    if labels is None:
        return faces
    return relabel(faces, labels if isinstance(labels, LabelScheme) else label_scheme(labels))


def _validation_split(faces: Dataset) -> str:
    names = [n for n in dict.fromkeys(faces.split.tolist()) if n not in ("Training", "PrivateTest")]
    return "PublicTest" if "PublicTest" in names or len(names) != 1 else names[0]


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    if not is_file(path):
        if not exists(path) and "not there" not in unseen(path):
            raise OutputError(f"{path} {unseen(path)}")
        raise UsageError(f"{folder} holds no run to resume ({CONFIG} is missing); leave --resume out to start one")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        if (
            {name: type(config[name]) for name in _SAVED} == _SAVED
            and isinstance(config["data"]["sha256"], str)
            and (isinstance(config.get("init_from", ""), str | None))
        ):
            return dict(config)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path) from error
    raise _damaged(path)


def _damaged(path: Path) -> DataError:
    return DataError(f"{path} is damaged, so the run cannot be resumed; start it again with --force")


_SAVED = {"architecture": str, "options": dict, "scheme": str, "config": dict, "data": dict}
"""Entries of config.json that a resumed run needs, with their types."""
