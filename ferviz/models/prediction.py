"""A network's prediction for one face, and its record: the same for JSON, JSON lines, CSV and the manifest of every file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

import numpy as np

from ferviz.errors import FervizError, NotFiniteError
from ferviz.faces.detectors.detector import LANDMARKS
from ferviz.faces.face import NOTEBOOK_SIDE, Face
from ferviz.tables.frames import to_frame
from ferviz.tables.selection import positions

if TYPE_CHECKING:
    import pandas


def check_finite(logits: np.ndarray, name: str) -> None:
    """Check that logits are a prediction for every face: no NaN, no positive infinity, and not negative infinity for all classes.

    Args:
        logits: (N, K).
        name: the network's name, for the message.

    Raises:
        NotFiniteError: for the other faces.
    """
    if np.isfinite(logits).all():  # the usual case, for every heatmap
        return
    bad = np.isnan(logits).any(1) | np.isposinf(logits).any(1) | ~np.isfinite(logits).any(1)
    if bad.any():
        raise NotFiniteError(name, np.flatnonzero(bad).tolist(), len(logits))


@dataclass(frozen=True)
class Prediction:
    """A network's prediction for one face.

    Attributes:
        label: the most probable class.
        probabilities: {class: 0..1} in the order of the outputs; they sum to 1 except for a network whose outputs are independent
            (sigmoid).
        face: the face.
    """

    label: str
    probabilities: dict[str, float]
    face: Face

    def __repr__(self) -> str:
        shares = ", ".join(f"{name} {p:.3f}" for name, p in self.probabilities.items())
        return f"Prediction({self.label!r}, {shares}, face={self.face!r})"

    def _repr_png_(self) -> bytes:
        from ferviz.images import encode
        from ferviz.rendering.charts import probability_bars
        from ferviz.rendering.layout import add_margin, hstack
        from ferviz.rendering.tiles import face_tile

        side = NOTEBOOK_SIDE
        bars = probability_bars(self.probabilities, self.label, side // 2, side, 15)
        return encode(add_margin(hstack([face_tile(self.face.pixels, side), bars], 12), 8), ".png")

    @property
    def second(self) -> str | None:
        """The second most probable class, None where there is only one class."""
        ranked = sorted(self.probabilities, key=lambda name: -self.probabilities[name])
        return ranked[1] if len(ranked) > 1 else None


class Predictions(list[Prediction]):
    """A network's predictions, in the order of the faces; selects by masks and indices, too, and becomes a table."""

    @overload  # an array of one number is a selection, too
    def __getitem__(self, which: SupportsIndex) -> Prediction: ...  # type: ignore[overload-overlap]
    @overload
    def __getitem__(self, which: slice | Sequence[int] | Sequence[bool] | np.ndarray) -> Predictions: ...
    def __getitem__(self, which: Any) -> Any:
        """Return one prediction, or those of a slice, a boolean mask or indices."""
        if isinstance(which, SupportsIndex) and not isinstance(which, np.ndarray):
            return super().__getitem__(which)
        return Predictions(super(Predictions, self).__getitem__(int(at)) for at in positions(which, len(self)))

    def table(self) -> list[list[Any]]:
        """Return one row for each face (see `table_columns`), the columns' names first."""
        labels = list(self[0].probabilities) if self else []
        records = [face_record(prediction.face, prediction) for prediction in self]
        pictures = picture_records([prediction.face for prediction in self], records)
        rows = [row for picture in pictures for row in table_rows(picture, labels)]
        at = [number for number, name in enumerate(table_columns(labels)) if name.startswith("p_")]
        for row in rows:
            for number in at:
                row[number] = float(row[number])
        return [table_columns(labels), *rows]

    def to_frame(self) -> pandas.DataFrame:
        """Return `table` as a pandas DataFrame.

        Raises:
            UsageError: pandas is not installed.
        """
        return to_frame(self.table())


def predictions_of(labels: Sequence[str], probabilities: np.ndarray, faces: Sequence[Face]) -> Predictions:
    """Return a network's predictions as objects.

    Args:
        labels: K class names, in the order of the outputs.
        probabilities: (N, K) float.
        faces: the N faces.
    """
    return Predictions(
        Prediction(labels[int(row.argmax())], dict(zip(labels, row.tolist(), strict=True)), face)
        for row, face in zip(probabilities, faces, strict=True)
    )


def face_record(face: Face, prediction: Prediction | None = None, **more: Any) -> dict[str, Any]:
    """Return one face as plain data; every output with faces holds this record.

    Args:
        face: the face.
        prediction: a network's prediction for it, or None.
        **more: further entries, e.g. `evidence`.

    Returns:
        {box: [left, top, right, bottom] or null for the whole picture, score, landmarks, angle, landmark_source, landmark_score} and
        with a prediction {label, second, probabilities}.
    """
    landmarks = face.landmarks
    record: dict[str, Any] = {
        "box": None if face.box is None else [int(v) for v in face.box],
        "score": None if face.score is None else round(float(face.score), 4),
        "landmarks": None if landmarks is None else [[round(float(v), 2) for v in point] for point in landmarks],
        "angle": round(float(face.angle), 1),
        "landmark_source": face.landmark_source,
        "landmark_score": None if face.landmark_score is None else round(float(face.landmark_score), 4),
    }
    if prediction is not None:
        probabilities = {name: float(p) for name, p in prediction.probabilities.items()}
        record |= {"label": prediction.label, "second": prediction.second, "probabilities": probabilities}
    return record | more


def picture_record(
    source: str | None, faces: Sequence[dict[str, Any]] = (), error: FervizError | None = None
) -> dict[str, Any]:
    """Return one picture as plain data: {source, error, faces}.

    Args:
        source: the picture's path, None for an array.
        faces: the records of its faces.
        error: why it has no faces, or None.
    """
    return {"source": source or None, "error": None if error is None else str(error), "faces": list(faces)}


def picture_records(faces: Sequence[Face], records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the records of the pictures that faces come from; neighbouring faces of one source are one picture.

    Args:
        faces: the faces.
        records: the record of each face.
    """
    pictures: list[dict[str, Any]] = []
    for face, record in zip(faces, records, strict=True):
        if not pictures or pictures[-1]["source"] != (face.source or None):
            pictures.append(picture_record(face.source))
        pictures[-1]["faces"].append(record)
    return pictures


def table_columns(labels: Iterable[str], crops: bool = False) -> list[str]:
    """Return the names of the columns of `table_rows`.

    Args:
        labels: the network's classes in order; each has a column `p_<class>`.
        crops: whether the faces' own files are named too.
    """
    points = [f"{name.replace(' ', '_')}_{axis}" for name in LANDMARKS for axis in "xy"]
    box = ["left", "top", "right", "bottom", "score", "angle"]
    shares = [f"p_{name}" for name in labels]
    return [
        "source",
        "face",
        *box,
        *points,
        "landmark_source",
        "landmark_score",
        "label",
        "second",
        *shares,
        *["crop"] * crops,
        "error",
    ]


def table_rows(picture: dict[str, Any], labels: Sequence[str], crops: bool = False) -> list[list[Any]]:
    """Return a picture's record as rows of a table: one a face, numbered from 1; one with the error where there is no face.

    Args:
        picture: the record.
        labels, crops: as for `table_columns`.
    """
    source = picture["source"] or ""
    if not picture["faces"]:
        return [[source, *[""] * (len(table_columns(labels, crops)) - 2), picture["error"] or ""]]
    rows = []
    for number, face in enumerate(picture["faces"], start=1):
        points = [v for point in face["landmarks"] for v in point] if face["landmarks"] else [""] * (2 * len(LANDMARKS))
        box = [*(face["box"] or [""] * 4), "" if face["score"] is None else face["score"], face["angle"]]
        trust = ["" if face[name] is None else face[name] for name in ("landmark_source", "landmark_score")]
        shares = [f"{face['probabilities'][name]:.6f}" for name in labels]
        crop = [face.get("crop", "")] * crops
        rows.append([source, number, *box, *points, *trust, face["label"], face["second"] or "", *shares, *crop, ""])
    return rows
