"""Following faces from frame to frame, and calming what is said about each: pure bookkeeping, no network and no picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ferviz.faces.detectors.detector import iou

Box = tuple[float, float, float, float]


@dataclass
class Track:
    """One followed face.

    number: from 1, never given again. box, time: where and when (seconds) it was last seen. gap: seconds since the time before.
    state: what `smooth` keeps. limit: the value at the end of its heatmaps' colour scale.
    """

    number: int
    box: Box
    time: float
    gap: float = 0.0
    state: npt.NDArray[np.float64] | None = field(default=None, repr=False)
    limit: float = 0.0


class Tracker:
    """Gives the boxes of one frame the numbers of the faces that they were in the frames before.

    Pairs are made greedily, most overlapping first, where the intersection over union is at least `least`; a face unseen for
    `patience` seconds is forgotten, and when it comes back it is a new one.
    """

    def __init__(self, least: float = 0.3, patience: float = 1.0) -> None:
        self.least, self.patience = least, patience
        self._known: list[Track] = []
        self._next = 1

    def update(self, boxes: Sequence[Box], time: float) -> list[Track]:
        """boxes: of this frame. time: in seconds, not less than before. -> one Track a box, in the boxes' order."""
        self._known = [t for t in self._known if time - t.time <= self.patience]
        pairs = [(iou(box, t.box), i, j) for i, box in enumerate(boxes) for j, t in enumerate(self._known)]
        pairs = sorted((p for p in pairs if p[0] >= self.least), key=lambda p: -p[0])
        given: dict[int, Track] = {}
        taken: set[int] = set()
        for _, i, j in pairs:
            if i not in given and j not in taken:
                given[i] = self._known[j]
                taken.add(j)
        found = []
        for i, box in enumerate(boxes):
            track = given.get(i)
            if track is None:
                track = Track(self._next, box, time)
                self._next += 1
                self._known.append(track)
            track.box, track.gap, track.time = box, time - track.time, time
            found.append(track)
        return found

    def forget_scales(self) -> None:
        """Let the colour scales of all tracks begin anew: the heatmaps are to be another method's, in other units."""
        for track in self._known:
            track.limit = 0.0


def smooth(track: Track, values: Sequence[float], half_life: float) -> npt.NDArray[np.float64]:
    """Return a track's values smoothed over time, and note them in the track.

    values: (K,) of this frame. half_life: seconds after which a past frame counts half; 0 = no smoothing.
    state = a * values + (1 - a) * state, a = 1 - 2 ** (-dt / half_life), dt the track's gap: the same at
    every frame rate, and with every n-th frame.
    """
    now = np.asarray(values, np.float64)
    if track.state is None or half_life <= 0:
        track.state = now
    else:
        past = 2.0 ** (-max(track.gap, 0.0) / half_life)
        track.state = (1 - past) * now + past * track.state
    return track.state
