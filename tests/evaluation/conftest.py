"""Networks that need no framework: what they answer is written in the picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType

import numpy as np
import pytest

from ferviz.data.dataset import Dataset
from ferviz.emotions import SCHEMES, LabelScheme
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model

SIDE = 12


class PixelEngine:
    """An Engine whose logits are `answer(batch)`. layers and gradients it has none."""

    name = "pixels"
    layers: Sequence = ()

    def __init__(self, answer: Callable[[np.ndarray], np.ndarray], classes: int, head: str = "softmax") -> None:
        self.answer, self.classes, self.head = answer, classes, head
        self.asked = 0

    def logits(self, batch: np.ndarray) -> np.ndarray:
        self.asked += len(batch)
        return np.asarray(self.answer(batch), np.float32)


@pytest.fixture
def make_model() -> Callable[..., Model]:
    """make_model(answer, labels, spec=InputSpec(SIDE, SIDE), head="softmax") -> Model with a PixelEngine."""

    def make(answer, labels: Sequence[str], spec: InputSpec | None = None, head: str = "softmax") -> Model:
        engine = PixelEngine(answer, len(labels), head)
        return Model("pixels", "0" * 64, tuple(labels), spec or InputSpec(SIDE, SIDE, scaling="0..255"), engine)

    return make


def coded_faces(
    said: np.ndarray, labels: np.ndarray, split: np.ndarray | None = None, scheme: LabelScheme = SCHEMES["7"]
) -> Dataset:
    """Faces whose upper left pixel says, times 20, which class the network will call; every face differs from the others."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (len(said), SIDE, SIDE), dtype=np.uint8)
    images[:, 0, 0] = np.asarray(said) * 20
    if split is None:
        split = np.full(len(said), "PublicTest")
    return Dataset(images, np.asarray(labels), split, np.arange(len(said)), scheme, source="coded")


def reads_the_code(classes: int, sharpness: float = 4.0) -> Callable[[np.ndarray], np.ndarray]:
    """-> logits that name the class in the upper left pixel."""

    def answer(batch: np.ndarray) -> np.ndarray:
        said = np.rint(batch[:, 0, 0, 0] / 20).astype(int)
        return np.eye(classes)[np.clip(said, 0, classes - 1)] * sharpness

    return answer


@pytest.fixture(scope="session")
def public_test(sheets: ModuleType) -> Dataset:
    """FER2013's PublicTest rows."""
    images, labels, votes, rows = sheets.load("PublicTest")
    return Dataset(images, labels, np.full(len(rows), "PublicTest"), rows, SCHEMES["7"], votes, "FER2013")
