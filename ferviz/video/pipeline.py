"""From frames to results: detect, track, predict, explain, smooth; one frame in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ferviz.attribution.attribution_job import AttributionJob
from ferviz.errors import UsageError
from ferviz.faces.detectors.detector import Detector
from ferviz.faces.detectors.registry import AUTO, NONE, open_detector
from ferviz.faces.face import Face
from ferviz.faces.find import crop_face, reading_order
from ferviz.faces.search import MIN_SIZE, SearchOptions, confident_score, detect
from ferviz.models.model import Model
from ferviz.models.prediction import Prediction
from ferviz.video.reading import Frame
from ferviz.video.tracker import Track, Tracker, smooth

HALF_LIFE = 0.4
"""Seconds after which a past frame's probabilities count half by default: enough against a blink, and a smile is not delayed."""

_FADE = 0.98  # of a track's colour scale in each frame: a strong moment does not dim the rest of the video


@dataclass(frozen=True)
class AnalysisOptions:
    """How the frames of a video are analyzed.

    Attributes:
        detector, detector_model, threshold, min_size, max_side, largest: as in `find_faces`; the detector "none" takes the whole
            frame as one face.
        method: an attribution method's name, or None for no heatmaps.
        target, layer, seed, settings: as in `explain`; a single target.
        half_life: of the smoothing, in seconds; 0 = no smoothing.
    """

    detector: str | Detector = AUTO
    detector_model: str | None = None
    threshold: float | None = None
    min_size: float = MIN_SIZE
    max_side: int | None = None
    largest: bool = False
    method: str | None = None
    target: str = "predicted"
    layer: str | Sequence[str] | None = None
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    half_life: float = HALF_LIFE


@dataclass(frozen=True)
class TrackedFace:
    """One face in one frame.

    Attributes:
        track: its track's number, the same in every frame of the track.
        prediction: of this frame alone (its `face` is the crop).
        smoothed: {class: probability} over time.
        label: the most probable class by these.
        heatmap: (h, w) float32 over the crop, or None.
        vmax: > 0, the value at the end of the heatmap's colour scale, slowly changing along the track.
        confident: whether the detector is certain of the face in this frame.
    """

    track: int
    prediction: Prediction
    smoothed: dict[str, float]
    label: str
    heatmap: np.ndarray | None = field(default=None, repr=False)
    vmax: float = 1.0
    confident: bool = True

    @property
    def face(self) -> Face:
        """The crop that the prediction is about."""
        return self.prediction.face


@dataclass(frozen=True)
class FrameResult:
    """A frame and its faces.

    Attributes:
        frame: the frame.
        faces: its faces, left to right.
        analyzed: whether the frame itself was analyzed; otherwise the faces are those of the last analyzed frame.
    """

    frame: Frame
    faces: tuple[TrackedFace, ...]
    analyzed: bool = True


class FrameAnalyzer:
    """Analyzes one frame after the other, and keeps the tracks between them.

    Args:
        model: the network.
        options: how to analyze; None = the defaults.

    Raises:
        UsageError, UnknownNameError, ModelError: the detector cannot be opened, as in `open_detector`; the threshold is not in 0..1;
            there is more than one target, or the network cannot be explained so, as in `explain`.
    """

    def __init__(self, model: Model, options: AnalysisOptions | None = None) -> None:
        self.model, self.options = model, options or AnalysisOptions()
        self.target = self.options.target
        self._job = self._prepare(self.options.method, self.target)
        self._search = SearchOptions(self.options.threshold, self.options.min_size, self.options.max_side, tilt="none")
        self._detector: Detector | None = None
        if not isinstance(self.options.detector, str):
            self._detector = self.options.detector
        elif self.options.detector != NONE:
            self._detector = open_detector(self.options.detector, self.options.detector_model)
        self._tracker = Tracker()

    def run(self, frames: Iterable[Frame], every: int = 1) -> Iterator[FrameResult]:
        """Analyze every n-th frame, and yield a result for each frame.

        Args:
            frames: in the order of their times.
            every: n, 1 or more.

        Raises:
            UsageError: `every` is less than 1.
        """
        if every < 1:
            raise UsageError(f"--every is 1 or more frames, not {every}")
        faces: tuple[TrackedFace, ...] = ()
        for number, frame in enumerate(frames):
            analyzed = number % every == 0
            if analyzed:
                faces = self.analyze(frame)
            yield FrameResult(frame, faces, analyzed)

    def analyze(self, frame: Frame) -> tuple[TrackedFace, ...]:
        """Return the faces of the next frame, left to right.

        Args:
            frame: its time is not before that of the last one.
        """
        faces = self._find_faces(frame)
        tracks = self._tracker.update([f.box or _frame_box(frame) for f in faces], frame.time)
        if not faces:
            return ()
        predictions, heatmaps = self._predict(faces)
        return tuple(self._tracked(t, p, h) for t, p, h in zip(tracks, predictions, heatmaps, strict=True))

    def set_attribution(self, method: str | None, target: str) -> None:
        """Change the heatmaps from the next frame on.

        Args:
            method: an attribution method's name; None = no heatmaps.
            target: a class, "predicted", or a contrast.

        Raises:
            UsageError, UnknownNameError, ModelError: the network cannot be explained so; the heatmaps stay as they are.
        """
        if (method, target) != (self.method, self.target):
            self._job = self._prepare(method, target)
            self.target = target
            self._tracker.reset_scales()

    @property
    def detector(self) -> str:
        """The name of the detector that searches the frames; "none" where each frame is one face."""
        return NONE if self._detector is None else self._detector.name

    @property
    def method(self) -> str | None:
        """The attribution method's name, None for no heatmaps."""
        return None if self._job is None else self._job.name

    def _prepare(self, method: str | None, target: str) -> AttributionJob | None:
        if method is None:
            return None
        options = self.options
        job = AttributionJob.prepare(
            self.model, method, target, options.layer, options.settings, seed=options.seed
        ).with_templates()
        if len(job.targets) != 1:
            raise UsageError(f"a video shows one target, and {target!r} are {len(job.targets)}; name one class")
        return job

    def _find_faces(self, frame: Frame) -> list[Face]:
        if self._detector is None:
            return [Face(frame.pixels, box=_frame_box(frame))]
        detections = detect(frame.pixels, self._detector, self._search)
        if self.options.largest and detections:
            detections = [max(detections, key=lambda d: d.size)]
        return [crop_face(frame.pixels, d) for d in reading_order(detections)]

    def _predict(self, faces: list[Face]) -> tuple[list[Prediction], list[np.ndarray | None]]:
        job = self._job  # the page may change it from another thread
        if job is None:
            return self.model.predict(faces), [None] * len(faces)
        explanation = job.explain(faces)
        return list(explanation.predictions), list(explanation.heatmaps[:, 0])

    def _tracked(self, track: Track, prediction: Prediction, heatmap: np.ndarray | None) -> TrackedFace:
        values = smooth(track, list(prediction.probabilities.values()), self.options.half_life)
        smoothed = dict(zip(prediction.probabilities, values.tolist(), strict=True))
        if heatmap is not None:
            track.vmax = max(_FADE * track.vmax, float(np.max(np.abs(heatmap), initial=0)), 1e-6)
        label = max(smoothed, key=lambda name: smoothed[name])
        score = prediction.face.score
        confident = self._detector is None or score is None or score >= confident_score(self._detector)
        return TrackedFace(track.number, prediction, smoothed, label, heatmap, track.vmax or 1.0, confident)


def _frame_box(frame: Frame) -> tuple[int, int, int, int]:
    height, width = frame.pixels.shape[:2]
    return 0, 0, width, height
