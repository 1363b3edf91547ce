"""What a track shows over time: which class leads for how long, and where another one takes over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MIN_SECONDS = 0.5
"""A class that leads for a shorter time is no change: it belongs to what is before or after it."""


@dataclass(frozen=True)
class Segment:
    """A time in which one class leads.

    Attributes:
        start, end: seconds.
        label: the class's index.
    """

    start: float
    end: float
    label: int


def shares(probabilities: np.ndarray) -> npt.NDArray[np.float64]:
    """Return for which share of its time each class leads a track.

    Args:
        probabilities: (n, K) at equal steps of time; rows of NaN where the face was not detected.

    Returns:
        (K,), 0..1, their sum is 1; zeros for a track that was never detected.
    """
    leading = probabilities[np.isfinite(probabilities).all(axis=1)].argmax(axis=1)
    return np.bincount(leading, minlength=probabilities.shape[1]) / max(len(leading), 1)


def segments(times: np.ndarray, probabilities: np.ndarray, min_seconds: float = MIN_SECONDS) -> tuple[Segment, ...]:
    """Return the times in which one class leads, in order; neighbours differ in their classes.

    Where a class leads for less than `min_seconds`, the longer neighbour takes the time over, the shortest first. A gap in which the
    face was not detected ends a segment only if another class leads behind it.

    Args:
        times: (n,) seconds, at equal steps.
        probabilities: (n, K), rows of NaN where the face was not detected.
        min_seconds: the shortest segment, unless it is the only one.
    """
    detected = np.isfinite(probabilities).all(axis=1)
    times = times[detected]
    if not len(times):
        return ()
    step = float(np.diff(times).min()) if len(times) > 1 else 0.0
    leading = probabilities[detected].argmax(axis=1)
    starts = [0, *(np.nonzero(np.diff(leading))[0] + 1).tolist()]
    runs = [(int(leading[a]), b - a) for a, b in zip(starts, [*starts[1:], len(leading)], strict=True)]
    while len(runs) > 1 and min(length for _, length in runs) * step < min_seconds:
        runs = _absorbed(runs)
    ends = np.cumsum([length for _, length in runs])
    return tuple(
        Segment(float(times[end - length] - step / 2), float(times[end - 1] + step / 2), label)
        for (label, length), end in zip(runs, ends.tolist(), strict=True)
    )


def _absorbed(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """-> the runs (label, length) without the shortest one, whose time goes to the longer of its neighbours."""
    shortest = min(range(len(runs)), key=lambda i: runs[i][1])
    neighbours = [i for i in (shortest - 1, shortest + 1) if 0 <= i < len(runs)]
    longest = max(neighbours, key=lambda i: runs[i][1])
    changed = list(runs)
    changed[shortest] = runs[longest][0], runs[shortest][1]
    merged: list[tuple[int, int]] = []
    for label, length in changed:
        if merged and merged[-1][0] == label:
            length += merged.pop()[1]
        merged.append((label, length))
    return merged
