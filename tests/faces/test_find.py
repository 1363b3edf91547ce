"""Finding faces: which ones, in which order, and what happens when there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ferviz.errors import ModelError, NoFaceError, PictureError, UnknownNameError, UsageError
from ferviz.faces.detectors.detector import Detection, iou, nms
from ferviz.faces.detectors.registry import DETECTORS, detectors, open_detector
from ferviz.faces.find import find_faces
from ferviz.faces.search import MAX_FACES
from ferviz.images import write_image

PICTURE = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)


@pytest.mark.parametrize("name", ["astronaut.png", "emotion_classification.jpg", "solvay_conference.jpg", "team.jpg"])
def test_haar_finds_the_faces_of_a_photograph_and_no_others(
    pictures: Path, true_boxes: dict[str, list[tuple[int, ...]]], name: str
) -> None:
    found = find_faces(pictures / name, "haar", max_side=1000)
    assert len(found) == len(true_boxes[name])
    for face, box in zip(found, true_boxes[name], strict=True):
        assert face.box is not None
        assert iou(face.box, box) > 0.6
        assert face.source == str(pictures / name)
        assert face.score is not None
        assert 0.5 <= face.score <= 1


def test_a_picture_without_faces_says_so(pictures: Path) -> None:
    with pytest.raises(NoFaceError, match=r"no-faces.jpg.*haar"):
        find_faces(pictures / "no-faces.jpg", "haar")
    with pytest.raises(NoFaceError):
        find_faces(PICTURE, tilt="none")


def test_every_kind_of_source_gives_the_same_faces(portrait: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "portrait.png"
    write_image(path, portrait)
    by_path = find_faces(path)
    by_bytes = find_faces(path.read_bytes())
    by_array = find_faces(portrait)
    assert by_path[0].box == by_bytes[0].box == by_array[0].box
    np.testing.assert_array_equal(by_path[0].pixels, by_array[0].pixels)
    assert by_array[0].source == ""


def test_a_face_crop_is_taken_whole(portrait: np.ndarray) -> None:
    crop = portrait[40:190, 150:300]
    for size in (48, 64):
        small = np.ascontiguousarray(crop[::3, ::3])[:size, :size]
        (face,) = find_faces(small)
        assert face.box is None
        np.testing.assert_array_equal(face.pixels, small)
    (face,) = find_faces(portrait[62:168, 170:278])  # the face fills it
    assert face.box is None
    (face,) = find_faces(PICTURE[:300, :300])  # square, small, nothing found
    assert face.box is None


def test_auto_still_detects_in_large_squares(portrait: np.ndarray) -> None:
    (face,) = find_faces(portrait)
    assert face.box is not None
    assert face.pixels.shape[0] < 140


def test_none_takes_everything() -> None:
    (face,) = find_faces(PICTURE, "none")
    assert face.box is None
    assert face.pixels.shape == PICTURE.shape


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (7, 7, 3)])
def test_too_small_pictures(shape: tuple[int, ...]) -> None:
    with pytest.raises(NoFaceError, match=f"{shape[1]} x {shape[0]}"):
        find_faces(np.zeros(shape, np.uint8))


def test_faces_come_left_to_right_then_top_to_bottom(fake_detector) -> None:
    boxes = [(200, 10, 260, 70), (10, 150, 70, 210), (10, 20, 70, 80), (110, 5, 170, 65)]
    found = find_faces(PICTURE, fake_detector(*boxes))
    assert [f.box for f in found] == [boxes[2], boxes[1], boxes[3], boxes[0]]


def test_largest_and_min_size_and_threshold(fake_detector) -> None:
    found = [((0, 0, 30, 30), 0.9), ((100, 0, 200, 100), 0.6), ((250, 0, 260, 10), 0.9), ((0, 200, 60, 260), 0.3)]
    detector = fake_detector(*(Detection(box, score) for box, score in found))
    assert [f.box for f in find_faces(PICTURE, detector)] == [(0, 0, 30, 30), (100, 0, 200, 100)]
    assert [f.box for f in find_faces(PICTURE, detector, largest=True)] == [(100, 0, 200, 100)]
    assert len(find_faces(PICTURE, detector, threshold=0.2, min_size=5)) == 4
    assert len(find_faces(PICTURE, detector, min_size=80)) == 1
    for wrong in (-0.1, 1.5):
        with pytest.raises(UsageError, match="0 to 1"):
            find_faces(PICTURE, detector, threshold=wrong)


def test_a_panorama_is_searched_small_and_cut_large(fake_detector) -> None:
    panorama = np.zeros((200, 20_000, 3), np.uint8)
    panorama[50:150, 10_000:10_100] = 255
    detector = fake_detector((5000, 25, 5050, 75))  # in the half-size picture that it is shown
    detector.max_pixels = 1_000_000
    (face,) = find_faces(panorama, detector, min_size=40, tilt="none")
    assert detector.calls == [((100, 10_000, 3), 0.5, 20.0)]
    detector.calls.clear()
    find_faces(panorama, detector, min_size=40, max_side=10_000, tilt="none")
    assert detector.calls == [((100, 10_000, 3), 0.5, 20.0)]
    assert face.box == (10_000, 50, 10_100, 150)
    assert (face.pixels == 255).all()


def test_five_hundred_faces_and_no_more(fake_detector) -> None:
    boxes = [(30 * (i % 50), 30 * (i // 50), 30 * (i % 50) + 28, 30 * (i // 50) + 28) for i in range(600)]
    picture = np.zeros((500, 1600, 3), np.uint8)
    assert len(find_faces(picture, fake_detector(*boxes[:500]))) == 500
    assert len(find_faces(picture, fake_detector(*boxes))) == MAX_FACES


def test_doubles_go_and_outsiders_too(fake_detector) -> None:
    detector = fake_detector(
        Detection((10, 10, 110, 110), 0.7), Detection((15, 12, 112, 108), 0.95), Detection((500, 500, 600, 600), 0.99)
    )
    (face,) = find_faces(PICTURE, detector)
    assert face.score == 0.95
    assert nms([]) == []


def test_overlap_of_known_boxes() -> None:
    assert iou((0, 0, 2, 2), (0, 0, 2, 2)) == 1
    assert iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert iou((0, 0, 2, 2), (2, 0, 4, 2)) == 0


def test_unknown_names_and_wrong_files(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'haar'"):
        find_faces(PICTURE, "harr")
    wrong = tmp_path / "cascade.xml"
    wrong.write_text("<opencv_storage></opencv_storage>")
    for path in (wrong, tmp_path / "none.xml"):
        with pytest.raises(ModelError, match="cascade"):
            find_faces(PICTURE, "haar", detector_model=str(path))
    with pytest.raises(PictureError):
        find_faces(tmp_path / "none.png")


def test_the_list_of_detectors() -> None:
    assert next(iter(detectors())) == "auto"
    assert list(detectors())[-1] == "none"
    assert set(DETECTORS) <= set(detectors())
    assert open_detector("haar") is open_detector("haar")
