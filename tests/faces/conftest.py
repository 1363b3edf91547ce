"""Pictures with known faces, and detectors that return what they are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from ferviz.faces.detectors.detector import Detection
from ferviz.images import read_image


@dataclass
class FakeDetector:
    """A detector that returns the given detections and records its calls."""

    detections: list[Detection]
    name: str = "fake"
    threshold: float = 0.5
    max_pixels: int = 1_000_000
    calls: list[tuple[tuple[int, ...], float, float]] = field(default_factory=list)

    def detect(self, pixels: np.ndarray, threshold: float, min_size: float) -> list[Detection]:
        self.calls.append((pixels.shape, threshold, min_size))
        return [d for d in self.detections if d.score >= threshold]


@pytest.fixture
def fake_detector() -> Callable[..., FakeDetector]:
    """fake_detector((left, top, right, bottom), ...) or fake_detector(Detection, ...): a detector that returns these."""

    def make(*boxes: object) -> FakeDetector:
        return FakeDetector([b if isinstance(b, Detection) else Detection(tuple(map(float, b)), 0.9) for b in boxes])  # type: ignore[call-overload]

    return make


# Boxes of the real faces as a person would draw them, brows to chin, cheek to cheek.
FACES = {
    "astronaut.png": [(178, 69, 270, 161)],
    "emotion_classification.jpg": [(145, 156, 307, 318), (142, 600, 319, 777), (667, 101, 851, 285), (698, 641, 888, 831)],
    "solvay_conference.jpg": [
        (44, 182, 143, 281), (229, 74, 340, 185), (371, 187, 486, 302), (595, 60, 696, 161), (767, 163, 884, 280), (856, 69, 956, 169)
    ],
    "team.jpg": [
        (306, 347, 420, 461), (574, 421, 680, 527), (851, 378, 947, 474), (792, 857, 1321, 1386), (1192, 403, 1288, 499),
        (1534, 381, 1629, 476),
    ],
}  # fmt: skip


@pytest.fixture(scope="session")
def true_boxes() -> dict[str, list[tuple[int, ...]]]:
    return FACES


@pytest.fixture(scope="session")
def pictures(shared_data: Path) -> Path:
    return shared_data / "pictures"


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """NASA's portrait of Eileen Collins, 512 x 512; its face lies at about 170, 60 .. 275, 170."""
    return read_image(Path(__file__).parents[2] / "examples" / "astronaut.png")
