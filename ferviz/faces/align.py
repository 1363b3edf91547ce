"""Taking a head's tilt out: the angle between the eyes, and the frame that FER2013 would have about five landmarks.

The numbers were measured on FER2013's own faces (benchmarks/detectors.py): four of five of its heads are tilted by less than 9
degrees and 98 % by less than 19, so a tilt in that range stays, and removing it changes no accuracy; a tilt of 30 degrees that
stays costs 7 points, one of 45 degrees 16 to 18.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ferviz.faces.detectors.detector import Detection

MAX_TILT = 16.0
"""Degrees of tilt, either way, up to which a face is cropped without a rotation."""

# FER2013's frame, in units of a face's own landmarks: its side is 1.9 times the hypotenuse of (distance of the eyes, distance of
# eyes and mouth); its centre lies 0.35 of the way from the middle of the eyes to that of the mouth.
_SIDE, _DOWN = 1.9, 0.35


def eye_angle(landmarks: np.ndarray) -> float:
    """Return the tilt of the line between the eyes.

    Args:
        landmarks: (5, 2) as in `Detection`; a person's right eye lies on the left side of an upright picture.

    Returns:
        Degrees, -180..180, clockwise.
    """
    x, y = np.asarray(landmarks[1], float) - np.asarray(landmarks[0], float)
    return float(np.degrees(np.arctan2(y, x)))


def align(detection: Detection) -> Detection:
    """Return a detection whose `angle` and box remove the tilt, where the landmarks show more than MAX_TILT.

    Args:
        detection: the detection, in any picture.

    Returns:
        The detection with FER2013's frame about the landmarks as its box, upright in the picture that is rotated back about the
        box's centre. Detections without landmarks, with implausible landmarks, or without much tilt come back unchanged.
    """
    points = detection.landmarks
    if points is None:
        return detection
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    side = _SIDE * float(np.hypot(np.linalg.norm(points[1] - points[0]), np.linalg.norm(mouth - eyes)))
    angle = eye_angle(points)
    difference = abs((angle - detection.angle + 180) % 360 - 180)
    if abs(angle) <= MAX_TILT and abs(detection.angle) <= MAX_TILT:
        return replace(detection, angle=0.0)
    # The landmarks of a missed tilt or of a false detection give frames unlike the box; the box then is the safer of the two.
    if not 0.4 * detection.size < side < 2.5 * detection.size or (detection.angle and difference > 45):
        return detection
    x, y = (float(v) for v in eyes + _DOWN * (mouth - eyes))
    return replace(detection, box=(x - side / 2, y - side / 2, x + side / 2, y + side / 2), angle=angle)
