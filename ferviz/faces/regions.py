"""Eight regions of a face, as soft masks that sum to one in every pixel, placed by the face's own landmarks.

The regions are drawn in the frame of the landmark template (48 pixels) and carried to each face by the affine map between the
template and its five landmarks. FER2013's crops give no cue to tell hair, ears, neck and scene apart: all of them are background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from ferviz.errors import UsageError
from ferviz.faces.face import Face, captions
from ferviz.faces.landmarks.ladder import TEMPLATE_SOURCE, crop_landmarks, face_is_missing
from ferviz.faces.landmarks.points import SIDE, affine, rescaled

REGIONS = ("background", "forehead", "brows", "eyes", "nose", "cheeks", "mouth", "chin")
"""Names of the regions, in the order of every array. The forehead includes the hair over it."""

MERGED = {"upper face": ("brows", "eyes")}
"""Regions whose common border is uncertain, to be read together: a pixel up or down decides how much goes to which."""

HALVES = ("left", "right")
"""The sides of the face as they lie in the picture."""

_SAMPLES = 4  # samples a pixel and axis, for a face of 48 pixels
_FINE = 16  # points of a drawing in a pixel of the template's frame
_SIGMA = 0.7  # pixels of a face of 48; the softness of every border
_CENTRE = 23.5
_Masks = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class FaceRegions:
    """The regions of some faces, at the size of a network's input.

    Attributes:
        points: (N, 5, 2), the landmarks in pixels of that size.
        size: (height, width) in pixels.
        sources: N names, where the landmarks come from (`Face.landmark_source`).
        faceless: the names of the pictures that show no face.
    """

    points: np.ndarray = field(repr=False)
    size: tuple[int, int]
    sources: tuple[str, ...] = ()
    faceless: tuple[str, ...] = ()

    @classmethod
    def of(cls, faces: Sequence[Face], size: tuple[int, int]) -> FaceRegions:
        """Return the regions of faces with landmarks (see `locate_landmarks`), resized to a size.

        Args:
            faces: at least one.
            size: (height, width) in pixels.

        Raises:
            UsageError: a face has no landmarks.
        """
        if any(face.landmarks is None for face in faces):
            raise UsageError("a face without landmarks has no regions; locate_landmarks(faces) adds them")
        points = [rescaled(crop_landmarks(face), (face.pixels.shape[0], face.pixels.shape[1]), size) for face in faces]
        missing = zip(captions(faces), face_is_missing(faces), strict=True)
        sources = tuple(face.landmark_source or "" for face in faces)
        return cls(np.stack(points), size, sources, tuple(name for name, is_missing in missing if is_missing))

    def take(self, at: np.ndarray) -> FaceRegions:
        """Return the regions of some of the faces.

        Args:
            at: (M,) numbers of faces.
        """
        return FaceRegions(self.points[at], self.size, tuple(self.sources[face] for face in at))

    @cached_property
    def masks(self) -> _Masks:
        """(N, R, h, w) float32, how much of each pixel belongs to each region; they sum to 1 over the regions."""
        return region_masks(self.points, self.size)

    @property
    def uncertain(self) -> np.ndarray:
        """(N,) bool, where the landmarks are the template's: the regions of a typical face, not of this one."""
        return np.array([source == TEMPLATE_SOURCE for source in self.sources], bool)


def region_masks(points: np.ndarray, size: tuple[int, int], border: float = 0.0) -> _Masks:
    """Return the regions of faces as soft masks.

    Args:
        points: (N, 5, 2) x, y, the landmarks in pixels, from the centre of the first pixel.
        size: (height, width) of the masks in pixels.
        border: pixels of a face of 48 by which every border between two regions lies lower; to see what depends on it.

    Returns:
        (N, R, h, w) float32 in 0..1, in the order of REGIONS; they sum to 1 in every pixel.
    """
    return _soft(points, size, drawing(border), len(REGIONS))


def half_masks(points: np.ndarray, size: tuple[int, int]) -> _Masks:
    """Return the left and the right half of faces, as they lie in the picture; times a region's mask, the half of that region.

    Args:
        points, size: as for `region_masks`.

    Returns:
        (N, 2, h, w) float32 in 0..1, in the order of HALVES; they sum to 1.
    """
    return _soft(points, size, drawing(None), len(HALVES))


def hard_masks(masks: np.ndarray) -> npt.NDArray[np.bool_]:
    """Return for each pixel the one region that has most of it.

    Args:
        masks: (N, R, h, w), soft.

    Returns:
        (N, R, h, w) bool; exactly one is true in each pixel.
    """
    result: npt.NDArray[np.bool_] = masks.argmax(1)[:, None] == np.arange(masks.shape[1])[:, None, None]
    return result


def merge(values: np.ndarray, axis: int = 1) -> dict[str, np.ndarray]:
    """Return the sums of MERGED regions.

    Args:
        values: an array with the regions along an axis, masks or numbers.
        axis: that axis.

    Returns:
        {name: the array without that axis}.
    """
    return {
        name: values.take([REGIONS.index(part) for part in parts], axis).sum(axis) for name, parts in MERGED.items()
    }


def region_index(x: np.ndarray, y: np.ndarray, border: float = 0.0) -> npt.NDArray[np.uint8]:
    """Return which region holds each point of the template's frame.

    Args:
        x, y: coordinates in that frame, 48 x 48 pixels.
        border: as for `region_masks`.

    Returns:
        uint8 of the same shape, indices of REGIONS.
    """
    name = {region: np.uint8(index) for index, region in enumerate(REGIONS)}
    aside, down = np.abs(x - _CENTRE), y - border
    index = np.where(down < 15, name["forehead"], name["cheeks"])
    index[down >= 40.5] = name["chin"]
    index[(down >= 9.5) & (down < 15) & (aside < 17)] = name["brows"]
    index[(down >= 15) & (down < 21.5) & (aside >= 2.6) & (aside < 16.5)] = name["eyes"]
    nose = np.where(down < 22, 2.6, np.interp(down, [22, 31.5], [3.0, 6.2]))
    index[(down >= 15) & (down < 31.5) & (aside < nose)] = name["nose"]
    mouth = np.interp(down, [31.5, 34, 38, 40.5], [7, 11, 11, 8.5])
    index[(down >= 31.5) & (down < 40.5) & (aside < mouth)] = name["mouth"]
    index[(aside / 18.5) ** 2 + ((y - 24.5) / 24) ** 2 > 1] = name["background"]
    return index


@lru_cache(maxsize=8)
def drawing(border: float | None = 0.0) -> npt.NDArray[np.uint8]:
    """Return the template's frame in steps of 1/16 pixel: which region, or which half of the face, holds each point.

    Args:
        border: as for `region_masks`; None = the halves.

    Returns:
        (768, 768), indices of REGIONS or HALVES; not writeable.
    """
    steps = (np.arange(SIDE * _FINE) + 0.5) / _FINE - 0.5
    x, y = np.meshgrid(steps, steps)
    index = (x > _CENTRE).astype(np.uint8) if border is None else region_index(x, y, border)
    index.setflags(write=False)
    return index


def _soft(points: np.ndarray, size: tuple[int, int], regions: npt.NDArray[np.uint8], count: int) -> _Masks:
    """Carry a drawing to every face, average it over each pixel, soften it, and make the sum 1 again."""
    height, width = size
    samples = max(1, round(_SAMPLES * SIDE / min(height, width)))
    sigma = _SIGMA * min(height, width) / SIDE
    masks = np.empty((len(points), count, height, width), np.float32)
    # The background goes on beyond the template's frame, and so does each half.
    border = cv2.BORDER_CONSTANT if count == len(REGIONS) else cv2.BORDER_REPLICATE
    for face, landmarks in zip(masks, points, strict=True):
        index = cv2.warpAffine(
            regions, _to_drawing(landmarks, samples), (width * samples, height * samples),
            flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP, borderMode=border, borderValue=0,
        )  # fmt: skip
        for region, mask in enumerate(face):
            shares = cv2.resize((index == region).astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
            mask[:] = cv2.GaussianBlur(shares, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    masks /= masks.sum(1, keepdims=True)
    return masks


def _to_drawing(points: np.ndarray, samples: int) -> np.ndarray:
    """-> (2, 3), from the samples of a face to the pixels of the drawing; all count from the centre of their first pixel."""
    matrix = affine(points)
    inverse = np.linalg.inv(matrix[:, :2])
    first = np.full(2, 0.5 / samples - 0.5) - matrix[:, 2]  # the first sample, less the offset of the map
    return np.column_stack([inverse * _FINE / samples, (inverse @ first + 0.5) * _FINE - 0.5])
