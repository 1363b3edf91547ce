"""Landmarks for any face: its detector's, YuNet's on the crop, the bundled network's, or, flagged, the template's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from ferviz.faces.detectors.downloads import cached_model, model_path
from ferviz.faces.detectors.harmless import check_harmless
from ferviz.faces.face import Face
from ferviz.faces.landmarks.landmark_network import bundled_network
from ferviz.faces.landmarks.points import SIDE, TEMPLATE, grey, is_plausible, rescaled, to_crop, to_picture
from ferviz.faces.landmarks.yunet_views import YuNetViews

DETECTOR, YUNET, NETWORK, TEMPLATE_SOURCE = "detector", "yunet", "network", "template"
SOURCES = (DETECTOR, YUNET, NETWORK, TEMPLATE_SOURCE)
"""What `Face.landmark_source` can be, from the best to the last resort."""

MIN_FACE = 0.5
"""The landmark network's probability of a face below which its points are not used."""

NO_FACE = 0.15
"""The probability below which a crop without landmarks shows no face: so it is with noise and plain areas, with four of five pieces of
photographs in which nobody is, and with .6 % of FER2013, most of which are no faces or turned away."""

_DOUBT = 3.0  # pixels of a face of 48; an expected error of so much halves the score


def locate_landmarks(faces: Sequence[Face], yunet: str | Path | None = None) -> list[Face]:
    """Return faces with landmarks; those that have some keep them.

    YuNet looks first, at the enlarged crop and its mirror image, about ten milliseconds a face. Where they disagree, or YuNet sees no
    face, the network that comes with ferviz for this answers, in less than one. Nothing else in ferviz computes landmarks for crops:
    what needs face regions calls this, so that a prediction or a Grad-CAM costs nothing more.

    Args:
        faces: the faces.
        yunet: path of another YuNet's ONNX file, which is tried in a process of its own before it is used; None = the one that ferviz
            brings along.

    Returns:
        The same faces, in order, with `landmarks`, `landmark_source` and `landmark_score`. Points that cannot be an upright face's are
        replaced by the template, with the source "template" and the score 0.

    Raises:
        ModelError: `yunet` is not there, is not a YuNet, or does harm.
    """
    located = [_checked(face) for face in faces]
    model = cached_model("yunet") if yunet is None else model_path("yunet", str(yunet))
    if yunet is not None:
        check_harmless("yunet", str(model))
    if model is not None:
        located = [_by_yunet(face, str(model)) if face.landmark_source is None else face for face in located]
    missing = [index for index, face in enumerate(located) if face.landmark_source is None]
    if missing:
        images = np.stack([grey(located[index].pixels, SIDE) for index in missing])
        points, error, probability = bundled_network()(images)
        for index, *values in zip(missing, points, error, probability, strict=True):
            located[index] = _by_network(located[index], *values)
    return located


def face_is_missing(faces: Sequence[Face]) -> list[bool]:
    """Return which faces are none: no landmarks but the template's, and the landmark network is sure that there is no face.

    Args:
        faces: the faces, with landmarks (see `locate_landmarks`).
    """
    missing = [face.landmark_source == TEMPLATE_SOURCE for face in faces]
    if any(missing):
        unsure = [grey(face.pixels, SIDE) for face, template in zip(faces, missing, strict=True) if template]
        probabilities = iter(bundled_network()(np.stack(unsure))[2])
        missing = [template and bool(next(probabilities) < NO_FACE) for template in missing]
    return missing


def crop_landmarks(face: Face) -> np.ndarray:
    """Return a face's landmarks in pixels of its crop.

    Args:
        face: a face with landmarks.

    Returns:
        (5, 2) float64 x, y, counted from the centre of the first pixel.
    """
    assert face.landmarks is not None
    return to_crop(face.landmarks, _size(face), face.box, face.angle)


def _checked(face: Face) -> Face:
    """-> the face with its own landmarks and their source, or without any."""
    if face.landmarks is not None and (
        face.landmark_source == TEMPLATE_SOURCE or is_plausible(crop_landmarks(face), _size(face))
    ):
        return face if face.landmark_source else replace(face, landmark_source=DETECTOR, landmark_score=face.score)
    return replace(face, landmarks=None, landmark_source=None, landmark_score=None)


def _by_yunet(face: Face, model: str) -> Face:
    views = _yunet(model).views(face.pixels)
    points = views.points.mean(0)
    if not views.reliable or not is_plausible(points):
        return face
    return _placed(face, points, YUNET, float(views.scores.min()))


def _by_network(face: Face, points: np.ndarray, error: float, probability: float) -> Face:
    if probability < MIN_FACE or not is_plausible(points):
        return _placed(face, TEMPLATE, TEMPLATE_SOURCE, 0.0)
    return _placed(face, points, NETWORK, float(probability / (1 + (error / _DOUBT) ** 2)))


def _placed(face: Face, points: np.ndarray, source: str, score: float) -> Face:
    in_crop = rescaled(points, (SIDE, SIDE), _size(face))
    landmarks = to_picture(in_crop, _size(face), face.box, face.angle).astype(np.float32)
    return replace(face, landmarks=landmarks, landmark_source=source, landmark_score=round(score, 4))


def _size(face: Face) -> tuple[int, int]:
    height, width = face.pixels.shape[:2]
    return height, width


@lru_cache(maxsize=1)
def _yunet(model: str) -> YuNetViews:
    return YuNetViews(model)
