"""Searching a picture with one detector, in bounded time, upright and turned."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np

from ferviz.errors import UnknownNameError, UsageError
from ferviz.faces.align import LEFT_AS_IT_IS, upright
from ferviz.faces.crops import crop, frame
from ferviz.faces.detectors.detector import Detection, Detector, nms, overlap
from ferviz.images import Pixels

MIN_SIZE = 24
"""Smaller faces (longer side of the detector's box, pixels) are left out by default: a network sees no expression in them."""

MOST_FACES = 500
"""The surest this many of a picture are kept: a pattern of stripes must not become ten thousand faces."""

TILTS = ("retry", "all", "none")
"""When to search the turned picture: where the upright one shows no face, or only doubtful or tilted ones; always; never."""

TURNS = (30, -30, 60, -60, 90, -90, 120, -120, 150, -150, 180)
"""Degrees by which the picture is turned back. No detector minds 15 degrees, so steps of 30 cover the circle."""

_AROUND, _PATCH = 0.5, 320  # a second look sees half a face around the face, at this many pixels a side
_LOOKS, _STEADY = 3, 4.0  # it is repeated so often, or until the angle changes by less than so many degrees
_TURNED_AREA = 0.5  # of the detector's pixels: eleven more searches must not cost eleven times as much
_PART = 600  # pixels; see _parts
_LONG, _LONGEST = (
    2.0,
    8.0,
)  # times as long as high: such pictures get more pixels, in proportion, up to so many times as long
_ASKED, _CLEARLY = (
    3,
    0.005,
)  # so many faces are looked at upside down too; one that is surer by so much then is upside down


def detect(
    pixels: Pixels,
    detector: Detector,
    *,
    threshold: float | None = None,
    min_size: float = MIN_SIZE,
    max_side: int | None = None,
    tilt: str = "retry",
) -> list[Detection]:
    """Run one detector over a picture and give its detections in pixels of that picture.

    pixels: (H, W, 3) uint8 RGB. threshold: least score, 0..1; None = the detector's own. min_size: least side of a box, in pixels.
    max_side: search the picture scaled down until no side is longer; None = as many pixels as the detector allows for.
    tilt: one of TILTS; "retry" leaves pictures over eight times as long as high as they stand. In turned pictures only sure faces
    count (score half-way between the detector's threshold and 1, on a second look where there are no landmarks), since eleven
    more searches find eleven times as many false ones.
    -> at most MOST_FACES detections, best first, none of which overlaps a better one or lies outside the picture; `angle` is set
    where a tilt has to be taken out. Raises UsageError, UnknownNameError for senseless arguments.
    """
    least = detector.threshold if threshold is None else threshold
    if not 0 <= least <= 1:
        raise UsageError(f"the detection threshold is a number from 0 to 1, not {least:g}")
    if tilt not in TILTS:
        raise UnknownNameError("tilt", tilt, TILTS)
    height, width = pixels.shape[:2]
    found: list[Detection] = []
    for area in _areas(detector, width, height) if max_side is None else [detector.max_pixels]:
        scale = math.sqrt(area / (height * width)) if max_side is None else max_side / max(height, width)
        searched, scale = scaled_down(pixels, scale)
        found = [d.scaled(1 / scale) for d in detector.detect(searched, least, min_size * scale)]
        found = _large_enough(found, min_size, width, height)
        if found or scale == 1:
            break
    sure = max(least, (1 + detector.threshold) / 2)
    if tilt != "none":
        found = [second_look(pixels, d, detector, least) for d in nms(found)[:MOST_FACES]]
        upside_down = _upside_down(pixels, found, detector, least)
    # The turned search of a strip costs as much as a hundred photographs.
    strip = max(width, height) > _LONGEST * min(width, height)
    if tilt == "all" or (tilt == "retry" and not strip and (upside_down or _to_be_turned(found, sure))):
        smaller, factor = scaled_down(searched, math.sqrt(_TURNED_AREA * area / searched[..., 0].size))
        factor *= scale
        turned = turned_search(smaller, lambda picture: detector.detect(picture, least, min_size * factor), TURNS)
        turned = nms([upright(replace(d.scaled(1 / factor), angle=d.angle)) for d in turned])
        turned = _large_enough(turned, min_size, width, height)[:MOST_FACES]
        turned = [finer(pixels, d, detector, least) for d in turned]
        turned = [second_look(pixels, d, detector, least) for d in turned if d.score >= sure]
        if turned:  # so the picture does not stand as it should: what is doubtful upright has to be confirmed
            found = [d for d in found if d.score >= sure or finer(pixels, d, detector, least).score >= least]
        if upside_down:
            found = [second_look(pixels, d, detector, least) for d in _facing(pixels, found, detector, least)]
        found += turned
    return nms(_large_enough(found, min_size, width, height))[:MOST_FACES]


def _areas(detector: Detector, width: int, height: int) -> list[float]:
    """How many pixels are searched: as many as the detector allows for; where a long picture shows no face so, more of it."""
    long = min(max(width, height) / min(width, height), _LONGEST) / _LONG
    return [detector.max_pixels, detector.max_pixels * long] if long > 1 else [detector.max_pixels]


def scaled_down(pixels: Pixels, scale: float) -> tuple[Pixels, float]:
    """Return the picture at `scale` of its size and the scale itself; at its own size where `scale` is 1 or more."""
    if scale >= 1:
        return pixels, 1.0
    height, width = pixels.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), scale


def turned_search(
    pixels: Pixels, search: Callable[[Pixels], list[Detection]], turns: Sequence[float]
) -> list[Detection]:
    """Search the picture turned counter-clockwise by each of `turns` (degrees) and give what was found in its own pixels.

    Long pictures are turned in parts, so that no more than about four times their own pixels are ever searched a turn.

    search: finds detections in the picture that it is given. -> detections whose box is upright in the picture turned back by
    `angle` about the box's centre; landmarks lie where they are in `pixels`.
    """
    found = []
    for left, top, right, bottom in _parts(pixels.shape[1], pixels.shape[0]):
        part = np.ascontiguousarray(pixels[top:bottom, left:right])
        for turn in turns:
            found += [_moved(d, left, top) for d in _turned(part, search, turn)]
    return found


def _parts(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """A long picture in pieces twice as long as high, which overlap by its height: turned as a whole it would need a huge canvas.

    Those of a strip are longer, at least _PART pixels: each search has costs of its own, and hundreds of small ones add up.
    """
    short, long = min(width, height), max(width, height)
    length = max(2 * short, _PART)
    if long <= max(2 * _LONG * short, length):
        return [(0, 0, width, height)]
    count = math.ceil((long - length) / (length - short)) + 1
    starts = [round(i * (long - length) / (count - 1)) for i in range(count)]
    if width > height:
        return [(at, 0, at + length, height) for at in starts]
    return [(0, at, width, at + length) for at in starts]


def _moved(detection: Detection, x: float, y: float) -> Detection:
    left, top, right, bottom = detection.box
    points = detection.landmarks
    points = None if points is None else (points + np.array([x, y])).astype(np.float32)
    return replace(detection, box=(left + x, top + y, right + x, bottom + y), landmarks=points)


def _turned(pixels: Pixels, search: Callable[[Pixels], list[Detection]], turn: float) -> list[Detection]:
    height, width = pixels.shape[:2]
    there = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn, 1.0)
    cos, sin = abs(there[0, 0]), abs(there[0, 1])
    size = math.ceil(width * cos + height * sin - 1e-6), math.ceil(width * sin + height * cos - 1e-6)
    there[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    back = cv2.invertAffineTransform(there)
    found = []
    for detection in search(cv2.warpAffine(pixels, there, size, borderValue=(128, 128, 128))):
        left, top, right, bottom = detection.box
        # boxes count from a pixel's edge, the matrices from its centre
        x, y = back @ np.array([(left + right - 1) / 2, (top + bottom - 1) / 2, 1.0]) + 0.5
        half_width, half_height = (right - left) / 2, (bottom - top) / 2
        points = detection.landmarks
        if points is not None:
            points = ((points - 0.5) @ back[:, :2].T + back[:, 2] + 0.5).astype(np.float32)
        box = (float(x - half_width), float(y - half_height), float(x + half_width), float(y + half_height))
        found.append(replace(detection, box=box, landmarks=points, angle=float(turn)))
    return found


def second_look(pixels: Pixels, detection: Detection, detector: Detector, threshold: float) -> Detection:
    """Return a detection with its landmarks seen once more, large and upright, and with the angle and box that follow.

    On small faces a detector draws the landmarks of an upright face, however tilted it is (YuNet: a face of 64 pixels tilted by
    15 degrees is measured as 2); on one of 160 pixels, looked at again turned by what the last look measured, they are right to
    a degree or two. Detections without landmarks, and those that are not found again, come back as they are.
    """
    for _ in range(_LOOKS if detection.landmarks is not None else 0):
        seen = look(pixels, detection, detector, threshold, detection.angle)
        if seen is None or seen.landmarks is None:
            break
        before, detection = detection.angle, upright(replace(detection, landmarks=seen.landmarks))
        if abs(detection.angle - before) < _STEADY:
            break
    return detection


def finer(pixels: Pixels, detection: Detection, detector: Detector, threshold: float) -> Detection:
    """Return a detection of a turned search that has no landmarks with the best of the angles 15 degrees beside its own.

    Its score is that of the best look, so that a face that lay between two turns counts as sure as it is. A face is seen at two of
    the three angles or more; a chance pattern, which is seen at one at most, gets 0. Detections with landmarks come back as they are.
    """
    if detection.landmarks is not None:
        return detection
    looks = (look(pixels, detection, detector, threshold, detection.angle + by) for by in (0, -15, 15))
    seen = [d for d in looks if d is not None]
    if len(seen) < 2:
        return replace(detection, score=0.0)
    best = max(seen, key=lambda d: d.score)
    return replace(detection, score=best.score, angle=best.angle)


def look(pixels: Pixels, detection: Detection, detector: Detector, threshold: float, angle: float) -> Detection | None:
    """Return what the detector sees of one face alone, enlarged, in the picture turned back by `angle` degrees; None = nothing.

    -> the detection with the score of this look, its angle, and landmarks (if any) in pixels of the picture.
    """
    left, top, right, bottom = frame(detection.box, _AROUND)
    scale = _PATCH / (right - left)
    patch = crop(pixels, detection.box, _AROUND, angle=angle)
    patch = cv2.resize(patch, (_PATCH, _PATCH), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    again = [d for d in detector.detect(patch, threshold, _PATCH / 8) if _central(d)]
    if not again:
        return None
    best = max(again, key=lambda d: d.score)
    points = best.landmarks
    if points is not None:
        turn = math.radians(angle)
        way = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        points = ((points - _PATCH / 2) / scale @ way.T + ((left + right) / 2, (top + bottom) / 2)).astype(np.float32)
    return replace(detection, score=best.score, landmarks=points, angle=(angle + 180) % 360 - 180)


def _central(detection: Detection) -> bool:
    left, top, right, bottom = detection.box
    return math.hypot(left + right - _PATCH, top + bottom - _PATCH) < 0.5 * _PATCH


def _upside_down(pixels: Pixels, found: list[Detection], detector: Detector, threshold: float) -> bool:
    """Whether the surest faces are surer still upside down: detectors find such faces too, and take them for upright."""
    more = 0.0
    for detection in sorted(found, key=lambda d: -d.score)[:_ASKED]:
        for by, sign in ((0, -1), (180, 1)):
            seen = look(pixels, detection, detector, threshold, detection.angle + by)
            more += sign * seen.score if seen is not None else 0.0
    return more > _CLEARLY


def _facing(pixels: Pixels, found: list[Detection], detector: Detector, threshold: float) -> list[Detection]:
    """Return the faces that a look confirms in one of the four directions, each in its surest."""
    turned = []
    for detection in found:
        seen = [look(pixels, detection, detector, threshold, detection.angle + by) for by in (0, 90, 180, 270)]
        best = max(filter(None, seen), key=lambda d: d.score, default=None)
        if best is not None:
            turned.append(upright(best))
    return turned


def _to_be_turned(found: list[Detection], sure: float) -> bool:
    """Whether what an upright search found looks as if the picture lay on its side: nothing, nothing sure, or mostly tilted."""
    tilted = sum(abs(d.angle) > LEFT_AS_IT_IS for d in found)
    return all(d.score < sure for d in found) or 2 * tilted >= len(found)


def _large_enough(found: list[Detection], min_size: float, width: int, height: int) -> list[Detection]:
    return [d for d in found if d.size >= min_size and overlap(d.box, (0, 0, width, height)) > 0]
