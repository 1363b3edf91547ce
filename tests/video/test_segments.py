"""Which class leads when: shares of time and changes with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from ferviz.video.segments import Segment, segments, shares


def track(labels: str) -> tuple[np.ndarray, np.ndarray]:
    """Ten moments a second: a letter is the leading class, a blank a moment without the face."""
    values = np.full((len(labels), 3), 0.2)
    for row, label in zip(values, labels, strict=True):
        row[:] = np.nan if label == " " else 0.2
        if label != " ":
            row["abc".index(label)] = 0.6
    return (np.arange(len(labels)) + 0.5) / 10, values


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("aaaaaa", [(0.0, 0.6, "a")]),
        ("aaaaaabbbbbb", [(0.0, 0.6, "a"), (0.6, 1.2, "b")]),
        ("aaaaaabbaaaaaa", [(0.0, 1.4, "a")]),  # a flicker is no change
        ("bbaaaaaa", [(0.0, 0.8, "a")]),
        ("aaaaaaccbbbbbbbb", [(0.0, 0.6, "a"), (0.6, 1.6, "b")]),  # the longer neighbour takes it over
        ("aaaaaa      aaaaaa", [(0.0, 1.8, "a")]),
        ("aaaaaa      bbbbbb", [(0.0, 0.6, "a"), (1.2, 1.8, "b")]),
        ("abababababab", [(0.0, 1.2, "ab")]),
        ("c", [(0.05, 0.05, "c")]),
        ("   ", []),
    ],
)
def test_segments(labels: str, expected: list[tuple[float, float, str]]) -> None:
    result = segments(*track(labels))
    assert len(result) == len(expected)
    for segment, (start, end, label) in zip(result, expected, strict=True):
        assert segment == Segment(pytest.approx(start), pytest.approx(end), segment.label)
        assert "abc"[segment.label] in label


def test_every_change_counts_where_nothing_is_too_short() -> None:
    result = segments(*track("abcab"), min_seconds=0)
    assert [s.label for s in result] == [0, 1, 2, 0, 1]


def test_shares_of_the_time_with_the_face() -> None:
    np.testing.assert_allclose(shares(track("aaab   ")[1]), [0.75, 0.25, 0])
    np.testing.assert_allclose(shares(track("   ")[1]), [0, 0, 0])
