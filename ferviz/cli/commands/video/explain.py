"""`ferviz video explain`: heatmaps over the faces of a video."""

from __future__ import annotations

import click

from ferviz.cli.options.explain_options import ExplainOptions
from ferviz.cli.options.input_options import FaceOptions, VideoOptions
from ferviz.cli.options.network_options import ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.sections import SectionedCommand, options
from ferviz.cli.videos import explain_video


@click.command("explain", cls=SectionedCommand)
@click.argument("path", metavar="VIDEO")
@options(out="<video>_explain.mp4", without=("tilt",))
def command(
    path: str,
    explain: ExplainOptions,
    video: VideoOptions,
    model: ModelOptions,
    faces: FaceOptions,
    output: OutputOptions,
) -> int:
    """Explain the faces of a video with any attribution method.

    --out FILE.mp4 is the video with a heatmap over each face, --table FILE.csv has one line for each face and frame, --timeline FILE.png
    shows the emotions over time.
    """
    return explain_video("explain", path, explain, video, model, faces, output)
