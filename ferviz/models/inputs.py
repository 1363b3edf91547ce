"""The input spec: what a network wants to be fed, and the one function that feeds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ferviz.errors import UsageError

SCALINGS = ("0..1", "-1..1", "0..255", "standardize")
"""Value ranges a network may want. "standardize" subtracts `mean` and divides by `std` after division by `unit`."""


@dataclass(frozen=True)
class InputSpec:
    """What a network was trained with.

    height, width: pixels; None = any (then faces are resized to `fallback`). channels: 1 (grey) or 3.
    scaling: one of SCALINGS; "0..255" means raw pixels. order: "rgb" or "bgr".
    resize: "uint8" = resized as pixels, then scaled; "float" = scaled values are resized (an accuracy of .2 to .4 points).
    mean, std: for "standardize": numbers, or arrays (h, w) / (h, w, c), in units of pixel / `unit`; None with
    "standardize" means each picture by its own mean and deviation. unit: 1 (raw pixels) or 255.
    assumed: names of the fields that nobody said and that were guessed.
    """

    height: int | None = 48
    width: int | None = 48
    channels: int = 1
    scaling: str = "0..1"
    order: str = "rgb"
    resize: str = "uint8"
    mean: Any = None
    std: Any = None
    unit: float = 1.0
    assumed: tuple[str, ...] = ()
    fallback: int = 96

    def __post_init__(self) -> None:
        if self.scaling not in SCALINGS:
            raise UsageError(f"scaling {self.scaling!r} is not known; use one of {', '.join(SCALINGS)}")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) that faces are resized to."""
        return self.height or self.fallback, self.width or self.fallback

    def prepare(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        """pixels: face crops (H, W) or (H, W, 3) uint8 RGB, of any sizes -> (N, h, w, c) float32 as the network wants it."""
        raise NotImplementedError
