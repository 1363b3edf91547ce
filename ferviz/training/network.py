"""The two faces of the network in training: one that learns (logits, fast arithmetic), one that is saved (float32, softmax)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.files import atomic, to_json, write_text
from ferviz.models.architectures import build
from ferviz.training.precision import policy, resolve

if TYPE_CHECKING:
    from ferviz.training.folder import Plan


@dataclass
class Networks:
    """learning: what the optimizer works on. saved: the same weights as they go to disk. sidecar: what the file does not say.
    size: (height, width, channels) of its input. votes: outputs of the auxiliary head, 0 without. teach: see batches.Source."""

    learning: Any
    saved: Any
    sidecar: dict[str, Any]
    size: tuple[int, int, int]
    votes: int = 0
    teach: Callable[[np.ndarray], np.ndarray] | None = None

    def targets(self, part: Dataset, soft: np.ndarray) -> np.ndarray:
        """Return the targets of `part`: (N, K) soft labels, with the votes beside them where the auxiliary head learns them."""
        return soft

    def save(self, folder: Path, name: str) -> None:
        """Write the weights that `learning` has now as `<name>.keras` with its sidecar, each atomically."""
        self.saved.set_weights(self.learning.get_weights()[: len(self.saved.weights)])
        with atomic(folder / f"{name}.keras") as temporary:
            self.saved.save(temporary)
        write_text(folder / f"{name}.ferviz.json", to_json(self.sidecar, indent=2) + "\n")


def prepare(plan: Plan) -> Networks:
    """Build what `plan` asks for. Raises UsageError for options that the architecture refuses."""
    classes = len(plan.faces.scheme)
    with policy(resolve(plan.recipe.precision)):
        learning = build(plan.architecture, classes, seed=plan.seed, logits=True, **plan.options)
    with policy("float32"):
        saved = build(plan.architecture, classes, seed=plan.seed, **plan.options)
    height, width, channels = saved.inputs[0].shape[1:]
    return Networks(learning, saved, sidecar(plan, (height, width, channels)), (height, width, channels))


def sidecar(plan: Plan, size: tuple[int, int, int]) -> dict[str, Any]:
    """Return what is written as `<network>.ferviz.json`: labels and input spec, and the architecture for those who ask."""
    height, width, channels = size
    spec = {
        "height": height, "width": width, "channels": channels, "scaling": "0..255", "order": "rgb", "resize": "uint8",
        "mean": None, "std": None, "unit": 1.0,
    }  # fmt: skip
    return {
        "schema_version": 1, "labels": list(plan.faces.names), "scheme": plan.faces.scheme.name, "input": spec,
        "architecture": plan.architecture, "options": plan.options,
    }  # fmt: skip
