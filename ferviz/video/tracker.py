"""Tracking faces from frame to frame, and smoothing their probabilities: pure bookkeeping, without a network or a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ferviz.faces.detectors.detector import iou

Box = tuple[float, float, float, float]


@dataclass
class Track:
    """One tracked face.

    Attributes:
        number: from 1; every number is given once.
        box: (left, top, right, bottom) of the last detection, in pixels.
        time: of the last detection, in seconds.
        gap: seconds between the last two detections.
        state: the smoothed values of `smooth`, (K,), None before the first.
        vmax: the value at the end of its heatmaps' colour scale.
    """

    number: int
    box: Box
    time: float
    gap: float = 0.0
    state: npt.NDArray[np.float64] | None = field(default=None, repr=False)
    vmax: float = 0.0


class Tracker:
    """Assigns the boxes of each frame to the tracks of the frames before.

    Pairs are matched greedily, highest intersection over union first.

    Args:
        min_iou: minimum intersection over union of a pair, 0..1.
        patience: seconds without a detection after which a track ends; the same face then begins a new track.
    """

    def __init__(self, min_iou: float = 0.3, patience: float = 1.0) -> None:
        self.min_iou, self.patience = min_iou, patience
        self._tracks: list[Track] = []
        self._next = 1

    def update(self, boxes: Sequence[Box], time: float) -> list[Track]:
        """Assign the boxes of the next frame.

        Args:
            boxes: (left, top, right, bottom) of each face, in pixels.
            time: of the frame, in seconds, not less than before.

        Returns:
            One Track for each box, in the boxes' order.
        """
        self._tracks = [t for t in self._tracks if time - t.time <= self.patience]
        pairs = [(iou(box, t.box), i, j) for i, box in enumerate(boxes) for j, t in enumerate(self._tracks)]
        pairs = sorted((p for p in pairs if p[0] >= self.min_iou), key=lambda p: -p[0])
        matched: dict[int, Track] = {}
        used: set[int] = set()
        for _, i, j in pairs:
            if i not in matched and j not in used:
                matched[i] = self._tracks[j]
                used.add(j)
        tracks = []
        for i, box in enumerate(boxes):
            track = matched.get(i)
            if track is None:
                track = Track(self._next, box, time)
                self._next += 1
                self._tracks.append(track)
            track.box, track.gap, track.time = box, time - track.time, time
            tracks.append(track)
        return tracks

    def reset_scales(self) -> None:
        """Begin the colour scales of all tracks anew: the next heatmaps are another method's, in other units."""
        for track in self._tracks:
            track.vmax = 0.0


def smooth(track: Track, values: Sequence[float], half_life: float) -> npt.NDArray[np.float64]:
    """Smooth a track's values over time, and keep them in the track.

    state = a * values + (1 - a) * state, a = 1 - 2 ** (-dt / half_life), dt the track's gap: the same at every frame rate, and
    with every n-th frame.

    Args:
        track: the track; its `state` is updated.
        values: (K,) of this frame.
        half_life: seconds after which a past frame counts half; 0 = no smoothing.

    Returns:
        (K,), the new state.
    """
    current = np.asarray(values, np.float64)
    if track.state is None or half_life <= 0:
        track.state = current
    else:
        past = 2.0 ** (-max(track.gap, 0.0) / half_life)
        track.state = (1 - past) * current + past * track.state
    return track.state
