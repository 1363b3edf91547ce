"""What a video showed: the emotions of each tracked face over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ferviz.rendering.chart_page import ChartPage
from ferviz.rendering.printed_result import ChartResult
from ferviz.rendering.printing import PrintSize
from ferviz.video.segments import Segment, segments, shares

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image


@dataclass(frozen=True)
class TrackSummary:
    """One tracked face of a video.

    Attributes:
        number: the track's number, from 1.
        frames: in how many analyzed frames it was detected.
        times: (n,) seconds, rising.
        probabilities: (n, K), the means of the smoothed probabilities about these times; rows of NaN where the face was not detected.
        thumbnail: (h, w, 3) uint8 RGB, the crop of the highest score; None = not kept.
        score: the highest score that the detector gave it, 0..1; None = there was no detector.
        doubt: why it may be no face; "" = nothing says so.
    """

    number: int
    frames: int
    times: np.ndarray = field(repr=False)
    probabilities: np.ndarray = field(repr=False)
    thumbnail: np.ndarray | None = field(default=None, repr=False)
    score: float | None = None
    doubt: str = ""

    def mean(self) -> np.ndarray:
        """Return the mean probabilities over time, (K,)."""
        mean: np.ndarray = np.nanmean(self.probabilities, axis=0)
        return mean

    def shares(self) -> np.ndarray:
        """Return for which share of its time each class has the highest probability, (K,) with the sum 1."""
        return shares(self.probabilities)

    def segments(self) -> tuple[Segment, ...]:
        """Return the times in which one class leads, in order; one that leads for less than half a second does not count."""
        return segments(self.times, self.probabilities)


@dataclass(frozen=True)
class VideoSummary(ChartResult):
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
        detector: what searched the frames; "none" where each frame was one face.
        warnings: what may make every answer wrong: what was assumed about the network.
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
    detector: str = ""
    warnings: tuple[str, ...] = ()
    command: ClassVar[str] = "video"

    def picture(
        self, *, max_tracks: int = 6, doubtful: bool = False, width_mm: float | None = None, dpi: float | None = None,
        font_size: float | None = None,
    ) -> Image.Image:  # fmt: skip
        """Return the timeline as an RGB picture.

        Args:
            max_tracks, doubtful: as in `plot`.
            width_mm: the width of a printed page, in millimetres; None = a page for screens.
            dpi: pixels an inch of a printed page; None = 300.
            font_size: points of a printed page's text; None = 8.

        Raises:
            UsageError: there is no such page.
        """
        return self.chart_picture(width_mm, dpi, font_size, max_tracks=max_tracks, doubtful=doubtful)

    def plot(
        self, *, max_tracks: int = 6, doubtful: bool = False, figsize: tuple[float, float] | None = None,
        width_mm: float | None = None, dpi: float | None = None, font_size: float | None = None,
    ) -> Figure:  # fmt: skip
        """Return the timeline as a matplotlib Figure: a row for each track, stacked areas whose heights are the probabilities.

        Args:
            max_tracks: only the longest tracks, at most so many.
            doubtful: draw the doubtful tracks as well.
            figsize: (width, height) of the figure in inches; only the width counts.
            width_mm: of the page, in millimetres; None = 174.
            dpi, font_size: as in `picture`.

        Raises:
            UsageError: there is no such page.
        """
        tracks = {"max_tracks": max_tracks, "doubtful": doubtful}
        return self.pages(figsize=figsize, width_mm=width_mm, dpi=dpi, font_size=font_size, **tracks)[0]

    def chart_page(self, size: PrintSize | None, *, max_tracks: int = 6, doubtful: bool = False) -> ChartPage:
        """Return what the timeline shows.

        Args:
            size: of a printed page; None = a page for screens.
            max_tracks, doubtful: as in `plot`.
        """
        from ferviz.rendering.timeline import SCREEN, Lane, timeline_page

        kept = [track for track in self.tracks if doubtful or not track.doubt]
        longest = sorted(kept, key=lambda track: -track.frames)[:max_tracks]
        lanes = [
            Lane(
                f"#{track.number}{' doubtful' if track.doubt else ''}",
                track.times,
                track.probabilities,
                track.thumbnail,
            )
            for track in sorted(longest, key=lambda track: track.number)
        ]
        title = f"{Path(self.source).name}: emotions over time"
        if left_out := len(self.tracks) - len(kept):
            title += f" (without {left_out} doubtful {'track' if left_out == 1 else 'tracks'})"
        empty = "only doubtful faces were found" if self.tracks else "no face was found"
        return timeline_page(lanes, self.labels, title, self.end or None, empty, self.warnings, size or SCREEN)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return {`times/<track>`: (n,) seconds, `probabilities/<track>`: (n, K)}."""
        arrays = {}
        for track in self.tracks:
            arrays[f"times/{track.number}"] = track.times
            arrays[f"probabilities/{track.number}"] = track.probabilities
        return arrays

    def to_dict(self) -> dict[str, Any]:
        """Return the counts and, for each track, its time, which class leads when, its mean probabilities, and why it is doubtful."""
        return {
            "source": self.source,
            "model": self.model,
            "sha256": self.sha256,
            "warnings": list(self.warnings),
            "detector": self.detector,
            "frames": self.frames,
            "analyzed": self.analyzed,
            "rate": self.rate,
            "faces": self.faces,
            "tracks": [self._record(track) for track in self.tracks],
        }

    def _record(self, track: TrackSummary) -> dict[str, Any]:
        leading = track.shares()
        return {
            "track": track.number,
            "from": round(float(track.times[0]), 3),
            "to": round(float(track.times[-1]), 3),
            "frames": track.frames,
            "score": None if track.score is None else round(track.score, 4),
            "doubt": track.doubt or None,
            "label": self.labels[int(leading.argmax())],
            "shares": {name: round(float(s), 4) for name, s in zip(self.labels, leading, strict=True)},
            "changes": [{"time": round(s.start, 3), "label": self.labels[s.label]} for s in track.segments()[1:]],
            "probabilities": dict(zip(self.labels, track.mean().tolist(), strict=True)),
        }

    def table(self) -> Sequence[Sequence[Any]]:
        """Return one row for each track: number, from, to (seconds), frames, label, doubt, and each class's mean probability."""
        head = ["track", "from", "to", "frames", "label", "doubt"]
        rows: list[list[Any]] = [[*head, *(f"p_{name}" for name in self.labels)]]
        for track in self.to_dict()["tracks"]:
            means = [f"{p:.6f}" for p in track["probabilities"].values()]
            rows.append([*("" if track[name] is None else track[name] for name in head), *means])
        return rows
