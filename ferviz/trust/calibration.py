"""The margin by which a map has to beat a centre blob: measured so that at most one random map in twenty does."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from ferviz.errors import DataError, ModelError
from ferviz.models.bundled import ASSETS
from ferviz.models.model import Model
from ferviz.paths import is_file
from ferviz.trust.controls import centre_blob, random_maps
from ferviz.trust.deletion import FILLS, QUICK_STEPS, STEPS, area, deletion_curves, pixel_ranks
from ferviz.trust.scores import MIN_GAP, network_scores

DELTA = 0.05
"""The margin of networks for which none was measured, and the least of those for which one was."""

MAX_RANDOM = 0.05
"""The share of random maps that may pass."""

CELLS = (3, 6, 12, 24)
"""Cells a side of the random maps; noise of single pixels is tried, too."""

MIN_FACES = 40
"""Fewer assessable faces say nothing about one map in twenty."""

FILE = ASSETS / "trust_calibration.json"


@dataclass(frozen=True)
class Calibration:
    """The margin of one network.

    Attributes:
        deltas: {steps: margin}.
        calibrated: it was measured for this network.
        about: how: model_sha256, faces, random_pass_rate {steps: {cells: share}}.
    """

    deltas: dict[int, float] = field(default_factory=dict)
    calibrated: bool = False
    about: dict[str, Any] = field(default_factory=dict)

    def delta(self, steps: int) -> float:
        """Return the margin that a map has to exceed.

        Args:
            steps: of deletion and insertion.
        """
        return self.deltas.get(steps, DELTA)

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as plain data: `about`, and delta {steps: margin}."""
        return {**self.about, "delta": {str(steps): delta for steps, delta in self.deltas.items()}}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Calibration:
        """Return the calibration that `to_dict` described.

        Args:
            record: plain data.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: it is not such a record.
        """
        deltas = {int(steps): float(delta) for steps, delta in record["delta"].items()}
        if not all(math.isfinite(delta) and 0 <= delta <= 1 for delta in deltas.values()):
            raise ValueError("a margin lies between 0 and 1")
        return cls(deltas, True, {key: value for key, value in record.items() if key != "delta"})


def calibration_of(model: Model) -> Calibration:
    """Return the margin that was measured for a network, or the usual one.

    Args:
        model: the network; it is known by the hash of its file.

    Raises:
        ModelError: the network's sidecar cannot be read.
    """
    return _shipped().get(model.sha256) or _beside(model) or Calibration()


def calibrate(
    model: Model,
    images: np.ndarray,
    *,
    seed: int = 0,
    batch_size: int = 64,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Calibration:
    """Measure by how much random maps beat a centre blob, and set the margin so that at most one in twenty does.

    Args:
        model: the network.
        images: (N, H, W) or (N, H, W, 3) uint8, faces that the network was not trained on; a few hundred.
        seed: of the random maps.
        batch_size: changed pictures in one pass through the network.
        progress: takes an iterable over the faces and yields the same; for a progress bar.

    Returns:
        The calibration.

    Raises:
        DataError: there are too few faces whose maps can be assessed.
    """
    pictures = model.input.resized(images)
    height, width = pictures.shape[1:3]
    cells = [(side, side) for side in CELLS if side < min(height, width)] + [(height, width)]
    logits = model.logits(images)
    targets = np.eye(logits.shape[1], dtype=np.float32)[logits.argmax(1)][:, None]
    rows = []
    for face in progress(range(len(pictures))):
        noise = [random_maps(1, height, width, size, seed=seed + face) for size in cells]
        ranks = pixel_ranks(np.concatenate([centre_blob(height, width)[None], *noise])[None], seed)
        scores = network_scores(model, targets[face : face + 1])
        curves = deletion_curves(scores, pictures[face : face + 1], ranks, FILLS, STEPS, batch_size)
        if (curves.gap >= MIN_GAP).all():
            rows.append({steps: _margins(curves.insertion, curves.deletion, STEPS // steps) for steps in _TESTS})
    if len(rows) < MIN_FACES:
        raise DataError(
            f"only {len(rows)} of {len(pictures)} faces can be assessed; calibrate with {MIN_FACES} at least, better 300"
        )
    return _calibration(model, {steps: np.stack([row[steps] for row in rows]) for steps in _TESTS}, cells)


_TESTS = (QUICK_STEPS, STEPS)


def _margins(insertion: np.ndarray, deletion: np.ndarray, every: int) -> np.ndarray:
    """-> (R,), how far each of R random maps exceeds the blob (the first map) under the fill that is hardest for it."""
    srg = (area(insertion[..., ::every]) - area(deletion[..., ::every]))[0, :, 0]
    least: np.ndarray = (srg[1:] - srg[0]).min(-1)
    return least


def _calibration(model: Model, margins: dict[int, np.ndarray], cells: list[tuple[int, int]]) -> Calibration:
    deltas, rates = {}, {}
    for steps, values in margins.items():
        quantile = np.quantile(values, 1 - MAX_RANDOM, axis=0, method="higher").max()
        deltas[steps] = max(DELTA, math.ceil(100 * quantile) / 100)
        shares = (values > deltas[steps]).mean(0)
        rates[str(steps)] = {f"{h}x{w}": round(float(s), 4) for (h, w), s in zip(cells, shares, strict=True)}
    count = len(next(iter(margins.values())))
    about = {"model": model.name, "model_sha256": model.sha256, "faces": count, "random_pass_rate": rates}
    return Calibration(deltas, True, about)


def _beside(model: Model) -> Calibration | None:
    """-> the calibration in the sidecar of the network's file, where it was made for this very file."""
    if model.file_name is None:
        return None
    from ferviz.models.sidecar import find_sidecar, read_sidecar

    path = find_sidecar(model.origin.path)
    record = read_sidecar(path).trust.get("calibration") if path else None
    try:
        return Calibration.from_dict(record) if record and record["model_sha256"] == model.sha256 else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{path}: trust.calibration cannot be read ({error}); run ferviz trust --write again"
        ) from error


@lru_cache(maxsize=1)
def _shipped() -> dict[str, Calibration]:
    """-> {hash of a network's file: its calibration}, of the networks that ferviz brings along."""
    if not is_file(FILE):
        return {}
    document = json.loads(FILE.read_text(encoding="utf-8"))
    return {record["model_sha256"]: Calibration.from_dict(record) for record in document["networks"]}
