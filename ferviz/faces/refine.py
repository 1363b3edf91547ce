"""Detecting one face again in an enlarged, rotated patch around it, for better landmarks and a better angle."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from ferviz.faces.align import align
from ferviz.faces.crops import crop, crop_box
from ferviz.faces.detectors.detector import Detection, Detector
from ferviz.images import Pixels

_MARGIN = 0.5  # share of the face that a patch has on each side of it
_PATCH = 320  # pixels, the side of a patch
_MAX_PASSES = 3  # landmarks are refined at most so often
_SETTLED = 4.0  # degrees; refinement ends when the angle changes by less


def detect_in_patch(
    pixels: Pixels, detection: Detection, detector: Detector, threshold: float, angle: float
) -> Detection | None:
    """Detect one face alone, enlarged, in the picture that is rotated back by an angle.

    Args:
        pixels: (H, W, 3) uint8 RGB, the picture.
        detection: where the face is, in pixels of the picture.
        detector: the detector.
        threshold: minimum score, 0..1.
        angle: degrees.

    Returns:
        The detection with the score in the patch, its angle, and the patch's landmarks (if any) in pixels of the picture; None if
        nothing is detected in the middle of the patch.
    """
    left, top, right, bottom = crop_box(detection.box, _MARGIN)
    scale = _PATCH / (right - left)
    patch = crop(pixels, detection.box, _MARGIN, angle=angle)
    patch = cv2.resize(patch, (_PATCH, _PATCH), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    detections = [d for d in detector.detect(patch, threshold, _PATCH / 8) if _is_central(d)]
    if not detections:
        return None
    best = max(detections, key=lambda d: d.score)
    points = best.landmarks
    if points is not None:
        radians = math.radians(angle)
        rotation = np.array([[math.cos(radians), -math.sin(radians)], [math.sin(radians), math.cos(radians)]])
        centre = (left + right) / 2, (top + bottom) / 2
        points = ((points - _PATCH / 2) / scale @ rotation.T + centre).astype(np.float32)
    return replace(detection, score=best.score, landmarks=points, angle=(angle + 180) % 360 - 180)


def refine_landmarks(pixels: Pixels, detection: Detection, detector: Detector, threshold: float) -> Detection:
    """Return a detection with landmarks measured on the enlarged, upright face, and with the angle and box that follow.

    On small faces a detector draws the landmarks of an upright face, however tilted it is (YuNet measures a tilt of 15 degrees on a
    face of 64 pixels as 2); on an enlarged face that is rotated by the angle of the pass before, they are right to a degree or two.

    Args:
        pixels, detection, detector, threshold: as in `detect_in_patch`.

    Returns:
        The refined detection. Detections without landmarks, and those that are not detected again, come back unchanged.
    """
    for _ in range(_MAX_PASSES if detection.landmarks is not None else 0):
        refined = detect_in_patch(pixels, detection, detector, threshold, detection.angle)
        if refined is None or refined.landmarks is None:
            break
        before, detection = detection.angle, align(replace(detection, landmarks=refined.landmarks))
        if abs(detection.angle - before) < _SETTLED:
            break
    return detection


def refine_angle(pixels: Pixels, detection: Detection, detector: Detector, threshold: float) -> Detection:
    """Return a rotated detection without landmarks at the best of three angles: its own and 15 degrees to either side.

    Its score becomes the best of the three, so that a face between two rotations gets the score that it deserves. A real face is
    detected at two of the three angles or more; a chance pattern, which is detected at one at most, gets the score 0.

    Args:
        pixels, detection, detector, threshold: as in `detect_in_patch`.

    Returns:
        The refined detection. Detections with landmarks come back unchanged.
    """
    if detection.landmarks is not None:
        return detection
    patches = (detect_in_patch(pixels, detection, detector, threshold, detection.angle + by) for by in (0, -15, 15))
    detections = [d for d in patches if d is not None]
    if len(detections) < 2:
        return replace(detection, score=0.0)
    best = max(detections, key=lambda d: d.score)
    return replace(detection, score=best.score, angle=best.angle)


def _is_central(detection: Detection) -> bool:
    left, top, right, bottom = detection.box
    return math.hypot(left + right - _PATCH, top + bottom - _PATCH) < 0.5 * _PATCH
