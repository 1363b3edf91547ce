"""`ferviz live`: a camera, a stream or a file, explained frame by frame in the local browser."""

from __future__ import annotations

import os
import threading
from dataclasses import replace

import click

from ferviz.cli.console import Console, echo
from ferviz.cli.inputs import open_model
from ferviz.cli.options import ExplainOptions, FaceOptions, ModelOptions, OutputOptions, VideoOptions
from ferviz.cli.sections import SectionedCommand, options
from ferviz.cli.videos import analysis_options


@click.command("live", cls=SectionedCommand)
@click.argument("source", default="0")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8765,
    show_default=True,
    help="Port of the page; 0 = any free port.",
)
@click.option("--loop", is_flag=True, help="Start a file again at its end.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in the browser.")
@options(
    helps={
        "method": "The attribution method of the heatmaps; none = no heatmaps.",
        "target": "What the heatmaps explain.",
    },
    without=(
        "settings",
        "tilt",
        "every",
        "start",
        "stop",
        "timeline",
        "table",
        "doubtful",
        "out",
        "force",
        "as_json",
        "seed",
    ),
)
def command(
    source: str,
    port: int,
    loop: bool,
    open_page: bool,
    explain: ExplainOptions,
    video: VideoOptions,
    model: ModelOptions,
    faces: FaceOptions,
    output: OutputOptions,
) -> int:
    """Watch a camera: the emotions of its faces, in the browser.

    SOURCE is a camera's number, a video file, or a stream's URL. The page is served to this machine alone (127.0.0.1); it has
    pause, snapshot, and the choice of method and class. Ends with Ctrl-C, or when the source ends.
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")  # ferviz reports in its own words what fails
    from ferviz.video.pipeline import FrameAnalyzer
    from ferviz.video.reading import Video
    from ferviz.web.live import OFF, Live
    from ferviz.web.server import LiveServer

    console = Console(output.quiet)
    frames = Video(source, live=True)
    network = open_model(model, console)
    analysis = replace(analysis_options(faces, explain, video.half_life), method=None, target="predicted")
    live = Live(frames, FrameAnalyzer(network, analysis), loop)
    live.choose(explain.method or OFF, ",".join(explain.target))
    server = LiveServer(live, port)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    live.start()
    serving.start()
    echo(server.url)
    console.say("open this page in a browser; Ctrl-C ends")
    if open_page:
        import webbrowser

        webbrowser.open(server.url)
    try:
        while not live.wait(0.5):
            pass
    finally:
        live.stop()
        server.shutdown()
        server.server_close()
    if live.error:
        console.warn(live.error)
    return 0
