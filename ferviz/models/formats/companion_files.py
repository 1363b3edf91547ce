"""Companion files: the weights that belong to an architecture, and the other way round."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ferviz.errors import ModelError
from ferviz.models.formats.detect import HDF5, JSON, detect_format
from ferviz.models.sidecar import SUFFIX
from ferviz.paths import is_file

_ENDINGS = (
    ".weights.h5",
    ".weights.hdf5",
    ".h5",
    ".hdf5",
    ".keras",
    "_weights.h5",
    "-weights.h5",
    "_weights.hdf5",
    "_model.h5",
)
_WORDS = re.compile(r"[._-]?(weights|model|architecture|arch|config|final|best)$", re.IGNORECASE)


def find_weights(json_file: Path, note: Callable[[str], None]) -> Path:
    """Find the weights beside an architecture: the same stem, a similar one, or the only weights in the folder.

    Args:
        json_file: the architecture as JSON.
        note: takes a sentence when the names do not show that the files belong together.

    Returns:
        The file with the weights.

    Raises:
        ModelError: there is none, or several could be meant.
    """
    for ending in _ENDINGS:
        candidate = json_file.with_name(json_file.stem + ending)
        if is_file(candidate):
            return candidate
    candidates = [f for f in _files(json_file.parent) if f != json_file and _has_format(f, HDF5)]
    chosen = _closest(json_file, candidates)
    if chosen is None:
        raise ModelError(
            f"{json_file} is an architecture without weights, and there is no {json_file.stem}.h5 or .weights.h5 beside it; "
            "name the file with weights (--weights)"
        )
    note(f"the weights were taken from {chosen.name}, the file beside {json_file.name}")
    return chosen


def find_architecture(weights: Path, note: Callable[[str], None]) -> Path:
    """Find the architecture beside weights: the same stem, a similar one, or the only architecture in the folder.

    Args:
        weights: the file with the weights.
        note: takes a sentence when the names do not show that the files belong together.

    Returns:
        The architecture as JSON.

    Raises:
        ModelError: there is none, or several could be meant.
    """
    candidates = [
        f
        for f in _files(weights.parent)
        if f.suffix == ".json" and not f.name.endswith(SUFFIX) and _has_format(f, JSON)
    ]
    same = weights.with_name(weights.name.split(".")[0] + ".json")
    for candidate in (weights.with_suffix(".json"), same):
        if candidate in candidates:
            return candidate
    chosen = _closest(weights, candidates)
    if chosen is None:
        raise ModelError(
            f"{weights} holds weights without an architecture, and there is no {weights.stem}.json beside it; "
            "name the .json that model.to_json() wrote, with this file as its weights (--weights), or build the network in Python, "
            "call its load_weights, and pass it to ferviz.load_model"
        )
    note(f"the architecture was taken from {chosen.name}, the file beside {weights.name}")
    return chosen


def _closest(path: Path, candidates: list[Path]) -> Path | None:
    """-> the only file whose name differs from `path` by words like "weights" or "model" alone; else the only file there is."""
    similar = [f for f in candidates if _core(f) == _core(path)]
    if len(similar) == 1:
        return similar[0]
    return candidates[0] if len(candidates) == 1 and not similar else None


def _core(path: Path) -> str:
    name = path.name.split(".")[0].lower()
    while (shorter := _WORDS.sub("", name)) != name:
        name = shorter
    return name


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(f for f in folder.iterdir() if is_file(f))[:1000]
    except OSError:
        return []


def _has_format(path: Path, file_format: str) -> bool:
    try:
        return detect_format(path) == file_format
    except ModelError:
        return False
