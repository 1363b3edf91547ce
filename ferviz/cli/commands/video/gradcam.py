"""`ferviz video gradcam`: where a network looks, over the faces of a video."""

from __future__ import annotations

import click

from ferviz.cli.sections import SectionedCommand, options
from ferviz.cli.videos import VideoHeatmapOptions, explain_video


@click.command("gradcam", cls=SectionedCommand)
@click.argument("path", metavar="VIDEO")
@options(out="<video>_gradcam.mp4", without=("tilt", "method", "settings"))
def command(path: str, asked: VideoHeatmapOptions) -> int:
    """Show where a network looks in a video: Grad-CAM over the faces.

    --out FILE.mp4 is the video with a heatmap over each face, --table FILE.csv has one line for each face and frame, --timeline FILE.png
    shows the emotions over time.
    """
    return explain_video("gradcam", path, asked)
