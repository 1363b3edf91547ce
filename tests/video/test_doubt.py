"""Which tracks may be no faces: the portrait against walls, clothes and noise, with and without landmarks of the detector."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ferviz.faces.face import Face
from ferviz.faces.find import find_faces
from ferviz.faces.landmarks.points import TEMPLATE
from ferviz.images import read_image
from ferviz.video.doubt import LOW_SCORE, NO_LANDMARKS, doubts
from ferviz.video.history import TrackHistory
from ferviz.video.pipeline import AnalysisOptions, FrameAnalyzer, FrameResult
from ferviz.video.reading import Frame

PORTRAIT = Path(__file__).parents[2] / "examples" / "astronaut.png"


def patches() -> dict[str, np.ndarray]:
    """What is no face: a wall, bricks, noise, and parts of the portrait's clothes and background."""
    random = np.random.default_rng(0)
    bricks = np.kron(np.indices((8, 8)).sum(0) % 2 * 80 + 90, np.ones((12, 12)))
    portrait = read_image(PORTRAIT)
    return {
        "wall": np.full((96, 96, 3), 150, np.uint8),
        "bricks": np.repeat(bricks[:, :, None], 3, axis=2).astype(np.uint8),
        "noise": random.integers(0, 256, (96, 96, 3), dtype=np.uint8),
        "suit": portrait[380:476, 100:196],
        "flag": portrait[150:246, 0:96],
    }


@pytest.mark.parametrize("name", patches())
def test_no_face_is_doubted_however_certain_a_detector_without_landmarks_is(name: str) -> None:
    assert doubts([Face(patches()[name], box=(0, 0, 96, 96), score=1.0)], [True]) == [NO_LANDMARKS]


@pytest.mark.parametrize("sigma", [0, 2])
@pytest.mark.parametrize("side", [48, 96])
def test_a_face_is_confirmed_without_landmarks_of_the_detector(side: int, sigma: float) -> None:
    (face,) = find_faces(PORTRAIT)
    pixels = cv2.GaussianBlur(face.pixels, (0, 0), sigma) if sigma else face.pixels
    small = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
    assert doubts([replace(face, pixels=small, landmarks=None, landmark_source=None)], [True]) == [""]


def test_low_scores_and_frames_without_a_detector() -> None:
    grey = np.full((48, 48, 3), 90, np.uint8)
    face = Face(grey, box=(0, 0, 48, 48), score=0.7, landmarks=TEMPLATE.astype(np.float32))
    nonsense = replace(face, landmarks=face.landmarks[::-1].copy())  # the mouth above the eyes
    frame = Face(grey, box=(0, 0, 48, 48))
    assert doubts([face, nonsense, frame, face], [False, True, False, True]) == [LOW_SCORE, NO_LANDMARKS, "", ""]
    assert doubts([], []) == []


@pytest.mark.parametrize(("scores", "doubtful"), [((0.55, 0.74, 0.6), True), ((0.55, 0.76, 0.6), False)])
def test_one_certain_moment_is_enough(scores: tuple[float, ...], doubtful: bool, squares, colours) -> None:
    """The detector's own threshold is 0.5, so it is certain from 0.75 on."""

    class Uncertain(type(squares)):  # type: ignore[misc]
        def detect(self, pixels, threshold, min_size):
            return [replace(d, score=next(moments)) for d in super().detect(pixels, threshold, min_size)]

    moments = iter(scores)
    analyzer = FrameAnalyzer(colours, AnalysisOptions(detector=Uncertain()))
    history = TrackHistory(colours.labels)
    picture = np.full((120, 200, 3), 128, np.uint8)
    picture[20:60, 10:50] = (30, 200, 30)
    for index in range(len(scores)):
        frame = Frame(index, index / 10, picture)
        history.add(FrameResult(frame, analyzer.analyze(frame)))
    (found,) = history.tracks()
    assert (found.doubt == LOW_SCORE) == doubtful
    assert found.score == max(scores)
