"""Tracks over time: means, in memory that does not grow."""

from __future__ import annotations

import numpy as np

from ferviz.rendering.timeline import runs
from ferviz.video.history import TrackHistory
from ferviz.video.pipeline import FrameResult
from ferviz.video.reading import Frame


def test_the_history_keeps_means_and_does_not_grow(tracked_face) -> None:
    history = TrackHistory(("happy", "sad"))
    for i in range(20_000):
        time = i / 10
        frame = Frame(i, time, np.zeros((2, 2, 3), np.uint8))
        history.add(FrameResult(frame, (tracked_face((0, 0, 5, 5), 0.25 if time < 1000 else 0.75),)))
        if i == 100:
            small = history._sums[1].nbytes
    assert history._sums[1].nbytes == small
    (track,) = history.tracks()
    assert track.times[0] < 4
    assert 1990 < track.times[-1] < 2005
    np.testing.assert_allclose(track.probabilities[track.times < 990, 0], 0.25)
    np.testing.assert_allclose(track.probabilities[track.times > 1010, 0], 0.75)


def test_the_longest_tracks_are_kept(tracked_face) -> None:
    history = TrackHistory(("happy", "sad"))
    for i in range(200):
        frame = Frame(i, i / 10, np.zeros((2, 2, 3), np.uint8))
        history.add(
            FrameResult(frame, (tracked_face((0, 0, 5, 5), 0.5, track=1), tracked_face((0, 0, 5, 5), 0.5, track=i + 2)))
        )
    tracks = history.tracks()
    assert len(tracks) <= 64
    assert (tracks[0].number, tracks[0].frames) == (1, 200)


def test_a_still_moment_is_no_gap_in_the_timeline(tracked_face) -> None:
    history = TrackHistory(("happy", "sad"))
    for i, (time, faces) in enumerate([(0.0, 1), (0.04, 1), (0.9, 1), (0.94, 0), (1.5, 0), (1.54, 1)]):
        frame = Frame(i, time, np.zeros((2, 2, 3), np.uint8))
        history.add(FrameResult(frame, (tracked_face((0, 0, 5, 5), 0.25 if time < 0.5 else 0.75),) * faces))
    (track,) = history.tracks()
    at = [track.probabilities[np.abs(track.times - time).argmin(), 0] for time in (0.02, 0.5, 0.92, 1.2, 1.56)]
    np.testing.assert_array_equal(at, [0.25, 0.25, 0.75, np.nan, 0.75])
    assert [(round(float(t[0]), 1), round(float(t[-1]), 1)) for t, _ in runs(track.times, track.probabilities)] == [
        (0.0, 0.9),
        (1.5, 1.6),
    ]
