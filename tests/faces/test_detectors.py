"""The detectors that need a network, with the networks of the project's workplace."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import util
from pathlib import Path

import cv2
import numpy as np
import pytest

from ferviz.errors import ModelError, NoFaceError
from ferviz.faces.detectors.detector import iou
from ferviz.faces.detectors.registry import DETECTORS, best_detector, open_detector
from ferviz.faces.find import find_faces

ROOT = Path(__file__).parents[2]
FILES = {"yunet": "yunet_2026may.onnx", "ssd": "opencv_face_detector_uint8.pb"}


@pytest.fixture(params=list(FILES))
def detector(request: pytest.FixtureRequest, shared_data: Path) -> tuple[str, str]:
    return request.param, str(shared_data / "detectors" / FILES[request.param])


@pytest.mark.parametrize("name", ["astronaut.png", "emotion_classification.jpg", "solvay_conference.jpg", "team.jpg"])
def test_all_faces_and_no_others(
    detector: tuple[str, str], pictures: Path, true_boxes: dict[str, list[tuple[int, ...]]], name: str
) -> None:
    found = find_faces(pictures / name, detector[0], detector_model=detector[1], threshold=0.75, max_side=900)
    assert len(found) == len(true_boxes[name])
    for face, box in zip(found, true_boxes[name], strict=True):
        assert iou(face.box, box) > 0.4


def test_nothing_where_nothing_is(detector: tuple[str, str], pictures: Path) -> None:
    with pytest.raises(NoFaceError):
        find_faces(pictures / "no-faces.jpg", detector[0], detector_model=detector[1])


def test_landmarks_are_the_persons_own(shared_data: Path, portrait: np.ndarray) -> None:
    (face,) = find_faces(portrait, "yunet", detector_model=str(shared_data / "detectors" / FILES["yunet"]))
    # where she has them, read off the picture: right eye, left eye, nose, right and left mouth corner
    expected = np.array([(201, 101), (246, 102), (222, 125), (200, 142), (240, 142)])
    assert np.abs(face.landmarks - expected).max() < 8


def test_a_face_that_fills_a_large_picture(shared_data: Path, portrait: np.ndarray) -> None:
    large = np.kron(portrait[20:220, 120:320], np.ones((6, 6, 1), np.uint8))
    (face,) = find_faces(large, "yunet", detector_model=str(shared_data / "detectors" / FILES["yunet"]))
    assert iou(face.box, (6 * 58, 6 * 42, 6 * 148, 6 * 156)) > 0.5


def test_the_model_files_suffix_chooses_the_detector(shared_data: Path) -> None:
    for name, file in FILES.items():
        assert open_detector("auto", str(shared_data / "detectors" / file)).name == name


@pytest.mark.parametrize("name", ["yunet", "ssd"])
def test_files_that_are_no_detectors(name: str, tmp_path: Path) -> None:
    suffix = ".onnx" if name == "yunet" else ".pb"
    for number, content in enumerate([b"", b"words", b"version https://git-lfs.github.com/spec/v1\n", bytes(5000)]):
        path = tmp_path / f"{number}{suffix}"
        path.write_bytes(content)
        if name == "ssd":
            path.with_suffix(".pbtxt").write_text("words")
        with pytest.raises(ModelError, match=path.name):
            open_detector(name, str(path))
    with pytest.raises(ModelError, match=f"none{suffix}"):
        open_detector(name, str(tmp_path / f"none{suffix}"))
    if name == "ssd":
        with pytest.raises(ModelError, match="ferviz detectors get ssd"):
            open_detector(name)


def test_the_graph_needs_its_description(tmp_path: Path, shared_data: Path) -> None:
    (tmp_path / "face.pb").write_bytes((shared_data / "detectors" / FILES["ssd"]).read_bytes())
    with pytest.raises(ModelError, match=r"opencv_face_detector\.pbtxt"):
        open_detector("ssd", str(tmp_path / "face.pb"))


def test_auto_takes_the_best_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert best_detector() == "yunet"
    monkeypatch.delattr(cv2, "FaceDetectorYN")
    assert best_detector() == "haar"


@pytest.mark.skipif(util.find_spec("mtcnn") is None, reason="the extra ferviz[mtcnn] is not installed")
def test_mtcnn_reads_no_pickle_of_the_folder_it_stands_in(tmp_path: Path, portrait: np.ndarray) -> None:
    # unpickling this file would make another: the package looks for ./pnet.lz4 first
    sentinel = tmp_path / "sentinel"
    for stage in "pro":
        (tmp_path / f"{stage}net.lz4").write_bytes(f"cos\nsystem\n(S'touch {sentinel}'\ntR.".encode())
    np.save(tmp_path / "portrait.npy", portrait)
    code = (
        "import numpy as np; from ferviz.faces.find import find_faces;"
        "print(find_faces(np.load('portrait.npy'), 'mtcnn')[0].box)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # TensorFlow's notes are held back
    assert not sentinel.exists()
    assert iou(eval(done.stdout.splitlines()[-1]), (180, 59, 267, 173)) > 0.5


@pytest.mark.skipif(util.find_spec("mtcnn") is None, reason="the extra ferviz[mtcnn] is not installed")
def test_mtcnn_finds_the_face_at_every_size_of_picture(portrait: np.ndarray) -> None:
    detector = DETECTORS["mtcnn"](None)
    side = min(portrait.shape[:2])
    for length in range(200, 260, 12):
        picture = cv2.resize(portrait, None, fx=length / side, fy=length / side, interpolation=cv2.INTER_AREA)
        for least in (24, 40):
            assert len(detector.detect(picture, 0.8, least)) == 1, (length, least)
    assert detector.detect(picture, 0.8, 1000) == []
    for height, width in ((8, 8), (8, 90), (20, 20), (21, 21)):
        assert detector.detect(np.full((height, width, 3), 90, np.uint8), 0.8, 8) == []


def test_without_its_package_mtcnn_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(util, "find_spec", lambda name: None)
    assert not DETECTORS["mtcnn"].available()  # type: ignore[attr-defined]
    with pytest.raises(Exception, match=r"pip install mtcnn==1.0.0"):
        DETECTORS["mtcnn"](None)


def test_the_example_of_the_page_on_detectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    page = (ROOT / "docs" / "extending" / "write-a-detector.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    names: dict[str, object] = {}
    try:
        exec(code, names)
        (face,) = names["faces"]  # type: ignore[misc]
        # not a good idea, but the patch of skin does touch her face
        assert iou(face.box, (178, 69, 270, 161)) > 0
        assert "skin" in DETECTORS
    finally:
        DETECTORS._entries.pop("skin", None)
