"""Read the records of faces back from a saved result, which may come from anybody: everything is checked before it is used."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ferviz.data.provenance import Provenance
from ferviz.faces.face import Face
from ferviz.faces.landmarks.ladder import SOURCES
from ferviz.models.prediction import Prediction, predictions_of
from ferviz.printable import is_printable

MAX_NAME = 4096
MAX_WARNING = 10_000


def read_picture_records(
    pictures: Any, images: np.ndarray, sizes: np.ndarray
) -> tuple[tuple[Face, ...], tuple[Prediction, ...]]:
    """Return the faces and predictions behind `ferviz.models.prediction.picture_records`.

    Args:
        pictures: the records, as JSON gave them.
        images: (N, H, W, 3) uint8, the faces' pixels, padded as by `ferviz.faces.crops.pad_crops`.
        sizes: (N, 2) integers, the height and width of each face.

    Raises:
        ValueError, KeyError, TypeError: the records are not those of N predicted faces.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise ValueError(f"images of {images.dtype} and shape {images.shape} are no pictures")
    if sizes.dtype.kind not in "iu" or sizes.shape != (len(images), 2):
        raise ValueError(f"sizes of shape {sizes.shape} are not those of {len(images)} pictures")
    if len(sizes) and (sizes.min() < 1 or (sizes > images.shape[1:3]).any()):
        raise ValueError("a face has no pixels, or more than its picture")
    records = [
        (picture["source"], face)
        for picture in _list(pictures, "pictures")
        for face in _list(picture["faces"], "faces")
    ]
    if len(records) != len(images):
        raise ValueError(f"{len(records)} faces cannot have {len(images)} pictures")
    predictions = [
        _prediction(source, record, image[:height, :width])
        for (source, record), image, (height, width) in zip(records, images, sizes.tolist(), strict=True)
    ]
    if len({tuple(prediction.probabilities) for prediction in predictions}) > 1:
        raise ValueError("its faces were predicted with different classes")
    return tuple(prediction.face for prediction in predictions), tuple(predictions)


def read_dataset_records(
    record: dict[str, Any], images: np.ndarray, arrays: dict[str, np.ndarray]
) -> tuple[tuple[Face, ...], tuple[Prediction, ...]]:
    """Return the faces and predictions of a run over a data set (see `ferviz.attribution.stream.explain_dataset`).

    Args:
        record: its manifest.
        images: (N, H, W) or (N, H, W, 3) uint8, the faces.
        arrays: `probabilities` (N, K), and where the method has asked for them `landmarks` (N, 5, 2) and `landmark_source` (N, 1).

    Raises:
        ValueError, KeyError, TypeError: these are not such arrays.
    """
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.shape[3:] not in ((), (3,)) or 0 in images.shape:
        raise ValueError(f"images of {images.dtype} and shape {images.shape} are no pictures")
    labels, shares = check_texts(record["labels"], "labels"), arrays["probabilities"]
    if shares.dtype.kind != "f" or shares.shape != (len(images), len(labels)) or not np.isfinite(shares).all():
        raise ValueError(f"probabilities of shape {shares.shape} are not those of {len(images)} faces")
    if not labels or len(set(labels)) < len(labels):
        raise ValueError("its labels are none, or have the same name twice")
    points, sources = arrays.get("landmarks"), arrays.get("landmark_source")
    if points is not None and (points.shape != (len(images), 5, 2) or not np.isfinite(points).all()):
        raise ValueError("landmarks are five pairs of numbers a face")
    pixels = np.repeat(images[..., None], 3, axis=3) if images.ndim == 3 else images
    faces = tuple(
        Face(p) if points is None or sources is None else
        Face(p, landmarks=points[i], landmark_source=SOURCES[int(sources[i, 0])]) for i, p in enumerate(pixels)
    )  # fmt: skip
    return faces, tuple(predictions_of(labels, shares, faces))


def read_provenance(arrays: dict[str, np.ndarray], count: int) -> Provenance:
    """Return where the faces of a saved result come from.

    Args:
        arrays: `rows`, `true` and `split`, as of `Provenance.to_arrays`.
        count: how many faces there are.

    Raises:
        ValueError: they are not those of so many faces.
    """
    rows, true, split = arrays["rows"], arrays["true"], arrays["split"]
    if rows.dtype.kind not in "iu" or true.dtype.kind != "U" or split.dtype.kind != "U":
        raise ValueError("rows are numbers, labels and splits are text")
    if not rows.shape == true.shape == split.shape == (count,):
        raise ValueError(f"rows, labels and splits are not those of {count} faces")
    return Provenance(rows.astype(np.int64), check_texts(true.tolist(), "true"), check_texts(split.tolist(), "split"))


def check_maps(array: np.ndarray, name: str) -> np.ndarray:
    """Return heatmaps if they are some: (N, T, H, W) of floats, H and W at least 1.

    Args:
        array: the array.
        name: what it is called, for the message.

    Raises:
        ValueError: it is no array of heatmaps.
    """
    if array.dtype.kind != "f" or array.ndim != 4 or 0 in array.shape[1:]:
        raise ValueError(f"{name} of {array.dtype} and shape {array.shape} are no heatmaps")
    return array


def check_texts(value: Any, name: str) -> tuple[str, ...]:
    """Return texts from JSON if they are some that can be shown.

    Args:
        value: a list of texts.
        name: what they are, for the message.

    Raises:
        ValueError: it is no list, or an item is no text, is very long, or has control characters or lone surrogates.
    """
    return tuple(_text(item, name, MAX_WARNING) for item in _list(value, name))


def check_object(value: Any, name: str) -> dict[str, Any]:
    """Return a JSON object if it is one.

    Args:
        value: what JSON gave.
        name: what it is, for the message.

    Raises:
        ValueError: it is anything else.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{name} has to be an object, not {type(value).__name__}")
    return value


def _prediction(source: Any, record: Any, pixels: np.ndarray) -> Prediction:
    box, landmarks, score = record["box"], record["landmarks"], record["score"]
    if source is not None and not (isinstance(source, str) and "\0" not in source and len(source) <= MAX_NAME):
        raise ValueError("a source is no path")
    points = None
    if landmarks is not None:
        points = np.array(
            [[_number(v) for v in _list(point, "landmarks")] for point in _list(landmarks, "landmarks")], np.float32
        )
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError("landmarks are pairs of numbers")
    if box is not None:
        left, top, right, bottom = (int(_number(side)) for side in _list(box, "a box"))
        box = (left, top, right, bottom)
    face = Face(
        pixels,
        source or "",
        box,
        points,
        None if score is None else _number(score),
        _number(record["angle"]),
        None if record["landmark_source"] is None else _text(record["landmark_source"], "landmark_source"),
        None if record["landmark_score"] is None else _number(record["landmark_score"]),
    )
    shares = record["probabilities"]
    if not isinstance(shares, dict) or not shares:
        raise ValueError("a face has no probabilities")
    probabilities = {_text(name, "a class"): _number(share) for name, share in shares.items()}
    if record["label"] not in tuple(probabilities):
        raise ValueError("the label of a face is none of its classes")
    return Prediction(record["label"], probabilities, face)


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{name} has to be a list, not {type(value).__name__}")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > 2**31:
        raise ValueError("a number is missing, no number, or too large")
    return value


def _text(value: Any, name: str, limit: int = MAX_NAME) -> str:
    if not isinstance(value, str) or len(value) > limit or not is_printable(value):
        raise ValueError(f"{name} has to be text that can be shown")
    return value
