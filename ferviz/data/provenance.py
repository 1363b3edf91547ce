"""Where the faces of a result stand in their data set: row, label and split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.errors import UsageError


@dataclass(frozen=True, eq=False)
class Provenance:
    """Where N faces come from.

    Attributes:
        rows: (N,) int64, the row of each in its source, from 0.
        true: the label of each.
        split: the split of each, "" where the source has none.
    """

    rows: np.ndarray
    true: tuple[str, ...]
    split: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.rows) == len(self.true) == len(self.split):
            raise UsageError(f"{len(self.rows)} rows, {len(self.true)} labels and {len(self.split)} splits do not fit")

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def of(cls, data: Dataset) -> Provenance:
        """Return where the faces of a data set come from.

        Args:
            data: the data set.
        """
        true = tuple(data.names[label] for label in data.labels)
        return cls(data.rows, true, tuple(str(name) for name in data.split))

    def take(self, at: np.ndarray) -> Provenance:
        """Return a part of it.

        Args:
            at: (M,) positions.
        """
        true, split = (tuple(values[i] for i in at) for values in (self.true, self.split))
        return Provenance(self.rows[at], true, split)

    def record(self, face: int) -> dict[str, Any]:
        """Return where one face comes from as plain data: row, true, split.

        Args:
            face: its number, from 0.
        """
        return {"row": int(self.rows[face]), "true": self.true[face], "split": self.split[face]}

    def caption(self, face: int) -> str:
        """Return a few words to write under a face.

        Args:
            face: its number, from 0.
        """
        return f"row {self.rows[face]}: {self.true[face]}"

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return {"rows", "true", "split"}: numbers, and texts."""
        return {"rows": self.rows, "true": np.array(self.true, str), "split": np.array(self.split, str)}


def join_provenance(parts: list[Provenance | None]) -> Provenance | None:
    """Return where the faces of several chunks come from; None where that is not known of a chunk.

    Args:
        parts: at least one, in order.
    """
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    true, split = (tuple(v for part in known for v in getattr(part, name)) for name in ("true", "split"))
    return Provenance(np.concatenate([part.rows for part in known]), true, split)
