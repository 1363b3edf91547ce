"""Clips made in code: coloured squares that move over grey, a detector that sees them, and a network that names their colour."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ferviz.faces.detectors.detector import Detection
from ferviz.faces.face import Face
from ferviz.faces.landmarks.points import SIDE, TEMPLATE
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model
from ferviz.models.prediction import Prediction
from ferviz.video.pipeline import TrackedFace

# As `Video` does before OpenCV opens its first file; here the clips are written first.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

LABELS = ("angry", "happy", "sad")
RATE = 20.0
COLOURS = {"angry": (210, 30, 30), "happy": (30, 200, 30), "sad": (30, 30, 220)}


def landmarks_of(box: tuple[float, ...]) -> np.ndarray:
    """A typical face's eyes, nose and mouth in a box."""
    left, top, right, bottom = box
    size = np.array([right - left, bottom - top])
    return (TEMPLATE / SIDE * size + (left, top)).astype(np.float32)


class Squares:
    """Finds squares that are far from grey, of any of the three colours; they count as faces, with eyes, nose and mouth."""

    name, threshold, max_pixels = "squares", 0.5, 10_000_000

    def detect(self, pixels: np.ndarray, threshold: float, min_size: float) -> list[Detection]:
        detections = []
        for colour in COLOURS.values():
            near = (np.abs(pixels.astype(int) - colour).sum(axis=2) < 90).astype(np.uint8)
            count, _, boxes, _ = cv2.connectedComponentsWithStats(near)
            for left, top, width, height, area in boxes[1:count]:
                if area > 300:
                    box = (left, top, left + width, top + height)
                    detections.append(Detection(box, 0.9, landmarks_of(box)))
        return detections


class SquaresAndWalls(Squares):
    """Finds squares as `Squares` does, without landmarks on the angry ones: nothing says that these are faces."""

    def detect(self, pixels: np.ndarray, threshold: float, min_size: float) -> list[Detection]:
        return [replace(d, landmarks=None) if d.box[1] > 65 else d for d in super().detect(pixels, threshold, min_size)]


class Colours(Model):
    """Says how red, green and blue a crop is, as angry, happy and sad."""

    def __init__(self) -> None:
        super().__init__("colours", "0" * 64, LABELS, InputSpec(), engine=None)

    def predict(self, faces, batch_size=64):
        means = [f.pixels.reshape(-1, 3).mean(0) + 1e-3 for f in faces]
        return [
            Prediction(LABELS[int(m.argmax())], dict(zip(LABELS, map(float, m / m.sum()), strict=True)), f)
            for f, m in zip(faces, means, strict=True)
        ]


@pytest.fixture
def squares() -> Squares:
    return Squares()


@pytest.fixture
def squares_and_walls() -> Squares:
    return SquaresAndWalls()


@pytest.fixture
def colours() -> Colours:
    return Colours()


def draw(index: int, changes: int = 12) -> np.ndarray:
    """One frame, RGB: a square that walks right and turns from sad to happy at `changes`, and an angry one that stands still."""
    picture = np.full((120, 200, 3), 128, np.uint8)
    picture[20:60, 10 + 3 * index : 50 + 3 * index] = COLOURS["sad" if index < changes else "happy"]
    picture[70:110, 20:60] = COLOURS["angry"]
    return picture


@pytest.fixture
def tracked_face() -> Callable[..., TrackedFace]:
    """tracked_face(box, p, track=1): a face whose probability of "happy" is p, and of "sad" 1 - p."""

    def make(box: tuple[int, int, int, int], p: float, track: int = 1) -> TrackedFace:
        probabilities = {"happy": p, "sad": 1 - p}
        label = max(probabilities, key=lambda name: probabilities[name])
        face = Face(np.full((8, 8, 3), 90, np.uint8), box=box, score=0.9, landmarks=landmarks_of(box))
        return TrackedFace(track, Prediction(label, probabilities, face), probabilities, label)

    return make


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    """clip(frames, name="clip.mp4"): the path of a video of that many frames at 20 a second."""

    def make(frames: int = 24, name: str = "clip.mp4") -> Path:
        path = tmp_path / name
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), RATE, (200, 120))
        for index in range(frames):
            writer.write(cv2.cvtColor(draw(index), cv2.COLOR_RGB2BGR))
        writer.release()
        return path

    return make
