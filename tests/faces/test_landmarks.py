"""Landmarks for any face: the ladder from a detector's points down to the template."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from ferviz.errors import ModelError
from ferviz.faces.crops import as_faces, crop
from ferviz.faces.detectors.downloads import SHIPPED
from ferviz.faces.face import Face
from ferviz.faces.find import find_faces
from ferviz.faces.landmarks import ladder
from ferviz.faces.landmarks.ladder import crop_landmarks, locate_landmarks
from ferviz.faces.landmarks.points import TEMPLATE, affine, is_plausible, mirrored, rescaled, to_crop, to_picture
from ferviz.faces.landmarks.yunet_views import Views, YuNetViews
from ferviz.faces.regions import FaceRegions

EXAMPLES = Path(__file__).parents[2] / "examples"
YUNET = SHIPPED["yunet"]


@pytest.fixture(autouse=True)
def _no_yunet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "cached_model", lambda _: None)


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    (face,) = find_faces(EXAMPLES / "astronaut.png", "haar", largest=True)
    return cv2.resize(face.pixels, (48, 48), interpolation=cv2.INTER_AREA)


def test_points_of_a_crop_and_of_its_picture_are_the_same_places() -> None:
    # A bright dot of a picture is found again in its rotated crop where `to_crop` says.
    picture = np.zeros((120, 150, 3), np.uint8)
    picture[62:65, 71:74] = 255
    box, angle = (40, 30, 100, 90), 25.0
    cut = crop(picture, box, angle=angle)
    rows, columns = np.nonzero(cut[..., 0] > 128)
    place = to_crop(np.array([[72.0, 63.0]]), (60, 60), box, angle)[0]
    np.testing.assert_allclose(place, [columns.mean(), rows.mean()], atol=0.3)
    np.testing.assert_allclose(to_picture(place[None], (60, 60), box, angle)[0], [72, 63], atol=1e-9)


def test_rescaling_keeps_the_edges_of_pixels() -> None:
    np.testing.assert_allclose(
        rescaled(np.array([[-0.5, 47.5], [23.5, 23.5]]), (48, 48), (96, 192)), [[-0.5, 95.5], [95.5, 47.5]]
    )
    np.testing.assert_allclose(mirrored(mirrored(TEMPLATE, 48), 48), TEMPLATE)
    np.testing.assert_allclose(mirrored(TEMPLATE, 48), TEMPLATE, atol=1e-9)  # a typical face is symmetrical


def test_the_affine_map_of_a_moved_template_is_the_motion() -> None:
    motion = np.array([[1.1, 0.2, 3.0], [-0.1, 0.9, -2.0]])
    np.testing.assert_allclose(affine(TEMPLATE @ motion[:, :2].T + motion[:, 2]), motion, atol=1e-9)


@pytest.mark.parametrize(
    ("motion", "plausible"),
    [
        (np.eye(2), True),
        (np.eye(2) * 0.5, False),
        (np.eye(2) * 1.7, False),
        (-np.eye(2), False),
        (np.diag([-1.0, 1.0]), False),
        (np.array([[1, 0.6], [0, 1]]), False),
        (np.array([[1, 0.3], [0, 1]]), True),
        (np.eye(2) * np.nan, False),
    ],
    ids=["template", "tiny", "huge", "on its head", "mirrored", "sheared", "a little sheared", "nan"],
)
def test_what_can_be_a_face(motion: np.ndarray, plausible: bool) -> None:
    points = (TEMPLATE - 23.5) @ motion.T + 23.5
    assert is_plausible(points) is plausible
    assert is_plausible(rescaled(points, (48, 48), (100, 100)), (100, 100)) is plausible


def test_a_face_without_landmarks_gets_the_network_s(astronaut: np.ndarray) -> None:
    (face,) = locate_landmarks(as_faces(astronaut))
    assert face.landmark_source == "network"
    assert face.landmark_score is not None
    assert 0.4 < face.landmark_score <= 1
    eyes, mouth = face.landmarks[:2], face.landmarks[3:]
    assert eyes[0, 0] < face.landmarks[2, 0] < eyes[1, 0]
    assert eyes[:, 1].max() < face.landmarks[2, 1] < mouth[:, 1].min()
    # the mirrored crop has the mirrored landmarks, exactly: both views are averaged either way
    (other,) = locate_landmarks(as_faces(astronaut[:, ::-1]))
    np.testing.assert_allclose(other.landmarks, mirrored(face.landmarks, 48), atol=0.05)


def test_landmarks_stand_in_the_picture_that_the_crop_is_from(astronaut: np.ndarray) -> None:
    (plain,) = locate_landmarks(as_faces(astronaut))
    (placed,) = locate_landmarks([Face(astronaut, box=(200, 100, 296, 196))])
    np.testing.assert_allclose(placed.landmarks, (plain.landmarks + 0.5) * 2 - 0.5 + [200, 100], atol=1e-3)
    np.testing.assert_allclose(crop_landmarks(placed), plain.landmarks, atol=1e-3)


def test_a_detector_s_landmarks_are_kept(astronaut: np.ndarray) -> None:
    points = (TEMPLATE + 1).astype(np.float32)
    (face,) = locate_landmarks([Face(astronaut, landmarks=points, score=0.8)])
    assert (face.landmark_source, face.landmark_score) == ("detector", 0.8)
    np.testing.assert_array_equal(face.landmarks, points)
    # ... unless they cannot be a face's
    (face,) = locate_landmarks([Face(astronaut, landmarks=points[::-1], score=0.8)])
    assert face.landmark_source == "network"


@pytest.mark.parametrize("kind", ["noise", "flat", "on its head"])
def test_what_is_no_face_gets_the_template_flagged(astronaut: np.ndarray, kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    pixels = {"noise": noise, "flat": np.full((48, 48, 3), 90, np.uint8), "on its head": astronaut[::-1, ::-1].copy()}[
        kind
    ]
    (face,) = locate_landmarks(as_faces(pixels))
    assert (face.landmark_source, face.landmark_score) == ("template", 0.0)
    np.testing.assert_allclose(face.landmarks, TEMPLATE, atol=1e-3)
    assert locate_landmarks([face])[0] is face  # and keeps it


@pytest.mark.parametrize("size", [(1, 1), (300, 200), (48, 49)])
def test_crops_of_any_size_have_landmarks(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    (face,) = locate_landmarks([Face(pixels)])
    assert face.landmarks.shape == (5, 2)
    assert np.isfinite(face.landmarks).all()


def test_faces_do_not_depend_on_each_other(astronaut: np.ndarray) -> None:
    others = np.random.default_rng(2).integers(0, 256, (70, 48, 48, 3), dtype=np.uint8)
    together = locate_landmarks(as_faces([*others, astronaut]))
    (alone,) = locate_landmarks(as_faces(astronaut))
    np.testing.assert_allclose(together[-1].landmarks, alone.landmarks, atol=1e-3)


def test_a_file_that_is_no_yunet_is_refused(tmp_path: Path, astronaut: np.ndarray) -> None:
    (tmp_path / "yunet.onnx").write_bytes(b"no network")
    with pytest.raises(ModelError, match=r"yunet\.onnx is refused.* in a process of its own"):
        locate_landmarks(as_faces(astronaut), tmp_path / "yunet.onnx")
    with pytest.raises(ModelError, match="away"):
        locate_landmarks([], tmp_path / "away.onnx")


def test_a_crop_is_enlarged_more_where_yunet_is_not_sure(
    monkeypatch: pytest.MonkeyPatch, astronaut: np.ndarray
) -> None:
    sides, unsure = [], Views(np.full((2, 5, 2), np.nan), np.zeros(2))
    sure = Views(np.stack([TEMPLATE, TEMPLATE]), np.ones(2))
    yunet, answers = YuNetViews(YUNET), {192: unsure, 240: sure}
    monkeypatch.setattr(yunet, "_views", lambda _, side: sides.append(side) or answers[side])
    assert yunet.views(astronaut) is sure
    assert sides == [192, 240]
    answers |= {240: unsure}
    assert not yunet.views(astronaut).reliable
    answers |= {192: sure}
    assert yunet.views(astronaut) is sure
    assert sides[4:] == [192]


def test_noise_is_no_face_and_doubtful_landmarks_are(astronaut: np.ndarray) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    template = {"landmarks": TEMPLATE.astype(np.float32), "landmark_source": "template"}
    # A face whose landmarks were lost is a face all the same; without the template nothing is doubted.
    faces = [Face(noise, **template), Face(astronaut, **template), Face(noise, landmarks=template["landmarks"])]
    assert ladder.face_is_missing(faces) == [True, False, False]
    assert FaceRegions.of(faces, (48, 48)).faceless == ("face 1",)


def test_yunet_comes_before_the_network(astronaut: np.ndarray) -> None:
    model = YUNET
    (face,) = locate_landmarks(as_faces(astronaut), model)
    assert face.landmark_source == "yunet"
    (network,) = locate_landmarks(as_faces(astronaut))
    assert np.linalg.norm(face.landmarks - network.landmarks, axis=1).mean() < 2.5
    noise = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    assert locate_landmarks(as_faces(noise), model)[0].landmark_source == "template"


@pytest.mark.shared
def test_the_network_agrees_with_yunet_on_unseen_faces(shared_data: Path) -> None:
    yunet = YuNetViews(YUNET)
    images = _public_test(shared_data)[::36]
    views = [yunet.views(image, retry=False) for image in images]
    reliable = np.array([v.reliable for v in views])
    truth = np.stack([v.points.mean(0) for v in views])[reliable]
    located = locate_landmarks(as_faces(images[reliable]))
    points = np.stack([face.landmarks for face in located])
    error = np.linalg.norm(points - truth, axis=2).mean()
    assert error < 1.3
    assert error < 0.35 * np.linalg.norm(TEMPLATE - truth, axis=2).mean()
    # the score knows where the network is off
    scores = np.array([face.landmark_score for face in located])
    off = np.linalg.norm(points - truth, axis=2).mean(1)
    surest = scores >= np.median(scores)
    assert off[surest].mean() < 0.85 * off[~surest].mean()


def _public_test(shared_data: Path) -> np.ndarray:
    import sys

    sys.path.insert(0, str(shared_data / "fer2013"))
    try:
        import fer2013
    finally:
        sys.path.pop(0)
    return fer2013.load("PublicTest")[0]
