"""
A video, frame by frame
=======================

A video to an annotated video, a table and a timeline of emotions; without a video, the portrait moves before a camera.
"""

# sphinx_gallery_thumbnail_path = "images/video-frame.png"

import argparse
from pathlib import Path

import cv2
import numpy as np

import ferviz
from ferviz.images import write_image
from ferviz.video.reading import Video
from ferviz.video.writing import VideoWriter


def moving_portrait(path: Path, seconds: float = 3.0, rate: float = 20.0) -> Path:
    """Write a clip in which the portrait of this folder comes nearer and turns a little."""
    portrait = ferviz.read_image(Path(__file__).parent / "astronaut.png")
    with VideoWriter(path, rate, force=True) as out:
        for moment in np.linspace(0, 1, round(seconds * rate)):
            zoom, angle = 1.2 + 0.6 * moment, 8 * np.sin(4 * np.pi * moment)
            way = cv2.getRotationMatrix2D((222, 130), angle, zoom)
            way[:, 2] += (240 - 222, 170 - 130)
            out.add(cv2.warpAffine(portrait, way, (480, 360), borderMode=cv2.BORDER_REPLICATE))
    return path


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("video", nargs="?", type=Path)
parser.add_argument("--method", default="gradcam")
parser.add_argument("--detector-model")
parser.add_argument("--out", type=Path, default=Path("annotated.mp4"))
args = parser.parse_args()

source = args.video or moving_portrait(Path("portrait.mp4"))
table, timeline = args.out.with_suffix(".csv"), args.out.with_name(f"{args.out.stem}_timeline.png")
summary = ferviz.analyze_video(
    ferviz.load_model(),
    source,
    ferviz.AnalysisOptions(method=args.method, detector_model=args.detector_model),
    out=args.out,
    table=table,
    force=True,
)
summary.save(timeline, force=True)
print(f"written: {args.out}, {table}, {timeline}")

still = args.out.with_name(f"{args.out.stem}_frame.png")
with Video(args.out) as video:
    write_image(still, next(video.frames(video.count * 2 // 3)).pixels, force=True)
print(f"written: {still}")
