"""`ferviz video`: the commands over videos and cameras."""

from __future__ import annotations

import click

from ferviz.cli.lazy import LazyGroup

COMMANDS = {
    "predict": "Predict the emotions of a video's faces, frame by frame.",
    "gradcam": "Show where a network looks in a video: Grad-CAM over the faces.",
    "explain": "Explain the faces of a video with any attribution method.",
    "live": "Watch a camera: the emotions of its faces, in the browser.",
}
"""Command name -> the line that `ferviz video --help` shows."""


@click.group(cls=LazyGroup, summaries=COMMANDS, package=__name__)
def command() -> None:
    """Predict or explain the faces of a video or a camera.

    The short forms do the same: ferviz predict clip.mp4, ferviz gradcam clip.mp4, ferviz explain clip.mp4, ferviz live.
    """
