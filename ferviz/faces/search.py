"""Searching a picture with one detector, in bounded time, upright and rotated."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2

from ferviz.errors import UnknownNameError, UsageError
from ferviz.faces.align import MAX_TILT, align
from ferviz.faces.detectors.detector import Detection, Detector, iou, nms
from ferviz.faces.refine import detect_in_patch, refine_angle, refine_landmarks
from ferviz.faces.rotation import LONG, search_rotated
from ferviz.images import Pixels

MIN_SIZE = 24
"""Smaller faces (longer side of the detector's box, pixels) are left out by default: a network sees no expression in them."""

MAX_FACES = 500
"""At most so many faces of a picture are kept, those of the highest scores: a pattern of stripes must not become ten thousand."""

TILTS = ("retry", "all", "none")
"""When to search the rotated picture: where the upright one shows no face, or only doubtful or tilted ones; always; never."""

ANGLES = (30, -30, 60, -60, 90, -90, 120, -120, 150, -150, 180)
"""Degrees by which the picture is rotated back. Every detector tolerates 15 degrees, so steps of 30 cover the circle."""

_ROTATED_AREA = 0.5  # of the detector's pixels: eleven more searches must not cost eleven times as much
_LONGEST = 8.0  # times as long as high; up to this a long picture gets more pixels in proportion
_COMPARED = 3  # so many faces are compared with themselves upside down
_MIN_GAIN = 0.005  # of the summed scores, from which on a picture is upside down


@dataclass(frozen=True)
class SearchOptions:
    """How a picture is searched.

    Attributes:
        threshold: minimum score, 0..1; None = the detector's own.
        min_size: minimum side of a box, in pixels.
        max_side: search the picture scaled down until no side is longer, in pixels; None = as many pixels as the detector allows.
        tilt: one of TILTS; "retry" does not rotate pictures over eight times as long as high.

    Raises:
        UsageError: the threshold is not in 0..1.
        UnknownNameError: the tilt is not one of TILTS.
    """

    threshold: float | None = None
    min_size: float = MIN_SIZE
    max_side: int | None = None
    tilt: str = "retry"

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise UsageError(f"the detection threshold is a number from 0 to 1, not {self.threshold:g}")
        if self.tilt not in TILTS:
            raise UnknownNameError("tilt", self.tilt, TILTS)


def detect(pixels: Pixels, detector: Detector, options: SearchOptions | None = None) -> list[Detection]:
    """Run one detector over a picture.

    In rotated pictures only faces of a high score count (half-way between the detector's threshold and 1, on the enlarged face
    where there are no landmarks), since eleven more searches find eleven times as many false ones.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        detector: the detector.
        options: how to search; None = the defaults.

    Returns:
        At most MAX_FACES detections in pixels of the picture, best first; none overlaps a better one or lies outside the picture.
        `angle` is set where a tilt has to be removed.
    """
    options = options or SearchOptions()
    threshold = detector.threshold if options.threshold is None else options.threshold
    height, width = pixels.shape[:2]
    detections: list[Detection] = []
    for area in _areas(detector, width, height) if options.max_side is None else [detector.max_pixels]:
        side = options.max_side
        scale = math.sqrt(area / (height * width)) if side is None else side / max(height, width)
        searched, scale = scale_down(pixels, scale)
        detections = [d.scaled(1 / scale) for d in detector.detect(searched, threshold, options.min_size * scale)]
        detections = _inside(detections, options.min_size, width, height)
        if detections or scale == 1:
            break
    upside_down = False
    if options.tilt != "none":
        detections = [refine_landmarks(pixels, d, detector, threshold) for d in nms(detections)[:MAX_FACES]]
        upside_down = _is_upside_down(pixels, detections, detector, threshold)
    confident = max(threshold, confident_score(detector))
    # The rotated search of a strip costs as much as a hundred photographs.
    is_strip = max(width, height) > _LONGEST * min(width, height)
    retry = options.tilt == "retry" and not is_strip and (upside_down or _is_doubtful(detections, confident))
    if options.tilt == "all" or retry:
        smaller, factor = scale_down(searched, math.sqrt(_ROTATED_AREA * area / searched[..., 0].size))
        rotated = _detect_rotated(pixels, smaller, factor * scale, detector, options.min_size, threshold)
        rotated = [d for d in rotated if d.score >= confident]
        rotated = [refine_landmarks(pixels, d, detector, threshold) for d in rotated]
        if rotated:  # so the picture is not upright: doubtful upright detections have to be confirmed
            detections = [
                d for d in detections if d.score >= confident or _is_confirmed(pixels, d, detector, threshold)
            ]
        if upside_down:
            detections = _best_quarter_turns(pixels, detections, detector, threshold)
            detections = [refine_landmarks(pixels, d, detector, threshold) for d in detections]
        detections += rotated
    return nms(_inside(detections, options.min_size, width, height))[:MAX_FACES]


def confident_score(detector: Detector) -> float:
    """Return the score from which on a detector is certain of a face: half-way between its own threshold and 1.

    Args:
        detector: the detector.
    """
    return (1 + detector.threshold) / 2


def scale_down(pixels: Pixels, scale: float) -> tuple[Pixels, float]:
    """Scale a picture down; where `scale` is 1 or more, leave it as it is.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        scale: > 0.

    Returns:
        The picture and the scale that it has.
    """
    if scale >= 1:
        return pixels, 1.0
    height, width = pixels.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), scale


def _areas(detector: Detector, width: int, height: int) -> list[float]:
    """How many pixels are searched: as many as the detector allows; then more of a long picture in which no face was detected."""
    ratio = min(max(width, height) / min(width, height), _LONGEST) / LONG
    return [detector.max_pixels, detector.max_pixels * ratio] if ratio > 1 else [detector.max_pixels]


def _detect_rotated(
    pixels: Pixels, smaller: Pixels, scale: float, detector: Detector, min_size: float, threshold: float
) -> list[Detection]:
    """Search `smaller`, which is `pixels` at `scale`, at all angles; detections in pixels of `pixels`, their angles refined."""
    height, width = pixels.shape[:2]
    rotated = search_rotated(smaller, lambda picture: detector.detect(picture, threshold, min_size * scale), ANGLES)
    rotated = nms([align(replace(d.scaled(1 / scale), angle=d.angle)) for d in rotated])
    rotated = _inside(rotated, min_size, width, height)[:MAX_FACES]
    return [refine_angle(pixels, d, detector, threshold) for d in rotated]


def _is_confirmed(pixels: Pixels, detection: Detection, detector: Detector, threshold: float) -> bool:
    return refine_angle(pixels, detection, detector, threshold).score >= threshold


def _is_upside_down(pixels: Pixels, detections: list[Detection], detector: Detector, threshold: float) -> bool:
    """Whether the best faces score higher upside down: detectors find such faces too, and take them for upright."""
    gain = 0.0
    for detection in sorted(detections, key=lambda d: -d.score)[:_COMPARED]:
        for by, sign in ((0, -1), (180, 1)):
            patch = detect_in_patch(pixels, detection, detector, threshold, detection.angle + by)
            gain += sign * patch.score if patch is not None else 0.0
    return gain > _MIN_GAIN


def _best_quarter_turns(
    pixels: Pixels, detections: list[Detection], detector: Detector, threshold: float
) -> list[Detection]:
    """Return the faces that are detected again in one of the four directions, each in the direction of its highest score."""
    confirmed = []
    for detection in detections:
        patches = [
            detect_in_patch(pixels, detection, detector, threshold, detection.angle + by) for by in (0, 90, 180, 270)
        ]
        best = max(filter(None, patches), key=lambda d: d.score, default=None)
        if best is not None:
            confirmed.append(align(best))
    return confirmed


def _is_doubtful(detections: list[Detection], confident: float) -> bool:
    """Whether an upright search looks as if the picture lay on its side: nothing, nothing confident, or mostly tilted faces."""
    tilted = sum(abs(d.angle) > MAX_TILT for d in detections)
    return all(d.score < confident for d in detections) or 2 * tilted >= len(detections)


def _inside(detections: list[Detection], min_size: float, width: int, height: int) -> list[Detection]:
    """Drop detections that are too small or lie outside the picture."""
    return [d for d in detections if d.size >= min_size and iou(d.box, (0, 0, width, height)) > 0]
