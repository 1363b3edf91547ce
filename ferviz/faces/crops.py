"""Cutting faces out of pictures, and taking crops that somebody else has cut."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np

from ferviz.errors import NoFaceError, UsageError
from ferviz.faces.face import Face
from ferviz.images import Pixels, read_image


def frame(box: Sequence[float], margin: float = 0.0, square: bool = True) -> tuple[int, int, int, int]:
    """Return the rectangle that is cut out for a detection's box, in whole pixels.

    box: (left, top, right, bottom). margin: what is added on each side, as a share of the box's longer side; negative cuts off.
    square: both sides as long as the longer one, about the same centre. -> (left, top, right, bottom), at least 1 pixel each way;
    it may reach over the picture's edge.
    """
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    longer = max(width, height)
    if square:
        width = height = longer
    width, height = max(1, round(width + 2 * margin * longer)), max(1, round(height + 2 * margin * longer))
    # half up, not to even: a box that moves by one pixel must move its crop by one pixel
    new_left, new_top = math.floor((left + right - width + 1) / 2), math.floor((top + bottom - height + 1) / 2)
    return new_left, new_top, new_left + width, new_top + height


def crop(pixels: Pixels, box: Sequence[float], margin: float = 0.0, square: bool = True, angle: float = 0.0) -> Pixels:
    """Cut a face out of a picture.

    pixels: (H, W, 3) uint8 RGB. box, margin, square: as in `frame`. angle: degrees by which the head is tilted clockwise; the
    crop is taken from the picture turned back by them about the box's centre.
    -> (h, w, 3) uint8, the size that `frame` gives. Where the box reaches over the picture's edge the nearest edge pixels are
    repeated, so that a face half outside keeps its place in the crop. Raises NoFaceError for a box wholly outside.
    """
    left, top, right, bottom = frame(box, margin, square)
    height, width = pixels.shape[:2]
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        raise NoFaceError(
            f"the box {left}, {top}, {right}, {bottom} lies outside the picture of {width} x {height} pixels"
        )
    if angle % 360:
        return _turned(pixels, (left, top, right, bottom), angle)
    inside = pixels[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    above, below, before, after = max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0)
    if above or below or before or after:
        return np.pad(inside, ((above, below), (before, after), (0, 0)), mode="edge")
    return inside.copy()


def _turned(pixels: Pixels, box: tuple[int, int, int, int], angle: float) -> Pixels:
    left, top, right, bottom = box
    # warpAffine wants the way from crop to picture (WARP_INVERSE_MAP): turn by `angle` about the centre, then move there.
    turn = np.deg2rad(angle)
    cos, sin = np.cos(turn), np.sin(turn)
    half_width, half_height = (right - left - 1) / 2, (bottom - top - 1) / 2
    x, y = left + half_width, top + half_height
    way = np.array(
        [[cos, -sin, x - cos * half_width + sin * half_height], [sin, cos, y - sin * half_width - cos * half_height]]
    )
    out: Pixels = cv2.warpAffine(
        pixels,
        way,
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return out


def as_faces(faces: Any) -> list[Face]:
    """Take what callers have as faces.

    faces: a Face; face crops as a uint8 array (H, W, 3) for one, (N, H, W) or (N, H, W, 3) for N, (H, W) for one in grey; a PIL
    image; or a list of any of these. -> the faces, in order. Raises UsageError for paths (find_faces reads those),
    NoFaceError for an empty list, PictureError for arrays of another type or shape.
    """
    if isinstance(faces, Face):
        return [faces]
    if hasattr(faces, "__array__") and hasattr(faces, "dtype"):  # tensors of TensorFlow, PyTorch, JAX
        faces = np.asarray(faces)
    if isinstance(faces, np.ndarray):
        many = faces.ndim == 4 or (faces.ndim == 3 and faces.shape[2] not in (1, 3, 4))
        found = [Face(read_image(one)) for one in (faces if many else [faces])]
    elif isinstance(faces, str | bytes) or hasattr(faces, "__fspath__"):
        raise UsageError(
            f"faces are Face objects or uint8 crops, not {faces!r:.60}; ferviz.find_faces(path) finds those of a picture"
        )
    elif hasattr(faces, "getexif"):
        found = [Face(read_image(faces))]
    elif isinstance(faces, Iterable):
        found = [face for one in faces for face in as_faces(one)]
    else:
        raise UsageError(f"faces are Face objects or uint8 crops, not {type(faces).__name__}")
    if not found:
        raise NoFaceError("no face was given; ferviz.find_faces(path) finds those of a picture")
    return found


def pad_crops(pixels: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return face crops of any sizes as one array, and their sizes.

    Args:
        pixels: N pictures, (H, W, 3) uint8.

    Returns:
        (N, Hmax, Wmax, 3) uint8, zero beyond each picture, and (N, 2) int32, the height and width of each.
    """
    sizes = np.array([p.shape[:2] for p in pixels], np.int32).reshape(-1, 2)
    images = np.zeros((len(pixels), *sizes.max(axis=0, initial=0), 3), np.uint8)
    for image, crop_pixels in zip(images, pixels, strict=True):
        image[: crop_pixels.shape[0], : crop_pixels.shape[1]] = crop_pixels
    return images, sizes
