"""Annotated videos and tables: complete or not written at all, every frame at its time."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from ferviz.errors import OutputError
from ferviz.video.pipeline import FrameResult
from ferviz.video.reading import Frame, Video
from ferviz.video.writing import TableWriter, VideoWriter


def test_a_video_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with VideoWriter(path, 12.5) as movie:
        for level in (40, 120, 200):
            movie.add(np.full((61, 81, 3), level, np.uint8))
        assert not path.exists()
    with Video(path) as video:
        assert (video.rate, video.count) == (12.5, 3)
        levels = [f.pixels.mean() for f in video.frames()]
    np.testing.assert_allclose(levels, [40, 120, 200], atol=6)
    with pytest.raises(RuntimeError), VideoWriter(tmp_path / "half.mp4", 25) as movie:
        movie.add(np.zeros((60, 80, 3), np.uint8))
        raise RuntimeError
    with pytest.raises(OutputError, match=r"none\.mp4"), VideoWriter(tmp_path / "none.mp4", 25):
        pass
    with pytest.raises(OutputError, match=r"\.mp4"):
        VideoWriter(tmp_path / "out.avi", 25)
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]


def test_annotated_frames_are_shown_at_their_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def written(times: list[float], rate: float) -> list[int]:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.mp4"
        with VideoWriter(path, rate) as movie:
            for number, time in enumerate(times):
                movie.add(np.full((60, 80, 3), 20 + 30 * number, np.uint8), time)
        with Video(path) as video:
            return [round((float(f.pixels.mean()) - 20) / 30) for f in video.frames()]

    assert written([5.0, 5.1, 5.2, 5.3], 10) == [0, 1, 2, 3]
    assert written([0, 0.033, 0.067, 0.1], 30) == [0, 1, 2, 3]
    assert written([0, 0.3, 0.4], 10) == [0, 0, 0, 1, 2]
    assert written([0, 0.01, 0.02, 0.3], 10) == [0, 2, 2, 3]  # more frames than there is room for: the newest stays
    monkeypatch.setattr("ferviz.video.writing.MAX_HOLD", 0.5)
    assert written([0, 1e9, 1e9 + 0.1], 10) == [0, 0, 0, 0, 0, 0, 1, 2]  # a damaged time stamp


def test_the_table(tracked_face, tmp_path: Path) -> None:
    frame = Frame(7, 0.28, np.zeros((9, 9, 3), np.uint8))
    with TableWriter(tmp_path / "t.csv", ("happy", "sad")) as table:
        table.add(FrameResult(frame, (tracked_face((1, 2, 3, 4), 0.75),)))
        table.add(FrameResult(frame, (tracked_face((1, 2, 3, 4), 0.75),), analyzed=False))
    (row,) = csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text()))
    assert (row["frame"], row["time"], row["track"], row["right"], row["label"]) == ("7", "0.280", "1", "3", "happy")
    assert float(row["p_happy"]) == float(row["raw_happy"]) == 0.75


def noisy_video(path: Path, frames: int = 24) -> None:
    """Write a video that does not compress: about 25 kB a frame."""
    rng = np.random.default_rng(0)
    with VideoWriter(path, 25, force=True) as movie:
        for _ in range(frames):
            movie.add(rng.integers(0, 256, (240, 320, 3), dtype=np.uint8))


@pytest.mark.parametrize("space", [0, 100_000, 400_000])
def test_a_video_that_does_not_fit_is_an_error_and_the_old_one_stays(
    space: int, full_after, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(b"a good video")
    with full_after(space), pytest.raises(OutputError, match=r"v\.mp4 (was not written.* of its 24 frames|cannot be)"):
        noisy_video(path)
    assert path.read_bytes() == b"a good video"
    assert [p.name for p in tmp_path.iterdir()] == ["v.mp4"]
    assert capfd.readouterr().err == ""  # OpenCV warns of every frame


def test_a_video_that_does_not_fit_on_a_small_disk(small_disk: Path) -> None:
    path = small_disk / "v.mp4"
    noisy_video(path, 16)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="frames can be read back"):
        noisy_video(path, 40)
    assert path.read_bytes() == before
    assert [p.name for p in small_disk.iterdir()] == ["v.mp4"]


def test_a_table_that_does_not_fit_is_an_error(tracked_face, full_after, tmp_path: Path) -> None:
    frame = Frame(7, 0.28, np.zeros((9, 9, 3), np.uint8))
    with (
        full_after(100),
        pytest.raises(OutputError, match=r"t\.csv"),
        TableWriter(tmp_path / "t.csv", ("happy", "sad")) as table,
    ):
        table.add(FrameResult(frame, (tracked_face((1, 2, 3, 4), 0.75),)))
    assert not list(tmp_path.iterdir())
