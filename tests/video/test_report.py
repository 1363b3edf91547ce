"""What `ferviz predict clip.mp4` prints, which tracks it doubts, and which options it refuses before it begins."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from ferviz.cli import run
from ferviz.cli import videos as command
from ferviz.cli.tables import MAX_CHANGES, track_lines

PREDICT = ["predict", "clip.mp4", "--half-life", "0"]


@pytest.fixture
def folder(clip, colours, squares, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with clip.mp4: a square that is sad for 0.6 s and then happy for 0.6 s, and an angry one."""
    monkeypatch.setattr(command, "open_model", lambda options, console: colours)
    monkeypatch.setattr("ferviz.video.pipeline.open_detector", lambda name, model: squares)
    monkeypatch.chdir(tmp_path)
    clip(24)
    return tmp_path


def test_it_prints_shares_of_time_and_changes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(PREDICT) == 0
    pattern = r"clip\.mp4: #(\d) \(0\.0 to 1\.[12] s\) (.*)"
    lines = [re.fullmatch(pattern, line) for line in capsys.readouterr().out.splitlines()]
    assert [line and line[1] for line in lines] == ["1", "2"]
    still, turning = sorted(line[2] for line in lines if line)
    assert still == "angry 100%"
    assert re.fullmatch(r"(sad|happy) 5\d%, (sad|happy) (4\d|50)%; happy from 0\.6 s", turning)
    assert run([*PREDICT, "--json", "--quiet"]) == 0
    tracks = json.loads(capsys.readouterr().out)["tracks"]
    one, other = sorted(tracks, key=lambda track: track["label"])
    assert (one["label"], one["changes"]) == ("angry", [])
    assert one["shares"] == {"angry": 1, "happy": 0, "sad": 0}
    (change,) = other["changes"]
    assert change == {"time": pytest.approx(0.6, abs=1 / 32), "label": "happy"}
    assert sum(other["shares"].values()) == pytest.approx(1)


@pytest.mark.parametrize("other", [["--quiet"], ["--json"], ["--jsonl"], ["--csv"]])
def test_lines_are_not_mixed_with_data(other: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*PREDICT, *other]) == 0
    assert "clip.mp4: #1" not in capsys.readouterr().out


def test_many_changes_are_counted() -> None:
    changes = [{"time": float(t), "label": "sad" if t % 2 else "happy"} for t in range(1, 31)]
    track = {
        "track": 3,
        "from": 0.0,
        "to": 31.0,
        "doubt": None,
        "shares": {"happy": 0.5, "sad": 0.5},
        "changes": changes,
    }
    (line,) = track_lines({"source": "a.mp4", "tracks": [track]})
    assert line.count(" from ") == MAX_CHANGES
    assert line.endswith(f"happy from {MAX_CHANGES}.0 s, {30 - MAX_CHANGES} more changes")


def test_csv_prints_the_table_that_a_file_gets(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*PREDICT, "--csv", "--quiet", "--table", "a.csv"]) == 0
    printed = capsys.readouterr().out
    assert printed == Path("a.csv").read_text()
    assert len(list(csv.DictReader(io.StringIO(printed)))) == 48


def test_tracks_without_a_face_are_marked_and_left_out(
    folder: Path, squares_and_walls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ferviz.video.pipeline.open_detector", lambda name, model: squares_and_walls)
    assert run([*PREDICT, "--timeline", "a.svg"]) == 0
    captured = capsys.readouterr()
    assert "48 faces in 2 tracks, of which 1 is doubtful" in captured.err
    face, doubtful = captured.out.splitlines()
    assert "happy from 0.6 s" in face
    assert doubtful.endswith("doubtful, left out of the timeline: no eyes, nose and mouth can be found there")
    face_label = face.partition(") ")[2].split()[0]
    wall = doubtful.removeprefix("clip.mp4: ")[:2]
    drawn = Path("a.svg").read_text()
    assert "without 1 doubtful track" in drawn
    assert f">{wall}" not in drawn
    assert run([*PREDICT, "--timeline", "b.svg", "--doubtful", "--quiet"]) == 0
    assert f">{wall} doubtful<" in Path("b.svg").read_text()
    assert run([*PREDICT, "--timeline", "c.csv", "--quiet"]) == 0
    rows = list(csv.DictReader(io.StringIO(Path("c.csv").read_text())))
    assert {row["label"]: bool(row["doubt"]) for row in rows} == {face_label: False, "angry": True}
    assert [row["from"] != "" for row in rows] == [True, True]


def test_haar_is_told_from_the_default(folder: Path, squares, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(PREDICT) == 0
    assert "YuNet" not in capsys.readouterr().err
    squares.name = "haar"
    assert run(PREDICT) == 0
    (note,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert "YuNet, the default" in note
    assert "--detector haar" in note
    assert run([*PREDICT, "--quiet"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--json", "--csv"], "--csv"),
        (["--jsonl", "--csv"], "--csv"),
        (["--target", "happy"], "--heatmap"),
        (["--heatmap", "gradcam"], "--out"),
        (["--heatmap", "gradcma", "--out", "a.mp4"], "gradcma"),
        (["--threshold", "3"], "threshold"),
        (["--detector", "harr"], "harr"),
        (["--start", "5", "--stop", "3"], "--stop"),
        (["--out", "a.mp4", "--table", "a.mp4"], "a.mp4"),
        (["--table", "a.xlsx"], ".csv"),
        (["--out", "a.csv", "--timeline", "./a.csv"], "same name"),
        (["--table", "a.csv", "--timeline", "a.csv", "--force"], "same name"),
        (["--doubtful"], "--timeline"),
    ],
)
def test_options_that_cannot_be_used_are_refused_before_the_work(
    arguments: list[str],
    says: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "open_model", lambda options, console: pytest.fail("the network was loaded"))
    assert run(["predict", "clip.mp4", *arguments]) == 2
    assert says in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["clip.mp4"]


def test_settings_of_a_method_are_checked_before_the_network_is_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "open_model", lambda options, console: pytest.fail("the network was loaded"))
    assert run(["explain", "clip.mp4", "--method", "rise", "--option", "maks=10"]) == 2
    assert "masks" in capsys.readouterr().err
