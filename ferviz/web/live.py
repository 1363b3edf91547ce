"""Live: analyze the newest frame of a camera, again and again, and keep the picture to be shown."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

from ferviz.attribution.methods.registry import METHODS
from ferviz.attribution.targets import parse_targets
from ferviz.errors import FervizError, UsageError
from ferviz.images import encode
from ferviz.video.drawing import frame_picture
from ferviz.video.pipeline import FrameAnalyzer
from ferviz.video.reading import Video

OFF = "none"
"""The name that stands for no heatmap, in place of a method's."""

_RATE_FRAMES = 30  # frames over which the rate is measured


class Live:
    """Reads and explains frames in a thread of its own; other threads take the newest picture from it.

    Only the last picture is kept; when the analysis is slower than the camera, frames in between are skipped.

    Args:
        video: opened with `live`.
        analyzer: analyzes the frames.
        loop: start a file again at its end.

    Attributes:
        error: the last error, as a sentence; "" = none.
    """

    def __init__(self, video: Video, analyzer: FrameAnalyzer, loop: bool = False) -> None:
        self.video, self.analyzer, self.loop = video, analyzer, loop
        self.error = ""
        self._pictures = threading.Condition()
        self._newest: Any = None  # (H, W, 3) uint8
        self._jpeg = b""
        self._number = 0
        self._faces = 0
        self._times: deque[float] = deque(maxlen=_RATE_FRAMES)
        self._running = threading.Event()
        self._running.set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ferviz-live", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and release the camera."""
        self._over.set()
        self._running.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        self.video.close()
        with self._pictures:
            self._pictures.notify_all()

    @property
    def over(self) -> bool:
        """Whether the source has ended or `stop` was called."""
        return self._over.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the source has ended.

        Args:
            seconds: wait at most so long; None = without a limit.

        Returns:
            Whether the source has ended.
        """
        return self._over.wait(seconds)

    def pause(self, paused: bool) -> None:
        """Stop the analysis of new frames, or continue it.

        Args:
            paused: true = stop, false = continue.
        """
        if paused:
            self._running.clear()
        else:
            self._times.clear()
            self._running.set()

    def choose(self, method: str | None = None, target: str | None = None) -> None:
        """Change the heatmaps from the next frame on.

        Args:
            method: an attribution method's name, or "none" for no heatmap; None = no change.
            target: a class, "predicted", or a contrast; None = no change.

        Raises:
            UnknownNameError: there is no such method or class.
            UsageError: there is more than one target.
            ModelError: the network or its engine cannot do what the method needs.
        """
        analyzer = self.analyzer
        if target is not None and len(parse_targets(target, analyzer.model.labels)) != 1:
            raise UsageError(f"live shows one target, not {target!r}; name one class")
        if method is None:
            method = analyzer.method
        analyzer.set_attribution(None if method == OFF else method, target or analyzer.target)
        self.error = ""

    def state(self) -> dict[str, Any]:
        """Return what the page shows beside the picture: rate, pause, method, target, choices, faces, error."""
        labels = self.analyzer.model.labels
        return {
            "rate": round(self.rate, 1),
            "paused": not self._running.is_set(),
            "over": self.over,
            "method": self.analyzer.method or OFF,
            "target": self.analyzer.target,
            "methods": [OFF, *METHODS],
            "targets": ["predicted", *labels],
            "faces": self._faces,
            "frame": self._number,
            "error": self.error,
        }

    @property
    def rate(self) -> float:
        """Frames a second over the last thirty."""
        times = list(self._times)
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0

    def jpeg(self, after: int, seconds: float) -> tuple[int, bytes]:
        """Return the newest picture, waiting for one later than number `after`.

        Args:
            after: the number of the last picture that the caller has, 0 = none.
            seconds: wait at most so long.

        Returns:
            The picture's number, and its JPEG bytes; b"" before the first.
        """
        with self._pictures:
            self._pictures.wait_for(lambda: self._number > after or self.over, timeout=seconds)
            return self._number, self._jpeg

    def png(self) -> bytes:
        """Return the newest picture as PNG, b"" before the first."""
        with self._pictures:
            newest = self._newest
        return encode(newest) if newest is not None else b""

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                self._play()
                if not self.loop:
                    break
                source = self.video.name
                self.video.close()
                self.video = Video(source, live=True)
        except FervizError as error:
            self.error = str(error)
        finally:
            self._over.set()
            with self._pictures:
                self._pictures.notify_all()

    def _play(self) -> None:
        start = time.monotonic()
        offset: float | None = None
        for frame in self.video.frames():
            self._running.wait()
            if self._over.is_set():
                return
            if not self.video.name.isdecimal() and "://" not in self.video.name:
                # A file plays at its own rate; a camera paces itself.
                offset = frame.time if offset is None else offset
                self._over.wait(max(0.0, start + frame.time - offset - time.monotonic()))
            try:
                faces = self.analyzer.analyze(frame)
            except FervizError as error:
                # A method that this network does not support: show the error, and continue without heatmaps.
                self.error = str(error)
                self.analyzer.set_attribution(None, self.analyzer.target)
                continue
            picture = frame_picture(frame.pixels, faces, self.analyzer.model.labels)
            jpeg = encode(picture, ".jpg")
            with self._pictures:
                self._newest, self._jpeg, self._faces = picture, jpeg, len(faces)
                self._number += 1
                self._times.append(time.monotonic())
                self._pictures.notify_all()
