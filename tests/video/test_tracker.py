"""Tracking and smoothing: numbers worked out on paper."""

from __future__ import annotations

import numpy as np

from ferviz.video.tracker import Tracker, smooth


def test_tracks_keep_their_numbers() -> None:
    tracker = Tracker(min_iou=0.3, patience=1.0)
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
