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
from ferviz.video.drawing import frame_picture
from ferviz.video.history import TrackHistory
from ferviz.video.pipeline import AnalysisOptions, FrameAnalyzer
from ferviz.video.reading import Video
from ferviz.video.writing import TableWriter, VideoWriter


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
model = ferviz.load_model()
analyzer = FrameAnalyzer(model, AnalysisOptions(method=args.method, detector_model=args.detector_model))
history = TrackHistory(model.labels)
middle = None
with (
    Video(source) as video,
    VideoWriter(args.out, video.rate, force=True) as movie,
    TableWriter(args.out.with_suffix(".csv"), model.labels) as table,
):
    for result in analyzer.run(video.frames()):
        drawn = frame_picture(result.frame.pixels, result.faces, model.labels)
        movie.add(drawn)
        table.add(result)
        history.add(result)
        if result.frame.index == video.count * 2 // 3:
            middle = drawn

timeline = args.out.with_name(f"{args.out.stem}_timeline.png")
history.summary(str(source), model, video.rate).save(timeline, force=True)
print(f"written: {args.out}, {args.out.with_suffix('.csv')}, {timeline}")
if middle is not None:
    still = args.out.with_name(f"{args.out.stem}_frame.png")
    write_image(still, middle, force=True)
    print(f"written: {still}")
