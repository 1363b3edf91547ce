"""Frames a second of the whole pipeline (detect, predict, explain, draw) on 640 x 480 frames with one face, and each part's share.

python benchmarks/video.py [--detector yunet --detector-model FILE] [--frames 120] [--method gradcam]
python benchmarks/video.py --memory [--frames 60]     # peak memory of `ferviz explain` on a clip, and on one 8 times as long
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from ferviz.attribution.explain import explain
from ferviz.faces.detectors.registry import open_detector
from ferviz.faces.find import crop_face
from ferviz.faces.search import SearchOptions, detect
from ferviz.images import encode, read_image
from ferviz.models.load import load_model
from ferviz.video.drawing import frame_picture
from ferviz.video.pipeline import AnalysisOptions, FrameAnalyzer
from ferviz.video.reading import Frame

PARTS = {
    "detect": (0, 1), "predict and explain": (1, 2), "detect, predict, explain": (0, 2), "draw": (3, 4), "encode as JPEG": (4, 5)
}  # fmt: skip
ROOT = Path(__file__).resolve().parents[1]
YUNET = ROOT.parent / "shared" / "data" / "detectors" / "yunet_2026may.onnx"


def frames(count: int) -> list[np.ndarray]:
    """640 x 480 cut-outs of the portrait that move by a few pixels, so that no two frames are alike."""
    portrait = cv2.resize(read_image(ROOT / "examples" / "astronaut.png"), (900, 900), interpolation=cv2.INTER_AREA)
    pictures = []
    for i in range(count):
        left, top = 60 + round(40 * np.sin(i / 9)), 20 + round(15 * np.cos(i / 7))
        pictures.append(np.ascontiguousarray(portrait[top : top + 480, left : left + 640]))
    return pictures


def write_clip(path: Path, count: int) -> None:
    """Write `count` frames of 640 x 480, 25 a second."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (640, 480))
    pictures = frames(min(count, 100))
    for i in range(count):
        writer.write(cv2.cvtColor(pictures[i % len(pictures)], cv2.COLOR_RGB2BGR))
    writer.release()


def peak_memory(options: argparse.Namespace, count: int) -> float:
    """Return the peak memory in MB of the whole process `ferviz explain clip.mp4`, on a clip of `count` frames."""
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder, "clip.mp4")
        write_clip(clip, count)
        words = [sys.executable, "-m", "ferviz", "explain", str(clip), "--out", f"{folder}/out.mp4", "--quiet"]
        words += ["--table", f"{folder}/out.csv", "--timeline", f"{folder}/out.png", "--method", options.method]
        words += ["--detector", options.detector]
        words += ["--detector-model", options.detector_model] if options.detector_model else []
        child = subprocess.Popen(words, cwd=ROOT)
        _, status, used = os.wait4(child.pid, 0)
        if status:
            raise SystemExit(f"ferviz explain failed with status {status}")
        video = cv2.VideoCapture(f"{folder}/out.mp4")
        assert round(video.get(cv2.CAP_PROP_FRAME_COUNT)) == count
    return used.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def print_memory(options: argparse.Namespace) -> None:
    print("| frames | peak memory of the whole process, MB |\n|---:|---:|")
    peaks = []
    for count in (options.frames, 8 * options.frames):
        peaks.append(peak_memory(options, count))
        print(f"| {count} | {peaks[-1]:.0f} |", flush=True)
    print(f"8 times the frames: {peaks[1] / peaks[0]:.3f} times the memory")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", default="auto")
    parser.add_argument("--detector-model", default=str(YUNET) if YUNET.is_file() else None)
    parser.add_argument("--model")
    parser.add_argument("--method", default="gradcam")
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--memory", action="store_true", help="peak memory on N and on 8 N frames instead")
    options = parser.parse_args()
    if options.memory:
        print_memory(options)
        return
    model = load_model(options.model)
    detector = open_detector(options.detector, options.detector_model)
    analyzer = FrameAnalyzer(model, AnalysisOptions(detector=detector, method=options.method))
    pictures = frames(options.frames)
    for picture in pictures[:5]:
        frame_picture(picture, analyzer.analyze(Frame(0, 0.0, picture)), model.labels)

    parts: dict[str, list[tuple[float, float]]] = {name: [] for name in PARTS}
    for number, picture in enumerate(pictures):
        marks = [now()]
        faces = [crop_face(picture, d) for d in detect(picture, detector, SearchOptions(tilt="none"))]
        marks.append(now())
        explain(model, faces, options.method)
        marks.append(now())
        tracked = analyzer.analyze(Frame(number, number / 25, picture))
        analyzed = now()
        drawn = frame_picture(picture, tracked, model.labels)
        marks += [analyzed, now()]
        encode(drawn, ".jpg")
        marks.append(now())
        for name, (first, last) in PARTS.items():
            parts[name].append((marks[last][0] - marks[first][0], marks[last][1] - marks[first][1]))
    print(f"{detector.name}, {model.name} on {model.engine.name}, {options.method}, 640 x 480, {len(faces)} face")
    print("| part | ms a frame: median | least | CPU ms |\n|---|---:|---:|---:|")
    for name, times in parts.items():
        wall, cpu = zip(*times, strict=True)
        print(
            f"| {name} | {1000 * statistics.median(wall):.1f} | {1000 * min(wall):.1f} | {1000 * statistics.mean(cpu):.1f} |"
        )
    main_part = [w for w, _ in parts["detect, predict, explain"]]
    print(
        f"frames a second: {1 / statistics.median(main_part):.1f} (median), {1 / min(main_part):.1f} (best frame); target 25"
    )


def now() -> tuple[float, float]:
    """Seconds on the clock, and of all processors' work for this process."""
    return time.perf_counter(), time.process_time()


if __name__ == "__main__":
    main()
