"""`ferviz.analyze_video`: in one call what the command does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferviz.attribution.explain import explain
from ferviz.cli import run
from ferviz.cli import videos as command
from ferviz.errors import OutputExistsError, UsageError
from ferviz.models.load import load_model
from ferviz.models.model import Model
from ferviz.trust.verdict import Trust, judge
from ferviz.video.analyze import analyze_video
from ferviz.video.pipeline import AnalysisOptions, FrameResult
from ferviz.video.reading import Video


def test_the_function_writes_what_the_command_writes(
    clip, squares, colours, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "open_model", lambda options, console: colours)
    monkeypatch.setattr("ferviz.video.pipeline.open_detector", lambda name, model: squares)
    monkeypatch.chdir(tmp_path)
    clip(6)
    assert run(["predict", "clip.mp4", "--out", "command.mp4", "--table", "command.csv", "--quiet"]) == 0
    frames = []

    def progress(results: Iterator[FrameResult], total: int | None) -> Iterator[FrameResult]:
        for result in results:
            frames.append((result.frame.index, total))
            yield result

    options = AnalysisOptions(detector=squares)
    summary = analyze_video(colours, "clip.mp4", options, out="a.mp4", table="a.csv", progress=progress)
    assert Path("a.csv").read_bytes() == Path("command.csv").read_bytes()
    with Video("a.mp4") as video:
        assert video.count == 6
    assert frames == [(number, 6) for number in range(6)]
    assert (summary.frames, summary.faces, summary.detector, len(summary.tracks)) == (6, 12, "squares", 2)

    with pytest.raises(OutputExistsError, match=r"a\.csv"):
        analyze_video(colours, "clip.mp4", options, table="a.csv")
    with pytest.raises(UsageError, match="not a range"):
        analyze_video(colours, "clip.mp4", options, table="b.csv", start=3, stop=3)
    assert not Path("b.csv").exists()


def test_a_file_that_ends_too_early_is_said(clip, squares, colours, tmp_path: Path) -> None:
    path = clip(6)
    lines: list[str] = []
    with Video(path) as video:
        video.count = 60
        assert analyze_video(colours, video, AnalysisOptions(detector=squares), log=lines.append).frames == 6
    assert len(lines) == 1
    assert "6 of the 60 frames" in lines[0]


def test_maps_of_a_video_are_not_tested(clip, squares, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each face would cost dozens of passes; `explain` on a picture does test."""
    tested: list[int] = []

    def counted(model: Model, pictures: np.ndarray, heatmaps: np.ndarray, *rest: Any, **settings: Any) -> Trust:
        tested.append(len(heatmaps))
        return judge(model, pictures, heatmaps, *rest, **settings)

    monkeypatch.setattr("ferviz.attribution.attribution_job.judge", counted)
    model = load_model()
    assert analyze_video(model, clip(3), AnalysisOptions(detector=squares, method="gradcam")).faces == 6
    assert tested == []
    explain(model, np.zeros((1, 48, 48), np.uint8))
    assert tested == [1]
