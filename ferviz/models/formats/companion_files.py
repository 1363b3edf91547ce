"""Architecture here, weights there: finding the half of a network that the user did not name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ferviz.errors import ModelError
from ferviz.models.formats import detect
from ferviz.models.sidecar import SUFFIX

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
    """Return the weights beside an architecture in JSON: the same stem, a kindred one, or the only weights in its folder.

    note: takes a sentence when the name alone does not say that they belong together. Raises ModelError when there are none.
    """
    for ending in _ENDINGS:
        candidate = json_file.with_name(json_file.stem + ending)
        if candidate.is_file():
            return candidate
    found = [f for f in _files(json_file.parent) if f != json_file and _is(f, detect.HDF5)]
    chosen = _kindred(json_file, found)
    if chosen is None:
        raise ModelError(
            f"{json_file} is an architecture without weights, and there is no {json_file.stem}.h5 or .weights.h5 beside it; "
            "name the file with weights (--weights)"
        )
    note(f"the weights were taken from {chosen.name}, which lies beside {json_file.name}")
    return chosen


def find_architecture(weights: Path, note: Callable[[str], None]) -> Path:
    """Return the architecture in JSON beside weights; as `find_weights`, the other way round."""
    found = [
        f for f in _files(weights.parent) if f.suffix == ".json" and not f.name.endswith(SUFFIX) and _is(f, detect.JSON)
    ]
    same = weights.with_name(weights.name.split(".")[0] + ".json")
    for candidate in (weights.with_suffix(".json"), same):
        if candidate in found:
            return candidate
    chosen = _kindred(weights, found)
    if chosen is None:
        raise ModelError(
            f"{weights} holds weights without an architecture, and there is no {weights.stem}.json beside it; "
            "name the .json that model.to_json() wrote, with this file as its weights (--weights), or build the network in Python, "
            "call its load_weights, and hand it to ferviz.load_model"
        )
    note(f"the architecture was taken from {chosen.name}, which lies beside {weights.name}")
    return chosen


def _kindred(path: Path, found: list[Path]) -> Path | None:
    """The only file whose name differs by words like "weights" or "model" alone; else the only file there is."""
    alike = [f for f in found if _core(f) == _core(path)]
    if len(alike) == 1:
        return alike[0]
    return found[0] if len(found) == 1 and not alike else None


def _core(path: Path) -> str:
    name = path.name.split(".")[0].lower()
    while (shorter := _WORDS.sub("", name)) != name:
        name = shorter
    return name


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(f for f in folder.iterdir() if f.is_file())[:1000]
    except OSError:
        return []


def _is(path: Path, kind: str) -> bool:
    try:
        return detect.detect_format(path) == kind
    except ModelError:
        return False
