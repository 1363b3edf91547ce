"""Videos in: frames, times, ranges; and files that are none."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from ferviz.errors import PictureError, UsageError
from ferviz.video import SUFFIXES
from ferviz.video.reading import Video


def test_every_frame_comes_once_in_order_with_its_time(clip) -> None:
    with Video(clip(24)) as video:
        assert (video.width, video.height, video.rate, video.count) == (200, 120, 20.0, 24)
        frames = list(video.frames())
    assert [f.index for f in frames] == list(range(24))
    np.testing.assert_allclose([f.time for f in frames], np.arange(24) / 20, atol=1e-3)
    # the codec loses a little, but red stays red: frames are RGB
    assert np.abs(frames[5].pixels[90, 40].astype(int) - (210, 30, 30)).max() < 40


def test_a_range_of_frames_is_that_range(clip) -> None:
    path = clip(24)
    with Video(path) as video:
        whole = [f.pixels for f in video.frames()]
    with Video(path) as video:
        part = list(video.frames(7, 11))
    assert [f.index for f in part] == [7, 8, 9, 10]
    for frame in part:
        np.testing.assert_array_equal(frame.pixels, whole[frame.index])
    for start, stop in ((-1, None), (5, 5), (30, None)):
        with Video(path) as video, pytest.raises(UsageError):
            list(video.frames(start, stop))


def audio_only() -> bytes:
    """A valid WAV: RIFF like an AVI, and nothing to see in it."""
    sound = bytes(800)
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + len(sound),
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        8000,
        8000,
        1,
        8,
        b"data",
        len(sound),
    )
    return head + sound


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", r"clip\.mp4"),
        (b"words that are no video", r"clip\.mp4"),
        (b"#EXTM3U\nhttp://127.0.0.1:9/secret.ts\n", r"clip\.mp4"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", r"clip\.mp4"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(40), r"clip\.mp4"),
        (audio_only(), r"clip\.mp4"),
    ],
)
def test_what_is_no_video_is_a_sentence(
    tmp_path: Path, content: bytes, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=says) as caught, Video(path) as video:
        list(video.frames())
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "pipe.mp4", tmp_path, Path("/dev/zero")):
        with pytest.raises(PictureError, match="regular"):
            Video(path)
    with pytest.raises(PictureError, match="is not there"):
        Video(tmp_path / "none.mp4")
    with pytest.raises(PictureError, match="is a URL"):
        Video("http://127.0.0.1:9/clip.mp4")  # a URL is only taken where a live source is asked for


def test_a_cut_video_gives_its_beginning_or_a_sentence(clip, tmp_path: Path) -> None:
    data = clip(24).read_bytes()
    for share in (0.1, 0.5, 0.9, 0.99):
        path = tmp_path / "cut.mp4"
        path.write_bytes(data[: int(len(data) * share)])
        try:
            with Video(path) as video:
                assert len(list(video.frames())) <= 24
        except PictureError as error:
            sentence = str(error)
            assert "\n" not in sentence


def test_flipped_bytes_do_no_harm(clip, tmp_path: Path) -> None:
    data = clip(8).read_bytes()
    rng = np.random.default_rng(3)
    for _ in range(12):
        broken = bytearray(data)
        for at in rng.integers(0, len(data), 20):
            broken[at] = rng.integers(256)
        path = tmp_path / "broken.mp4"
        path.write_bytes(bytes(broken))
        try:
            with Video(path) as video:
                for frame in video.frames():
                    assert frame.pixels.shape[2] == 3
        except PictureError as error:
            sentence = str(error)
            assert "\n" not in sentence


def written(path: Path, code: str, frames: int = 8) -> Path:
    """A clip of growing brightness, 200 x 120, in the container of the path's suffix."""
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*code), 25, (200, 120))
    for index in range(frames):
        writer.write(np.full((120, 200, 3), 40 + 20 * index, np.uint8))
    writer.release()
    return path


@pytest.mark.parametrize(
    ("name", "code"), [("a.ts", "mpg2"), ("a.mts", "mp4v"), ("a.m2ts", "mp4v"), ("a.flv", "FLV1"), ("a.3gp", "mp4v")]
)
def test_containers_of_camcorders_and_broadcast(
    tmp_path: Path, name: str, code: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / name, code)
    capfd.readouterr()  # what OpenCV says of its own tags
    with Video(path) as video:
        brightness = [float(frame.pixels.mean()) for frame in video.frames()]
    np.testing.assert_allclose(brightness, 40 + 20 * np.arange(8), atol=6)
    assert path.suffix in SUFFIXES


def test_pixels_that_are_not_square_are_stretched(tmp_path: Path) -> None:
    plain = written(tmp_path / "plain.mpg", "mpg2")
    data = bytearray(plain.read_bytes())
    at = data.find(b"\0\0\1\xb3")
    while at >= 0:  # the sequence headers' aspect ratio: 3 = the picture is shown as 16:9
        data[at + 7] = 0x30 | data[at + 7] & 0x0F
        at = data.find(b"\0\0\1\xb3", at + 1)
    wide = tmp_path / "wide.mpg"
    wide.write_bytes(data)
    for path, size in ((plain, (120, 200)), (wide, (120, 213))):
        with Video(path) as video:
            frames = list(video.frames())
            assert (video.height, video.width) == size
        assert {frame.pixels.shape for frame in frames} == {(*size, 3)}


def test_an_animated_gif_can_be_watched(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (64, 48), (40 * i, 90, 20)) for i in range(5)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=200)
    with Video(tmp_path / "a.gif") as video:
        seen = list(video.frames())
    np.testing.assert_allclose([f.pixels[9, 9, 0] for f in seen], np.arange(5) * 40, atol=8)
    np.testing.assert_allclose([f.time for f in seen], np.arange(5) * 0.2, atol=0.01)


def test_it_is_known_whether_anything_changes(tmp_path: Path, clip) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "black.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (200, 120))
    for _ in range(4):
        writer.write(np.zeros((120, 200, 3), np.uint8))
    writer.release()
    for path, still in ((tmp_path / "black.avi", True), (clip(4), False)):
        with Video(path) as video:
            list(video.frames())
            assert video.still is still
