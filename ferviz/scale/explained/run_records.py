"""What the tables of a run say about each face: who it is, its label, and the network's answer; no picture."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.errors import DataError
from ferviz.paths import PathLike, exists, is_file, is_folder
from ferviz.scale.arrow import arrow_errors, import_arrow, import_parquet
from ferviz.scale.face_table import EXPLAINED, MAX_SIDE, METADATA, probability_column
from ferviz.scale.planner import Plan, load_plan
from ferviz.scale.run_directory import PLAN, RunDirectory

_MAGIC = b"PAR1"
_ROWS = 1 << 16  # read at once


@dataclass(frozen=True, eq=False)
class RunRecords:
    """The explained faces of a run, in the order of the source.

    Attributes:
        path: the run's folder, or its merged table.
        plan: of the run, None where its folder is not there.
        facts: how the run explained, as its tables tell.
        ids: N texts, the pictures' ids (a pyarrow array).
        total: pictures in the tables, also those without a face.
        pictures: (N,) int64, the number of each face's picture among all pictures of the tables.
        faces: (N,) int64, the number of each face in its picture.
        splits: the names of the splits, "" for none.
        split: (N,) int64, an index into `splits`.
        classes: the names of the labels, as the source has them; "" for none.
        true: (N,) int64, an index into `classes`.
        probabilities: (N, K) float32, of the network's classes, which `facts["labels"]` names.
    """

    path: str
    plan: Plan | None
    facts: dict[str, Any] = field(repr=False)
    ids: Any = field(repr=False)
    total: int
    pictures: np.ndarray = field(repr=False)
    faces: np.ndarray = field(repr=False)
    splits: tuple[str, ...]
    split: np.ndarray = field(repr=False)
    classes: tuple[str, ...]
    true: np.ndarray = field(repr=False)
    probabilities: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        return len(self.pictures)


def is_explained(path: PathLike) -> bool:
    """Return whether a path is the folder of a run, or a table that a run wrote.

    Args:
        path: any path.
    """
    path = Path(path)
    if is_folder(path):
        return exists(path / PLAN)
    if not is_file(path) or path.suffix.lower() != ".parquet":
        return False
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return False
    with arrow_errors(path):
        return METADATA in (import_parquet().read_schema(path).metadata or {})


def read_records(path: PathLike) -> RunRecords:
    """Read what a run says about its faces; maps and pictures are left where they are.

    Args:
        path: the run's folder, of which the shards that are done count, or its merged table.

    Raises:
        DataError: there is no such run, or a table cannot be read.
        UsageError: pyarrow is not installed.
    """
    path = Path(path)
    files, plan = _files(path)
    if not files:
        raise DataError(f"no shard of {path} is done; run it with: ferviz scale run {path}")
    with arrow_errors(files[0]):
        facts = _facts(files[0])
    if plan is None:
        plan = _plan_of(path, facts)
    columns = _Columns(facts)
    for file in files:
        for batch in _batches(file, columns.names):
            columns.add(batch)
    if not columns.count:
        raise DataError(f"{path} holds no face that was explained; ferviz scale status tells what became of them")
    return columns.records(os.fspath(path), plan)


class _Columns:
    """The columns of the tables, batch after batch; of a face's rows, one for each target, the first counts.

    Args:
        facts: how the run explained.

    Attributes:
        names: of the columns that are read.
        count: of the faces so far.
    """

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        self._answers = [probability_column(label) for label in facts["labels"]]
        self.names = ["id", "face", "status", "split", "true_label", *self._answers]
        self.count = 0
        self._targets = max(1, len(facts["targets"]))
        self._explained = self._pictures = 0
        self._splits, self._classes = _Names(), _Names()
        self._parts: list[tuple[Any, ...]] = []

    def add(self, batch: Any) -> None:
        """Add some rows."""
        explained = batch.column("status").to_numpy(zero_copy_only=False) == EXPLAINED
        faces = batch.column("face").fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        turn = self._explained + np.cumsum(explained) - 1
        first = ~explained | (turn % self._targets == 0)
        pictures = self._pictures + np.cumsum(first & (faces <= 0)) - 1
        self._explained, self._pictures = int(turn[-1]) + 1, int(pictures[-1]) + 1
        at = np.flatnonzero(explained & first)
        answers = [batch.column(name).to_numpy(zero_copy_only=False)[at] for name in self._answers]
        self.count += len(at)
        self._parts.append((
            batch.column("id").take(import_arrow().array(at)), pictures[at], faces[at], self._splits.codes(batch.column("split"))[at],
            self._classes.codes(batch.column("true_label"))[at], np.stack(answers, 1).astype(np.float32),
        ))  # fmt: skip

    def records(self, path: str, plan: Plan | None) -> RunRecords:
        """Return what was added."""
        ids, *arrays = zip(*self._parts, strict=True)
        pictures, faces, split, true, probabilities = (np.concatenate(array) for array in arrays)
        return RunRecords(
            path, plan, self.facts, import_arrow().chunked_array(ids), self._pictures, pictures, faces, self._splits.names, split,
            self._classes.names, true, probabilities,
        )  # fmt: skip


class _Names:
    """Numbers for the few texts of a column; null is ""."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def codes(self, column: Any) -> np.ndarray:
        encoded = column.fill_null("").dictionary_encode()
        table = [self._numbers.setdefault(str(name), len(self._numbers)) for name in encoded.dictionary.to_pylist()]
        return np.array([*table, 0], np.int64)[encoded.indices.to_numpy(zero_copy_only=False)]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._numbers)


def _files(path: Path) -> tuple[list[Path], Plan | None]:
    if not is_folder(path):
        return [path], None
    directory = RunDirectory(path)
    return [directory.part(shard) for shard in sorted(directory.done())], load_plan(path)


def _facts(file: Path) -> dict[str, Any]:
    """-> how the run explained, from a table's metadata."""
    about = (import_parquet().read_schema(file).metadata or {}).get(METADATA)
    try:
        facts = json.loads(about or b"")
        labels, sizes = facts["labels"], facts["input_size"]
        if not isinstance(labels, list) or not labels or not all(isinstance(label, str) for label in labels):
            raise TypeError("labels are texts")
        if len(sizes) != 2 or not all(type(side) is int and 0 < side <= MAX_SIDE for side in sizes):
            raise TypeError("a size is two numbers")
        if (
            not isinstance(facts["targets"], list)
            or not isinstance(facts["fingerprint"], str)
            or not isinstance(facts["model_sha256"], str)
        ):
            raise TypeError("targets are a list, and hashes texts")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(f"{file} does not tell how it was made; name a table of ferviz scale") from error
    return dict(facts)


def _plan_of(path: Path, facts: dict[str, Any]) -> Plan | None:
    """-> the plan behind a merged table, where its folder still lies where it lay, seen from the table."""
    folder = facts.get("run")
    if not isinstance(folder, str) or not folder or not exists(path.parent / folder / PLAN):
        return None
    plan = load_plan(path.parent / folder)
    return plan if plan.settings.fingerprint == facts["fingerprint"] else None


def _batches(file: Path, columns: list[str]) -> Iterator[Any]:
    arrow = import_arrow()
    with arrow_errors(file), import_parquet().ParquetFile(file) as parquet:
        missing = [name for name in columns if name not in parquet.schema_arrow.names]
        if missing:
            raise DataError(f"{file} has no column {missing[0]}; name a table of ferviz scale")
        for name in columns:
            if parquet.schema_arrow.names.count(name) > 1:
                raise DataError(f"{file} has several columns {name!r}; name a table of ferviz scale")
            kind = parquet.schema_arrow.field(name).type
            wanted = {"face": arrow.int32()}.get(name, arrow.float32() if name.startswith("p_") else arrow.string())
            if kind != wanted:
                raise DataError(
                    f"the column {name} of {file} is {kind} instead of {wanted}; name a table of ferviz scale"
                )
        for batch in parquet.iter_batches(_ROWS, columns=columns):
            batch.validate(full=True)  # texts of a damaged file may not be UTF-8
            if batch.num_rows:
                yield batch
