"""Cutting faces out of pictures, and accepting face crops that exist already."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from ferviz.errors import NoFaceError, UsageError
from ferviz.faces.face import Face
from ferviz.images import Pixels, read_image

MAX_PADDED = 4 * 1024**3
"""The most bytes of faces that are padded to one size."""


def crop_box(box: Sequence[float], margin: float = 0.0, square: bool = True) -> tuple[int, int, int, int]:
    """Return the rectangle that is cut out for a detection's box.

    Args:
        box: (left, top, right, bottom) in pixels.
        margin: what is added on each side, as a share of the box's longer side; a negative margin makes the crop smaller.
        square: whether both sides become as long as the longer one, about the same centre.

    Returns:
        (left, top, right, bottom) in whole pixels, at least 1 pixel each way; it may extend over the picture's edge.
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

    Args:
        pixels: (H, W, 3) uint8 RGB.
        box, margin, square: as in `crop_box`.
        angle: degrees by which the head is tilted clockwise; the picture is rotated back by them about the box's centre.

    Returns:
        (h, w, 3) uint8, of the size of `crop_box`. Where the box extends over the picture's edge, the nearest edge pixels are
        repeated, so that a face at the edge keeps its place in the crop.

    Raises:
        NoFaceError: the box lies outside the picture.
    """
    left, top, right, bottom = crop_box(box, margin, square)
    height, width = pixels.shape[:2]
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        raise NoFaceError(
            f"the box {left}, {top}, {right}, {bottom} lies outside the picture of {width} x {height} pixels"
        )
    if angle % 360:
        return _rotated_crop(pixels, (left, top, right, bottom), angle)
    inside = pixels[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    above, below, before, after = max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0)
    if above or below or before or after:
        return np.pad(inside, ((above, below), (before, after), (0, 0)), mode="edge")
    return inside.copy()


def center_box(height: int, width: int, share: float) -> tuple[int, int, int, int]:
    """Return the part of a picture that a centre crop leaves.

    Args:
        height, width: pixels.
        share: of each side, up to 1.

    Returns:
        (top, left, bottom, right) in pixels.
    """
    inner_h, inner_w = max(1, round(height * share)), max(1, round(width * share))
    top, left = (height - inner_h) // 2, (width - inner_w) // 2
    return top, left, top + inner_h, left + inner_w


def center_crop(face: Face, share: float) -> Face:
    """Return the centre of a face as a face: its box is that of the centre, its landmarks stay where they are in the picture.

    Args:
        face: the face.
        share: of each side, up to 1.
    """
    height, width = face.pixels.shape[:2]
    top, left, bottom, right = center_box(height, width, share)
    x, y, outer_right, outer_bottom = face.box or (0, 0, width, height)
    wide, tall = (outer_right - x) / width, (outer_bottom - y) / height  # pixels of the picture for one of the crop
    box = (x + round(left * wide), y + round(top * tall), x + round(right * wide), y + round(bottom * tall))
    return replace(face, pixels=face.pixels[top:bottom, left:right], box=box)


def _rotated_crop(pixels: Pixels, box: tuple[int, int, int, int], angle: float) -> Pixels:
    left, top, right, bottom = box
    # warpAffine wants the matrix from crop to picture (WARP_INVERSE_MAP): rotate by `angle` about the centre, then move there.
    radians = np.deg2rad(angle)
    cos, sin = np.cos(radians), np.sin(radians)
    half_width, half_height = (right - left - 1) / 2, (bottom - top - 1) / 2
    x, y = left + half_width, top + half_height
    matrix = np.array(
        [[cos, -sin, x - cos * half_width + sin * half_height], [sin, cos, y - sin * half_width - cos * half_height]]
    )
    out: Pixels = cv2.warpAffine(
        pixels,
        matrix,
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return out


def as_faces(faces: Any) -> list[Face]:
    """Convert whatever callers pass as faces into a list of `Face`.

    Args:
        faces: a Face; face crops as a uint8 array (H, W, 3) for one, (N, H, W) or (N, H, W, 3) for N, (H, W) for one in grey; a
            PIL image; or a list of any of these.

    Returns:
        The faces, in order.

    Raises:
        UsageError: a path was passed (`find_faces` reads those), or another type.
        NoFaceError: the list is empty.
        PictureError: an array has another type or shape.
    """
    if isinstance(faces, Face):
        return [faces]
    if hasattr(faces, "__array__") and hasattr(faces, "dtype"):  # tensors of TensorFlow, PyTorch, JAX
        faces = np.asarray(faces)
    if isinstance(faces, np.ndarray):
        is_batch = faces.ndim == 4 or (faces.ndim == 3 and faces.shape[2] not in (1, 3, 4))
        out = [Face(read_image(pixels)) for pixels in (faces if is_batch else [faces])]
    elif isinstance(faces, str | bytes) or hasattr(faces, "__fspath__"):
        raise UsageError(
            f"faces are Face objects or uint8 crops, not {faces!r:.60}; ferviz.find_faces(path) finds those of a picture"
        )
    elif hasattr(faces, "getexif"):
        out = [Face(read_image(faces))]
    elif isinstance(faces, Iterable):
        out = [face for item in faces for face in as_faces(item)]
    else:
        raise UsageError(f"faces are Face objects or uint8 crops, not {type(faces).__name__}")
    if not out:
        raise NoFaceError("the list of faces is empty; ferviz.find_faces(path) finds those of a picture")
    return out


def shrink(face: Face, side: int) -> Face:
    """Return a face whose crop has no side of more than `side` pixels; box and landmarks stay those of the picture.

    Args:
        face: the face; if it is small enough, it is returned itself.
        side: in pixels.
    """
    height, width = face.pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return face
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return replace(face, pixels=cv2.resize(face.pixels, size, interpolation=cv2.INTER_AREA))


def pad_crops(pixels: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return face crops of any sizes as one array, and their sizes.

    Args:
        pixels: N pictures, (H, W, 3) uint8.

    Returns:
        (N, Hmax, Wmax, 3) uint8, zero beyond each picture, and (N, 2) int32, the height and width of each.

    Raises:
        UsageError: the array would have more than MAX_PADDED bytes.
    """
    sizes = np.array([p.shape[:2] for p in pixels], np.int32).reshape(-1, 2)
    height, width = (int(side) for side in sizes.max(axis=0, initial=0))
    size = len(pixels) * height * width * 3
    if size > MAX_PADDED:
        raise UsageError(
            f"{len(pixels)} faces of up to {height} x {width} pixels need {size / 1024**3:,.0f} GiB as one array; "
            "save fewer at a time, or as .json or a picture"
        )
    images = np.zeros((len(pixels), height, width, 3), np.uint8)
    for image, crop_pixels in zip(images, pixels, strict=True):
        image[: crop_pixels.shape[0], : crop_pixels.shape[1]] = crop_pixels
    return images, sizes
