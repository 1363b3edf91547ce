"""What a report is asked with, and the fingerprint by which a resumed one knows its own sections."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ferviz.data.dataset import Dataset
from ferviz.files import manifest, to_json
from ferviz.models.model import Model

QUICK = {"regions": 100, "mean-maps": 150}
"""Faces that the sections of a quick report rest on."""

FULL = {"regions": 300, "mean-maps": 300}
"""Faces that the sections of a whole report rest on."""


@dataclass(frozen=True, eq=False)
class Question:
    """What a report is asked with.

    Attributes:
        model: the network.
        data: the labelled faces.
        split: the name of what is measured.
        quick: the slow sections rest on fewer faces.
        show_faces: single faces may be shown.
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
    seed: int = 0
    batch_size: int = 64
    command: str = ""
    progress: Callable[[str], None] = field(default=lambda text: None, repr=False)

    def faces(self, section: str) -> int:
        """Return on how many faces a section rests, at most.

        Args:
            section: "regions" or "mean-maps".
        """
        return (QUICK if self.quick else FULL)[section]

    def settings(self) -> dict[str, Any]:
        """Return what the answers depend on, as plain data."""
        return {
            "model": self.model.name, "model_sha256": self.model.sha256, "labels": list(self.model.labels),
            "input": repr(self.model.input), "data": self.data.source, "data_sha256": self.data.sha256, "split": self.split,
            "faces": len(self.data), "quick": self.quick, "show_faces": self.show_faces, "seed": self.seed,
        }  # fmt: skip

    def fingerprint(self) -> str:
        """Return 64 hexadecimal digits that are others when anything is that the answers depend on."""
        digest = hashlib.sha256(to_json([self.settings(), manifest()["versions"]]).encode())
        for array in (self.data.images, self.data.labels, self.data.rows):
            digest.update(array.tobytes())
        return digest.hexdigest()
