"""Viola and Jones' cascade of Haar features, as OpenCV ships it: no download, upright frontal faces only."""

from __future__ import annotations

import math
from pathlib import Path

import cv2

from ferviz.errors import ModelError, UsageError
from ferviz.faces.detectors.detector import Detection
from ferviz.images import Pixels
from ferviz.paths import is_file

CASCADE = "haarcascade_frontalface_alt2.xml"
# A score is logistic(_SLOPE * (sum - _LAST_STAGE)): the sum of a face's features, less the threshold of the cascade's last stage (in
# its XML); 0.5 = just accepted. The sums of all of 26 frontal faces exceed the threshold by 1.7 or more, which gives 0.75; those of
# 15 chance patterns in rotated pictures do not.
_LAST_STAGE = 53.7556
_SLOPE = 0.65


class Haar:
    """OpenCV's frontal cascade "alt2" on the equalised grey picture.

    Args:
        model: another cascade as XML (every face that it accepts then has the score 0.5); None = the one that OpenCV ships.
        scale: ratio of two searched sizes.
        neighbours: how many raw detections make a face.

    Raises:
        UsageError: OpenCV has no cascades (its version 5).
        ModelError: the file is not a cascade.

    References:
        Viola, Jones: Rapid object detection using a boosted cascade of simple features (CVPR 2001); the cascade "alt2" is Lienhart's.
    """

    name = "haar"
    threshold = 0.5
    max_pixels = 1_300_000

    @staticmethod
    def available() -> bool:
        """Return whether the installed OpenCV runs cascades and ships the one that is used."""
        return hasattr(cv2, "CascadeClassifier") and hasattr(cv2, "data") and is_file(_shipped())

    def __init__(self, model: str | None = None, scale: float = 1.1, neighbours: int = 3) -> None:
        if not self.available():
            raise UsageError(
                "this OpenCV has no Haar cascades; install opencv-python-headless<5 or use --detector yunet"
            )
        path = Path(model) if model else _shipped()
        if not is_file(path):
            raise ModelError(f"the cascade {path} is not there; leave the detector's model out to use OpenCV's own")
        self._cascade = cv2.CascadeClassifier()
        try:
            loaded = self._cascade.load(str(path))
        except cv2.error:
            loaded = False
        if not loaded:
            raise ModelError(
                f"{path} is not an OpenCV cascade (XML); leave the detector's model out to use OpenCV's own"
            )
        self._own = model is None
        self.scale, self.neighbours = scale, neighbours

    def detect(self, pixels: Pixels, threshold: float, min_size: float) -> list[Detection]:
        """Detect faces as `Detector.detect` does; detections have no landmarks.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            threshold: minimum score, 0..1.
            min_size: minimum side of a box, in pixels.
        """
        grey = cv2.equalizeHist(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
        side = max(20, round(min_size))
        boxes, _, weights = self._cascade.detectMultiScale3(
            grey, self.scale, self.neighbours, minSize=(side, side), outputRejectLevels=True
        )
        detections = []
        for (left, top, width, height), weight in zip(boxes, weights, strict=True):
            score = 1 / (1 + math.exp(min(_SLOPE * (_LAST_STAGE - float(weight)), 50.0))) if self._own else 0.5
            if score >= threshold:
                box = (float(left), float(top), float(left + width), float(top + height))
                detections.append(Detection(box, score))
        return detections


def _shipped() -> Path:
    return Path(cv2.__file__).parent / "data" / CASCADE
