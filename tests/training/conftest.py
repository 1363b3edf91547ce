"""A data set small enough to train on in a second, whose classes differ in plain sight."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ferviz.data.dataset import Dataset
from ferviz.emotions import SCHEMES

TINY: dict[str, Any] = {"height": 24, "width": 24, "widths": [8], "blocks": [1], "stem": 0, "dropout": 0.2}
"""Options of the residual architecture that train in less than 10 ms a step. One convolution is enough: what takes long is to trace a step,
and that grows with every weight."""


def striped_faces(count: int = 280, seed: int = 0) -> Dataset:
    """Faces of 24 x 24 pixels with a bright bar at a height that tells their class; a fifth is PublicTest."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 7
    images = rng.normal(90, 20, (count, 24, 24))
    for image, label in zip(images, labels, strict=True):
        image[3 * label + 1 : 3 * label + 4] += 110
    split = np.where(np.arange(count) % 5 == 4, "PublicTest", "Training")
    votes = np.zeros((count, 10), np.int64)
    votes[:, :8] = rng.multinomial(10, [1 / 8] * 8, count)
    pixels = np.clip(images, 0, 255).astype(np.uint8)
    return Dataset(pixels, labels, split, np.arange(count), SCHEMES["7"], votes, "stripes", f"{seed:064x}")


@pytest.fixture(autouse=True)
def no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Curves are a quarter of such a short run: they are drawn for the run `finished` of test_train.py, and in test_plots.py."""
    monkeypatch.setattr("ferviz.training.run_folder.write_curves", lambda *_: None)


@pytest.fixture(scope="session")
def stripes() -> Dataset:
    return striped_faces()
