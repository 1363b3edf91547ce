"""Detect faces once with a file that nobody vouches for: what `ferviz.faces.detectors.harmless` starts in a process of its own.

Arguments: the detector's name and its file. Exit 0: it detects, or finds nothing; 3: it is no such network, and the reason is on standard
output.
"""

from __future__ import annotations

import sys

import cv2
import numpy as np

from ferviz.errors import FervizError
from ferviz.faces.detectors.registry import DETECTORS
from ferviz.images import Pixels

SIZES = ((240, 320), (333, 217), (480, 640))
"""(height, width) of the pictures; the network is prepared anew for each, and the last is searched in parts, too."""


def draw_face(height: int, width: int) -> Pixels:
    """Draw a face before a background that is not plain.

    Args:
        height, width: of the picture.

    Returns:
        (height, width, 3) uint8.
    """
    random = np.random.default_rng(0)
    coarse = random.integers(40, 200, (height // 16 + 1, width // 16 + 1, 3)).astype(np.uint8)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    x, y, side = width // 2, height // 2, min(height, width) // 3
    cv2.ellipse(picture, (x, y), (side * 3 // 4, side), 0, 0, 360, (214, 172, 148), -1, cv2.LINE_AA)
    for eye in (x - side // 3, x + side // 3):
        cv2.ellipse(picture, (eye, y - side // 4), (side // 6, side // 12), 0, 0, 360, (245, 245, 245), -1, cv2.LINE_AA)
        cv2.circle(picture, (eye, y - side // 4), side // 14, (40, 30, 25), -1, cv2.LINE_AA)
        cv2.ellipse(picture, (eye, y - side // 3), (side // 5, side // 12), 0, 180, 360, (70, 50, 40), 3, cv2.LINE_AA)
    cv2.line(picture, (x, y - side // 6), (x - side // 12, y + side // 6), (170, 120, 100), 3, cv2.LINE_AA)
    cv2.ellipse(picture, (x, y + side // 2), (side // 4, side // 10), 0, 0, 360, (150, 60, 60), -1, cv2.LINE_AA)
    return cv2.GaussianBlur(picture, (5, 5), 0)  # type: ignore[no-any-return]


if __name__ == "__main__":
    name, path = sys.argv[1:]
    try:
        detector = DETECTORS[name](path)
        for size in SIZES:
            detector.detect(draw_face(*size), 0.05, 8.0)
    except (FervizError, cv2.error, SystemError, ValueError, IndexError) as error:
        lines = str(error).strip().splitlines()
        sys.stdout.write(lines[0] if lines else type(error).__name__)
        sys.exit(3)
