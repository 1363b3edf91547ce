"""The timeline: gaps stay gaps, and a video without faces has a figure too."""

from __future__ import annotations

import numpy as np

from ferviz.rendering.timeline import Lane, runs, timeline_figure


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
