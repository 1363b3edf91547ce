"""OpenCV's SSD face detector (ResNet-10 trunk, 300 x 300), through cv2.dnn: boxes without landmarks; Apache-2.0."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from ferviz.errors import ModelError
from ferviz.faces.crops import crop
from ferviz.faces.detectors.detector import Detection, nms
from ferviz.faces.detectors.downloads import fetched, model_path
from ferviz.images import Pixels

_SIDE = 300
_MEAN = (104.0, 177.0, 123.0)  # of blue, green, red, as it was trained
_TILE_FROM = 480  # pixels; the longer side from which on parts of the picture are looked at by themselves, too
_LARGEST = 0.55  # share of a tile
_EDGE = 0.02  # share of a tile; a box that ends so near an inner edge is half a face, which another tile has whole

Rectangle = tuple[int, int, int, int]


class SSD:
    """model: path of the TensorFlow graph (.pb), with its description (.pbtxt) in the same folder; None = the fetched one.

    Raises ModelError where one of them is missing or is no such network.
    """

    name = "ssd"
    threshold = 0.5
    max_pixels = 4_000_000

    @staticmethod
    def available() -> bool:
        """Return whether the network was fetched."""
        return fetched("ssd") is not None

    def __init__(self, model: str | None = None) -> None:
        path = model_path(self.name, model)
        description = _description(path)
        try:
            self._net = cv2.dnn.readNetFromTensorflow(str(path), str(description))
            self._run(np.zeros((_SIDE, _SIDE, 3), np.uint8))
        except (cv2.error, SystemError, ValueError, IndexError) as error:
            raise ModelError(
                f"{path} with {description.name} is not OpenCV's SSD face detector; fetch it with 'ferviz detectors get ssd'"
            ) from error

    def detect(self, pixels: Pixels, threshold: float, min_size: float) -> list[Detection]:
        """As in `Detector`. The network sees 300 x 300 pixels, so larger pictures are also looked at in overlapping parts."""
        height, width = pixels.shape[:2]
        found = []
        for tile in _tiles(width, height):
            for _, _, score, *corners in self._run(crop(pixels, tile, square=False)):
                if score >= threshold and _trusted(corners) and _whole(corners, tile, width, height):
                    found.append(Detection(_placed(corners, tile), min(1.0, float(score))))
        return [d for d in nms(found) if d.size >= min_size]

    def _run(self, part: np.ndarray) -> np.ndarray:
        """part: an RGB picture -> (n, 7): two numbers without use, score, left, top, right, bottom as shares of the part."""
        # One part a time: this graph's reshaping fails for larger batches.
        bgr = cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2BGR)
        self._net.setInput(cv2.dnn.blobFromImage(bgr, 1.0, (_SIDE, _SIDE), _MEAN, swapRB=False, crop=False))
        rows: np.ndarray = self._net.forward().reshape(-1, 7)
        return rows[np.isfinite(rows).all(axis=1)]


def _tiles(width: int, height: int) -> Iterator[Rectangle]:
    """Yield the picture with as much again around it, the picture, and parts of it if it is large.

    Parts are squarish, a little over half as long as the shorter side, and overlap by a third.
    """
    yield -width // 2, -height // 2, width + width // 2, height + height // 2
    yield 0, 0, width, height
    if max(width, height) < _TILE_FROM:
        return
    side = max(_SIDE, round(min(width, height) * 0.6))
    across, down = _starts(width, side), _starts(height, side)
    for top in down:
        for left in across:
            yield left, top, min(left + side, width), min(top + side, height)


def _starts(length: int, side: int) -> list[int]:
    if side >= length:
        return [0]
    count = math.ceil((length - side) * 1.5 / side) + 1
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def _trusted(corners: list[float]) -> bool:
    """Faces over half of what the network sees are found, but up to a whole face beside where they are."""
    return max(corners[2] - corners[0], corners[3] - corners[1]) <= _LARGEST


def _whole(corners: list[float], tile: Rectangle, width: int, height: int) -> bool:
    left, top, right, bottom = corners
    return (
        (left > _EDGE or tile[0] <= 0)
        and (top > _EDGE or tile[1] <= 0)
        and (right < 1 - _EDGE or tile[2] >= width)
        and (bottom < 1 - _EDGE or tile[3] >= height)
        and right > left
        and bottom > top
    )


def _placed(corners: list[float], tile: Rectangle) -> tuple[float, float, float, float]:
    wide, tall = tile[2] - tile[0], tile[3] - tile[1]
    left, top, right, bottom = (float(v) for v in corners)
    return tile[0] + left * wide, tile[1] + top * tall, tile[0] + right * wide, tile[1] + bottom * tall


def _description(path: Path) -> Path:
    beside = sorted(path.parent.glob("*.pbtxt"))
    near = [p for p in beside if path.stem.startswith(p.stem)]
    if not near and len(beside) != 1:
        raise ModelError(f"{path} needs its description (opencv_face_detector.pbtxt) in the same folder")
    return (near or beside)[0]
