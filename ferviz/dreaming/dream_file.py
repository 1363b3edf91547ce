"""Reading a dream that was saved: every part of it is checked against the others."""

from __future__ import annotations

import numpy as np

from ferviz.dreaming.result import ARRAYS, Dream
from ferviz.errors import DataError
from ferviz.files import PathLike
from ferviz.results import read_npz


def read_dream(path: PathLike) -> Dream:
    """Read a dream, without its judgement.

    Args:
        path: an .npz file that `Dream.save` wrote.

    Returns:
        The dream.

    Raises:
        DataError: for a file that is not there or is no dream.
    """
    arrays, document = read_npz(path, ARRAYS, "a dream")
    try:
        names, predicted = (tuple(each[key] for each in document["dreams"]) for key in ("objective", "predicted"))
        dream = Dream(
            arrays["images"], names, tuple(document["targets"]), arrays["trace"], arrays["probability"], predicted,
            arrays["frames"], document["settings"], None, arrays["before"], arrays["probability_before"],
        )  # fmt: skip
    except (KeyError, TypeError) as error:
        raise DataError(f"{path} is not a dream that ferviz saved as .npz ({error})") from error
    if problem := _problem(dream):
        raise DataError(f"{path} is not a dream that ferviz saved as .npz ({problem})")
    return dream


def _problem(dream: Dream) -> str:
    """-> what in a dream's fields does not fit the rest, "" = nothing."""
    images, count = dream.images, len(dream.objective)
    shape = images.shape
    if len(shape) not in (3, 4) or shape[0] != count or 0 in shape or shape[3:] not in ((), (3,)):
        return f"{count} pictures cannot have the shape {shape}"
    if dream.frames.ndim != len(shape) + 1 or dream.frames.shape[1:] != shape:
        return f"frames of pictures {shape} cannot have the shape {dream.frames.shape}"
    if images.dtype != np.uint8 or dream.frames.dtype != np.uint8:
        return "its pictures are not uint8"
    if dream.trace.ndim != 2 or len(dream.trace) != count or not dream.trace.shape[1] or dream.trace.dtype.kind != "f":
        return "its trace is not a row of numbers for each picture"
    if dream.probability.shape != (count,) or dream.probability.dtype.kind != "f":
        return "its probabilities are not a number for each picture"
    if any(len(names) != count for names in (dream.targets, dream.predicted)):
        return "it has not a target and a prediction for each picture"
    if not all(isinstance(name, str) for name in (*dream.objective, *dream.targets, *dream.predicted)):
        return "its names are not texts"
    if dream.before.dtype != np.uint8 or (len(dream.before) and dream.before.shape != shape):
        return f"the pictures before cannot have the shape {dream.before.shape}"
    known = dream.probability_before
    if known.shape != (len(dream.before),) or known.dtype.kind != "f":
        return "its probabilities before are not a number for each picture"
    return "" if isinstance(dream.settings, dict) else "its settings are no object"
