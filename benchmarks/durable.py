"""What it costs that files outlast a power cut: one file, a data set's chunks, and reading a video again."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from ferviz.attribution import chunk_store
from ferviz.files import atomic
from ferviz.video.reading import count_frames
from ferviz.video.writing import VideoWriter

FACES, CHUNK = 1280, 64


def plain(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


def whole(path: Path, data: bytes, durable: bool) -> None:
    with atomic(path, durable=durable) as temporary:
        temporary.write_bytes(data)


def chunks(folder: Path, seconds: float) -> None:
    chunk_store.SYNC_SECONDS = seconds
    maps = np.ones((CHUNK, 1, 48, 48), np.float32)
    with chunk_store.ChunkStore(folder, {}, FACES) as store:
        store.clear()
        for start in range(0, FACES, CHUNK):
            store.write(start, {"heatmaps": maps, "raw": maps[..., ::4, ::4], "probabilities": maps[:, 0, 0, :7]})


def medians(repeats: int, actions: dict[str, Callable[[], None]]) -> dict[str, float]:
    """-> {name: median milliseconds}, the actions in turn."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(repeats):
        for name, action in actions.items():
            began = time.perf_counter()
            action()
            times[name].append(1e3 * (time.perf_counter() - began))
    return {name: statistics.median(values) for name, values in times.items()}


def video(path: Path) -> tuple[float, float]:
    """-> milliseconds a frame of 640 x 480 to encode it and to decode it again."""
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    picture = cv2.resize(noise, (700, 540))
    began = time.perf_counter()
    with VideoWriter(path, 25, force=True) as movie:
        for i in range(200):
            movie.add(np.ascontiguousarray(picture[i % 50 : 480 + i % 50, i % 50 : 640 + i % 50]))
        encoded = time.perf_counter()
    began_again = time.perf_counter()
    count_frames(path)
    return 5 * (encoded - began), 5 * (time.perf_counter() - began_again)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="on the disk to measure; a temporary folder by default")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        data = bytes(100_000)
        print("milliseconds (median)")
        actions: dict[str, Callable[[], None]] = {
            "a file of 100 kB, renamed": lambda: plain(folder / "a", data),
            "... its bytes waited for": lambda: whole(folder / "a", data, False),
            "... and its name": lambda: whole(folder / "a", data, True),
            f"{FACES // CHUNK} chunks of {CHUNK} faces, every five seconds": lambda: chunks(folder / "b", 5.0),
            "... each waited for": lambda: chunks(folder / "c", 0.0),
        }
        for action, value in medians(options.repeats, actions).items():
            print(f"{action:50s} {value:8.1f}")
        encode, decode = video(folder / "v.mp4")
        print(f"{'a frame of 640 x 480, encoded':50s} {encode:8.2f}\n{'... decoded again':50s} {decode:8.2f}")


if __name__ == "__main__":
    main()
