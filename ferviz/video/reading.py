"""Reading a video, a stream or a camera frame by frame through OpenCV: one frame in memory at a time."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from ferviz.errors import PictureError, UsageError
from ferviz.images import MAX_PIXELS, Pixels
from ferviz.paths import as_typed, open_regular, unseen
from ferviz.video import SUFFIXES

# The first bytes of these containers, and of GIF. Playlists and other text from which FFmpeg would open other files are not among them.
_MAGIC = ((4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (4, b"wide"), (4, b"free"), (4, b"skip"), (0, b"RIFF"), (0, b"\x1aE\xdf\xa3"),
          (0, b"\x00\x00\x01\xba"), (0, b"\x00\x00\x01\xb3"), (0, b"0&\xb2u"), (0, b"OggS"), (0, b"FLV\x01"), (0, b"GIF8"))  # fmt: skip
_PACKETS = ((0, 188), (4, 192))  # MPEG-TS has no such bytes, but packets of one length that begin with 0x47
_PIXEL_SHAPES = (0.25, 4.0)  # plausible widths of a pixel, in heights
_SAMPLE_STEP = 8  # every so many rows and columns are compared to know whether anything changes
_RATES = (1.0, 240.0)  # plausible frames a second; other numbers in a header are ignored
_DEFAULT_RATE = 25.0
_PROBED = 48  # frames whose times are compared
_MAX_RATE = 60.0  # frames a second
_UNEVEN = 1.5  # longest to shortest step from which on a rate varies


@dataclass(frozen=True)
class Frame:
    """One picture of a video.

    Attributes:
        index: its number, from 0.
        time: seconds from the start.
        pixels: (H, W, 3) uint8 RGB.
    """

    index: int
    time: float
    pixels: Pixels = field(repr=False)


class Video:
    """A video file, a camera or a stream, opened for reading; close it, or use it in a `with`.

    Args:
        source: path of a video file; or, with `live`, a camera's number, a stream's URL or a file that plays like a camera.
        live: whether the source may be a camera or a stream.

    Attributes:
        rate: frames a second according to the header (25 where that is implausible); frames at a varying rate still have their own
            times.
        count: number of frames according to the header, 0 = unknown.
        height, width: of a frame, in pixels, as it is shown: where a file's pixels are not square (PAL, camcorders), its frames are
            stretched.
        still: whether all frames so far were the same.

    Raises:
        PictureError: the file is missing, is not a video, is cut off before its index, or has no picture at all.
    """

    def __init__(self, source: str | os.PathLike[str] | int, live: bool = False) -> None:
        self.name = str(source)
        self.live = live
        quiet_ffmpeg()
        target: str | int = self.name
        if live and self.name.isdecimal():
            target = int(self.name)
        elif not (live and "://" in self.name):
            _check_file(Path(self.name))
        try:
            self._capture = cv2.VideoCapture(target)
        except cv2.error as error:
            raise PictureError(f"{self.name} cannot be opened as a video ({error.err})") from error
        kind = f"camera {target}" if isinstance(target, int) else self.name
        if not self._capture.isOpened():
            reason = (
                "there is no such camera, or another program uses it"
                if isinstance(target, int)
                else "it is cut off, or has only sound"
            )
            raise PictureError(f"{kind} cannot be read as a video: {reason}")
        self.width, self.height = (
            int(self._capture.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        self.stretched = self._set_shown_size()
        if self.width * self.height > MAX_PIXELS:
            self.close()
            raise PictureError(
                f"{self.name} has frames of {self.width} x {self.height} pixels, and the largest picture has {MAX_PIXELS:,}; scale it down"
            )
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = float(rate) if math.isfinite(rate) and _RATES[0] <= rate <= _RATES[1] else _DEFAULT_RATE
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.count = int(count) if math.isfinite(count) and 0 < count < 1e9 and not live else 0
        self.still, self._first = True, np.empty(0, np.uint8)

    def _set_shown_size(self) -> bool:
        """Set height and width to those at which the pixels are square; return whether that changes them."""
        up, down = (self._capture.get(p) for p in (cv2.CAP_PROP_SAR_NUM, cv2.CAP_PROP_SAR_DEN))
        shape = up / down if up > 0 and down > 0 else 1.0
        if round(self._capture.get(cv2.CAP_PROP_ORIENTATION_META)) % 180:
            shape = 1 / shape  # OpenCV turns the frames, not the shape of their pixels
        if not _PIXEL_SHAPES[0] <= shape <= _PIXEL_SHAPES[1] or abs(shape - 1) < 0.01:
            return False
        self.width, self.height = round(self.width * max(shape, 1.0)), round(self.height / min(shape, 1.0))
        return True

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Yield a range of frames, in order.

        Skipped frames are decoded but not converted: seeking in a compressed file is not exact.

        Args:
            start: number of the first frame.
            stop: number of the frame after the last one; None = the end.

        Raises:
            PictureError: the video has no frame at all.
            UsageError: the range is empty or beyond the video's end.
        """
        if start < 0 or (stop is not None and stop <= start):
            raise UsageError(f"frames {start} to {stop} are not a range; give --start and a larger --stop")
        index, last = 0, -1.0
        while stop is None or index < stop:
            if not self._capture.grab():
                break
            if index >= start:
                time = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                decoded, bgr = self._capture.retrieve()
                if not decoded or bgr is None:
                    break
                # Files without usable times get them from the rate; times never decrease.
                time = time if math.isfinite(time) and time > max(last, -1e-9) else max(index / self.rate, last + 1e-3)
                last = time
                yield Frame(index, time, self._rgb(bgr))
            index += 1
        if index == 0:
            raise PictureError(f"{self.name} has no picture: it has only sound, or is cut off at its start")
        if index <= start:
            raise UsageError(f"{self.name} has {index} frames, none from {start} on; use a smaller --start")

    def output_rate(self) -> float:
        """Return the constant rate at which an annotated copy can show every frame at its time, in frames a second.

        That is the file's own rate; where its first frames come at uneven times, the rate of the two nearest of them, at most 60.
        """
        probe = cv2.VideoCapture(self.name)
        times: list[float] = []
        while len(times) < _PROBED and probe.grab():
            times.append(probe.get(cv2.CAP_PROP_POS_MSEC) / 1000)
        probe.release()
        steps = [b - a for a, b in itertools.pairwise(times) if b > a]
        if not steps or max(steps) < _UNEVEN * min(steps):
            return self.rate
        return max(self.rate, min(_MAX_RATE, 1 / min(steps)))

    def _rgb(self, bgr: np.ndarray) -> Pixels:
        if bgr.ndim == 2:
            bgr = np.repeat(bgr[:, :, None], 3, axis=2)
        if self.still:
            sample = bgr[::_SAMPLE_STEP, ::_SAMPLE_STEP]
            self._first = self._first if self._first.size else sample.copy()
            self.still = np.array_equal(self._first, sample)
        if self.stretched:
            bgr = cv2.resize(bgr, (self.width, self.height), interpolation=cv2.INTER_LINEAR)
        rgb: Pixels = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        return rgb

    def close(self) -> None:
        """Release the file or camera."""
        self._capture.release()

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def count_frames(path: str | os.PathLike[str]) -> int:
    """Return how many frames of a video file can be decoded, 0 for a file that is none.

    Args:
        path: the file.
    """
    capture = cv2.VideoCapture(str(path))
    try:
        count = 0
        while capture.grab():  # which decodes
            count += 1
        return count
    finally:
        capture.release()


def quiet_ffmpeg() -> None:
    """Keep FFmpeg's messages from the terminal, since ferviz raises errors instead; call it before OpenCV opens its first video."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_VIDEOIO_DEBUG", "0")


def _check_file(path: Path) -> None:
    try:
        with open_regular(path) as file:
            head = file.read(256)
    except FileNotFoundError:
        raise PictureError(f"{as_typed(path)} {unseen(path)}") from None
    except (OSError, ValueError) as error:
        raise PictureError(f"{path} cannot be opened ({getattr(error, 'strerror', None) or error})") from None
    if not head:
        raise PictureError(f"{path} is empty; name a video")
    has_packets = any(head[at : at + 1] == head[at + step : at + step + 1] == b"G" for at, step in _PACKETS)
    if not has_packets and not any(head[at : at + len(magic)] == magic for at, magic in _MAGIC):
        raise PictureError(f"{path} is not a video ({', '.join(s[1:] for s in SUFFIXES)}); convert it to MP4 first")
