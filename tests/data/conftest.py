"""Small tables and folders of faces, written the way other people write them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ferviz.data.dataset import Dataset
from ferviz.emotions import SCHEMES


@pytest.fixture
def faces() -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Thirty different faces of 6 x 6 pixels with every label, and their usages."""
    rng = np.random.default_rng(4)
    images = rng.integers(0, 256, (30, 6, 6), dtype=np.uint8)
    images[0], images[1], images[2, 0, 0] = 0, 255, 7
    usage = ["Training"] * 18 + ["PublicTest"] * 6 + ["PrivateTest"] * 6
    return images, np.arange(30) % 7, usage


@pytest.fixture
def table(tmp_path: Path, faces: tuple[np.ndarray, np.ndarray, list[str]]) -> Path:
    """The faces as Kaggle's fer2013.csv."""
    path = tmp_path / "fer2013.csv"
    rows = [f"{e},{' '.join(map(str, p.ravel()))},{u}" for p, e, u in zip(*faces, strict=True)]
    path.write_text("emotion,pixels,Usage\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="session")
def fer2013(sheets: ModuleType) -> Dataset:
    """FER2013's Training and PublicTest rows with FERPlus' votes, loaded by the data's own script."""
    parts = [sheets.load(usage) for usage in ("Training", "PublicTest")]
    images, labels, votes, rows = (np.concatenate(p) for p in zip(*parts, strict=True))
    split = np.repeat(["Training", "PublicTest"], [len(p[0]) for p in parts])
    return Dataset(images, labels, split, rows, SCHEMES["7"], votes, "FER2013")
