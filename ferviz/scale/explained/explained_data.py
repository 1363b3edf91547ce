"""The explained faces of a run as a data set: with the network's answers, and pictures that are read when they are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ferviz.data.dataset import Answers, Dataset, Table
from ferviz.data.folder_reader import class_name
from ferviz.data.read import apply_scheme
from ferviz.emotions import LabelScheme, label_scheme
from ferviz.errors import DataError
from ferviz.paths import PathLike
from ferviz.scale.explained.run_records import read_records
from ferviz.scale.explained.source_pictures import SourcePictures


def read_explained(path: PathLike, labels: str | Sequence[str] | LabelScheme = "7") -> Dataset:
    """Return the explained faces of a run as labelled faces, for `ferviz.evaluate`, `ferviz.study` and reports.

    The network's answers come from the tables, so it is not asked again; a picture is read from the source when it is shown, or
    measured anew, and only then.

    Args:
        path: the run's folder, of which the shards that are done count, or its merged table (whose pictures can be read as long as
            the run's folder lies where it lay, seen from the table).
        labels: as of `ferviz.read_data`.

    Returns:
        The data set; `rows` are the faces' numbers in the tables, from 0, and `subject` their ids.

    Raises:
        DataError: there is no such run, a table cannot be read, or its faces have no labels.
        UnknownNameError: an unknown scheme.
    """
    records = read_records(path)
    at = np.flatnonzero(np.array([bool(name) for name in records.classes])[records.true])
    if not len(at):
        raise DataError(f"the faces of {path} have no labels; plan a source with labels: class folders, or a table")
    classes = [class_name(name) for name in records.classes]
    names = tuple(dict.fromkeys(classes))
    codes = np.array([names.index(name) for name in classes], np.int64)
    size = records.facts["input_size"]
    table = Table(
        SourcePictures(records.plan, records.pictures[at], records.faces[at], (size[0], size[1]), records.total),  # type: ignore[arg-type]
        codes[records.true[at]], np.array(records.splits)[records.split[at]], at, names, sha256=records.facts["fingerprint"],
    )  # fmt: skip
    scheme = labels if isinstance(labels, LabelScheme) else label_scheme(labels)
    data = apply_scheme(table, scheme, None, records.path)
    answers = Answers(tuple(records.facts["labels"]), records.facts["model_sha256"], records.probabilities[data.rows])
    left_out = data.left_out | ({"without a label": len(records) - len(at)} if len(at) < len(records) else {})
    # Each picture counts as one of its own: which ones are copies is not in the tables.
    return replace(data, answers=answers, left_out=left_out, subject=data.rows.astype(str))
