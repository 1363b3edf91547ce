"""`ferviz video predict`: the emotions of a video's faces, frame by frame."""

from __future__ import annotations

from dataclasses import replace

import click

from ferviz.cli.options import ExplainOptions, FaceOptions, ModelOptions, OutputOptions, VideoOptions
from ferviz.cli.sections import SectionedCommand, options
from ferviz.cli.videos import run_video
from ferviz.errors import UsageError


@click.command("predict", cls=SectionedCommand)
@click.argument("path", metavar="VIDEO")
@click.option("--heatmap", metavar="METHOD", help="Lay the heatmaps of this method over the faces, e.g. gradcam.")
@click.option("--jsonl", is_flag=True, help="Print one JSON document for each frame on a line, as soon as it is known.")
@options(
    out="none; FILE.mp4 is the annotated video, FILE.csv the table",
    helps={"target": "With --heatmap: what the heatmaps explain."},
    without=("tilt", "method", "settings", "layer"),
)
def command(
    path: str,
    heatmap: str | None,
    jsonl: bool,
    explain: ExplainOptions,
    video: VideoOptions,
    model: ModelOptions,
    faces: FaceOptions,
    output: OutputOptions,
) -> int:
    """Predict the emotions of a video's faces, frame by frame.

    --out FILE.mp4 is the annotated video, --table FILE.csv has one line for each face and frame, --timeline FILE.png shows the emotions
    over time.
    """
    if jsonl and output.as_json:
        raise UsageError("--json and --jsonl exclude each other; name one of them")
    method = None if heatmap is None else replace(explain, method=heatmap)
    return run_video("predict", path, method, video, model, faces, output, jsonl)
