"""What a TensorFlow Lite file says about its pictures and classes: its metadata, and how its input is quantised."""

from __future__ import annotations

import contextlib
import io
import zipfile
from typing import Any

import numpy as np

from ferviz.engines.base import NetworkFacts
from ferviz.engines.tflite.flatbuffer_tables import Flatbuffer, FlatbufferError, Table

_METADATA = b"TFLITE_METADATA"
_NORMALISATION = 1
_MAX_LABELS = 1 << 20

RANGES = {"0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0), "0..255": (0.0, 255.0)}


def tflite_facts(content: bytes, input_range: tuple[float, float] | None, classes: int) -> NetworkFacts:
    """Return what a file says about what it takes and gives.

    Args:
        content: the file, which was verified.
        input_range: the least and the greatest number that its quantised input can hold, None where it takes floats.
        classes: K.
    """
    settings = _normalisation(content)
    if input_range is not None and not settings:
        for scaling, ends in RANGES.items():
            if np.allclose(input_range, ends, atol=0.02 * (ends[1] - ends[0])):
                settings = {"scaling": scaling}
    return NetworkFacts(_labels(content, classes), settings)


def _labels(content: bytes, classes: int) -> tuple[str, ...] | None:
    """-> the lines of a text file that is packed at the end of the file, where they are as many as there are classes."""
    damaged = (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, EOFError)
    with contextlib.suppress(*damaged), zipfile.ZipFile(io.BytesIO(content)) as archive:
        for info in archive.infolist()[:20]:
            if info.filename.lower().endswith(".txt") and info.file_size < _MAX_LABELS:
                text = archive.read(info).decode("utf-8", "replace")
                names = tuple(line.strip() for line in text.splitlines() if line.strip())
                if len(names) == classes == len(set(names)):
                    return names
    return None


def _normalisation(content: bytes) -> dict[str, Any]:
    """-> the range of values that the metadata's mean and deviation of the input make of pixels."""
    try:
        for unit in _process_units(content):
            if unit.number(0, "<B") == _NORMALISATION and (options := unit.table(1)) is not None:
                mean, std = options.numbers(0, "<f4"), options.numbers(1, "<f4")
                if mean is not None and std is not None and 0 < mean.size == std.size <= 3:
                    return _settings(mean.astype(float), std.astype(float))
    except FlatbufferError:
        pass  # the metadata is damaged; the network is not
    return {}


def _settings(mean: np.ndarray, std: np.ndarray) -> dict[str, Any]:
    if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
        return {}
    ends = ((0 - mean) / std, (255 - mean) / std)
    for scaling, (low, high) in RANGES.items():
        if np.allclose(ends[0], low, atol=0.02) and np.allclose(ends[1], high, atol=0.02 * max(high, 1)):
            return {"scaling": scaling}
    return {"scaling": "standardize", "mean": mean.tolist(), "std": std.tolist(), "unit": 1}


def _process_units(content: bytes) -> list[Table]:
    root = Flatbuffer(content, b"TFL3").root()
    buffers = list(root.tables(4, 50_000))
    for entry in root.tables(6, 100):
        index = entry.number(1, "<I")
        if entry.text(0, 100) != _METADATA or index >= len(buffers):
            continue
        data = buffers[index].numbers(0, "u1")
        if data is None:
            continue
        metadata = Flatbuffer(bytes(data), b"M001").root()
        graph = next(metadata.tables(3, 100), None)
        picture = next(graph.tables(2, 100), None) if graph is not None else None
        if picture is not None:
            return list(picture.tables(4, 100))
    return []
