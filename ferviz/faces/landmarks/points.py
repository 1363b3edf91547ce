"""Five points of a face: the template that a typical face follows, mirroring, and the affine map from the template to a face.

Coordinates count from the centre of the first pixel: the middle of a picture of 48 pixels is 23.5.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]

SIDE = 48
"""Pixels a side of the frame in which the template stands."""

TEMPLATE: Points = np.array([[14.4, 17.9], [32.6, 17.9], [23.5, 28.1], [16.3, 35.9], [30.7, 35.9]])
"""(5, 2) x, y: the median landmarks of FER2013's faces, made symmetrical, in the order of `detectors.detector.LANDMARKS`."""

TEMPLATE.setflags(write=False)
_WEIGHTS = np.array([1, 1, 0.3, 1, 1])  # the nose's tip moves when a head turns, the rest of the face less
_MIRROR = [1, 0, 2, 4, 3]
_DETERMINANT = 0.3, 2.5  # of the map from the template to a plausible face of 48 pixels
_SHEAR = 25.0  # degrees


def mirrored(points: np.ndarray, width: float) -> np.ndarray:
    """Return the landmarks of the mirrored picture.

    Args:
        points: (..., 5, 2).
        width: of the picture in pixels.
    """
    return points[..., _MIRROR, :] * np.array([-1, 1]) + np.array([width - 1, 0])


def rescaled(points: np.ndarray, size: tuple[int, int], new_size: tuple[int, int]) -> Points:
    """Return points of a picture as points of the picture at another size.

    Args:
        points: (..., 2).
        size, new_size: (height, width) in pixels.
    """
    ratio = np.array([new_size[1] / size[1], new_size[0] / size[0]])
    result: Points = (np.asarray(points, float) + 0.5) * ratio - 0.5
    return result


def affine(points: np.ndarray) -> Points:
    """Return the affine map from the template's frame to a face, by weighted least squares.

    Args:
        points: (5, 2), the face's landmarks.

    Returns:
        (2, 3): (x, y) of the face = A (x, y, 1) of the template's frame.
    """
    design = np.column_stack([TEMPLATE, np.ones(5)])
    root = np.sqrt(_WEIGHTS)[:, None]
    solution = np.linalg.lstsq(design * root, np.asarray(points, float) * root, rcond=None)[0]
    return np.ascontiguousarray(solution.T)


def is_plausible(points: np.ndarray, size: tuple[int, int] = (SIDE, SIDE)) -> bool:
    """Return whether five points can be an upright face's.

    Args:
        points: (5, 2).
        size: (height, width) of the picture that the face fills.
    """
    if not np.isfinite(points).all():
        return False
    points = rescaled(points, size, (SIDE, SIDE))
    if points[:2, 1].mean() >= points[3:, 1].mean() or points[0, 0] >= points[1, 0]:
        return False
    matrix = affine(points)[:, :2]
    if not _DETERMINANT[0] <= float(np.linalg.det(matrix)) <= _DETERMINANT[1]:
        return False
    cosine = float(matrix[:, 0] @ matrix[:, 1] / np.linalg.norm(matrix, axis=0).prod())
    return abs(math.degrees(math.asin(np.clip(cosine, -1, 1)))) <= _SHEAR


def to_picture(
    points: np.ndarray, size: tuple[int, int], box: tuple[int, int, int, int] | None, angle: float
) -> Points:
    """Return points of a crop as points of the picture that it was cut from.

    Args:
        points: (5, 2).
        size: (height, width) of the crop.
        box, angle: of the crop, as in `Face`; None = the crop is the picture.
    """
    if box is None:
        return np.asarray(points, float)
    left, top, right, bottom = box
    points = rescaled(points, size, (bottom - top, right - left))
    centre = np.array([(right - left - 1) / 2, (bottom - top - 1) / 2])
    return (points - centre) @ _turn(angle).T + centre + np.array([left, top])


def to_crop(points: np.ndarray, size: tuple[int, int], box: tuple[int, int, int, int] | None, angle: float) -> Points:
    """Return points of a picture as points of a crop that was cut from it: the inverse of `to_picture`.

    Args:
        points, size, box, angle: as there.
    """
    if box is None:
        return np.asarray(points, float)
    left, top, right, bottom = box
    centre = np.array([(right - left - 1) / 2, (bottom - top - 1) / 2])
    upright = (np.asarray(points, float) - centre - np.array([left, top])) @ _turn(angle) + centre
    return rescaled(upright, (bottom - top, right - left), size)


def grey(pixels: np.ndarray, side: int) -> np.ndarray:
    """Return a crop in grey at a size, reduced by averaging and enlarged by cubic interpolation.

    Args:
        pixels: (H, W) or (H, W, 3) uint8.
        side: pixels a side of the result.

    Returns:
        (side, side) uint8.
    """
    plane = pixels if pixels.ndim == 2 else cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    interpolation = cv2.INTER_AREA if min(plane.shape) > side else cv2.INTER_CUBIC
    return cv2.resize(plane, (side, side), interpolation=interpolation) if plane.shape != (side, side) else plane


def _turn(angle: float) -> Points:
    """-> (2, 2): what turns upright points clockwise by an angle in degrees."""
    radians = math.radians(angle)
    return np.array([[math.cos(radians), -math.sin(radians)], [math.sin(radians), math.cos(radians)]])
