"""Live analysis, with a file as the camera."""

from __future__ import annotations

import numpy as np
import pytest

from ferviz.cli import run
from ferviz.images import read_image
from ferviz.video.pipeline import AnalysisOptions, FrameAnalyzer
from ferviz.video.reading import Video
from ferviz.web.live import Live


def test_a_file_without_loop_ends(clip, squares, colours) -> None:
    live = Live(Video(clip(3), live=True), FrameAnalyzer(colours, AnalysisOptions(detector=squares)))
    live.start()
    assert live.wait(30)
    live.stop()
    number, picture = live.jpeg(0, 1)
    assert number == 3
    assert read_image(picture).shape[1] == 200
    assert np.asarray(read_image(live.png())).std() > 5


def test_the_command_plays_a_file_as_its_camera(
    clip, squares, colours, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ferviz.cli.commands.video.live.open_model", lambda options, console: colours)
    monkeypatch.setattr("ferviz.video.pipeline.open_detector", lambda name, model: squares)
    assert run(["live", str(clip(3)), "--port", "0", "--method", "none", "--quiet"]) == 0
    assert capsys.readouterr().out.startswith("http://127.0.0.1:")
    assert run(["live", "none.mp4"]) == 3
    assert run(["live", str(clip(3)), "--method", "gradcma", "--port", "0"]) == 2
    assert run(["live", "97"]) == 3  # no such camera
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert "camera 97" in err
