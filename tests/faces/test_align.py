"""The angle of the eyes, and the frame about the landmarks of a tilted head."""

from __future__ import annotations

import numpy as np
import pytest

from ferviz.faces.align import MAX_TILT, align, eye_angle
from ferviz.faces.detectors.detector import Detection

# an upright face: eyes 40 apart, mouth 45 below
POINTS = np.array([(80, 80), (120, 80), (100, 100), (85, 125), (115, 125)], np.float32)


def rotated(points: np.ndarray, degrees: float, centre: tuple[float, float] = (100, 100)) -> np.ndarray:
    """Points turned clockwise as seen (y grows downwards)."""
    a = np.deg2rad(degrees)
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return ((points - centre) @ turn.T + centre).astype(np.float32)


@pytest.mark.parametrize("degrees", [0, 10, -25, 90, -170])
def test_the_angle_of_the_eyes(degrees: float) -> None:
    assert eye_angle(rotated(POINTS, degrees)) == pytest.approx(degrees, abs=1e-3)


def test_little_tilt_stays_and_much_is_taken_out() -> None:
    box = (60.0, 50.0, 140.0, 150.0)
    little = Detection(box, 0.9, rotated(POINTS, MAX_TILT - 1))
    same = align(little)
    assert (same.box, same.angle, same.score) == (box, 0, 0.9)
    np.testing.assert_array_equal(same.landmarks, little.landmarks)
    straight = align(Detection(box, 0.9, rotated(POINTS, 20), 0.0))
    assert straight.angle == pytest.approx(20, abs=1e-3)
    side = 1.9 * np.hypot(40, 45)
    assert straight.size == pytest.approx(side, rel=1e-4)
    # the frame's centre turns with the head
    centre = rotated(np.array([(100, 80 + 0.35 * 45)]), 20)[0]
    assert (straight.box[0] + straight.box[2]) / 2 == pytest.approx(centre[0], abs=0.01)
    assert (straight.box[1] + straight.box[3]) / 2 == pytest.approx(centre[1], abs=0.01)
    assert align(Detection(box, 0.9)).angle == 0


def test_impossible_landmarks_are_not_believed() -> None:
    box = (60.0, 50.0, 140.0, 150.0)
    for points in (rotated(POINTS, 40) * 0 + 100, rotated(POINTS, 40) * 9):
        assert align(Detection(box, 0.9, points.astype(np.float32))).box == box
