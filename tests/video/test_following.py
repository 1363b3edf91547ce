"""Following faces and calming what is said about them: numbers worked out on paper, clips with known contents."""

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
from ferviz.cli.commands import video as command
from ferviz.errors import OutputError, UsageError
from ferviz.faces.face import Face
from ferviz.images import read_image, read_manifest
from ferviz.models.load import load_model
from ferviz.models.prediction import Prediction
from ferviz.rendering.timeline import Lane, runs, timeline_figure
from ferviz.video.drawing import frame_picture, with_heat
from ferviz.video.history import History
from ferviz.video.pipeline import Follower, Looked, Seen, follow
from ferviz.video.reading import Frame, Video
from ferviz.video.tracker import Tracker, smooth
from ferviz.video.writing import TableOut, VideoOut


def test_tracks_keep_their_numbers() -> None:
    tracker = Tracker(least=0.3, patience=1.0)
    a, b = (0, 0, 10, 10), (50, 0, 60, 10)
    assert [t.number for t in tracker.update([a, b], 0.0)] == [1, 2]
    assert [t.number for t in tracker.update([(51, 0, 61, 10), (1, 0, 11, 10)], 0.1)] == [2, 1]
    assert [t.number for t in tracker.update([(20, 0, 30, 10)], 0.2)] == [3]
    assert [t.number for t in tracker.update([(2, 0, 12, 10)], 1.0)] == [1]  # unseen for 0.9 seconds
    assert [t.number for t in tracker.update([(2, 0, 12, 10)], 2.1)] == [4]  # for longer
    assert tracker.update([], 2.2) == []


def test_the_better_overlap_wins() -> None:
    tracker = Tracker()
    tracker.update([(0, 0, 10, 10)], 0.0)
    near, nearer = (4, 0, 14, 10), (1, 0, 11, 10)
    assert [t.number for t in tracker.update([near, nearer], 0.1)] == [2, 1]


def test_smoothing_halves_after_its_half_life_at_every_rate() -> None:
    for steps in (1, 4, 50):
        tracker = Tracker()
        (track,) = tracker.update([(0, 0, 9, 9)], 0.0)
        smooth(track, [1.0, 0.0], 0.4)
        for i in range(1, steps + 1):
            (track,) = tracker.update([(0, 0, 9, 9)], 0.4 * i / steps)
            state = smooth(track, [0.0, 1.0], 0.4)
        np.testing.assert_allclose(state, [0.5, 0.5], atol=1e-9)
    (track,) = Tracker().update([(0, 0, 9, 9)], 0.0)
    smooth(track, [1.0], 0.0)
    np.testing.assert_array_equal(smooth(track, [0.3], 0.0), [0.3])


def test_a_clip_is_followed(clip, squares, colours) -> None:
    follower = Follower(colours, detector=squares, half_life=0.1)
    with Video(clip(24)) as video:
        looked = list(follow(follower, video.frames()))
    walking = [one for frame in looked for one in frame.seen if one.face.box[1] < 40]
    standing = [one for frame in looked for one in frame.seen if one.face.box[1] > 60]
    assert len({one.track for one in walking}) == len({one.track for one in standing}) == 1
    assert {one.label for one in standing} == {"angry"}
    alone = [one.prediction.label for one in walking]
    assert alone == ["sad"] * 12 + ["happy"] * 12
    calm = [one.label for one in walking]
    assert calm[:12] == ["sad"] * 12
    assert calm[12] == "sad"  # the change comes a half-life late: 0.1 seconds are two frames
    assert calm[15:] == ["happy"] * 9
    left = [one.face.box[0] for one in walking]
    assert np.abs(np.diff(left) - 3).max() <= 2


def test_only_every_nth_frame_is_looked_at_and_all_are_given(clip, squares, colours) -> None:
    follower = Follower(colours, detector=squares)
    with Video(clip(10)) as video:
        looked = list(follow(follower, video.frames(), every=4))
    assert [frame.fresh for frame in looked] == [True, False, False, False] * 2 + [True, False]
    assert looked[3].seen == looked[0].seen
    with pytest.raises(UsageError, match="every"):
        list(follow(follower, [looked[0].frame], 0))


def seen(
    box: tuple[int, int, int, int], p: float, track: int = 1, heat: np.ndarray | None = None, limit: float = 1.0
) -> Seen:
    pixels = np.full((8, 8, 3), 90, np.uint8)
    values = {"happy": p, "sad": 1 - p}
    label = max(values, key=lambda n: values[n])
    return Seen(track, Prediction(label, values, Face(pixels, box=box, score=0.9)), values, label, heat, limit)


def test_the_heatmap_lies_over_its_face_and_nowhere_else() -> None:
    pixels = np.full((60, 80, 3), 100, np.uint8)
    heat = np.zeros((8, 8), np.float32)
    heat[2, 2] = 1
    made = with_heat(pixels, Face(pixels, box=(20, 10, 52, 42)), heat, 1.0)
    changed = np.nonzero((made != 100).any(axis=2))
    # cell 2 of 8 over 32 pixels, linear: its neighbours' centres end it
    assert changed[1].min() >= 20 + 4
    assert changed[1].max() < 20 + 16
    assert changed[0].min() >= 10 + 4
    assert changed[0].max() < 10 + 16
    half_out = with_heat(pixels, Face(pixels, box=(-16, -16, 16, 16)), np.ones((4, 4), np.float32), 1.0)
    assert (half_out[:16, :16] != 100).any(axis=2).all()
    assert (half_out[16:] == 100).all()
    assert with_heat(pixels, Face(pixels, box=(500, 500, 520, 520)), heat, 1.0) is pixels
    assert with_heat(pixels, Face(pixels, box=(0, 0, 9, 9)), heat * 0, 1.0) is pixels


def test_all_frames_are_of_one_size() -> None:
    pixels = np.full((90, 160, 3), 100, np.uint8)
    sizes = {frame_picture(pixels, some, ("happy", "sad")).shape for some in ([], [seen((10, 10, 40, 40), 0.8)])}
    assert len(sizes) == 1


def test_a_video_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with VideoOut(path, 12.5) as movie:
        for level in (40, 120, 200):
            movie.add(np.full((61, 81, 3), level, np.uint8))
        assert not path.exists()
    with Video(path) as video:
        assert (video.rate, video.count) == (12.5, 3)
        levels = [f.pixels.mean() for f in video.frames()]
    np.testing.assert_allclose(levels, [40, 120, 200], atol=6)
    with pytest.raises(RuntimeError), VideoOut(tmp_path / "half.mp4", 25) as movie:
        movie.add(np.zeros((60, 80, 3), np.uint8))
        raise RuntimeError
    with pytest.raises(OutputError, match="no frame"), VideoOut(tmp_path / "none.mp4", 25):
        pass
    with pytest.raises(OutputError, match=r"\.mp4"):
        VideoOut(tmp_path / "out.avi", 25)
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]


def test_the_table(tmp_path: Path) -> None:
    frame = Frame(7, 0.28, np.zeros((9, 9, 3), np.uint8))
    with TableOut(tmp_path / "t.csv", ("happy", "sad")) as table:
        table.add(Looked(frame, (seen((1, 2, 3, 4), 0.75),)))
        table.add(Looked(frame, (seen((1, 2, 3, 4), 0.75),), fresh=False))
    (row,) = csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text()))
    assert (row["frame"], row["time"], row["track"], row["right"], row["label"]) == ("7", "0.280", "1", "3", "happy")
    assert float(row["p_happy"]) == float(row["raw_happy"]) == 0.75


def test_the_history_keeps_means_and_does_not_grow() -> None:
    history = History(("happy", "sad"))
    for i in range(20_000):
        time = i / 10
        frame = Frame(i, time, np.zeros((2, 2, 3), np.uint8))
        history.add(Looked(frame, (seen((0, 0, 5, 5), 0.25 if time < 1000 else 0.75),)))
        if i == 100:
            small = history._sums[1].nbytes
    assert history._sums[1].nbytes == small
    (lane,) = history.lanes()
    assert lane.times[0] < 4
    assert 1990 < lane.times[-1] < 2005
    np.testing.assert_allclose(lane.values[lane.times < 990, 0], 0.25)
    np.testing.assert_allclose(lane.values[lane.times > 1010, 0], 0.75)


def test_the_longest_tracks_are_kept() -> None:
    history = History(("happy", "sad"))
    for i in range(200):
        frame = Frame(i, i / 10, np.zeros((2, 2, 3), np.uint8))
        history.add(Looked(frame, (seen((0, 0, 5, 5), 0.5, track=1), seen((0, 0, 5, 5), 0.5, track=i + 2))))
    assert history.tracks <= 64
    assert history.lanes()[0].name == "#1"
    assert len(history.lanes(most=3)) == 3


def test_gaps_of_a_track_stay_gaps() -> None:
    times = np.array([0, 1, 2, 3, 4, 5, 6, 7.0])
    values = np.full((8, 2), 0.5)
    values[2:6] = np.nan
    assert [t.tolist() for t, _ in runs(times, values)] == [[0, 1], [6, 7]]
    assert list(runs(times, values * np.nan)) == []
    assert len(timeline_figure([], ("happy",)).axes) == 1
    figure = timeline_figure([Lane("#1", times, values), Lane("#2", times, values)], ("happy", "sad"))
    areas = [axes for axes in figure.axes if len(axes.collections) == 4]  # two stretches of two classes
    assert len(areas) == 2


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
    assert (out["frames"], out["looked_at"], out["faces"]) == (24, 24, 48)
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


def test_heatmaps_come_with_the_predictions_of_the_same_faces(clip, squares) -> None:
    model = load_model()
    follower = Follower(model, detector=squares, method="gradcam", half_life=0)
    with Video(clip(3)) as video:
        for frame in video.frames():
            found = follower.look(frame)
            assert [one.track for one in found] == [1, 2]
            alone = model.predict([one.face for one in found])
            for one, other in zip(found, alone, strict=True):
                assert one.heat is not None
                assert one.heat.shape == model.input.size
                assert one.limit >= float(one.heat.max())
                assert one.prediction.label == other.label
                np.testing.assert_allclose(list(one.smoothed.values()), list(other.probabilities.values()), atol=1e-4)
    with pytest.raises(UsageError, match="one target"), Video(clip(3)) as video:
        Follower(model, detector=squares, method="gradcam", target="all").look(next(video.frames()))


def test_explain_writes_a_video_with_heatmaps(clip, squares, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferviz.video.pipeline.open_detector", lambda name, model: squares)
    monkeypatch.chdir(tmp_path)
    clip(4)
    assert run(["explain", "clip.mp4", "--quiet", "--method", "gradcam", "--target", "happy"]) == 0
    with Video("clip_explain.mp4") as video:
        assert video.count == 4
    assert run(["explain", "clip.mp4", "--quiet"]) == 7
    assert run(["explain", "clip.mp4", "--method", "gradcma", "--out", "b.mp4"]) == 2


VARIABLE = Path(__file__).with_name("variable.mkv")
"""Sixteen frames of `draw`, shown from these milliseconds on; its header claims 25 frames a second, so 64 of them."""
MOMENTS = [0, 40, 80, 120, 500, 540, 580, 1000, 1400, 1440, 1480, 1520, 2000, 2040, 2080, 2500]


def test_frames_at_a_varying_rate_keep_their_times(
    faked: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ferviz.video.drawing.frame_picture", lambda pixels, seen, legend: pixels)
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


def test_a_still_moment_is_no_gap_in_the_timeline() -> None:
    history = History(("happy", "sad"))
    for i, (time, faces) in enumerate([(0.0, 1), (0.04, 1), (0.9, 1), (0.94, 0), (1.5, 0), (1.54, 1)]):
        frame = Frame(i, time, np.zeros((2, 2, 3), np.uint8))
        history.add(Looked(frame, (seen((0, 0, 5, 5), 0.25 if time < 0.5 else 0.75),) * faces))
    (lane,) = history.lanes()
    at = [lane.values[np.abs(lane.times - time).argmin(), 0] for time in (0.02, 0.5, 0.92, 1.2, 1.56)]
    np.testing.assert_array_equal(at, [0.25, 0.25, 0.75, np.nan, 0.75])
    assert [(round(float(t[0]), 1), round(float(t[-1]), 1)) for t, _ in runs(lane.times, lane.values)] == [
        (0.0, 0.9),
        (1.5, 1.6),
    ]


def test_annotated_frames_are_shown_at_their_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def written(times: list[float], rate: float) -> list[int]:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.mp4"
        with VideoOut(path, rate) as movie:
            for number, time in enumerate(times):
                movie.add(np.full((60, 80, 3), 20 + 30 * number, np.uint8), time)
        with Video(path) as video:
            return [round((float(f.pixels.mean()) - 20) / 30) for f in video.frames()]

    assert written([5.0, 5.1, 5.2, 5.3], 10) == [0, 1, 2, 3]
    assert written([0, 0.033, 0.067, 0.1], 30) == [0, 1, 2, 3]
    assert written([0, 0.3, 0.4], 10) == [0, 0, 0, 1, 2]
    assert written([0, 0.01, 0.02, 0.3], 10) == [0, 2, 2, 3]  # more frames than there is room for: the newest stays
    monkeypatch.setattr("ferviz.video.writing.LONGEST_HOLD", 0.5)
    assert written([0, 1e9, 1e9 + 0.1], 10) == [0, 0, 0, 0, 0, 0, 1, 2]  # a damaged time stamp


def test_another_method_begins_a_colour_scale_of_its_own(clip, squares) -> None:
    model = load_model()
    follower = Follower(model, detector=squares, method="eigencam", half_life=0)
    with Video(clip(3)) as video:
        frames = list(video.frames())
    first = follower.look(frames[0])
    follower.show("gradcam", "happy-sad")
    second = follower.look(frames[1])
    fresh = Follower(model, detector=squares, method="gradcam", target="happy-sad").look(frames[1])
    for old, new, alone in zip(first, second, fresh, strict=True):
        assert new.track == old.track
        assert new.limit == pytest.approx(alone.limit)
    assert any(new.limit < 0.5 * old.limit for old, new in zip(first, second, strict=True))


def test_a_video_whose_frames_are_all_the_same_says_why(
    faked: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    writer = cv2.VideoWriter("black.avi", cv2.VideoWriter.fourcc(*"MJPG"), 25, (200, 120))
    for _ in range(4):
        writer.write(np.zeros((120, 200, 3), np.uint8))
    writer.release()
    assert run(["predict", "black.avi", "--out", "a.mp4", "--table", "a.csv", "--timeline", "a.png"]) == 5
    assert "all 4 frames of black.avi are the same" in capsys.readouterr().err
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
    assert "--table is for a video" in capsys.readouterr().err
    assert run(["explain", "a.png", "--timeline", "b.png"]) == 2
    assert not list(tmp_path.glob("b.*"))
