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
from ferviz.faces.detectors.downloads import cached_model, model_path
from ferviz.images import Pixels

_SIDE = 300
_MEAN = (104.0, 177.0, 123.0)  # of blue, green, red, as it was trained
_MIN_TILED = 480  # pixels; the longer side from which on tiles of the picture are searched too
_MAX_SHARE = 0.55  # of a tile; the positions of larger faces are wrong by up to a whole face
_EDGE = 0.02  # share of a tile; a box that ends so near an inner edge is a part of a face, which another tile contains

Rectangle = tuple[int, int, int, int]


class SSD:
    """OpenCV's SSD face detector.

    Args:
        model: path of the TensorFlow graph (.pb), with its description (.pbtxt) in the same folder; None = the fetched one.

    Raises:
        ModelError: one of the files is missing or is not such a network.
    """

    name = "ssd"
    threshold = 0.5
    max_pixels = 4_000_000

    @staticmethod
    def available() -> bool:
        """Return whether the network was fetched."""
        return cached_model("ssd") is not None

    def __init__(self, model: str | None = None) -> None:
        path = model_path(self.name, model)
        text = description(path)
        try:
            self._net = cv2.dnn.readNetFromTensorflow(str(path), str(text))
            self._run(np.zeros((_SIDE, _SIDE, 3), np.uint8))
        except (cv2.error, SystemError, ValueError, IndexError) as error:
            raise ModelError(
                f"{path} with {text.name} is not OpenCV's SSD face detector; fetch it with 'ferviz detectors get ssd'"
            ) from error

    def detect(self, pixels: Pixels, threshold: float, min_size: float) -> list[Detection]:
        """Detect faces as `Detector.detect` does; detections have no landmarks.

        The network's input has 300 x 300 pixels, so larger pictures are also searched in overlapping tiles.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            threshold: minimum score, 0..1.
            min_size: minimum side of a box, in pixels.
        """
        height, width = pixels.shape[:2]
        detections = []
        for tile in _tiles(width, height):
            for _, _, score, *corners in self._run(crop(pixels, tile, square=False)):
                if score >= threshold and _is_located(corners) and _is_complete(corners, tile, width, height):
                    detections.append(Detection(_box(corners, tile), min(1.0, float(score))))
        return [d for d in nms(detections) if d.size >= min_size]

    def _run(self, tile: np.ndarray) -> np.ndarray:
        """Return (n, 7) for an RGB picture: two unused numbers, score, left, top, right, bottom as shares of the picture."""
        # One tile at a time: this graph's reshaping fails for larger batches.
        bgr = cv2.cvtColor(np.ascontiguousarray(tile), cv2.COLOR_RGB2BGR)
        self._net.setInput(cv2.dnn.blobFromImage(bgr, 1.0, (_SIDE, _SIDE), _MEAN, swapRB=False, crop=False))
        rows: np.ndarray = self._net.forward().reshape(-1, 7)
        return rows[np.isfinite(rows).all(axis=1)]


def _tiles(width: int, height: int) -> Iterator[Rectangle]:
    """Yield the picture with a border as wide again, the picture, and tiles of it if it is large.

    Tiles are squarish, a little over half as long as the shorter side, and overlap by a third.
    """
    yield -width // 2, -height // 2, width + width // 2, height + height // 2
    yield 0, 0, width, height
    if max(width, height) < _MIN_TILED:
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


def _is_located(corners: list[float]) -> bool:
    return max(corners[2] - corners[0], corners[3] - corners[1]) <= _MAX_SHARE


def _is_complete(corners: list[float], tile: Rectangle, width: int, height: int) -> bool:
    left, top, right, bottom = corners
    return (
        (left > _EDGE or tile[0] <= 0)
        and (top > _EDGE or tile[1] <= 0)
        and (right < 1 - _EDGE or tile[2] >= width)
        and (bottom < 1 - _EDGE or tile[3] >= height)
        and right > left
        and bottom > top
    )


def _box(corners: list[float], tile: Rectangle) -> tuple[float, float, float, float]:
    width, height = tile[2] - tile[0], tile[3] - tile[1]
    left, top, right, bottom = (float(v) for v in corners)
    return tile[0] + left * width, tile[1] + top * height, tile[0] + right * width, tile[1] + bottom * height


def description(path: Path) -> Path:
    """Return the description that belongs to a graph.

    Args:
        path: the graph (.pb).

    Raises:
        ModelError: there is none in its folder.
    """
    candidates = sorted(path.parent.glob("*.pbtxt"))
    matching = [p for p in candidates if path.stem.startswith(p.stem)]
    if not matching and len(candidates) != 1:
        raise ModelError(f"{path} needs its description (opencv_face_detector.pbtxt) in the same folder; copy it there")
    return (matching or candidates)[0]
