"""What a video showed: the emotions of each tracked face over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ferviz.results import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class TrackSummary:
    """One tracked face of a video.

    Attributes:
        number: the track's number, from 1.
        frames: in how many analyzed frames it was detected.
        times: (n,) seconds, rising.
        probabilities: (n, K), the means of the smoothed probabilities about these times; rows of NaN where the face was not detected.
        thumbnail: (h, w, 3) uint8 RGB, the crop of the highest score; None = not kept.
    """

    number: int
    frames: int
    times: np.ndarray = field(repr=False)
    probabilities: np.ndarray = field(repr=False)
    thumbnail: np.ndarray | None = field(default=None, repr=False)

    def mean(self) -> np.ndarray:
        """Return the mean probabilities over time, (K,)."""
        mean: np.ndarray = np.nanmean(self.probabilities, axis=0)
        return mean


@dataclass(frozen=True)
class VideoSummary(Result):
    """The emotions of each tracked face of a video over time; `TrackHistory.summary` makes it.

    Attributes:
        source: the video's path.
        model: the network's name.
        sha256: the hash of the network's file.
        labels: the network's K classes, in order.
        rate: the video's frames a second.
        frames: how many frames were read.
        analyzed: how many of these were analyzed.
        faces: how many faces these show.
        end: the time of the last frame, in seconds.
        tracks: the tracks, in the order in which they appeared.
    """

    source: str
    model: str
    sha256: str
    labels: tuple[str, ...]
    rate: float
    frames: int
    analyzed: int
    faces: int
    end: float
    tracks: tuple[TrackSummary, ...] = field(repr=False)
    command: ClassVar[str] = "video"

    def plot(self, *, max_tracks: int = 6) -> Figure:
        """Return the timeline: one row for each track, stacked areas whose heights are the probabilities.

        Args:
            max_tracks: only the longest tracks, at most so many.
        """
        from ferviz.rendering.timeline import Lane, timeline_figure

        longest = sorted(self.tracks, key=lambda track: -track.frames)[:max_tracks]
        lanes = [
            Lane(f"#{track.number}", track.times, track.probabilities, track.thumbnail)
            for track in sorted(longest, key=lambda track: track.number)
        ]
        title = f"{Path(self.source).name}: emotions over time"
        return timeline_figure(lanes, self.labels, title, self.end or None)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return {`times/<track>`: (n,) seconds, `probabilities/<track>`: (n, K)}."""
        arrays = {}
        for track in self.tracks:
            arrays[f"times/{track.number}"] = track.times
            arrays[f"probabilities/{track.number}"] = track.probabilities
        return arrays

    def to_dict(self) -> dict[str, Any]:
        """Return the counts and, for each track, its time and its mean probabilities."""
        return {
            "source": self.source,
            "model": self.model,
            "sha256": self.sha256,
            "frames": self.frames,
            "analyzed": self.analyzed,
            "rate": self.rate,
            "faces": self.faces,
            "tracks": [
                {
                    "track": track.number,
                    "from": round(float(track.times[0]), 3),
                    "to": round(float(track.times[-1]), 3),
                    "frames": track.frames,
                    "probabilities": dict(zip(self.labels, track.mean().tolist(), strict=True)),
                }
                for track in self.tracks
            ],
        }

    def table(self) -> Sequence[Sequence[Any]]:
        """Return one row for each track: number, from, to (seconds), frames, and the mean probability of each class."""
        rows: list[list[Any]] = [["track", "from", "to", "frames", *(f"p_{name}" for name in self.labels)]]
        for track in self.to_dict()["tracks"]:
            shares = [f"{p:.6f}" for p in track["probabilities"].values()]
            rows.append([track["track"], track["from"], track["to"], track["frames"], *shares])
        return rows
