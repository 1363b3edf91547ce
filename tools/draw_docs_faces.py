"""Makes the pictures of the pages about faces and video: python tools/draw_docs_faces.py [--detector-model FILE]"""

import argparse
import contextlib
import runpy
import shutil
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from tutorial.stand_ins import clip

import ferviz
from ferviz.cli import run
from ferviz.images import write_image
from ferviz.rendering.annotate import Mark, annotate

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "docs" / "images"
EXAMPLES = ROOT / "examples"


def group() -> np.ndarray:
    """Sixteen times the portrait, in other light, mirrored, nearer or farther: a group as far as boxes and bars go."""
    portrait = ferviz.read_image(EXAMPLES / "astronaut.png")
    rng = np.random.default_rng(4)
    rows = []
    for _ in range(4):
        row = []
        for _ in range(4):
            side = int(rng.integers(170, 240))
            left, top = 222 - side // 2, 125 - side // 2
            part = portrait[max(0, top) : top + side, left : left + side].astype(float) * rng.uniform(0.55, 1.15)
            part = np.clip(part, 0, 255).astype(np.uint8)
            row.append(cv2.resize(part[:, :: rng.choice([1, -1])], (240, 200), interpolation=cv2.INTER_AREA))
        rows.append(np.hstack(row))
    return np.vstack(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--detector-model")
    options = parser.parse_args()
    model = ferviz.load_model()

    picture = group()
    faces = ferviz.find_faces(picture, detector_model=options.detector_model, tilt="none")
    marks = [Mark(p.face.box, p.label, p.probabilities) for p in model.predict(faces)]
    write_image(HERE / "predict-group.jpg", annotate(picture, marks), force=True)

    with tempfile.TemporaryDirectory() as folder:
        sys.argv = ["video_timeline.py", "--out", f"{folder}/a.mp4"]
        if options.detector_model:
            sys.argv += ["--detector-model", options.detector_model]
        runpy.run_path(str(EXAMPLES / "video_timeline.py"), run_name="__main__")
        shutil.copy(f"{folder}/a_frame.png", HERE / "video-frame.png")
    Path("portrait.mp4").unlink(missing_ok=True)

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        clip(Path("clip.mp4"))
        code = run(["predict", "clip.mp4", "--timeline", str(HERE / "timeline.png"), "--force"])
    sys.exit(code)


if __name__ == "__main__":
    main()
