"""The timeline: gaps stay gaps, and a video without faces has a figure too."""

from __future__ import annotations

import numpy as np
from matplotlib.text import Text

from ferviz.rendering.text import AMBER
from ferviz.rendering.timeline import Lane, runs, timeline_page


def test_gaps_of_a_track_stay_gaps() -> None:
    times = np.array([0, 1, 2, 3, 4, 5, 6, 7.0])
    values = np.full((8, 2), 0.5)
    values[2:6] = np.nan
    assert [t.tolist() for t, _ in runs(times, values)] == [[0, 1], [6, 7]]
    assert list(runs(times, values * np.nan)) == []
    assert len(timeline_page([], ("happy",)).long_figure().axes) == 2  # the legend, and a sentence
    lanes = [Lane("#1", times, values), Lane("#2", times, values)]
    figure = timeline_page(lanes, ("happy", "sad")).long_figure()
    areas = [axes for axes in figure.axes if len(axes.collections) == 4]  # two stretches of two classes
    assert len(areas) == 2


def test_notes_have_room_at_the_foot() -> None:
    lane = Lane("#1", np.array([0, 1.0]), np.full((2, 2), 0.5))
    assumed = "the file does not name its 40 outputs: " + ", ".join(f"$emotion_{k}$" for k in range(40)) + " is assumed"
    figure = timeline_page([lane], ("happy", "sad"), notes=(assumed, "the range is assumed")).long_figure()
    lines = [text for text in figure.findobj(Text) if text.get_color() == AMBER]
    assert len(lines) > 2, "the long one has several lines"
    assert " ".join(text.get_text() for text in lines) == f"Note: {assumed} Note: the range is assumed"
    boxes = [text.get_window_extent() for text in lines]
    assert max(box.x1 for box in boxes) < figure.bbox.width
    assert min(box.y0 for box in boxes) >= 0
    ticks = [label.get_window_extent() for axes in figure.axes for label in axes.get_xticklabels() if axes.collections]
    assert max(box.y1 for box in boxes) < min(box.y0 for box in ticks)
