"""Writing what was seen in a video: an annotated video, and a table with one line a face and frame."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2

from ferviz.errors import OutputError
from ferviz.files import PathLike, atomic, csv_text
from ferviz.images import Pixels
from ferviz.video.pipeline import Looked

CODEC = "mp4v"
LONGEST_HOLD = 600.0
"""Seconds for which a frame is shown at most: a damaged time stamp must not become a day of stillness."""


class VideoOut:
    """An MP4 file that grows frame by frame and takes its name only when it is whole; use it in a `with`.

    path: ends in .mp4. rate: frames a second. force: replace an existing file. Raises OutputExistsError, OutputError.
    """

    def __init__(self, path: PathLike, rate: float, force: bool = False) -> None:
        if Path(path).suffix.lower() != ".mp4":
            raise OutputError(
                f"an annotated video is written as .mp4, not {Path(path).suffix or 'without a suffix'}; rename --out"
            )
        self.path, self.rate, self.force = Path(path), rate, force
        self._stack = contextlib.ExitStack()
        self._writer: Any = None
        self._size = (0, 0)
        self._last: Any = None
        self._written = 0
        self._start = 0.0

    def __enter__(self) -> VideoOut:
        self._temporary = self._stack.enter_context(atomic(self.path, self.force))
        return self

    def add(self, pixels: Pixels, time: float | None = None) -> None:
        """Add one frame, (H, W, 3) uint8 RGB; the first one says the size, later ones are fitted to it.

        time: seconds at which it is shown. The frame before is repeated until then; one that comes before its predecessor's turn
        is over replaces it where that is shown longer, and is left out otherwise. None = right after the frame before.
        """
        if self._writer is None:
            self._open(pixels)
            self._start = time or 0.0
        picture = self._fitted(pixels)
        place = self._written if time is None else round((time - self._start) * self.rate)
        too_long = place - self._written - round(LONGEST_HOLD * self.rate)
        if too_long > 0:
            place -= too_long
            self._start += too_long / self.rate
        while self._last is not None and self._written < place:
            self._write(self._last)
        if self._written <= place:
            self._write(picture)
        self._last = picture

    def _open(self, pixels: Pixels) -> None:
        # the codec wants even sides
        self._size = max(2, pixels.shape[1] // 2 * 2), max(2, pixels.shape[0] // 2 * 2)
        code = cv2.VideoWriter.fourcc(*CODEC)
        self._writer = cv2.VideoWriter(str(self._temporary), code, self.rate, self._size)
        if not self._writer.isOpened():
            raise OutputError(
                f"this OpenCV cannot write {CODEC} video to {self.path}; install opencv-python-headless from PyPI"
            )

    def _fitted(self, pixels: Pixels) -> Any:
        bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        if (bgr.shape[1], bgr.shape[0]) == self._size:
            return bgr
        if 0 <= bgr.shape[1] - self._size[0] <= 1 and 0 <= bgr.shape[0] - self._size[1] <= 1:
            return bgr[: self._size[1], : self._size[0]]
        return cv2.resize(bgr, self._size, interpolation=cv2.INTER_AREA)

    def _write(self, bgr: Any) -> None:
        self._writer.write(bgr)
        self._written += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.release()
        elif kind is None:
            kind, error = OutputError, OutputError(f"{self.path} would have no frame; nothing was written")
            self._stack.__exit__(kind, error, trace)
            raise error
        self._stack.__exit__(kind, error, trace)


class TableOut:
    """A CSV file with one line a face and looked-at frame, written as it comes; use it in a `with`. Arguments as for VideoOut.

    labels: the network's classes. Columns: frame, time (seconds), track, left, top, right, bottom, score, label (smoothed),
    frame_label (of this frame alone), p_<class> (smoothed) and raw_<class> (of this frame alone).
    """

    def __init__(self, path: PathLike, labels: Sequence[str], force: bool = False) -> None:
        self.path, self.labels, self.force = Path(path), tuple(labels), force
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> TableOut:
        temporary = self._stack.enter_context(atomic(self.path, self.force))
        self._file = self._stack.enter_context(temporary.open("w", encoding="utf-8", newline=""))
        self._file.write(csv_text([header(self.labels)]))
        return self

    def add(self, looked: Looked) -> None:
        """Add the faces of one frame; frames that were not looked at add nothing."""
        if looked.fresh:
            for row in rows(looked, self.labels):
                self._file.write(csv_text([row]))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def header(labels: Sequence[str]) -> list[str]:
    """Return the names of the table's columns."""
    box = ["left", "top", "right", "bottom"]
    both = [f"{kind}_{name}" for kind in ("p", "raw") for name in labels]
    return ["frame", "time", "track", *box, "score", "label", "frame_label", *both]


def rows(looked: Looked, labels: Sequence[str]) -> Iterator[list[Any]]:
    """Yield one row a face of a frame, in the order of `header`."""
    for one in looked.seen:
        score = "" if one.face.score is None else round(one.face.score, 4)
        box = one.face.box or [""] * 4
        smoothed = [f"{one.smoothed[name]:.6f}" for name in labels]
        raw = [f"{one.prediction.probabilities[name]:.6f}" for name in labels]
        about = [looked.frame.index, f"{looked.frame.time:.3f}", one.track]
        yield [*about, *box, score, one.label, one.prediction.label, *smoothed, *raw]
