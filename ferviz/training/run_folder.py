"""The run folder: what a run was asked to do, and what it leaves behind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ferviz.data.dataset import Dataset
from ferviz.data.read import read_data, relabel
from ferviz.data.splits import sample
from ferviz.emotions import LabelScheme, label_scheme
from ferviz.errors import DataError, OutputError, OutputExistsError, UsageError
from ferviz.files import PathLike, csv_text, manifest, to_json, write_text
from ferviz.training.checkpoint import NAME as STATE
from ferviz.training.config import TrainConfig
from ferviz.training.plots import write_curves

CONFIG, HISTORY, MANIFEST = "config.json", "history.csv", "manifest.json"
COLUMNS = ("epoch", "rate", "loss", "val_loss", "val_accuracy", "seconds")


@dataclass(frozen=True)
class Plan:
    """Everything that decides a run. faces: all splits, in the network's label scheme, whole. The rest: see `train`."""

    folder: Path
    faces: Dataset = field(repr=False)
    architecture: str
    options: dict[str, Any]
    recipe: TrainConfig
    seed: int
    start: str | None
    teachers: tuple[str, ...]
    validation: str
    resume: bool
    fraction: float = 1.0

    def parts(self) -> tuple[Dataset, Dataset]:
        """Return (the faces to learn from, the faces to choose by)."""
        training, validating = (self.faces.take(self.faces.split == name) for name in ("Training", self.validation))
        for part, name in ((training, "Training"), (validating, self.validation)):
            if not len(part):
                found = ", ".join(sorted(set(self.faces.split.tolist()))) or "none"
                raise DataError(
                    f"{self.faces.source or 'the data'} has no {name} rows; its splits are {found} (--split random draws new ones)"
                )
        return sample(training, self.fraction, self.seed), validating

    def config(self) -> dict[str, Any]:
        """Return what config.json holds: all that a resumed run must agree with."""
        return {
            "architecture": self.architecture, "options": self.options, "labels": list(self.faces.names), "scheme": self.faces.scheme.name,
            "recipe": self.recipe.to_dict(), "seed": self.seed, "start": self.start, "teachers": list(self.teachers),
            "validation": self.validation, "fraction": self.fraction,
            "data": {"source": self.faces.source, "sha256": self.faces.sha256, "rows": len(self.faces)},
        }  # fmt: skip


def plan(
    out: Path,
    data: Dataset | PathLike,
    architecture: str,
    options: dict[str, Any],
    labels: str | LabelScheme | None,
    recipe: TrainConfig,
    seed: int,
    start: PathLike | None,
    teachers: Sequence[PathLike],
    validation: str | None,
    *,
    fraction: float = 1.0,
    resume: bool,
    force: bool,
) -> Plan:
    """Check what was asked; nothing is written yet.

    Raises UsageError, DataError or OutputExistsError (a run is there, neither resume nor force).
    """
    before: dict[str, Any] = {}
    if resume:
        before = _config(out)
        architecture, options, labels = before["architecture"], before["options"], before["scheme"]
        epochs = recipe.epochs
        recipe = replace(TrainConfig.from_dict(before["recipe"]), epochs=epochs)
        seed, start, teachers, validation = before["seed"], before["start"], before["teachers"], before["validation"]
        fraction = before.get("fraction", 1.0)
    elif (out / CONFIG).exists() and not force:
        raise OutputExistsError(
            f"{out} holds a run already; pass --resume to go on with it, --force to start over, or name another folder"
        )
    faces = data if isinstance(data, Dataset) else read_data(data)
    if labels is not None:
        faces = relabel(faces, labels if isinstance(labels, LabelScheme) else label_scheme(labels))
    if before and before["data"]["sha256"] != faces.sha256:
        raise DataError(
            f"the run in {out} learned from other data than {faces.source or 'these'}; resume it with the data it began with"
        )
    made = Plan(
        out, faces, architecture, dict(options), recipe, seed, None if start is None else str(start),
        tuple(str(t) for t in teachers), validation or _other_split(faces), resume, fraction,
    )  # fmt: skip
    made.parts()
    return made


def begin(plan: Plan) -> None:
    """Make or open the run's folder, and write config.json. Raises OutputError.

    Called once the networks are built, so that a mistake in their options leaves no folder that looks like a run.
    """
    try:
        plan.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the run folder {plan.folder} cannot be made ({error.strerror or error}); choose another --out"
        ) from error
    if not plan.resume:
        (plan.folder / STATE).unlink(missing_ok=True)
    write_text(plan.folder / CONFIG, to_json(plan.config(), indent=2) + "\n")


def _other_split(faces: Dataset) -> str:
    names = [n for n in dict.fromkeys(faces.split.tolist()) if n not in ("Training", "PrivateTest")]
    return "PublicTest" if "PublicTest" in names or len(names) != 1 else names[0]


def epochs_before(out: Path) -> int:
    """Return how many epochs the run in `out` was to have. Raises UsageError where there is none."""
    return int(_config(out)["recipe"]["epochs"])


def labels_before(out: Path) -> str:
    """Return the labels of the run in `out`, by scheme name or as a list. Raises UsageError where there is none."""
    return str(_config(out)["scheme"])


def _config(out: Path) -> dict[str, Any]:
    path = out / CONFIG
    if not path.is_file():
        raise UsageError(f"{out} holds no run to resume ({CONFIG} is missing); leave --resume out to start one")
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is damaged, so the run cannot go on; start it again with --force") from error
    return config


def write_history(folder: Path, history: list[dict[str, float]]) -> None:
    """Write history.csv, atomically: one row an epoch, columns COLUMNS."""
    rows = [[row[k] if k == "epoch" else f"{row[k]:.6g}" for k in COLUMNS] for row in history]
    write_text(folder / HISTORY, csv_text([COLUMNS, *rows]))


def finish(plan: Plan, history: list[dict[str, float]], best: dict[str, float]) -> None:
    """Write curves.png and manifest.json: the whole configuration, the outcome and the versions."""
    taught = f", taught by {', '.join(Path(t).stem for t in plan.teachers)}" if plan.teachers else ""
    write_curves(plan.folder, history, f"{plan.architecture}{taught}, seed {plan.seed}")
    facts = manifest(kind="training run", **plan.config(), best=best, epochs=len(history))
    write_text(plan.folder / MANIFEST, to_json(facts, indent=2) + "\n")
