"""Files of detectors that somebody changed: a crash happens in a process of its own, and ends in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ferviz import sandbox
from ferviz.cli import run
from ferviz.errors import ModelError, UntrustedModelError
from ferviz.faces.detectors import harmless
from ferviz.faces.detectors.detector_child import SIZES, draw_face
from ferviz.faces.detectors.downloads import DOWNLOADS, SHIPPED
from ferviz.faces.detectors.haar import CASCADE
from ferviz.faces.detectors.registry import open_detector
from ferviz.images import write_image

SSD = "opencv_face_detector_uint8.pb"


@pytest.fixture
def crashing(tmp_path: Path) -> Path:
    """YuNet with a convolution of zero groups, which OpenCV divides by."""
    content = SHIPPED["yunet"].read_bytes()
    groups = b"\n\x05group\x18"  # a name, and the number that follows it
    place = content.index(groups) + len(groups)
    path = tmp_path / "sent.onnx"
    path.write_bytes(content[:place] + b"\0" + content[place + 1 :])
    return path


@pytest.fixture
def no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*arguments: Any, **named_arguments: Any) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(sandbox, "run", forbidden)


def test_a_file_that_crashes_opencv_is_one_sentence(crashing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_image(crashing.with_name("face.png"), draw_face(120, 120))
    assert run(["predict", str(crashing.with_name("face.png")), "--detector-model", str(crashing)]) == 4
    printed = capsys.readouterr().err
    assert "sent.onnx is refused" in printed
    assert "Traceback" not in printed


@pytest.mark.shared
def test_the_published_files_start_no_process(no_child: None, shared_data: Path) -> None:
    harmless.check_harmless("ssd", str(shared_data / "detectors" / SSD))


@pytest.mark.usefixtures("no_child")
def test_the_file_of_the_package_starts_no_process(tmp_path: Path) -> None:
    copy = tmp_path / "yunet.onnx"
    copy.write_bytes(SHIPPED["yunet"].read_bytes())
    for model in (None, str(copy)):
        harmless.check_harmless("yunet", model)


def test_a_file_that_does_no_harm_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "own.xml"
    path.write_bytes((Path(cv2.__file__).parent / "data" / CASCADE).read_bytes() + b"<!-- tried once -->\n")
    trials, run_child = [], sandbox.run
    monkeypatch.setattr(sandbox, "run", lambda *a, **k: trials.append(a) or run_child(*a, **k))
    for _ in range(2):
        harmless.check_harmless("haar", str(path))
    assert len(trials) == 1
    assert open_detector("haar", str(path)).name == "haar"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ModelError, match=r"own\.xml"):
        harmless.check_harmless("haar", str(path))
    assert len(trials) == 2


@pytest.mark.shared
def test_the_description_of_a_graph_belongs_to_its_hash(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    monkeypatch.setattr(harmless, "probe", lambda *arguments, **named_arguments: tried.append(arguments))
    (tmp_path / SSD).write_bytes((shared_data / "detectors" / SSD).read_bytes())
    text = (shared_data / "detectors" / DOWNLOADS["ssd"][1].name).read_text(encoding="utf-8")
    (tmp_path / DOWNLOADS["ssd"][1].name).write_text(text, encoding="utf-8")
    harmless.check_harmless("ssd", str(tmp_path / SSD))
    assert not tried
    (tmp_path / DOWNLOADS["ssd"][1].name).write_text(text.replace("300", "0"), encoding="utf-8")
    harmless.check_harmless("ssd", str(tmp_path / SSD))
    assert len(tried) == 1


@pytest.mark.usefixtures("no_child")
def test_pickles_of_others_are_never_read(tmp_path: Path) -> None:
    with pytest.raises(UntrustedModelError, match="pickles"):
        open_detector("mtcnn", str(tmp_path))


def test_what_a_trial_looks_at_is_a_face() -> None:
    for size in SIZES:
        picture = draw_face(*size)
        assert picture.shape == (*size, 3)
        assert picture.dtype == np.uint8
        assert picture.std() > 20
    assert open_detector("haar").detect(draw_face(*SIZES[0]), 0.05, 8.0)
