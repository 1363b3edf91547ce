"""Face detectors on turned photographs: recall, false faces, CPU milliseconds; and how their boxes agree with FER2013's frames.

    python benchmarks/detectors.py [--detectors yunet,haar] [--tilts none,retry] [--step 15 | --turns 0,90] [--one-way]
    python benchmarks/detectors.py --framing [--model FILE]

Prints the tables of benchmarks/results.md, whole unless options limit it. Needs the photographs and detector networks of the project's
own workplace.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from ferviz.errors import FervizError
from ferviz.faces.align import eye_angle
from ferviz.faces.crops import crop
from ferviz.faces.detectors.detector import Detection, Detector
from ferviz.faces.detectors.registry import open_detector
from ferviz.faces.search import SearchOptions, detect
from ferviz.images import read_image

# Every face as (left, top, right, bottom), brows to chin, drawn by hand; "hidden" ones may be found or not.
FACES = {
    "astronaut.png": ([(178, 69, 270, 161)], []),
    "12_angry_men.jpg": (
        [
            (30, 220, 200, 418), (286, 214, 400, 344), (455, 143, 576, 285), (580, 174, 677, 277), (704, 156, 812, 264),
            (870, 346, 1037, 530), (949, 157, 1038, 246), (1052, 227, 1146, 321), (1140, 223, 1255, 338),
        ],
        [(105, 120, 200, 240), (370, 200, 425, 285)],
    ),
    "emotion_classification.jpg": (
        [(145, 156, 307, 318), (142, 600, 319, 777), (667, 101, 851, 285), (698, 641, 888, 831)], []
    ),
    "solvay_conference.jpg": (
        [
            (44, 182, 143, 281), (229, 74, 340, 185), (371, 187, 486, 302), (595, 60, 696, 161), (767, 163, 884, 280),
            (856, 69, 956, 169),
        ],
        [],
    ),
    "team.jpg": (
        [
            (306, 347, 420, 461), (574, 421, 680, 527), (851, 378, 947, 474), (830, 857, 1290, 1400), (1192, 403, 1288, 499),
            (1534, 381, 1629, 476),
        ],
        [],
    ),
    "no-faces.jpg": ([], []),
}  # fmt: skip


def turned(pixels: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the picture turned clockwise on a grey ground that holds all of it, and the 2 x 3 matrix of the turn."""
    height, width = pixels.shape[:2]
    way = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, 1.0)
    cos, sin = abs(way[0, 0]), abs(way[0, 1])
    size = math.ceil(width * cos + height * sin - 1e-6), math.ceil(width * sin + height * cos - 1e-6)
    way[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    return cv2.warpAffine(pixels, way, size, borderValue=(128, 128, 128)), way


def matches(detection: Detection, box: tuple[float, ...], way: np.ndarray) -> bool:
    """A detection is a face's if its centre lies within half a face of the face's and its size within a factor of 2."""
    left, top, right, bottom = box
    x, y = way @ np.array([(left + right) / 2, (top + bottom) / 2, 1])
    side = max(right - left, bottom - top)
    away = math.hypot((detection.box[0] + detection.box[2]) / 2 - x, (detection.box[1] + detection.box[3]) / 2 - y)
    return away < side / 2 and 0.5 < detection.size / side < 2


@dataclass
class Tally:
    """The results of a detector on all pictures at one turn. upright: detected faces whose angle is right to 35 degrees."""

    detected: int = 0
    faces: int = 0
    upright: int = 0
    false: int = 0
    times: list[float] = field(default_factory=list)


def recall(detector: Detector, pictures: dict, degrees: float, tilt: str) -> Tally:
    tally = Tally()
    for pixels, faces, hidden in pictures.values():
        picture, way = turned(pixels, degrees)
        start = time.process_time()  # of all threads: a shared machine's clock says little
        detections = detect(picture, detector, SearchOptions(tilt=tilt, min_size=12))
        tally.times.append((time.process_time() - start) * 1000)
        matched = {}
        for d in detections:  # best first
            face = next((i for i, box in enumerate(faces) if matches(d, box, way)), None)
            if face is not None:
                matched.setdefault(face, d)
            elif not any(matches(d, box, way) for box in hidden):
                tally.false += 1
        tally.detected += len(matched)
        tally.faces += len(faces)
        tally.upright += sum(abs((d.angle - degrees + 180) % 360 - 180) < 35 for d in matched.values())
    return tally


def photographs(folder: Path, side: int) -> dict:
    """-> {name: (pixels, faces, hidden faces)}, no side longer than `side`."""
    pictures = {}
    for name, boxes in FACES.items():
        pixels = read_image(folder / name)
        scale = min(1.0, side / max(pixels.shape[:2]))
        if scale < 1:
            size = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
            pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        pictures[name] = (pixels, *([tuple(v * scale for v in box) for box in group] for group in boxes))
    return pictures


def print_recall(
    detectors: dict[str, Detector], pictures: dict, columns: list[int], tilts: list[str], one_way: bool
) -> None:
    """Print one row a detector and way of searching; turns to the left and to the right are put together."""
    print(f"| detector | tilt | {' | '.join(f'{d}°' for d in columns)} | upright | false faces | CPU ms |")
    print("|---|---|" + "---:|" * (len(columns) + 3))
    for name, detector in detectors.items():
        for tilt in tilts:
            table = [
                [recall(detector, pictures, d, tilt) for d in sorted({d, d if one_way else -d % 360})] for d in columns
            ]
            cells = [f"{100 * sum(t.detected for t in both) / sum(t.faces for t in both):.0f}" for both in table]
            every = [tally for both in table for tally in both]
            upright = 100 * sum(t.upright for t in every) / max(1, sum(t.detected for t in every))
            false = sum(t.false for t in every) / (len(every) * len(pictures))
            ms = statistics.median(table[0][0].times)
            print(f"| {name} | {tilt} | {' | '.join(cells)} | {upright:.0f} | {false:.2f} | {ms:.0f} |", flush=True)


def print_framing(detectors: dict[str, Detector], data: Path, rows: int, model_file: str | None) -> None:
    """Print where FER2013's frames lie in units of each detector's boxes, and what other margins do to a network's answers."""
    sys.path.insert(0, str(data / "fer2013"))
    import fer2013

    from ferviz.models.load import load_model

    faces, truth, _, _ = fer2013.load("PublicTest")
    pick = np.linspace(0, len(faces) - 1, rows).round().astype(int)
    faces, truth = faces[pick], truth[pick]
    model = load_model(model_file)
    own = model.probabilities(faces)
    up, pad = 4, 48  # each face four times as large, its edge repeated around it
    large = [np.pad(cv2.resize(f, None, fx=up, fy=up, interpolation=cv2.INTER_CUBIC), pad, mode="edge") for f in faces]
    large = [np.repeat(f[:, :, None], 3, axis=2) for f in large]
    margins = (-0.1, -0.05, 0.0, 0.05, 0.1, 0.2, 0.3)
    print(
        f"\nnetwork: {model.name}; {rows} faces of PublicTest; accuracy in FER2013's own frame {np.mean(own.argmax(1) == truth):.3f}\n"
    )
    print(
        f"| detector | found | margin of FER2013's frame: median (10 %, 90 %) | {' | '.join(f'{m:+.2f}' for m in margins)} |"
    )
    print("|---|---:|---:|" + "---:|" * len(margins))
    notes = []
    for name, detector in detectors.items():
        detections = [(i, d[0]) for i, f in enumerate(large) if (d := detect(f, detector, SearchOptions(tilt="none")))]
        at = np.array([i for i, _ in detections])
        frames = np.array([(48 * up / d.size - 1) / 2 for _, d in detections])
        cells = []
        for margin in margins:
            p = model.probabilities([crop(large[i], d.box, margin) for i, d in detections])
            same, right = np.mean(p.argmax(1) == own[at].argmax(1)), np.mean(p.argmax(1) == truth[at])
            cells.append(f"{100 * same:.1f} / {100 * right:.1f}")
        low, middle, high = np.percentile(frames, [10, 50, 90])
        print(
            f"| {name} | {100 * len(detections) / rows:.0f} % | {middle:+.3f} ({low:+.2f}, {high:+.2f}) | {' | '.join(cells)} |"
        )
        angles = [eye_angle(d.landmarks) for _, d in detections if d.landmarks is not None]
        if angles:
            half, most, nearly = np.percentile(np.abs(angles), [50, 80, 98])
            notes.append(
                f"{name}: half of FER2013's heads are tilted by less than {half:.0f}, 80 % {most:.0f}, 98 % {nearly:.0f} degrees"
            )
    print("\n" + "\n".join(notes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--step", type=int, default=15, help="degrees between two turns")
    parser.add_argument("--turns", help="these degrees only, such as 0,15,30: the table in parts")
    parser.add_argument("--side", type=int, default=640, help="longest side of the photographs")
    parser.add_argument("--detectors", default="yunet,ssd,mtcnn,haar")
    parser.add_argument("--tilts", default="none,retry")
    parser.add_argument("--one-way", action="store_true", help="turn clockwise only: half the work")
    parser.add_argument("--framing", action="store_true", help="the framing table instead of the recall table")
    parser.add_argument("--rows", type=int, default=800)
    parser.add_argument("--model", help="the network of the framing table; default: the bundled one")
    options = parser.parse_args()
    files = {"yunet": "yunet_2026may.onnx", "ssd": "opencv_face_detector_uint8.pb"}
    detectors = {}
    for name in options.detectors.split(","):
        try:
            model = str(options.data / "detectors" / files[name]) if name in files else None
            detectors[name] = open_detector(name, model)
        except FervizError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    if options.framing:
        print_framing(detectors, options.data, options.rows, options.model)
    else:
        print_recall(
            detectors,
            photographs(options.data / "pictures", options.side),
            [int(d) for d in options.turns.split(",")] if options.turns else list(range(0, 181, options.step)),
            options.tilts.split(","),
            options.one_way,
        )


if __name__ == "__main__":
    main()
