"""Taking a head's tilt out: the angle between the eyes, and the frame that FER2013 would have drawn about five landmarks.

The numbers were measured on FER2013's own faces (benchmarks/detectors.py): four of five of its heads are tilted by less than 9
degrees and 98 % by less than 19, so a tilt in that range is left as it is, and turning it out changes no accuracy; at 30 degrees
leaving it costs 7 points, at 45 degrees 16 to 18.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ferviz.faces.detectors.detector import Detection

LEFT_AS_IT_IS = 16.0
"""Degrees of tilt, either way, up to which a face is cut out as it stands."""

# FER2013's frame, in units of a face's own landmarks: its side is 1.9 times the hypotenuse of (distance of the eyes, distance of
# eyes and mouth); its centre lies 0.35 of the way from the middle of the eyes to that of the mouth.
_SIDE, _DOWN = 1.9, 0.35


def eye_angle(landmarks: np.ndarray) -> float:
    """Return by how many degrees, -180..180, the line of the eyes is turned clockwise.

    landmarks: (5, 2) as in `Detection`; a person's right eye lies on the left side of an upright picture.
    """
    x, y = np.asarray(landmarks[1], float) - np.asarray(landmarks[0], float)
    return float(np.degrees(np.arctan2(y, x)))


def upright(detection: Detection) -> Detection:
    """Return a detection whose `angle` and box take the tilt out, where landmarks show one beyond LEFT_AS_IT_IS.

    Its box is then FER2013's frame about the landmarks, upright in the picture that is turned back about the box's centre.
    Detections without landmarks, with impossible ones, or without much tilt come back as they are.
    """
    points = detection.landmarks
    if points is None:
        return detection
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    side = _SIDE * float(np.hypot(np.linalg.norm(points[1] - points[0]), np.linalg.norm(mouth - eyes)))
    angle = eye_angle(points)
    off = abs((angle - detection.angle + 180) % 360 - 180)
    if abs(angle) <= LEFT_AS_IT_IS and abs(detection.angle) <= LEFT_AS_IT_IS:
        return replace(detection, angle=0.0)
    # The landmarks of a missed tilt or of no face at all make frames unlike the box; the box then is the safer of the two.
    if not 0.4 * detection.size < side < 2.5 * detection.size or (detection.angle and off > 45):
        return detection
    x, y = (float(v) for v in eyes + _DOWN * (mouth - eyes))
    return replace(detection, box=(x - side / 2, y - side / 2, x + side / 2, y + side / 2), angle=angle)
