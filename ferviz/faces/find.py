"""From a picture to its faces: choose a detector, search, cut out."""

from __future__ import annotations

from typing import Any

from ferviz.errors import NoFaceError
from ferviz.faces.crops import crop, frame
from ferviz.faces.detectors.detector import Detection, Detector, overlap
from ferviz.faces.detectors.registry import AUTO, NONE, open_detector
from ferviz.faces.face import Face
from ferviz.faces.search import MIN_SIZE, detect
from ferviz.images import Pixels, read_image, source_name

MARGIN = 0.0
"""Share of the box that is added on each side by default: none, since the detectors' boxes agree with FER2013's frames."""

_SMALLEST = 8  # pixels; no detector and no network makes anything of less
_CROP_SIDE = 64  # a picture no larger than this, and not long, is a face crop
_SQUARE_SIDE = 320  # a square picture no larger than this, in which no face is found, is one too
_FILLS = 0.6  # so is one that the only found face fills to this share (IoU)


def find_faces(
    source: Any,
    detector: str | Detector = AUTO,
    *,
    threshold: float | None = None,
    min_size: float = MIN_SIZE,
    largest: bool = False,
    margin: float = MARGIN,
    detector_model: str | None = None,
    max_side: int | None = None,
    tilt: str = "retry",
) -> list[Face]:
    """Find the faces of one picture.

    source: path, bytes, file object, PIL image or uint8 array, as `read_image` takes them.
    detector: "auto" (a picture that is itself a face crop is taken whole: no side over 64 pixels, or square, small and without a
    found face, or filled by its only face; otherwise the best detector that is ready), "none" (the whole picture is one face), a
    name of `ferviz.detectors()`, or an object with `Detector`'s methods.
    threshold: least score, 0..1; None = the detector's own. min_size: least side of a face, in pixels of the picture.
    largest: only the largest face. margin: share of the box that the crop has more on each side.
    detector_model: path of the detector's network. max_side: search the picture scaled down until no side is longer (None = the
    detector's own choice); crops are always cut from the full picture.
    tilt: "retry" (search the turned picture too where the upright one shows no face), "all" (always: finds a tilted head among
    upright ones, twelve times as slow) or "none".
    -> faces, left to right (by the box's centre, then top to bottom); crops are square, and upright where a head is tilted by
    more than FER2013's are.
    Raises NoFaceError when there is none, PictureError, UnknownNameError, ModelError, UsageError.
    """
    pixels = read_image(source)
    name = source_name(source)
    height, width = pixels.shape[:2]
    if detector == NONE:
        return [Face(pixels, name)]
    if min(height, width) < _SMALLEST:
        raise NoFaceError(
            f"{name or 'the picture'} has {width} x {height} pixels, too few for a face; use a larger one"
        )
    auto = detector == AUTO
    if auto and max(height, width) <= _CROP_SIDE and _roundly_square(pixels, 1.5):
        return [Face(pixels, name)]
    searcher = open_detector(detector, detector_model) if isinstance(detector, str) else detector
    found = detect(
        pixels,
        searcher,
        threshold=threshold,
        min_size=min_size,
        max_side=max_side,
        tilt="none" if auto and _roundly_square(pixels, 1.1) and max(height, width) <= _SQUARE_SIDE else tilt,
    )
    if auto and _is_crop(pixels, found):
        return [Face(pixels, name)]
    if not found:
        raise NoFaceError(
            f"no face was found in {name or 'the picture'} by {searcher.name}; lower --threshold or --min-size ({min_size:g} pixels), "
            "try another --detector, or use --detector none if the picture is a face"
        )
    if largest:
        found = [max(found, key=lambda d: d.size)]
    return [cut_out(pixels, detection, name, margin) for detection in reading_order(found)]


def cut_out(pixels: Pixels, detection: Detection, source: str = "", margin: float = MARGIN) -> Face:
    """Return the Face of one detection: the square crop with `margin`, turned upright. pixels: (H, W, 3) uint8 RGB."""
    cut = crop(pixels, detection.box, margin, angle=detection.angle)
    return Face(cut, source, frame(detection.box, margin), detection.landmarks, detection.score, detection.angle)


def reading_order(detections: list[Detection]) -> list[Detection]:
    """Return the detections from left to right by their centres, those of one column from top to bottom."""
    return sorted(detections, key=lambda d: (d.box[0] + d.box[2], d.box[1] + d.box[3]))


def _is_crop(pixels: Pixels, found: list[Detection]) -> bool:
    height, width = pixels.shape[:2]
    if not _roundly_square(pixels, 1.1):
        return False
    if not found:
        return max(height, width) <= _SQUARE_SIDE
    return len(found) == 1 and overlap(found[0].box, (0, 0, width, height)) >= _FILLS


def _roundly_square(pixels: Pixels, most: float) -> bool:
    height, width = pixels.shape[:2]
    return max(height, width) <= most * min(height, width)
