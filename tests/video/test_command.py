"""The commands on a video: what they write, and their errors."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from ferviz.cli import run
from ferviz.cli import videos as command
from ferviz.images import read_image, read_manifest
from ferviz.video.reading import Video


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch, squares, colours) -> None:
    monkeypatch.setattr(command, "open_model", lambda options, console: colours)
    monkeypatch.setattr("ferviz.video.pipeline.open_detector", lambda name, model: squares)


def test_predict_writes_video_table_and_timeline(
    clip, faked: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    clip(24)
    arguments = [
        "predict",
        "clip.mp4",
        "--out",
        "a.mp4",
        "--table",
        "a.csv",
        "--timeline",
        "a.png",
        "--json",
        "--quiet",
    ]
    assert run(arguments) == 0
    out = json.loads(capsys.readouterr().out)
    assert (out["frames"], out["analyzed"], out["faces"]) == (24, 24, 48)
    assert [t["track"] for t in out["tracks"]] == [1, 2]
    with Video("a.mp4") as video:
        assert (video.count, video.rate) == (24, 20.0)
        assert video.width == 200
    table = list(csv.DictReader(io.StringIO(Path("a.csv").read_text())))
    assert len(table) == 48
    assert {row["label"] for row in table} == {"angry", "sad", "happy"}
    assert read_image("a.png").shape[1] > 800
    assert read_manifest("a.png")["frames"] == 24
    before = Path("a.csv").read_bytes()
    assert run(arguments) == 7
    assert Path("a.csv").read_bytes() == before


def test_two_ranges_are_the_whole(clip, faked: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    clip(12)
    base = ["predict", "clip.mp4", "--half-life", "0", "--quiet"]
    assert run([*base, "--out", "whole.csv"]) == 0
    assert run([*base, "--out", "first.csv", "--stop", "5"]) == 0
    assert run([*base, "--out", "second.csv", "--start", "5"]) == 0
    whole, first, second = (Path(f"{name}.csv").read_text().splitlines()[1:] for name in ("whole", "first", "second"))

    def without_track(line: str) -> list[str]:  # a range numbers its faces from 1
        cells = line.split(",")
        return cells[:2] + cells[3:]

    assert sorted(map(without_track, first + second)) == sorted(map(without_track, whole))


def test_what_goes_wrong_with_videos_is_a_sentence(
    clip, faked: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    clip(6)
    (tmp_path / "words.mp4").write_text("words")
    assert run(["predict", "words.mp4"]) == 3
    assert run(["predict", "none.mp4"]) == 3
    assert run(["predict", "clip.mp4", "clip.mp4"]) == 2
    assert run(["predict", "clip.mp4", "--out", "x.png"]) == 2
    assert run(["predict", "clip.mp4", "--start", "50"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mp4", "words.mp4"]


def test_explain_writes_a_video_with_heatmaps(clip, squares, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferviz.video.pipeline.open_detector", lambda name, model: squares)
    monkeypatch.chdir(tmp_path)
    clip(4)
    assert run(["explain", "clip.mp4", "--quiet", "--method", "gradcam", "--target", "happy"]) == 0
    with Video("clip_explain_gradcam_happy.mp4") as video:
        assert video.count == 4
    assert run(["explain", "clip.mp4", "--quiet", "--out", "clip_explain_gradcam_happy.mp4"]) == 7
    assert run(["explain", "clip.mp4", "--method", "gradcma", "--out", "b.mp4"]) == 2


VARIABLE = Path(__file__).with_name("variable.mkv")
"""Sixteen frames of `draw`, shown from these milliseconds on; its header claims 25 frames a second, so 64 of them."""
MOMENTS = [0, 40, 80, 120, 500, 540, 580, 1000, 1400, 1440, 1480, 1520, 2000, 2040, 2080, 2500]


def test_frames_at_a_varying_rate_keep_their_times(
    faked: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ferviz.video.analyze.frame_picture", lambda pixels, faces, legend: pixels)
    monkeypatch.chdir(tmp_path)
    assert run(["predict", str(VARIABLE), "--out", "a.mp4", "--table", "a.csv", "--timeline", "a.png", "--json"]) == 0
    captured = capsys.readouterr()
    assert "cut off" not in captured.err
    table = [row for row in csv.DictReader(io.StringIO(Path("a.csv").read_text())) if int(row["top"]) > 60]
    assert [row["frame"] for row in table] == [str(i) for i in range(16)]
    assert [round(1000 * float(row["time"])) for row in table] == MOMENTS
    assert [t["to"] for t in json.loads(captured.out)["tracks"]] == pytest.approx([2.5, 2.5], abs=1 / 32)

    with Video(VARIABLE) as video:
        frames = np.stack([frame.pixels for frame in video.frames()]).astype(int)
    with Video("a.mp4") as video:
        shown = [(frame.time, int(np.abs(frames - frame.pixels).mean((1, 2, 3)).argmin())) for frame in video.frames()]
        step = 1 / video.rate
    assert shown[-1][0] == pytest.approx(2.5, abs=step)
    for time, number in shown:  # at every moment the last frame whose time has come, to half a frame
        early, late = (np.searchsorted(MOMENTS, 1000 * (time + by), side="right") - 1 for by in (-step / 2, step / 2))
        assert early <= number <= late


def test_a_video_whose_frames_are_all_the_same_says_why(
    faked: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    writer = cv2.VideoWriter("black.avi", cv2.VideoWriter.fourcc(*"MJPG"), 25, (200, 120))
    for _ in range(4):
        writer.write(np.zeros((120, 200, 3), np.uint8))
    writer.release()
    assert run(["predict", "black.avi", "--out", "a.mp4", "--table", "a.csv", "--timeline", "a.png"]) == 5
    assert "black.avi" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["black.avi"]


def test_a_gif_is_a_picture_or_a_video_as_the_options_ask(
    clip, faked: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with Video(clip(6)) as video:
        frames = [Image.fromarray(frame.pixels) for frame in video.frames()]
    frames[0].save("a.gif", save_all=True, append_images=frames[1:], duration=50)
    assert run(["predict", "a.gif", "--table", "a.csv", "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 6
    frames[0].save("a.png")
    assert run(["predict", "a.png", "--table", "b.csv"]) == 2
    assert "--table" in capsys.readouterr().err
    assert run(["explain", "a.png", "--timeline", "b.png"]) == 2
    assert not list(tmp_path.glob("b.*"))
