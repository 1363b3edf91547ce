"""Live: look at the newest frame of a camera, again and again, and keep what is to be shown."""

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
from ferviz.video.pipeline import Follower
from ferviz.video.reading import Video

OFF = "none"
"""The method's name that shows no heatmap."""

_MEMORY = 30  # frames over which the rate is measured


class Live:
    """Reads and explains frames in a thread of its own; others take the newest picture from it.

    video: opened with `live`. follower: what looks at the frames. loop: start a file again at its end.
    Nothing is kept but the last picture; when looking is slower than the camera, frames in between are never seen.
    """

    def __init__(self, video: Video, follower: Follower, loop: bool = False) -> None:
        self.video, self.follower, self.loop = video, follower, loop
        self.error = ""
        self._pictures = threading.Condition()
        self._newest: Any = None  # (H, W, 3) uint8
        self._jpeg = b""
        self._number = 0
        self._faces = 0
        self._times: deque[float] = deque(maxlen=_MEMORY)
        self._going = threading.Event()
        self._going.set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ferviz-live", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End, and let go of the camera."""
        self._over.set()
        self._going.set()
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
        """Wait until it is over, or so many seconds; return whether it is over."""
        return self._over.wait(seconds)

    def pause(self, on: bool) -> None:
        """Stop looking at new frames, or go on."""
        if on:
            self._going.clear()
        else:
            self._times.clear()
            self._going.set()

    def choose(self, method: str | None = None, target: str | None = None) -> None:
        """Change what the heatmaps show from the next frame on. method: an attribution method, or "none". target: a class,
        "predicted", or a contrast. Raises UnknownNameError, UsageError for what the network does not have."""
        if method is not None and method != OFF:
            METHODS.entry(method)
        if target is not None and len(parse_targets(target, self.follower.model.labels)) != 1:
            raise UsageError(f"live shows one target, not {target!r}; name one class")
        now = self.follower
        wanted = now.method if method is None else None if method == OFF else method
        now.show(wanted, target or now.target)
        self.error = ""

    def state(self) -> dict[str, Any]:
        """Return what the page shows beside the picture: rate, pause, method, target, choices, faces, error."""
        labels = self.follower.model.labels
        return {
            "rate": round(self.rate, 1),
            "paused": not self._going.is_set(),
            "over": self.over,
            "method": self.follower.method or OFF,
            "target": self.follower.target,
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
        """Return (number, JPEG bytes) of the newest picture, waiting up to `seconds` for one later than number `after`."""
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
            self._going.wait()
            if self._over.is_set():
                return
            if not self.video.name.isdecimal() and "://" not in self.video.name:
                # A file plays at its own rate; a camera paces itself.
                offset = frame.time if offset is None else offset
                self._over.wait(max(0.0, start + frame.time - offset - time.monotonic()))
            try:
                seen = self.follower.look(frame)
            except FervizError as error:
                # A method that this network cannot be asked about: say so, and go on without heatmaps.
                self.error = str(error)
                self.follower.method = None
                continue
            picture = frame_picture(frame.pixels, seen, self.follower.model.labels)
            jpeg = encode(picture, ".jpg")
            with self._pictures:
                self._newest, self._jpeg, self._faces = picture, jpeg, len(seen)
                self._number += 1
                self._times.append(time.monotonic())
                self._pictures.notify_all()
