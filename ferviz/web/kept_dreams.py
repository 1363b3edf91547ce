"""The dream of every channel of a layer, made before the page opens and kept: an exported page has no Python to dream with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.dreaming.dream import dream
from ferviz.dreaming.dream_file import read_dream
from ferviz.dreaming.objectives import channel
from ferviz.dreaming.result import Dream
from ferviz.errors import DataError, UnknownNameError
from ferviz.files import cache_dir, make_folder
from ferviz.images import encode
from ferviz.models.model import Model
from ferviz.web.work.dream_task import STEPS

TOGETHER = 16
"""Channels that are dreamt of at once; what is kept is kept so many at a time."""


@dataclass(frozen=True)
class KeptDreams:
    """The dreams of a layer's channels as files of the page.

    Attributes:
        layer: its name.
        files: {path below the page's address: PNG}.
        record: what the page's data say: {"files": the path with {} for the number, "first", "last": (C,) the objective at the first
            and the last step, "predicted": (C,) the number of the class that the network calls the picture, "probability": (C,)}.
    """

    layer: str
    files: dict[str, bytes] = field(repr=False)
    record: dict[str, Any] = field(repr=False)


def kept_dreams(
    model: Model, layer: str, name: str, folder: Path | None = None, progress: Callable[[int, int], None] | None = None
) -> KeptDreams:
    """Dream of every channel of a layer, some at a time; those that an earlier, perhaps interrupted, call has made are read.

    Args:
        model: the network.
        layer: its name.
        name: of the network's file in the page's folder.
        folder: where dreams are kept; None = the cache.
        progress: called with (channels done, channels in all).

    Raises:
        UnknownNameError: for a layer that is not there, or has no channels.
        ModelError: for a model without gradients.
        OutputError: the folder cannot be written.
    """
    sizes = {info.name: info.shape[-1] for info in model.layers if info.spatial and info.shape[-1]}
    if layer not in sizes:
        raise UnknownNameError("layer", layer, list(sizes), "this model")
    count, files = int(sizes[layer] or 0), {}
    record: dict[str, Any] = {"files": f"dreams/{name}/{_plain(layer)}/{{}}.png"}
    values: dict[str, list[Any]] = {"first": [], "last": [], "predicted": [], "probability": []}
    for part in _parts(model, layer, count, folder or cache_dir("dreams")):
        own = model.probabilities(part.images)
        for picture, trace, answer in zip(part.images, part.trace, own, strict=True):
            files[record["files"].format(len(values["first"]))] = encode(picture)
            values["first"].append(float(trace[0]))
            values["last"].append(float(trace[-1]))
            values["predicted"].append(int(np.argmax(answer)))
            values["probability"].append(round(float(np.max(answer)), 4))
        if progress is not None:
            progress(len(values["first"]), count)
    return KeptDreams(layer, files, record | values)


def _parts(model: Model, layer: str, count: int, folder: Path) -> Iterator[Dream]:
    # What decides about a dream is in the name of the file that keeps it.
    what = hashlib.sha256(repr((model.sha256, model.labels, model.input, layer, STEPS)).encode()).hexdigest()[:24]
    for start in range(0, count, TOGETHER):
        numbers = range(start, min(start + TOGETHER, count))
        path = folder / f"{what}-{start}.npz"
        kept = _kept(path) if model.sha256 else None  # a network that is no file has nothing to be known by
        if kept is None or len(kept.objective) != len(numbers) or kept.images.shape[1:3] != model.input.size:
            kept = dream(model, [channel(layer, number) for number in numbers], steps=STEPS)
            if model.sha256:
                make_folder(folder)
                kept.save(path, force=True)
        yield kept


def _kept(path: Path) -> Dream | None:
    """-> what was kept; None where nothing was, or where it is damaged."""
    try:
        return read_dream(path)
    except DataError:
        return None


def _plain(layer: str) -> str:
    """-> a layer's name as a folder's: "backbone/conv3" has a slash."""
    return "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in layer)
