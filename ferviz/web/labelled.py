"""The labelled faces of the studio's data room: read once, matched with the network's classes, and sent as sheets of small pictures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from PIL import Image

from ferviz.data.dataset import Dataset
from ferviz.data.read import read_data
from ferviz.data.splits import AUTO, choose_split
from ferviz.errors import DataError, UsageError
from ferviz.evaluation.label_matching import match_labels
from ferviz.images import encode

CELL = 48
"""Pixels a side of a face in a sheet."""

COLUMNS = 16
"""Faces in a row of a sheet."""

MAX_SHEET = 256
"""Faces in a sheet."""

QUALITY = 82
EVERYTHING, RANDOM = "all", "random"


@dataclass(frozen=True)
class Labelled:
    """Labelled faces, and what their labels are among a network's classes.

    Attributes:
        data: the faces.
        true: (N,) int64, the label of each face, an index into `classes`.
        classes: names.
        notes: what was left out, a sentence each.
    """

    data: Dataset
    true: np.ndarray = field(repr=False)
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: str, split: str | None = AUTO, **options: Any) -> Labelled:
        """Read a data set.

        Args:
            path: as `read_data`.
            split: "auto" = PublicTest, or the only one; "all" or None = everything; "random" = a tenth.
            **options: of `read_data`: labels, votes, skip_bad, reader.

        Raises:
            DataError: it cannot be read.
        """
        data = read_data(path, split=RANDOM if split == RANDOM else None, **options)
        return cls.of(data, split)

    @classmethod
    def of(cls, data: Dataset, split: str | None = AUTO) -> Labelled:
        """Return the faces of a split of a data set.

        Args:
            data: the data set.
            split: as for `read`.
        """
        chosen = choose_split(data, {EVERYTHING: None, RANDOM: AUTO}.get(split or EVERYTHING, split))
        return cls(chosen, chosen.labels, chosen.names)

    def matched(self, labels: tuple[str, ...]) -> Labelled:
        """Return the faces whose class a network has, with the network's classes.

        Args:
            labels: of the network.

        Raises:
            DataError: there are none, or the data's labels are coarser than the network's.
        """
        match = match_labels(self.data, labels)
        if match.columns is not None:
            raise DataError(
                f"the labels {', '.join(self.data.names)} are coarser than the network's {', '.join(labels)}; read the data with the "
                "network's classes (--scheme)"
            )
        if not len(match.data):
            raise DataError(
                f"{self.data.source or 'the data set'} has no faces of the network's classes; name another --split"
            )
        return replace(self, data=match.data, true=match.true, classes=match.labels, notes=tuple(match.notes))

    def __len__(self) -> int:
        return len(self.true)

    def index(self) -> dict[str, Any]:
        """Return what the page has to know about every face, as plain data."""
        data = self.data
        names, splits = data.splits, np.zeros(len(data), np.int64)
        for number, name in enumerate(names):
            splits[data.split == name] = number
        return {
            "count": len(self), "classes": list(self.classes), "true": self.true.tolist(), "rows": data.rows.tolist(),
            "splits": list(names), "split": splits.tolist(), "notes": list(self.notes), "cell": CELL, "columns": COLUMNS,
            "sheet": MAX_SHEET,
        }  # fmt: skip

    def sheet(self, faces: Sequence[int]) -> bytes:
        """Return a WebP sheet of faces, CELL pixels each, COLUMNS in a row.

        Args:
            faces: their numbers, 1 to MAX_SHEET.

        Raises:
            UsageError: too many, or numbers that no face has.
        """
        if not 1 <= len(faces) <= MAX_SHEET or not all(type(n) is int and 0 <= n < len(self) for n in faces):
            raise UsageError(f"a sheet has 1 to {MAX_SHEET} of the {len(self)} faces")
        colour = self.data.images.ndim == 4
        rows = -(-len(faces) // COLUMNS)
        sheet = Image.new("RGB" if colour else "L", (CELL * min(COLUMNS, len(faces)), CELL * rows))
        for place, number in enumerate(faces):
            face = Image.fromarray(self.data.images[number])
            if face.size != (CELL, CELL):
                face = face.resize((CELL, CELL), Image.Resampling.BOX)
            sheet.paste(face, (place % COLUMNS * CELL, place // COLUMNS * CELL))
        stream = io.BytesIO()
        sheet.save(stream, "WEBP", quality=QUALITY, method=0)
        return stream.getvalue()

    def face(self, number: int) -> bytes:
        """Return one face as PNG, every pixel as it is.

        Args:
            number: of the face.

        Raises:
            UsageError: there is no such face.
        """
        if not 0 <= number < len(self):
            raise UsageError(f"there is no face {number}; there are {len(self)}")
        return encode(self.data.images[number])
