"""Faces and maps to draw."""

from __future__ import annotations

import numpy as np
import pytest

from ferviz.rendering.sheets.sheet import Cell, Sheet, is_signed, shared_vmax

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def face(size: int = 48, seed: int = 0) -> np.ndarray:
    """A grey face, so that all colour in a picture is evidence."""
    return np.repeat(np.random.default_rng(seed).integers(0, 256, (size, size, 1), dtype=np.uint8), 3, axis=2)


def blob(size: int = 48, x: float = 0.5, y: float = 0.5, peak: float = 1.0) -> np.ndarray:
    """A map that falls from `peak` at (x, y) to zero."""
    down, across = np.mgrid[:size, :size] / (size - 1)
    cone = np.maximum(1 - 4 * np.hypot(across - x, down - y), 0)
    return (peak * cone / cone.max()).astype(np.float32)


def cell(maps: list[np.ndarray], names: tuple[str, ...] = ("happy",), size: int = 48, caption: str = "a.png") -> Cell:
    p = dict.fromkeys(LABELS, 0.05) | {"happy": 0.7}
    return Cell(face(size), np.stack(maps), names, "happy", p, caption)


def sheet(cells: list[Cell], **changes) -> Sheet:
    maps = [c.maps for c in cells]
    return Sheet("Grad-CAM", "evidence for happy", tuple(cells), shared_vmax(maps), is_signed(maps), **changes)


@pytest.fixture
def draw():
    """The helpers of this file, for tests that import nothing from a conftest."""
    from types import SimpleNamespace

    return SimpleNamespace(face=face, blob=blob, cell=cell, sheet=sheet, labels=LABELS)
