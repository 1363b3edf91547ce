"""`ferviz video explain`: heatmaps over the faces of a video."""

from __future__ import annotations

import click

from ferviz.cli.sections import SectionedCommand, options
from ferviz.cli.videos import VideoHeatmapOptions, explain_video


@click.command("explain", cls=SectionedCommand)
@click.argument("path", metavar="VIDEO")
@options(out="<video>_explain.mp4", without=("tilt",))
def command(path: str, asked: VideoHeatmapOptions) -> int:
    """Explain the faces of a video with any attribution method.

    --out FILE.mp4 is the video with a heatmap over each face, --table FILE.csv has one line for each face and frame, --timeline FILE.png
    shows the emotions over time.
    """
    return explain_video("explain", path, asked)
