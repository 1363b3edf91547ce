"""The probabilities of each track of a video over time, in memory that does not grow with the video's length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from ferviz.faces.face import Face
from ferviz.models.model import Model
from ferviz.video.doubt import doubts
from ferviz.video.pipeline import FrameResult, TrackedFace
from ferviz.video.result import TrackSummary, VideoSummary

MAX_TRACKS = 64
"""Tracks that are kept; when there are more, the shortest is dropped."""

_CELLS = 1024  # per track; when the video is longer, cells become twice as long and half as many
_CELL_SECONDS = 1 / 32  # the length of a cell at first
_THUMBNAIL = 96  # pixels


class TrackHistory:
    """Mean probabilities of each track over time.

    Args:
        labels: the network's K classes, in order.

    Attributes:
        frames: how many frames were added.
        analyzed: how many of these were analyzed.
        faces: how many faces these show.
        end: the time of the last frame, in seconds.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self.cell = _CELL_SECONDS
        self.frames = self.analyzed = self.faces = 0
        self.end = 0.0
        self._frame_counts = np.zeros(_CELLS)  # how many frames were analyzed in each cell
        # track -> (cells, K + 1): the sum of its probabilities, and the number of its frames
        self._sums: dict[int, np.ndarray] = {}
        self._best: dict[int, Face] = {}  # track -> its face of the highest score, small
        self._confident: set[int] = set()

    def add(self, result: FrameResult) -> None:
        """Add the faces of one frame; frames that were not analyzed only count.

        Args:
            result: the next frame.
        """
        self.frames += 1
        self.end = result.frame.time
        if not result.analyzed:
            return
        self.analyzed += 1
        self.faces += len(result.faces)
        while result.frame.time >= self.cell * _CELLS:
            self._coarsen()
        cell = int(result.frame.time / self.cell)
        self._frame_counts[cell] += 1
        for face in result.faces:
            sums = self._sums.setdefault(face.track, np.zeros((_CELLS, len(self.labels) + 1)))
            sums[cell, :-1] += [face.smoothed[name] for name in self.labels]
            sums[cell, -1] += 1
            self._keep_best(face)
        while len(self._sums) > MAX_TRACKS:
            shortest = min(self._sums, key=lambda t: self._sums[t][:, -1].sum())
            del self._sums[shortest], self._best[shortest]

    def tracks(self) -> tuple[TrackSummary, ...]:
        """Return the tracks (at most MAX_TRACKS, the longest), in the order in which they appeared."""
        numbers = sorted(self._sums)
        reasons = doubts([self._best[n] for n in numbers], [n in self._confident for n in numbers])
        return tuple(self._track(number, reason) for number, reason in zip(numbers, reasons, strict=True))

    def summary(self, source: str, model: Model, rate: float) -> VideoSummary:
        """Return what the video showed so far.

        Args:
            source: the video's path.
            model: the network.
            rate: the video's frames a second.
        """
        return VideoSummary(
            source=source,
            model=model.name,
            sha256=model.sha256,
            labels=self.labels,
            rate=rate,
            frames=self.frames,
            analyzed=self.analyzed,
            faces=self.faces,
            end=self.end,
            tracks=self.tracks(),
            warnings=model.cautions,
        )

    def _track(self, number: int, doubt: str) -> TrackSummary:
        sums = self._sums[number]
        used = np.nonzero(sums[:, -1])[0]
        part = sums[used[0] : used[-1] + 1]
        with np.errstate(invalid="ignore"):
            values = part[:, :-1] / part[:, -1:]
        for cell in np.nonzero(self._frame_counts[used[0] : used[-1] + 1] == 0)[0]:
            values[cell] = values[cell - 1]  # no frame falls into this cell: the one before was still shown
        times = (np.arange(used[0], used[-1] + 1) + 0.5) * self.cell
        best = self._best[number]
        return TrackSummary(number, int(sums[:, -1].sum()), times, values, best.pixels, best.score, doubt)

    def _keep_best(self, face: TrackedFace) -> None:
        if face.confident:
            self._confident.add(face.track)
        best = self._best.get(face.track)
        if best is None or (face.face.score or 0.0) > (best.score or 0.0):
            small = cv2.resize(face.face.pixels, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA)
            self._best[face.track] = replace(face.face, pixels=small)

    def _coarsen(self) -> None:
        self.cell *= 2
        self._frame_counts = np.concatenate(
            [self._frame_counts[0::2] + self._frame_counts[1::2], np.zeros(_CELLS // 2)]
        )
        for track, sums in self._sums.items():
            merged = np.zeros_like(sums)
            merged[: _CELLS // 2] = sums[0::2] + sums[1::2]
            self._sums[track] = merged
