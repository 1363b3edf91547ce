"""Frames a second of the whole way (detect, predict, explain, draw) on 640 x 480 frames with one face, and each part's share.

python benchmarks/video.py [--detector yunet --detector-model FILE] [--frames 120] [--method gradcam]
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import cv2
import numpy as np

from ferviz.attribution.explain import explain
from ferviz.faces.find import cut_out
from ferviz.faces.registry import open_detector
from ferviz.faces.search import detect
from ferviz.images import encode, read_image
from ferviz.models.load import load_model
from ferviz.video.drawing import frame_picture
from ferviz.video.following import Follower
from ferviz.video.reading import Frame

PARTS = {
    "detect": (0, 1), "predict and explain": (1, 2), "detect, predict, explain": (0, 2), "draw": (3, 4), "encode as JPEG": (4, 5)
}  # fmt: skip
ROOT = Path(__file__).resolve().parents[1]
YUNET = ROOT.parent / "shared" / "data" / "detectors" / "yunet_2026may.onnx"


def frames(count: int) -> list[np.ndarray]:
    """640 x 480 cut-outs of the portrait that move by a few pixels, so that no two frames are alike."""
    portrait = cv2.resize(read_image(ROOT / "examples" / "astronaut.png"), (900, 900), interpolation=cv2.INTER_AREA)
    made = []
    for i in range(count):
        left, top = 60 + round(40 * np.sin(i / 9)), 20 + round(15 * np.cos(i / 7))
        made.append(np.ascontiguousarray(portrait[top : top + 480, left : left + 640]))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", default="auto")
    parser.add_argument("--detector-model", default=str(YUNET) if YUNET.is_file() else None)
    parser.add_argument("--model")
    parser.add_argument("--method", default="gradcam")
    parser.add_argument("--frames", type=int, default=120)
    options = parser.parse_args()
    model = load_model(options.model)
    detector = open_detector(options.detector, options.detector_model)
    follower = Follower(model, detector=detector, method=options.method)
    pictures = frames(options.frames)
    for picture in pictures[:5]:
        frame_picture(picture, follower.look(Frame(0, 0.0, picture)), model.labels)

    parts: dict[str, list[tuple[float, float]]] = {name: [] for name in PARTS}
    for number, picture in enumerate(pictures):
        marks = [now()]
        faces = [cut_out(picture, d) for d in detect(picture, detector, tilt="none")]
        marks.append(now())
        explain(model, faces, options.method)
        marks.append(now())
        seen = follower.look(Frame(number, number / 25, picture))
        looked = now()
        drawn = frame_picture(picture, seen, model.labels)
        marks += [looked, now()]
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
