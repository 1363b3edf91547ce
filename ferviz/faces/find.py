"""From a picture to its faces: choose a detector, search, crop."""

from __future__ import annotations

from typing import Any

from ferviz.errors import NoFaceError
from ferviz.faces.crops import crop, crop_box
from ferviz.faces.detectors.detector import Detection, Detector, iou
from ferviz.faces.detectors.registry import AUTO, NONE, open_detector
from ferviz.faces.face import Face
from ferviz.faces.search import MIN_SIZE, SearchOptions, detect
from ferviz.images import Pixels, read_image, source_name

MARGIN = 0.0
"""Share of the box that is added on each side by default: none, since the detectors' boxes agree with FER2013's frames."""

_MIN_SIDE = 8  # pixels; smaller pictures are useless to every detector and network
_CROP_SIDE = 64  # a picture no larger than this, and not long, is a face crop
_SQUARE_SIDE = 320  # so is a square picture no larger than this in which no face is detected
_CROP_IOU = 0.6  # and a square picture whose only face has this IoU with it, or more


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

    Args:
        source: path, bytes, file object, PIL image or uint8 array, as `read_image` accepts them.
        detector: "auto" (a picture that is itself a face crop is one face: no side over 64 pixels, or square, small and without a
            detected face, or filled by its only face; otherwise the best detector that is ready), "none" (the whole picture is one
            face), a name of `ferviz.detectors()`, or an object with `Detector`'s methods.
        threshold: minimum score, 0..1; None = the detector's own.
        min_size: minimum side of a face, in pixels of the picture.
        largest: return only the largest face.
        margin: share of the box that is added to the crop on each side.
        detector_model: path of the detector's network.
        max_side: search the picture scaled down until no side is longer, in pixels (None = the detector's own choice); crops are
            always cut from the full picture.
        tilt: "retry" (search the rotated picture too where the upright one shows no face), "all" (always: finds a tilted head among
            upright ones, twelve times as slow) or "none".

    Returns:
        The faces, left to right (by the box's centre, then top to bottom); crops are square, and upright where a head is tilted by
        more than FER2013's are.

    Raises:
        NoFaceError: the picture has no face.
        PictureError: the picture cannot be read.
        UnknownNameError: the detector or the tilt is unknown.
        ModelError: the detector's network is missing or is not such a network.
        UsageError: the threshold is not in 0..1, or a package is missing.
    """
    pixels = read_image(source)
    name = source_name(source)
    height, width = pixels.shape[:2]
    if detector == NONE:
        return [Face(pixels, name)]
    if min(height, width) < _MIN_SIDE:
        raise NoFaceError(
            f"{name or 'the picture'} has {width} x {height} pixels, too few for a face; use a larger picture"
        )
    auto = detector == AUTO
    if auto and max(height, width) <= _CROP_SIDE and _is_squarish(pixels, 1.5):
        return [Face(pixels, name)]
    opened = open_detector(detector, detector_model) if isinstance(detector, str) else detector
    may_be_crop = auto and _is_squarish(pixels, 1.1) and max(height, width) <= _SQUARE_SIDE
    options = SearchOptions(threshold, min_size, max_side, "none" if may_be_crop else tilt)
    detections = detect(pixels, opened, options)
    if auto and _is_crop(pixels, detections):
        return [Face(pixels, name)]
    if not detections:
        raise NoFaceError(
            f"no face was found in {name or 'the picture'} by {opened.name}; lower --threshold or --min-size ({min_size:g} pixels), "
            "try another --detector, or use --detector none if the picture is a face"
        )
    if largest:
        detections = [max(detections, key=lambda d: d.size)]
    return [crop_face(pixels, detection, name, margin) for detection in reading_order(detections)]


def crop_face(pixels: Pixels, detection: Detection, source: str = "", margin: float = MARGIN) -> Face:
    """Return the Face of one detection: its square crop, rotated upright.

    Args:
        pixels: (H, W, 3) uint8 RGB, the picture.
        detection: the detection, in pixels of that picture.
        source: the picture's path, "" for an array.
        margin: share of the box that is added on each side.

    Raises:
        NoFaceError: the box lies outside the picture.
    """
    face = crop(pixels, detection.box, margin, angle=detection.angle)
    points = detection.landmarks
    source_of_points = None if points is None else ("detector", detection.score)
    return Face(
        face,
        source,
        crop_box(detection.box, margin),
        points,
        detection.score,
        detection.angle,
        *(source_of_points or ()),
    )


def reading_order(detections: list[Detection]) -> list[Detection]:
    """Return the detections from left to right by their centres, those of one column from top to bottom.

    Args:
        detections: in any order.
    """
    return sorted(detections, key=lambda d: (d.box[0] + d.box[2], d.box[1] + d.box[3]))


def _is_crop(pixels: Pixels, detections: list[Detection]) -> bool:
    height, width = pixels.shape[:2]
    if not _is_squarish(pixels, 1.1):
        return False
    if not detections:
        return max(height, width) <= _SQUARE_SIDE
    return len(detections) == 1 and iou(detections[0].box, (0, 0, width, height)) >= _CROP_IOU


def _is_squarish(pixels: Pixels, max_ratio: float) -> bool:
    height, width = pixels.shape[:2]
    return max(height, width) <= max_ratio * min(height, width)
