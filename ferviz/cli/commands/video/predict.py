"""`ferviz video predict`: the emotions of a video's faces, frame by frame."""

from __future__ import annotations

from dataclasses import replace

import click

from ferviz.cli.options.drawing_options import PrintOptions
from ferviz.cli.options.explain_options import ExplainOptions
from ferviz.cli.options.input_options import FaceOptions, VideoOptions
from ferviz.cli.options.network_options import ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.sections import SectionedCommand, options
from ferviz.cli.videos import run_video
from ferviz.errors import UsageError


@click.command("predict", cls=SectionedCommand)
@click.argument("path", metavar="VIDEO")
@click.option("--heatmap", metavar="METHOD", help="Lay the heatmaps of this method over the faces, e.g. gradcam.")
@click.option("--jsonl", is_flag=True, help="Print one JSON document for each frame on a line, as soon as it is known.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the table of --table on standard output.")
@options(
    out="none; FILE.mp4 is the annotated video, FILE.csv the table",
    helps={"target": "With --heatmap: what the heatmaps explain."},
    without=("tilt", "method", "settings", "layer"),
)
def command(
    path: str,
    heatmap: str | None,
    jsonl: bool,
    as_csv: bool,
    explain: ExplainOptions,
    video: VideoOptions,
    model: ModelOptions,
    faces: FaceOptions,
    printing: PrintOptions,
    output: OutputOptions,
) -> int:
    """Predict the emotions of a video's faces, frame by frame.

    Prints for each face which emotions it showed, for which share of the time, and when they changed.
    --out FILE.mp4 is the annotated video, --table FILE.csv has one line for each face and frame, --timeline FILE.png shows the emotions
    over time.
    """
    if output.as_json + jsonl + as_csv > 1:
        raise UsageError("--json, --jsonl and --csv exclude each other; a table can go to a file with --table FILE.csv")
    if heatmap is None and explain.target != ("predicted",):
        raise UsageError(
            f"--target {','.join(explain.target)} is what heatmaps explain, and there are none; add --heatmap gradcam"
        )
    if heatmap is not None and not (output.out or "").lower().endswith(".mp4"):
        raise UsageError(f"--heatmap {heatmap} is drawn into the annotated video; add --out FILE.mp4")
    printed = "jsonl" if jsonl else "csv" if as_csv else "" if output.as_json or output.quiet else "text"
    method = None if heatmap is None else replace(explain, method=heatmap)
    return run_video("predict", path, method, video, model, faces, printing, output, printed)
