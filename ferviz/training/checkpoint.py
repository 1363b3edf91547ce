"""The state of a run on disk: everything that its next epoch depends on, in one file that is replaced as a whole."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.errors import DataError
from ferviz.files import atomic
from ferviz.manifests import to_json
from ferviz.models.architectures.layers import load_keras
from ferviz.npz import is_intact_zip
from ferviz.paths import exists

NAME = "state.npz"
COLUMNS = ("epoch", "learning_rate", "loss", "val_loss", "val_accuracy", "seconds")
"""Columns of the history."""


@dataclass
class State:
    """The state of a run between two epochs.

    Attributes:
        epoch: how many epochs are done.
        history: one row for each of them.
        plan: the hash of the plan that the run follows.
        variables: values of the network's variables: weights, and dropout's generators.
        optimizer: values of the optimizer's variables: momenta, averaged weights, counters.
    """

    epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    plan: str = ""
    variables: list[np.ndarray] = field(default_factory=list, repr=False)
    optimizer: list[np.ndarray] = field(default_factory=list, repr=False)


def save_state(folder: Path, state: State) -> None:
    """Write a state into a run folder, atomically.

    Args:
        folder: the run folder.
        state: the state.

    Raises:
        OutputError: it cannot be written; then the previous state is still there.
    """
    arrays = {f"v{i}": v for i, v in enumerate(state.variables)} | {f"o{i}": v for i, v in enumerate(state.optimizer)}
    counters = to_json({"epoch": state.epoch, "history": state.history, "plan": state.plan})
    with atomic(folder / NAME, durable=True) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, counters=np.array(counters), **arrays)  # type: ignore[arg-type]


def load_state(folder: Path) -> State | None:
    """Return the state in a run folder, or None before the first epoch ended.

    Args:
        folder: the run folder.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / NAME
    if not exists(path):
        return None
    damaged = DataError(f"{path} is damaged, so the run cannot be resumed; start it again with --force")
    if not is_intact_zip(path):
        raise damaged
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            counters = json.loads(str(file["counters"]))
            variables = [file[f"v{i}"] for i in range(sum(k[0] == "v" for k in file.files))]
            optimizer = [file[f"o{i}"] for i in range(sum(k[0] == "o" for k in file.files))]
        rows = [{key: float(row[key]) for key in COLUMNS} for row in counters["history"]]
        epoch, plan = counters["epoch"], counters["plan"]
    except Exception as error:  # zipfile, zlib and NumPy raise nearly anything for damaged bytes
        raise damaged from error
    epochs = list(range(1, len(rows) + 1))
    if not isinstance(plan, str) or [row["epoch"] for row in rows] != epochs or epoch != len(rows) or not variables:
        raise damaged
    return State(epoch, counters["history"], plan, variables, optimizer)


def variable_values(variables: Any) -> list[np.ndarray]:
    """Return copies of Keras variables as arrays.

    Args:
        variables: Keras variables.
    """
    to_numpy = load_keras().ops.convert_to_numpy
    return [np.array(to_numpy(v), copy=True) for v in variables]


def assign_variables(variables: Any, arrays: list[np.ndarray], owner: str) -> None:
    """Set Keras variables.

    Args:
        variables: Keras variables.
        arrays: their new values, in the same order.
        owner: what they belong to, for the message: "network".

    Raises:
        DataError: number or shapes differ.
    """
    if [tuple(v.shape) for v in variables] != [a.shape for a in arrays]:
        raise DataError(f"the saved {owner} does not fit the network that this run's configuration builds; start again")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
