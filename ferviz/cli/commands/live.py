"""`ferviz live`: a camera, a stream or a file, explained frame by frame in the local browser."""

from __future__ import annotations

import os
import threading
from typing import Any

import click

from ferviz.cli.options import Console, Number, face_options, model_options, open_model


@click.command()
@click.argument("source", default="0")
@model_options
@face_options
@click.option(
    "--method",
    default="gradcam",
    show_default=True,
    metavar="NAME",
    help="The heatmaps' attribution method; none = no heatmaps.",
)
@click.option(
    "--target", "-t", default="predicted", show_default=True, metavar="CLASS", help="What the heatmaps explain."
)
@click.option(
    "--layer", "-l", metavar="NAME", help="The layer to look at (see: ferviz layers).  [default: the last map]"
)
@click.option("--half-life", type=Number(0), default=0.4, show_default=True, help="Seconds of smoothing.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8765,
    show_default=True,
    help="Where the page is; 0 = any free port.",
)
@click.option("--loop", is_flag=True, help="Start a file again at its end.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in the browser.")
@click.option("--quiet", "-q", is_flag=True, help="No messages.")
def command(source: str, **options: Any) -> int:
    """Watch a camera: what its faces show, in the browser.

    SOURCE is a camera's number, a video file, or a stream's URL. The page is served to this machine alone (127.0.0.1); it has
    pause, snapshot, and the choice of method and class. Ends with Ctrl-C, or when the source ends.
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")  # what fails is said in a sentence of ours
    from ferviz.video.pipeline import AnalysisOptions, FrameAnalyzer
    from ferviz.video.reading import Video
    from ferviz.web.live import OFF, Live
    from ferviz.web.server import LiveServer

    console = Console(options["quiet"])
    video = Video(source, live=True)
    model = open_model(options, console)
    chosen = {k: options[k] for k in ("detector", "detector_model", "threshold", "min_size", "max_side", "largest", "layer", "half_life")
              if options.get(k) is not None}  # fmt: skip
    live = Live(video, FrameAnalyzer(model, AnalysisOptions(**chosen)), options["loop"])
    live.choose(options["method"] or OFF, options["target"])
    server = LiveServer(live, options["port"])
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    live.start()
    serving.start()
    click.echo(server.url)
    console.say("open this page in a browser; Ctrl-C ends")
    if options["open_page"]:
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
