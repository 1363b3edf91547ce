"""What a training run says about itself: the manifest and the history that `ferviz.train` leaves beside a network."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferviz.models.model import Model
from ferviz.paths import is_file

MAX_BYTES = 16 * 1024**2


@dataclass(frozen=True)
class RunRecord:
    """How a network was trained and chosen, as its run wrote it down.

    Attributes:
        validation: the split whose accuracy chose the epoch that was kept.
        seed: the run's seed.
        data_sha256: the digest of the data that it learned from.
        teachers: how many other networks it learned from.
        ferplus: whether it learned from the FERPlus votes too.
        accuracies: the accuracy on `validation` after each epoch; empty where the history cannot be read.
    """

    validation: str
    seed: int
    data_sha256: str
    teachers: int = 0
    ferplus: bool = False
    accuracies: tuple[float, ...] = ()

    @property
    def selection_gain(self) -> float:
        """How much better the chosen epoch is on `validation` than the median of the last ten epochs, 0 to 1."""
        last = sorted(self.accuracies[-10:])
        return max(self.accuracies) - last[len(last) // 2] if last else 0.0


def read_run_record(model: Model) -> RunRecord | None:
    """Return what the run wrote beside a network's file; None where there is no run, or nothing that can be read as one.

    Args:
        model: the network.
    """
    path = None if model.origin is None else model.origin.path
    manifest = None if path is None else Path(path).parent / "manifest.json"
    if manifest is None or not is_file(manifest) or manifest.stat().st_size > MAX_BYTES:
        return None
    try:
        facts = json.loads(manifest.read_text(encoding="utf-8"))
        return _record(facts, manifest.with_name("history.csv"))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # somebody else's manifest.json


def _record(facts: dict[str, Any], history: Path) -> RunRecord | None:
    if facts["kind"] != "training run":
        return None
    config = facts["config"]
    return RunRecord(
        validation=str(config["validation"]),
        seed=int(config["seed"]),
        data_sha256=str(facts["data"]["sha256"]),
        teachers=len(config["teachers"]),
        ferplus=bool(config["ferplus_weight"]),
        accuracies=_accuracies(history),
    )


def _accuracies(history: Path) -> tuple[float, ...]:
    if not is_file(history) or history.stat().st_size > MAX_BYTES:
        return ()
    rows = csv.DictReader(io.StringIO(history.read_text(encoding="utf-8")))
    return tuple(float(row["val_accuracy"]) for row in rows)
