"""YuNet's landmarks on a face crop: enlarged, seen directly and mirrored, and averaged."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ferviz.errors import ModelError
from ferviz.faces.landmarks.points import SIDE, grey, mirrored, rescaled

MIN_SCORE = 0.6
"""Both views of a face need a higher score."""

MAX_SCATTER = 2.5
"""Pixels of a face of 48: the views of a reliable face differ by less, as the root mean square of their distance to the mean."""

_SIDES = (192, 240)
"""Pixels a side that a crop is enlarged to: YuNet is reliable on 95 % of FER2013's faces at the first, and at the second on a third of
the others."""


@dataclass(frozen=True)
class Views:
    """What YuNet says about one face.

    Attributes:
        points: (2, 5, 2), the landmarks of both views in the frame of 48 pixels, those of the mirrored view mirrored back; NaN where
            there is no face.
        scores: (2,) 0..1, 0 where there is no face.
    """

    points: np.ndarray
    scores: np.ndarray

    @property
    def scatter(self) -> float:
        """Root mean square distance of the views' points from their mean, in pixels of a face of 48; infinite without two faces."""
        spread = np.sqrt(((self.points - self.points.mean(0)) ** 2).sum(-1).mean())
        return float(np.nan_to_num(spread, nan=np.inf))

    @property
    def reliable(self) -> bool:
        """Both views have a face, and they agree."""
        return bool(self.scores.min() > MIN_SCORE) and self.scatter < MAX_SCATTER


class YuNetViews:
    """YuNet for face crops; safe to share between threads.

    Args:
        model: path of its ONNX file, which OpenCV opens: one from others has to be checked before (see `check_harmless`).

    Raises:
        ModelError: the file is not a YuNet.
    """

    def __init__(self, model: str | Path) -> None:
        self._model, self._nets, self._lock = str(model), dict[int, Any](), threading.Lock()
        try:
            self._net(_SIDES[0]).detect(np.zeros((_SIDES[0], _SIDES[0], 3), np.uint8))
        except (cv2.error, SystemError) as error:
            raise ModelError(
                f"{model} is not a YuNet network (ONNX); leave it out to use the one that ferviz brings along"
            ) from error

    def views(self, pixels: np.ndarray, retry: bool = True) -> Views:
        """Return both views of a face.

        Args:
            pixels: (H, W) or (H, W, 3) uint8, the crop.
            retry: where they are not reliable, return those of a larger enlargement, if these are.
        """
        with self._lock:
            first = self._views(pixels, _SIDES[0])
            if first.reliable or not retry:
                return first
            second = self._views(pixels, _SIDES[1])
        return second if second.reliable else first

    def _views(self, pixels: np.ndarray, side: int) -> Views:
        enlarged = grey(pixels, side)
        points, scores = np.full((2, 5, 2), np.nan), np.zeros(2)
        for view, picture in enumerate((enlarged, np.ascontiguousarray(enlarged[:, ::-1]))):
            rows = self._net(side).detect(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))[1]
            rows = [row for row in (rows if rows is not None else ()) if np.isfinite(row).all()]
            if rows:
                best = max(rows, key=lambda row: row[14])
                located = best[4:14].reshape(5, 2)
                located = mirrored(located, side) if view else located
                points[view] = rescaled(located, (side, side), (SIDE, SIDE))
                scores[view] = min(1.0, best[14])
        return Views(points, scores)

    def _net(self, side: int) -> Any:
        """-> the network for one size: preparing it for another costs as much as a search."""
        if side not in self._nets:
            self._nets[side] = cv2.FaceDetectorYN.create(self._model, "", (side, side), 0.3, 0.3, 200)
        return self._nets[side]
