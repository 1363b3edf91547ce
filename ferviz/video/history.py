"""What happened to each face of a video, in memory that does not grow with its length."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ferviz.rendering.timeline import Lane
from ferviz.video.pipeline import Looked, Seen

_CELLS = 1024  # per track; when the video is longer, cells become twice as long and half as many
_FIRST = 1 / 32  # seconds; the length of a cell at first
_TRACKS = 64  # tracks remembered; when there are more, the shortest is forgotten
_THUMBNAIL = 96  # pixels


class History:
    """Mean probabilities of each track over time. labels: the network's K classes, in order."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self.cell = _FIRST
        self._looks = np.zeros(_CELLS)  # how many frames were looked at in each cell
        self._sums: dict[
            int, np.ndarray
        ] = {}  # track -> (cells, K + 1): the sum of its probabilities, and of how many frames
        self._faces: dict[int, tuple[float, np.ndarray]] = {}

    def add(self, looked: Looked) -> None:
        """Note the faces of one frame; frames that were not looked at add nothing."""
        if not looked.fresh:
            return
        while looked.frame.time >= self.cell * _CELLS:
            self._coarsen()
        at = int(looked.frame.time / self.cell)
        self._looks[at] += 1
        for one in looked.seen:
            sums = self._sums.setdefault(one.track, np.zeros((_CELLS, len(self.labels) + 1)))
            sums[at, :-1] += [one.smoothed[name] for name in self.labels]
            sums[at, -1] += 1
            self._keep_face(one)
        while len(self._sums) > _TRACKS:
            shortest = min(self._sums, key=lambda t: self._sums[t][:, -1].sum())
            del self._sums[shortest], self._faces[shortest]

    def lanes(self, most: int = 6) -> list[Lane]:
        """Return the `most` longest tracks, in the order in which they appeared."""
        longest = sorted(self._sums, key=lambda t: -self._sums[t][:, -1].sum())[:most]
        return [self._lane(track) for track in sorted(longest)]

    @property
    def tracks(self) -> int:
        """How many tracks are remembered."""
        return len(self._sums)

    def _lane(self, track: int) -> Lane:
        sums = self._sums[track]
        used = np.nonzero(sums[:, -1])[0]
        part = sums[used[0] : used[-1] + 1]
        with np.errstate(invalid="ignore"):
            values = part[:, :-1] / part[:, -1:]
        for at in np.nonzero(self._looks[used[0] : used[-1] + 1] == 0)[0]:
            values[at] = values[at - 1]  # no frame fell into this cell: the one before was still shown
        times = (np.arange(used[0], used[-1] + 1) + 0.5) * self.cell
        return Lane(f"#{track}", times, values, self._faces[track][1])

    def _keep_face(self, one: Seen) -> None:
        score = one.face.score or 0.0
        if one.track not in self._faces or score > self._faces[one.track][0]:
            small = cv2.resize(one.face.pixels, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA)
            self._faces[one.track] = score, small

    def _coarsen(self) -> None:
        self.cell *= 2
        self._looks = np.concatenate([self._looks[0::2] + self._looks[1::2], np.zeros(_CELLS // 2)])
        for track, sums in self._sums.items():
            merged = np.zeros_like(sums)
            merged[: _CELLS // 2] = sums[0::2] + sums[1::2]
            self._sums[track] = merged
