"""From frames to what their faces show: detect, follow, predict, explain, smooth; one frame in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ferviz.attribution.explain import explain
from ferviz.errors import UsageError
from ferviz.faces.detectors.detector import Detector
from ferviz.faces.detectors.registry import open_detector
from ferviz.faces.face import Face
from ferviz.faces.find import MARGIN, crop_face, reading_order
from ferviz.faces.search import MIN_SIZE, SearchOptions, detect
from ferviz.models.model import Model
from ferviz.models.prediction import Prediction
from ferviz.video.reading import Frame
from ferviz.video.tracker import Track, Tracker, smooth

HALF_LIFE = 0.4
"""Seconds after which a past frame's probabilities count half by default: a blink is calmed, a smile is not delayed."""

_FADE = 0.98  # of a track's colour scale a frame: a strong moment does not dim the rest of the video


@dataclass(frozen=True)
class Seen:
    """One face in one frame.

    track: its number, the same in every frame that it is followed through. prediction: of this frame alone (its `face` is the crop).
    smoothed: {class: probability} over time. label: the likeliest by these. heat: (h, w) float32 heatmap over the crop, or None.
    limit: > 0, the value at the end of the heatmap's colour scale, slowly changing along the track.
    """

    track: int
    prediction: Prediction
    smoothed: dict[str, float]
    label: str
    heat: np.ndarray | None = field(default=None, repr=False)
    limit: float = 1.0

    @property
    def face(self) -> Face:
        """The crop that the prediction is about."""
        return self.prediction.face


@dataclass(frozen=True)
class Looked:
    """A frame and its faces. fresh: it was looked at itself; otherwise the faces are those of the last frame that was."""

    frame: Frame
    seen: tuple[Seen, ...]
    fresh: bool = True


class Follower:
    """Looks at one frame after the other and remembers what it has to between them.

    model: the network. detector, detector_model, threshold, min_size, max_side, largest: as in `find_faces`; "none" takes the whole
    frame as one face. method: an attribution method's name, or None for no heatmaps. target, layer, settings: as in `explain`; one
    target only. half_life: of the smoothing, in seconds. Raises what `open_detector` raises, UsageError for several targets.
    """

    def __init__(
        self,
        model: Model,
        *,
        detector: str | Detector = "auto",
        detector_model: str | None = None,
        threshold: float | None = None,
        min_size: float = MIN_SIZE,
        max_side: int | None = None,
        largest: bool = False,
        method: str | None = None,
        target: str = "predicted",
        layer: str | None = None,
        half_life: float = HALF_LIFE,
        **settings: Any,
    ) -> None:
        self.model, self.largest, self.half_life = model, largest, half_life
        self.method, self.target, self.layer, self.settings = method, target, layer, settings
        self._search = SearchOptions(threshold, min_size, max_side, tilt="none")
        self._whole = detector == "none"
        self._detector = None if self._whole else detector
        if isinstance(detector, str) and not self._whole:
            self._detector = open_detector(detector, detector_model)
        self._tracker = Tracker()

    def look(self, frame: Frame) -> tuple[Seen, ...]:
        """Return the faces of the next frame, left to right. Frames have to come in the order of their times."""
        faces = self._faces(frame)
        tracks = self._tracker.update([f.box or _all_of(frame) for f in faces], frame.time)
        if not faces:
            return ()
        heats: list[np.ndarray | None] = [None] * len(faces)
        if self.method is None:
            predictions = self.model.predict(faces)
        else:
            made = explain(self.model, faces, self.method, self.target, self.layer, **self.settings)
            if len(made.targets) != 1:
                raise UsageError(
                    f"a video shows one target, and {self.target!r} are {len(made.targets)}; name one class"
                )
            predictions = list(made.predictions)
            heats = list(made.heatmaps[:, 0])
        return tuple(self._noted(t, p, h) for t, p, h in zip(tracks, predictions, heats, strict=True))

    def show(self, method: str | None, target: str) -> None:
        """Explain by another method (None = not at all) or for another target from the next frame on."""
        if (method, target) != (self.method, self.target):
            self.method, self.target = method, target
            self._tracker.forget_scales()

    def _faces(self, frame: Frame) -> list[Face]:
        if self._whole:
            return [Face(frame.pixels, box=_all_of(frame))]
        assert not isinstance(self._detector, str)
        assert self._detector is not None
        found = detect(frame.pixels, self._detector, self._search)
        if self.largest and found:
            found = [max(found, key=lambda d: d.size)]
        return [crop_face(frame.pixels, d, margin=MARGIN) for d in reading_order(found)]

    def _noted(self, track: Track, prediction: Prediction, heat: np.ndarray | None) -> Seen:
        values = smooth(track, list(prediction.probabilities.values()), self.half_life)
        smoothed = dict(zip(prediction.probabilities, values.tolist(), strict=True))
        if heat is not None:
            track.limit = max(_FADE * track.limit, float(np.max(np.abs(heat), initial=0)), 1e-6)
        label = max(smoothed, key=lambda name: smoothed[name])
        return Seen(track.number, prediction, smoothed, label, heat, track.limit or 1.0)


def follow(follower: Follower, frames: Iterable[Frame], every: int = 1) -> Iterator[Looked]:
    """Yield every frame with its faces, having looked at each `every`-th of them. Raises UsageError for every < 1."""
    if every < 1:
        raise UsageError(f"--every is 1 or more frames, not {every}")
    seen: tuple[Seen, ...] = ()
    for number, frame in enumerate(frames):
        fresh = number % every == 0
        if fresh:
            seen = follower.look(frame)
        yield Looked(frame, seen, fresh)


def _all_of(frame: Frame) -> tuple[int, int, int, int]:
    height, width = frame.pixels.shape[:2]
    return 0, 0, width, height
