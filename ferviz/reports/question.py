"""What a report is asked with, and the fingerprint by which a resumed one knows its own sections."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.manifests import manifest, to_json
from ferviz.models.model import Model

SIZES = {
    "check": (300, 3000),
    "trust": (12, 24),
    "regions": (77, 210),
    "variants": (7, 28),
    "mean-maps": (168, 300),
    "confusions": (48, 264),
    "cells": (2, 6),
    "dreams": (32, 128),
}
"""On how much each section of a quick and of a whole report rests: faces, for "variants" faces on which other fills and borders are tried,
for "cells" mistakes, for "dreams" steps. Of seven classes a quick report has just so many faces that each bears an interval
(`resampling.MIN_GROUPS`, `confusion_study.MIN_CELL`)."""

UNITS = {"cells": "mistakes", "dreams": "steps"}
"""What SIZES count where it is not faces."""


@dataclass(frozen=True, eq=False)
class Question:
    """What a report is asked with.

    Attributes:
        model: the network.
        data: the labelled faces.
        split: the name of what is measured.
        quick: the slow sections rest on fewer faces.
        show_faces: single faces may be shown.
        judges: other networks that say what they see in the dreams.
        seed: of everything that is drawn.
        batch_size: pictures in one pass through the network.
        command: the words that asked for the report; "" = it was called from Python.
        progress: takes a phrase about what is done next.
    """

    model: Model
    data: Dataset
    split: str
    quick: bool = False
    show_faces: bool = True
    judges: tuple[Model, ...] = ()
    seed: int = 0
    batch_size: int = 64
    command: str = ""
    progress: Callable[[str], None] = field(default=lambda text: None, repr=False)

    def size(self, section: str) -> int:
        """Return on how much a section rests, at most.

        Args:
            section: one of SIZES.
        """
        quick, full = SIZES[section]
        return quick if self.quick else full

    def settings(self) -> dict[str, Any]:
        """Return what the answers depend on, as plain data."""
        return {
            "model": self.model.name, "model_sha256": self.model.sha256, "labels": list(self.model.labels),
            "input": repr(self.model.input), "data": self.data.source, "data_sha256": self.data.sha256, "split": self.split,
            "faces": len(self.data), "quick": self.quick, "show_faces": self.show_faces, "seed": self.seed,
            "judges": [judge.name for judge in self.judges],
        }  # fmt: skip

    def fingerprint(self) -> str:
        """Return 64 hexadecimal digits that are others when anything is that the answers depend on."""
        about = [self.settings(), [judge.sha256 for judge in self.judges], manifest()["versions"]]
        digest = hashlib.sha256(to_json(about).encode())
        for array in (self.data.images, self.data.labels, self.data.rows):
            # Such an array needs no copy: there may be 100,000 faces.
            plain = isinstance(array, np.ndarray) and array.flags.c_contiguous
            digest.update(array.data if plain else array.tobytes())
        return digest.hexdigest()
