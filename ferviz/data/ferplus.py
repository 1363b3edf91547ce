"""FERPlus: the votes of ten people on every FER2013 face, in the same order of rows; a second, different set of labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ferviz.data.csv_lines import fields_of, header_of, lines_of
from ferviz.data.csv_reader import USAGES
from ferviz.data.dataset import Table
from ferviz.emotions import FERPLUS
from ferviz.errors import DataError
from ferviz.files import PathLike
from ferviz.paths import open_regular

COLUMNS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "nf")
"""The vote columns, in FERPlus' order: eight emotions, "unknown", and "nf" for not a face."""


def read_votes(path: PathLike, table: Table) -> np.ndarray:
    """Return the votes for the rows of a table.

    Args:
        path: fer2013new.csv (columns Usage, Image name and the ten vote columns, row i for row i of fer2013.csv), or a table with a
            `row` column that names the row of each line.
        table: the faces. Their rows and splits are compared with those of the votes (and their emotions, where the votes' table has
            them too).

    Returns:
        (N, 10) int64 in the order of COLUMNS.

    Raises:
        DataError: a line cannot be read, a row has no votes, or the two tables do not belong together.
    """
    path = Path(path)
    try:
        with open_regular(path) as file:
            lines = lines_of(file)
            columns = header_of(next(lines, (0, b""))[1])
            missing = [c for c in COLUMNS if c not in columns]
            if missing:
                raise DataError(
                    f"{path} has no column {missing[0]!r} in its first line; FERPlus' votes are in fer2013new.csv"
                )
            votes: dict[int, tuple[int, dict[str, bytes]]] = {}
            for number, line in lines:
                if not line.strip():
                    continue
                fields = fields_of(line)
                if len(fields) != len(columns):
                    raise DataError(
                        f"{path}, line {number}: it has {len(fields)} fields instead of {len(columns)}; get a complete copy"
                    )
                values = dict(zip(columns, fields, strict=True))
                row = len(votes) if "row" not in values else _number(values["row"], path, number, "row")
                votes[row] = (number, values)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}); check the path") from error
    out = np.zeros((len(table.rows), len(COLUMNS)), np.int64)
    for i, row in enumerate(table.rows.tolist()):
        if row not in votes:
            raise DataError(
                f"{path} has no votes for row {row} (it has {len(votes)} rows); it belongs to another data set"
            )
        number, values = votes[row]
        usage = USAGES.get(values.get("usage", b"").decode("utf-8", "replace").lower(), "")
        given = USAGES.get(str(table.split[i]).lower(), "")
        if usage and given and usage != given:
            raise DataError(
                f"{path}, line {number}, column 'usage': it says {usage} and row {row} of the faces {given}; they do not belong together"
            )
        emotion = values.get("emotion")
        if emotion is not None and table.emotion[i] != _number(emotion, path, number, "emotion"):
            raise DataError(
                f"{path}, line {number}, column 'emotion': it differs from row {row} of the faces; they do not belong together"
            )
        out[i] = [_number(values[c], path, number, c) for c in COLUMNS]
    return out


def majority(votes: np.ndarray) -> np.ndarray:
    """Return the class with the most votes, (N,) int64, as an index into FERPLUS; -1 where two columns share the first place, or where
    "unknown" or "nf" has it.

    Args:
        votes: (N, 10).
    """
    first = votes.argmax(axis=1)
    top = votes.max(axis=1)
    tied = (votes == top[:, None]).sum(axis=1) > 1
    return np.where(tied | (first >= len(FERPLUS)), -1, first).astype(np.int64)


def distributions(votes: np.ndarray, labels: tuple[str, ...] = FERPLUS) -> np.ndarray:
    """Return the share of the votes for each class, (N, K) float32; each row sums to 1.

    Args:
        votes: (N, 10).
        labels: K class names. A name that FERPlus does not have gets 0, and votes for other classes are not counted. A face without any
            vote for the labels has the row 1/K, which favours no class.
    """
    index = [FERPLUS.index(name) if name in FERPLUS else -1 for name in labels]
    counts = np.stack([votes[:, i] if i >= 0 else np.zeros(len(votes)) for i in index], axis=1).astype(np.float32)
    total = counts.sum(axis=1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1), np.float32(1 / len(labels))).astype(np.float32)


def _number(text: bytes, path: Path, line: int, column: str) -> int:
    if not text.isdigit() or len(text) > 9:
        raise DataError(
            f"{path}, line {line}, column {column!r}: it is {text[:20].decode('utf-8', 'replace')!r}, not a whole number"
        )
    return int(text)
