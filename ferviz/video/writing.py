"""Writing the results of a video: an annotated video, and a table with one line for each face and frame."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2

from ferviz.errors import OutputError
from ferviz.files import PathLike, atomic, sync
from ferviz.images import Pixels
from ferviz.tables.csv_table import csv_text
from ferviz.video.pipeline import FrameResult
from ferviz.video.reading import count_frames, quiet_ffmpeg
from ferviz.video.records import frame_columns, frame_rows

CODEC = "mp4v"
MAX_HOLD = 600.0
"""Seconds for which a frame is shown at most: a damaged time stamp must not become a day of stillness."""


class VideoWriter:
    """An MP4 file that grows frame by frame and gets its name only when it is complete; use it in a `with`.

    OpenCV does not tell whether a frame could be written, so the file is read again before it gets its name.

    Args:
        path: ends in .mp4.
        rate: frames a second.
        force: replace an existing file.

    Raises:
        OutputExistsError: the file exists and `force` is false.
        OutputError: the path does not end in .mp4, cannot be written, or got no frame; at the end of the `with`, when the file does
            not hold every frame, because the disk is full.
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
        self._count = 0
        self._start = 0.0

    def __enter__(self) -> VideoWriter:
        self._temporary = self._stack.enter_context(atomic(self.path, self.force, durable=True))
        quiet_ffmpeg()
        # OpenCV would warn of each frame that a full disk does not take; one error at the end says the same.
        logging = cv2.utils.logging
        self._stack.callback(logging.setLogLevel, logging.setLogLevel(logging.LOG_LEVEL_ERROR))
        return self

    def add(self, pixels: Pixels, time: float | None = None) -> None:
        """Add one frame; the first one determines the size, later ones are resized to it.

        The previous frame is repeated until the new one's time. A frame that comes before the previous one's time is over replaces
        it if it is shown longer, and is dropped otherwise.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            time: seconds at which it is shown; None = right after the previous frame.
        """
        if self._writer is None:
            self._open(pixels)
            self._start = time or 0.0
        picture = self._resized(pixels)
        place = self._count if time is None else round((time - self._start) * self.rate)
        excess = place - self._count - round(MAX_HOLD * self.rate)
        if excess > 0:
            place -= excess
            self._start += excess / self.rate
        while self._last is not None and self._count < place:
            self._write(self._last)
        if self._count <= place:
            self._write(picture)
        self._last = picture

    def _open(self, pixels: Pixels) -> None:
        # the codec wants even sides
        self._size = max(2, pixels.shape[1] // 2 * 2), max(2, pixels.shape[0] // 2 * 2)
        code = cv2.VideoWriter.fourcc(*CODEC)
        self._writer = cv2.VideoWriter(str(self._temporary), code, self.rate, self._size)
        if not self._writer.isOpened():
            self._temporary.write_bytes(bytes(4096))  # says so where it is the disk that is full
            sync(self._temporary)
            raise OutputError(
                f"this OpenCV cannot write {CODEC} video to {self.path}; install opencv-python-headless from PyPI"
            )

    def _resized(self, pixels: Pixels) -> Any:
        bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        if (bgr.shape[1], bgr.shape[0]) == self._size:
            return bgr
        if 0 <= bgr.shape[1] - self._size[0] <= 1 and 0 <= bgr.shape[0] - self._size[1] <= 1:
            return bgr[: self._size[1], : self._size[0]]
        return cv2.resize(bgr, self._size, interpolation=cv2.INTER_AREA)

    def _write(self, bgr: Any) -> None:
        self._writer.write(bgr)
        self._count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.release()
        if kind is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:  # an error of the check, too, removes the temporary file
            self._check()

    def _check(self) -> None:
        if self._writer is None:
            raise OutputError(f"{self.path} got no frame and was not written; add one frame or more")
        count = count_frames(self._temporary)
        if count != self._count:
            raise OutputError(
                f"{self.path} was not written, because only {count} of its {self._count} frames can be read back from the disk; free some "
                "space or choose another --out"
            )


class TableWriter:
    """A CSV file with one line for each face and analyzed frame, written frame by frame; use it in a `with`.

    The columns are frame, time (seconds), track, left, top, right, bottom, score, label (smoothed), frame_label (of the frame
    alone), p_<class> (smoothed) and raw_<class> (of the frame alone).

    Args:
        path: the file.
        labels: the network's classes.
        force: replace an existing file.

    Raises:
        OutputExistsError: the file exists and `force` is false.
        OutputError: the file cannot be written.
    """

    def __init__(self, path: PathLike, labels: Sequence[str], force: bool = False) -> None:
        self.path, self.labels, self.force = Path(path), tuple(labels), force
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> TableWriter:
        temporary = self._stack.enter_context(atomic(self.path, self.force))
        self._file = self._stack.enter_context(temporary.open("w", encoding="utf-8", newline=""))
        self._file.write(csv_text([frame_columns(self.labels)]))
        return self

    def add(self, result: FrameResult) -> None:
        """Add the faces of one frame; frames that were not analyzed add nothing.

        Args:
            result: the frame and its faces.
        """
        if result.analyzed:
            self._file.write(csv_text(frame_rows(result, self.labels)))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
