"""The summary of a video: its counts, its tracks, and every format that it is saved in."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text

from ferviz.errors import UsageError
from ferviz.images import read_manifest
from ferviz.models.model import Model
from ferviz.video.history import TrackHistory
from ferviz.video.pipeline import FrameResult
from ferviz.video.reading import Frame
from ferviz.video.result import VideoSummary


@pytest.fixture
def summary(tracked_face, colours) -> VideoSummary:
    """Four frames, of which three are analyzed; track 1 is in all of them, track 2 in one."""
    history = TrackHistory(("happy", "sad"))
    one, two = tracked_face((0, 0, 9, 9), 0.75), tracked_face((20, 0, 29, 9), 0.25, track=2)
    for i, faces in enumerate([(one,), (one,), (one, two), (one,)]):
        frame = Frame(i, i / 10, np.zeros((40, 40, 3), np.uint8))
        history.add(FrameResult(frame, faces, analyzed=i != 1))
    return history.summary("clip.mp4", colours, 10.0)


def test_counts_and_means(summary: VideoSummary) -> None:
    answer = summary.to_dict()
    assert (answer["frames"], answer["analyzed"], answer["faces"], answer["rate"]) == (4, 3, 4, 10.0)
    first, second = answer["tracks"]
    assert (first["track"], first["frames"], second["track"], second["frames"]) == (1, 3, 2, 1)
    assert first["probabilities"] == pytest.approx({"happy": 0.75, "sad": 0.25})
    assert second["probabilities"] == pytest.approx({"happy": 0.25, "sad": 0.75})
    assert first["from"] == pytest.approx(0, abs=1 / 32)
    assert first["to"] == pytest.approx(0.3, abs=1 / 32)


def test_the_timeline_has_a_row_for_each_of_the_longest_tracks(summary: VideoSummary) -> None:
    assert len(summary.plot().axes) == 5  # the legend, and a portrait and the areas of each
    assert [axes.get_title(loc="left") for axes in summary.plot(max_tracks=1).axes] == ["", "", "#1"]


def test_what_was_assumed_about_the_network_stands_in_the_timeline(
    summary: VideoSummary, colours: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    assumed = "the file does not name its 2 outputs: happy, sad is assumed"
    monkeypatch.setattr(Model, "cautions", (assumed,))
    answer = TrackHistory(("happy", "sad")).summary("clip.mp4", colours, 10.0)
    assert answer.to_dict()["warnings"] == [assumed]
    assert f"Note: {assumed}" in [text.get_text() for text in answer.plot().findobj(Text)]
    assert summary.to_dict()["warnings"] == []


def test_every_format(summary: VideoSummary, tmp_path: Path) -> None:
    for name in ("a.png", "a.svg", "a.json", "a.npz", "a.csv"):
        summary.save(tmp_path / name)
    assert read_manifest(tmp_path / "a.png")["frames"] == 4
    assert json.loads((tmp_path / "a.json").read_text())["analyzed"] == 3
    with np.load(tmp_path / "a.npz") as arrays:
        np.testing.assert_allclose(np.nanmean(arrays["probabilities/1"], axis=0), (0.75, 0.25))
    rows = list(csv.DictReader(io.StringIO((tmp_path / "a.csv").read_text())))
    assert [(row["track"], float(row["p_happy"])) for row in rows] == [("1", 0.75), ("2", 0.25)]
    with pytest.raises(UsageError, match=r"\.mp4"):
        VideoSummary.check_path(tmp_path / "a.mp4")
