"""Searching pictures upright and rotated: detections mapped back, upright crops, bounded work."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from ferviz.errors import UnknownNameError
from ferviz.faces.detectors.detector import Detection, iou
from ferviz.faces.find import find_faces
from ferviz.faces.rotation import search_rotated
from ferviz.faces.search import SearchOptions, detect


def marked(height: int = 200, width: int = 300) -> np.ndarray:
    picture = np.full((height, width, 3), 100, np.uint8)
    picture[60:80, 200:230] = (255, 0, 0)
    return picture


def find_red(picture: np.ndarray) -> list[Detection]:
    """A detector that sees red: the box around it, landmarks on its corners and in its middle."""
    red = (picture[:, :, 0] > 200) & (picture[:, :, 1] < 60)
    if red.sum() < 50:
        return []
    rows, columns = np.nonzero(red)
    left, right, top, bottom = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
    x, y = columns.mean() + 0.5, rows.mean() + 0.5
    points = np.array([(left, top), (right, top), (x, y), (left, bottom), (right, bottom)], np.float32)
    return [Detection((float(left), float(top), float(right), float(bottom)), 0.9, points)]


@pytest.mark.parametrize("turn", [0, 30, 90, -90, 135, 180])
def test_what_is_found_turned_comes_back_to_its_place(turn: float) -> None:
    (found,) = search_rotated(marked(), find_red, [turn])
    assert found.angle == turn
    assert (found.box[0] + found.box[2]) / 2 == pytest.approx(215, abs=0.7)
    assert (found.box[1] + found.box[3]) / 2 == pytest.approx(70, abs=0.7)
    assert found.landmarks is not None
    np.testing.assert_allclose(found.landmarks[2], (215, 70), atol=0.7)


class UprightOnly:
    """Finds a red mark only where it is higher than wide: a picture turned by 90 degrees has to be turned back."""

    name, threshold, max_pixels = "upright", 0.5, 1_000_000

    def __init__(self) -> None:
        self.looks = 0

    def detect(self, picture: np.ndarray, threshold: float, min_size: float) -> list[Detection]:
        self.looks += picture.shape[:2] != (320, 320)  # second looks at a face alone are cheap
        found = find_red(picture)
        return [
            Detection(d.box, d.score) for d in found if (d.box[3] - d.box[1]) > 1.2 * (d.box[2] - d.box[0])
        ]  # no landmarks


def test_when_the_turned_picture_is_searched() -> None:
    picture = marked()
    detector = UprightOnly()
    assert detect(picture, detector, SearchOptions(tilt="none", min_size=5)) == []
    assert detector.looks == 1
    (found,) = detect(picture, detector, SearchOptions(tilt="retry", min_size=5))
    assert abs(found.angle) == 90
    assert iou(found.box, (205, 55, 225, 85)) > 0.8  # upright about the same centre
    standing = np.ascontiguousarray(np.rot90(picture))
    detector.looks = 0
    (found,) = detect(standing, detector, SearchOptions(tilt="retry", min_size=5))
    assert (found.angle, detector.looks) == (0, 1)
    detect(standing, detector, SearchOptions(tilt="all", min_size=5))
    assert detector.looks == 13
    with pytest.raises(UnknownNameError, match="retry"):
        detect(picture, detector, SearchOptions(tilt="retri"))


@pytest.mark.parametrize("degrees", [30, -45, 180])
def test_a_turned_portrait_gives_an_upright_crop(portrait: np.ndarray, degrees: float) -> None:
    (straight,) = find_faces(portrait, "haar")
    small = np.ascontiguousarray(portrait[18:218, 122:322])
    way = cv2.getRotationMatrix2D((99.5, 99.5), -degrees, 1.0)
    picture = cv2.warpAffine(small, way, (200, 200), borderValue=(128, 128, 128))
    found = find_faces(picture, "haar", tilt="all")
    best = max(found, key=lambda f: f.score or 0)
    off = (best.angle - degrees + 180) % 360 - 180
    assert abs(off) <= 20
    first, second = (
        cv2.resize(f.pixels, (24, 24), interpolation=cv2.INTER_AREA).astype(float) for f in (straight, best)
    )
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.6


def test_landmarks_make_the_crop_of_a_turned_face_exact(portrait: np.ndarray, shared_data: Path) -> None:
    model = str(shared_data / "detectors" / "yunet_2026may.onnx")
    crops = []
    for degrees in (0, 40, 100):
        way = cv2.getRotationMatrix2D((222, 118), -degrees, 1.0)
        picture = cv2.warpAffine(portrait, way, (444, 236), borderValue=(128, 128, 128))
        found = find_faces(picture, "yunet", detector_model=model, tilt="all")
        face = min(found, key=lambda f: abs((f.box[0] + f.box[2]) / 2 - 222) + abs((f.box[1] + f.box[3]) / 2 - 118))
        assert abs((face.angle - degrees + 180) % 360 - 180) < 12
        crops.append(cv2.resize(face.pixels, (24, 24), interpolation=cv2.INTER_AREA).astype(float).ravel())
    for turned in crops[1:]:
        assert np.corrcoef(crops[0], turned)[0, 1] > 0.7


class EitherWay(UprightOnly):
    """Finds upright red marks either way up, surer where a green spot lies above: faces are found upside down, too."""

    def detect(self, picture: np.ndarray, threshold: float, min_size: float) -> list[Detection]:
        green = np.argwhere((picture[:, :, 1] > 150) & (picture[:, :, 0] < 90))
        score = [0.9 if len(green) and green[:, 0].mean() < d.box[1] else 0.8 for d in find_red(picture)]
        return [Detection(d.box, s) for d, s in zip(super().detect(picture, threshold, min_size), score, strict=False)]


def test_faces_that_are_found_upside_down_are_turned() -> None:
    picture = np.full((240, 320, 3), 100, np.uint8)
    picture[60:100, 200:220] = (255, 0, 0)
    picture[45:52, 200:220] = (0, 255, 0)
    (found,) = detect(picture, EitherWay(), SearchOptions(min_size=5))
    assert (found.angle, found.score) == (0, 0.9)
    (found,) = detect(np.ascontiguousarray(picture[::-1, ::-1]), EitherWay(), SearchOptions(min_size=5))
    assert (abs(found.angle), found.score) == (180, 0.9)
    assert iou(found.box, (100, 140, 120, 180)) > 0.4


class Doubtful(UprightOnly):
    """Finds upright red marks less surely the more they lean, and green ones that no look at them alone confirms."""

    def detect(self, picture: np.ndarray, threshold: float, min_size: float) -> list[Detection]:
        found = []
        for d in find_red(picture):
            wide, tall = d.box[2] - d.box[0], d.box[3] - d.box[1]
            if tall > 1.4 * wide:
                found.append(Detection(d.box, min(1.0, 0.25 * tall / wide)))
        if picture.shape[:2] != (320, 320):
            rows, columns = np.nonzero((picture[:, :, 1] > 150) & (picture[:, :, 0] < 90))
            if len(rows):
                box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
                found.append(Detection(tuple(map(float, box)), 0.95))
        return [d for d in found if d.score >= threshold]


def test_a_search_rotated_without_landmarks_is_made_finer_and_confirmed() -> None:
    mark = np.full((400, 400, 3), 100, np.uint8)
    mark[140:260, 190:210] = (255, 0, 0)
    way = cv2.getRotationMatrix2D((200, 200), -75, 1.0)  # between two turns, and 15 degrees from either
    picture = cv2.warpAffine(mark, way, (400, 400), borderValue=(100, 100, 100))
    (found,) = detect(picture, Doubtful(), SearchOptions(min_size=5))
    assert abs(found.angle - 75) < 8
    assert found.score >= 0.75
    picture = np.full((400, 400, 3), 100, np.uint8)
    picture[190:210, 100:220] = (0, 255, 0)
    found = detect(picture, Doubtful(), SearchOptions(min_size=5, tilt="all"))
    assert {d.angle for d in found} == {0}  # only what the upright search said


def test_a_long_picture_is_turned_in_parts() -> None:
    picture = np.full((300, 9000, 3), 100, np.uint8)
    for left in (1190, 4000, 7710):
        picture[140:160, left : left + 40] = (255, 0, 0)
    canvases: list[int] = []

    def search(canvas: np.ndarray) -> list[Detection]:
        canvases.append(canvas.shape[0] * canvas.shape[1])
        return find_red(canvas)

    found = search_rotated(picture, search, [90, 45])
    assert max(canvases) < 3 * 300 * 600
    assert sum(canvases) < 2 * 4.5 * 300 * 9000
    middles = sorted({(round((d.box[0] + d.box[2]) / 20), round((d.box[1] + d.box[3]) / 20)) for d in found})
    assert {(121, 15), (402, 15), (773, 15)} <= set(middles)  # beside halves of marks that two parts cut through


@pytest.mark.parametrize("size", [(40, 20000), (20000, 40), (90, 3000)])
def test_a_strip_is_not_cut_into_hundreds_of_searches(size: tuple[int, int]) -> None:
    calls: list[tuple[int, int]] = []

    class Counting(UprightOnly):
        def detect(self, picture: np.ndarray, threshold: float, min_size: float) -> list[Detection]:
            calls.append(picture.shape[:2])
            return super().detect(picture, threshold, min_size)

    strip = np.zeros((*size, 3), np.uint8)
    detect(strip, Counting())
    assert len(calls) <= 2  # at its own limit, and once more at more pixels
    detect(strip, Counting(), SearchOptions(tilt="all"))
    assert len(calls) <= 2 + 11 * 50
    picture = np.zeros((400, 1600, 3), np.uint8)
    calls.clear()
    detect(picture, Counting())
    assert len(calls) > 11  # what is merely wide is turned


def test_a_panorama_without_a_face_is_searched_again_larger() -> None:
    areas: list[float] = []

    class Noting(UprightOnly):
        def detect(self, picture: np.ndarray, threshold: float, min_size: float) -> list[Detection]:
            areas.append(picture.shape[0] * picture.shape[1] / 1e6)
            return super().detect(picture, threshold, min_size)

    for height, width in ((2000, 3000), (700, 20000), (100, 60000)):
        detect(np.zeros((height, width, 3), np.uint8), Noting(), SearchOptions(tilt="none"))
    assert areas == pytest.approx([1, 1, 4, 1, 4], rel=0.01)
    areas.clear()
    picture = np.zeros((700, 20000, 3), np.uint8)
    picture[200:230, 3000:3016] = (255, 0, 0)  # 8 x 4 pixels at first, too small for this detector
    (found,) = detect(picture, Noting(), SearchOptions(min_size=5, tilt="none"))
    assert iou(found.box, (3000, 200, 3016, 230)) > 0.6
    assert areas == pytest.approx([1, 4], rel=0.01)
