"""YuNet, a small face detector with five landmarks, through OpenCV; MIT."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from ferviz.errors import ModelError
from ferviz.faces.detectors.detector import Detection, nms
from ferviz.faces.detectors.downloads import cached_model, model_path
from ferviz.images import Pixels

_COARSE = 320  # pixels; the longer side of the second, coarse search, which finds faces that fill the picture


class YuNet:
    """YuNet.

    Args:
        model: path of the ONNX file; None = the one that ferviz brings along.

    Raises:
        ModelError: the file is missing or is not a YuNet.

    References:
        Wu, Peng, Yu: YuNet: a tiny millisecond-level face detector (Machine Intelligence Research 2023).
    """

    name = "yunet"
    threshold = 0.7
    max_pixels = 800_000

    @staticmethod
    def available() -> bool:
        """Return whether the network is there and the installed OpenCV runs it."""
        return hasattr(cv2, "FaceDetectorYN") and cached_model("yunet") is not None

    def __init__(self, model: str | None = None) -> None:
        path = model_path(self.name, model)
        try:
            # One network for each size of input: preparing it for another size costs as much as a search does.
            self._net, self._coarse_net = (
                cv2.FaceDetectorYN.create(str(path), "", (64, 64), self.threshold, 0.3, 2000) for _ in range(2)
            )
            self._net.detect(np.zeros((64, 64, 3), np.uint8))
        except (cv2.error, SystemError) as error:
            raise ModelError(
                f"{path} is not a YuNet network (ONNX); leave the detector's model out to use the one that ferviz brings along"
            ) from error

    def detect(self, pixels: Pixels, threshold: float, min_size: float) -> list[Detection]:
        """Detect faces as `Detector.detect` does, with landmarks; pictures over 320 pixels are searched twice: at their size and small.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            threshold: minimum score, 0..1.
            min_size: minimum side of a box, in pixels.
        """
        height, width = pixels.shape[:2]
        detections = _run(self._net, pixels, threshold)
        coarse = _COARSE / max(height, width)
        if coarse < 0.75:
            size = max(1, round(width * coarse)), max(1, round(height * coarse))
            small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
            # Only faces that are large there: small ones are detected better at the full size.
            large = [d for d in _run(self._coarse_net, small, threshold) if d.size > _COARSE / 4]
            detections += [d.scaled(1 / coarse) for d in large]
        return [d for d in nms(detections) if d.size >= min_size]


def _run(net: Any, pixels: Pixels, threshold: float) -> list[Detection]:
    height, width = pixels.shape[:2]
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    net.setInputSize((width, height))
    net.setScoreThreshold(max(threshold, 0.01))
    rows = net.detect(bgr)[1]
    detections = []
    for row in rows if rows is not None else ():
        left, top, box_width, box_height = map(float, row[:4])
        if not all(map(math.isfinite, row)) or box_width <= 0 or box_height <= 0:
            continue
        points = row[4:14].reshape(5, 2).astype(np.float32)
        box = (left, top, left + box_width, top + box_height)
        detections.append(Detection(box, min(1.0, float(row[14])), points))
    return detections
