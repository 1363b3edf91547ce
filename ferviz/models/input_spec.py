"""The input spec: size, channels and values of the pictures that a network takes, and the preprocessing that makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ferviz.errors import UsageError
from ferviz.faces.crops import center_box

SCALINGS = ("0..1", "-1..1", "0..255", "standardize")
"""Ranges of values that networks are trained with. "standardize" divides by `unit`, subtracts `mean` and divides by `std`."""

MAX_SIDE = 4096
"""The largest side of a network's input; no network for faces takes more, and such a file would only fill the memory."""

_RANGES = {"0..1": (1 / 255, 0.0), "-1..1": (2 / 255, -1.0), "0..255": (1.0, 0.0)}
_TINY = 1e-6  # the smallest deviation that a single picture is divided by: a blank picture becomes zeros, not NaN


@dataclass(frozen=True)
class InputSpec:
    """What a network was trained with.

    Attributes:
        height, width: pixels; None = any (then faces are resized to `default_side`).
        channels: 1 (grey) or 3.
        scaling: one of SCALINGS; "0..255" means raw pixels.
        order: "rgb" or "bgr".
        resize: "uint8" = resized as pixels (rounded to whole numbers), then scaled; "float" = scaled values are resized; the wrong
            one costs .2 to .4 points of accuracy.
        mean, std: for "standardize": numbers, c numbers, or arrays (h, w) / (h, w, c), in units of pixel / `unit`; None with
            "standardize" means that each picture is standardised by its own mean and deviation.
        unit: 1 (raw pixels) or 255.
        equalize: the histogram of each picture (of each channel of colours) is equalised once it has the network's size, as
            cv2.equalizeHist does it.
        crop_pct: the share of each side of a face that the network gets, from its centre; 1 = the whole face.
        assumed: names of the fields that were assumed, because neither the caller nor the network's files tell them.
        default_side: pixels a side where the network takes any size.

    Raises:
        UsageError: a value is impossible.
    """

    height: int | None = 48
    width: int | None = 48
    channels: int = 1
    scaling: str = "0..1"
    order: str = "rgb"
    resize: str = "uint8"
    mean: Any = field(default=None, repr=False, compare=False)
    std: Any = field(default=None, repr=False, compare=False)
    unit: float = 1.0
    equalize: bool = False
    crop_pct: float = 1.0
    assumed: tuple[str, ...] = ()
    default_side: int = 96

    def __post_init__(self) -> None:
        _check_choice("scaling", self.scaling, SCALINGS)
        _check_choice("order", self.order, ("rgb", "bgr"))
        _check_choice("resize", self.resize, ("uint8", "float"))
        _check_choice("channels", self.channels, (1, 3))
        _check_choice("unit", self.unit, (1, 255))
        _check_choice("equalize", self.equalize, (True, False))
        if not isinstance(self.crop_pct, int | float) or not 0.1 <= self.crop_pct <= 1:
            raise UsageError(f"crop_pct {self.crop_pct!r:.60} is no share of a face; it is a number from 0.1 to 1")
        for name in ("height", "width", "default_side"):
            side = getattr(self, name)
            if side is not None and not (
                isinstance(side, int) and not isinstance(side, bool) and 1 <= side <= MAX_SIDE
            ):
                raise UsageError(f"{name} {side!r:.60} is not a size; a size is a whole number from 1 to {MAX_SIDE}")
        if (self.mean is None) != (self.std is None):
            raise UsageError("mean and std come together: give both, or neither for each picture's own")
        if self.mean is not None:
            if self.scaling != "standardize":
                raise UsageError(f'mean and std belong to scaling "standardize", not to "{self.scaling}"')
            object.__setattr__(self, "mean", self._constants("mean", self.mean))
            object.__setattr__(self, "std", self._constants("std", self.std))
            if not (self.std > 0).all():
                raise UsageError("std has values of zero or below; every deviation has to be positive")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) that faces are resized to."""
        return self.height or self.default_side, self.width or self.default_side

    def preprocess(self, pixels: Sequence[np.ndarray] | np.ndarray) -> npt.NDArray[np.float32]:
        """Turn face crops into the batch that the network takes.

        Colour becomes grey with ITU-R BT.601's weights, as in Pillow and OpenCV; pictures are reduced by averaging (cv2.INTER_AREA) and
        enlarged by linear interpolation.

        Args:
            pixels: face crops (H, W), (H, W, 1) or (H, W, 3) uint8 RGB, of any sizes, in a list or, of one size, as one array
                (N, H, W) or (N, H, W, 3).

        Returns:
            (N, h, w, c) float32 with the channels last, in `order`; N may be 0.

        Raises:
            UsageError: the faces are anything else.
        """
        return self.scaled(self.resized(pixels))

    def resized(self, pixels: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Bring faces to the network's size and channels, not yet to its range: the first half of `preprocess`.

        Whatever changes a picture before the network sees it (hiding a part of it, say) belongs between the two halves.

        Args:
            pixels: as for `preprocess`.

        Returns:
            (N, h, w, c), in RGB whatever `order` is: uint8, or float32 from 0 to 255 where `resize` is "float" and a face was resized.

        Raises:
            UsageError: the faces are anything else.
        """
        height, width = self.size
        if len(pixels) == 0:
            return np.zeros((0, height, width, self.channels), np.uint8)
        if isinstance(pixels, np.ndarray):
            groups = [pixels]
        elif len({np.shape(p) for p in pixels}) == 1:
            groups = [np.stack([np.asarray(p) for p in pixels])]
        else:
            groups = [np.asarray(p)[None] for p in pixels]
        sized = np.concatenate([self._resized(_colours(g, self.channels)) for g in groups])
        return equalized(sized) if self.equalize else sized

    def _resized(self, batch: np.ndarray) -> np.ndarray:
        height, width = self.size
        if self.crop_pct < 1:
            top, left, bottom, right = center_box(batch.shape[1], batch.shape[2], self.crop_pct)
            batch = batch[:, top:bottom, left:right]
        if batch.shape[1:3] == (height, width):
            return batch
        interpolation = cv2.INTER_AREA if batch.shape[1] >= height and batch.shape[2] >= width else cv2.INTER_LINEAR
        if self.resize == "float":
            # Scaling is linear, so resizing the pixels as floats and scaling afterwards gives the same values.
            batch = batch.astype(np.float32)
        result = np.stack([cv2.resize(picture, (width, height), interpolation=interpolation) for picture in batch])
        return result.reshape(len(batch), height, width, self.channels)

    def scaled(self, pictures: np.ndarray) -> npt.NDArray[np.float32]:
        """Bring pictures of the network's size into its range and order of colours: the second half of `preprocess`.

        Args:
            pictures: (N, h, w, c) RGB from 0 to 255, uint8 or float, as `resized` returns them.

        Returns:
            (N, h, w, c) float32, in `order`.
        """
        if self.order == "bgr" and self.channels == 3:
            pictures = pictures[..., ::-1]
        return np.ascontiguousarray(self._in_range(pictures), dtype=np.float32)

    def _in_range(self, batch: np.ndarray) -> np.ndarray:
        if self.scaling != "standardize":
            factor, offset = _RANGES[self.scaling]
            values = np.multiply(batch, np.float32(factor), dtype=np.float32)
            if offset:
                values += np.float32(offset)
            return values
        values = batch.astype(np.float32)
        values /= np.float32(self.unit)
        if self.mean is not None:
            values -= self.mean
            values /= self.std
            return values
        values -= values.mean(axis=(1, 2, 3), keepdims=True)
        values /= np.maximum(values.std(axis=(1, 2, 3), keepdims=True), _TINY)
        return values

    def _constants(self, name: str, value: Any) -> npt.NDArray[np.float32]:
        """Check `mean` or `std` and give it the axes (h, w, c), as far as it has them."""
        height, width = self.size
        try:
            numbers = np.asarray(value)
        except (
            TypeError,
            ValueError,
            OverflowError,
            RecursionError,
        ) as error:  # lists of different lengths, or without end
            raise UsageError(f"{name} has to be numbers in rows of the same length, not {value!r:.60}") from error
        if numbers.dtype.kind not in "iuf":
            raise UsageError(f"{name} has to be numbers, not {value!r:.60}")
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused below
            constants = numbers.astype(np.float32)
        if constants.shape == (height, width):
            constants = constants[..., None]
        shapes = [(), (1,), (self.channels,), (height, width, 1), (height, width, self.channels)]
        if constants.shape not in shapes:
            raise UsageError(
                f"{name} has the shape {constants.shape}; it has to be one number, {self.channels} of them, or an array "
                f"{(height, width)} or {(height, width, self.channels)}"
            )
        if not np.isfinite(constants).all():
            raise UsageError(f"{name} has values that are not finite")
        constants.setflags(write=False)
        return constants


def equalized(pictures: np.ndarray) -> npt.NDArray[np.uint8]:
    """Return pictures with the histogram of each channel equalised.

    Args:
        pictures: (N, h, w, c) from 0 to 255.

    Returns:
        (N, h, w, c) uint8.
    """
    pixels = np.rint(pictures).astype(np.uint8)
    rows = [
        cv2.equalizeHist(np.ascontiguousarray(picture[..., k])) for picture in pixels for k in range(pixels.shape[3])
    ]
    channels = np.stack(rows) if rows else np.zeros((0, *pixels.shape[1:3]), np.uint8)
    return np.moveaxis(channels.reshape(len(pixels), pixels.shape[3], *pixels.shape[1:3]), 1, 3)


def _colours(batch: np.ndarray, channels: int) -> np.ndarray:
    """(N, H, W), (N, H, W, 1) or (N, H, W, 3) uint8 -> (N, H, W, channels) uint8."""
    if batch.ndim == 4 and batch.shape[3] == 1:
        batch = batch[..., 0]
    if (
        batch.dtype != np.uint8
        or batch.ndim not in (3, 4)
        or (batch.ndim == 4 and batch.shape[3] != 3)
        or 0 in batch.shape
    ):
        raise UsageError(
            f"faces have to be uint8 arrays (H, W) or (H, W, 3), not {batch.dtype} of shape {batch.shape[1:]}; "
            "ferviz scales the values itself"
        )
    if batch.ndim == 3:
        grey = batch[..., None]
        return grey if channels == 1 else np.repeat(grey, 3, axis=3)
    if channels == 3:
        return batch
    # One call for the whole batch: the rows of all pictures under each other are one tall picture.
    rows = np.ascontiguousarray(batch).reshape(-1, batch.shape[2], 3)
    return cv2.cvtColor(rows, cv2.COLOR_RGB2GRAY).reshape(*batch.shape[:3], 1)


def _check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    if value not in choices:
        raise UsageError(f"{name} {value!r:.60} is not known; use one of {', '.join(map(str, choices))}")
