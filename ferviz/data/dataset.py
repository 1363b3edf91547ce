"""A Dataset: labelled face crops in memory, whatever file they came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ferviz.emotions import SCHEMES, LabelScheme


@dataclass(frozen=True)
class Dataset:
    """Faces with labels and splits; immutable, cheap to take parts of.

    images: (N, H, W) or (N, H, W, 3) uint8. labels: (N,) int64, an index into `scheme.labels`. split: (N,) strings, e.g.
    "Training", "PublicTest", "PrivateTest" ("" where the source has none). rows: (N,) int64, the row in the source,
    from 0. votes: (N, 10) int64 FERPlus votes in the order of its columns, or None. source: where it was read from.
    sha256: of the source's content.
    """

    images: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    split: np.ndarray = field(repr=False)
    rows: np.ndarray = field(repr=False)
    scheme: LabelScheme = SCHEMES["7"]
    votes: np.ndarray | None = field(default=None, repr=False)
    source: str = ""
    sha256: str = ""

    def __len__(self) -> int:
        return len(self.images)

    @property
    def names(self) -> tuple[str, ...]:
        """The class names, in the order of the labels."""
        return self.scheme.labels

    def take(self, which: np.ndarray | Sequence[int]) -> Dataset:
        """Return the part that `which` selects: a boolean mask (N,) or row indices."""
        at = np.asarray(which)
        votes = None if self.votes is None else self.votes[at]
        return replace(
            self, images=self.images[at], labels=self.labels[at], split=self.split[at], rows=self.rows[at], votes=votes
        )
