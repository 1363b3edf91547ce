"""A Study: the answer to a question over a data set, in one shape whatever the question was."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ferviz.errors import DataError, UnknownNameError
from ferviz.files import PathLike
from ferviz.printable import sentence
from ferviz.rendering.lettering import one_font
from ferviz.results import Result, read_npz
from ferviz.tables.frames import to_columns, to_frame

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

Table = list[list[Any]]
"""Rows of cells, the names of the columns first; "" stands in a cell without a value."""

MAX_PRINTED = 100
"""Most rows of a table that are printed on a terminal."""

FIGURES = {
    "regions": "region_figure", "mean-maps": "mean_map_figure", "confusions": "confusion_figure", "labels": "label_figure",
    "compare": "comparison_figure", "channels": "channel_figure",
}  # fmt: skip
"""Study -> the module of `ferviz.studies.figures` whose `figure` draws it."""


@dataclass(frozen=True, eq=False)
class Study(Result):
    """The answer to a question over a data set.

    Attributes:
        name: of the study: "regions".
        finding: what it found, in one sentence.
        model: the network's name.
        model_sha256: the digest of its file.
        data: where the faces were read from.
        data_sha256: the digest of that.
        faces: how many faces the answer rests on.
        groups: how many of them are different pictures (or people, where the data names them): the unit of all intervals.
        tables: {name: rows}, the main one first; `table()` is that.
        arrays: {name: array}, such as maps, and the faces that are shown.
        settings: how it was asked: seed, method, fills and so on.
        notes: what has to be known to read the answer, a sentence each.
    """

    command: ClassVar[str] = "study"

    name: str
    finding: str
    model: str
    model_sha256: str
    data: str
    data_sha256: str
    faces: int
    groups: int
    tables: dict[str, Table] = field(repr=False)
    arrays: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    settings: dict[str, Any] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = field(default=(), repr=False)

    def __repr__(self) -> str:
        return f"Study({self.name!r} of {self.model!r} on {self.faces} faces of {self.data!r}: {self.finding})"

    def table(self, name: str | None = None) -> Sequence[Sequence[Any]]:
        """Return one of the tables, the names of the columns first.

        Args:
            name: of the table; None = the main one.

        Raises:
            UnknownNameError: there is no such table.
        """
        name = name or next(iter(self.tables))
        if name not in self.tables:
            raise UnknownNameError("table", name, self.tables)
        return self.tables[name]

    def records(self, name: str | None = None) -> list[dict[str, Any]]:
        """Return one of the tables as {column: value} for each row; None stands for a cell without a value.

        Args:
            name: of the table; None = the main one.
        """
        columns = to_columns(self.table(name))
        rows = zip(*columns.values(), strict=True)
        return [{key: None if value == "" else value for key, value in zip(columns, row, strict=True)} for row in rows]

    def to_frame(self, name: str | None = None) -> pandas.DataFrame:
        """Return one of the tables as a pandas DataFrame.

        Args:
            name: of the table; None = the main one.

        Raises:
            UsageError: pandas is not installed.
        """
        return to_frame(self.table(name))

    def to_dict(self) -> dict[str, Any]:
        """Return the study as plain data: study, finding, model, data, faces, groups, settings, notes, and `tables` of records."""
        return {
            "study": self.name, "finding": self.finding, "model": self.model, "model_sha256": self.model_sha256,
            "data": self.data, "data_sha256": self.data_sha256, "faces": self.faces, "groups": self.groups,
            "settings": self.settings, "notes": list(self.notes),
            "tables": {name: self.records(name) for name in self.tables},
        }  # fmt: skip

    def manifest(self) -> dict[str, Any]:
        """Return how this was made, as it goes into every file: `to_dict`, the names of arrays and columns, versions, platform and time."""
        columns = {name: list(rows[0]) for name, rows in self.tables.items()}
        return super().manifest() | {"arrays": list(self.arrays), "columns": columns}

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays."""
        return self.arrays

    def plot(self) -> Figure:
        """Return the study as a matplotlib Figure (made without pyplot)."""
        return one_font(importlib.import_module(f"ferviz.studies.figures.{FIGURES[self.name]}").figure(self))

    def text(self, known: Sequence[str] = ()) -> str:
        """Return the finding, the main table and the notes as lines for a terminal.

        Args:
            known: notes on the network that the reader has seen already.
        """
        table = [[_cell(value) for value in row] for row in self.table()[: MAX_PRINTED + 1]]
        widths = [max(len(row[k]) for row in table) for k in range(len(table[0]))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
        ]
        head = f"{self.name} of {self.model} on {self.faces} faces of {self.data} ({self.groups} different)"
        left = len(self.table()) - len(table)
        lines += [f"... {left:,} more rows, which a .csv or .json file holds"] if left else []
        seen = {sentence(note) for note in known}
        notes = [note for note in self.notes if note not in seen]
        return "\n".join([head, self.finding, "", *lines, *([""] if notes else []), *notes])

    @classmethod
    def load(cls, path: PathLike) -> Study:
        """Return a study that `save` wrote as .npz.

        Args:
            path: the file.

        Raises:
            DataError: the file is not there, or is not such a file.
        """
        record = read_npz(path, (), "a study")[1]
        names = record.get("arrays")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DataError(f"{path} is not a study that ferviz saved as .npz (its manifest lists no arrays)")
        arrays = read_npz(path, names, "a study")[0]
        try:
            tables = {
                str(name): [
                    [str(title) for title in titles],
                    *[["" if row[title] is None else row[title] for title in titles] for row in record["tables"][name]],
                ]
                for name, titles in record["columns"].items()
            }
            texts = ("study", "finding", "model", "model_sha256", "data", "data_sha256")
            if record["study"] not in FIGURES or not tables or not all(isinstance(record[t], str) for t in texts):
                raise ValueError("its manifest is not that of a study")
            json.dumps(record["settings"])
            return cls(
                name=record["study"], finding=record["finding"], model=record["model"], model_sha256=record["model_sha256"],
                data=record["data"], data_sha256=record["data_sha256"], faces=int(record["faces"]), groups=int(record["groups"]),
                tables=tables, arrays=arrays, settings=dict(record["settings"]), notes=tuple(str(note) for note in record["notes"]),
            )  # fmt: skip
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise DataError(f"{path} is not a study that ferviz saved as .npz ({error})") from error


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def rounded(value: float, digits: int = 4) -> float | str:
    """Return a number for a table: "" for NaN, which is no answer.

    Args:
        value: the number.
        digits: behind the point.
    """
    return round(float(value), digits) if np.isfinite(value) else ""
