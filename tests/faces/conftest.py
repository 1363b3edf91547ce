"""Pictures with known faces, and detectors that find what they are told to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from ferviz.faces.detection import Detection
from ferviz.images import read_image


@dataclass
class Told:
    """A detector that finds the given detections and remembers what it was asked."""

    detections: list[Detection]
    name: str = "told"
    threshold: float = 0.5
    max_pixels: int = 1_000_000
    asked: list[tuple[tuple[int, ...], float, float]] = field(default_factory=list)

    def detect(self, pixels: np.ndarray, threshold: float, min_size: float) -> list[Detection]:
        self.asked.append((pixels.shape, threshold, min_size))
        return [d for d in self.detections if d.score >= threshold]


@pytest.fixture
def told() -> Callable[..., Told]:
    """told((left, top, right, bottom), ...) or told(Detection, ...): a detector that finds these."""

    def make(*boxes: object) -> Told:
        return Told([b if isinstance(b, Detection) else Detection(tuple(map(float, b)), 0.9) for b in boxes])  # type: ignore[call-overload]

    return make


@pytest.fixture(scope="session")
def pictures(shared_data: Path) -> Path:
    return shared_data / "pictures"


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """NASA's portrait of Eileen Collins, 512 x 512; its face lies at about 170, 60 .. 275, 170."""
    return read_image(Path(__file__).parents[2] / "examples" / "astronaut.png")
