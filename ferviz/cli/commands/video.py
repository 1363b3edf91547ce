"""What `ferviz predict` and `ferviz explain` do with a video: annotated video, table, timeline, JSON."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from ferviz.cli.options import Console, Number, default_output, open_model, print_json
from ferviz.errors import NoFaceError, UsageError
from ferviz.video import SUFFIXES

F = TypeVar("F", bound=Callable[..., Any])


_SLACK = 0.25  # seconds that a header may promise too much


def video_options(function: F) -> F:
    """--every, --start, --stop, --half-life, --timeline, --table: what of a video is looked at, and what is written."""
    for option in (
        click.option("--timeline", metavar="FILE", help="Video: draw the emotions over time, one row a face."),
        click.option("--table", metavar="FILE.csv", help="Video: write one line a face and frame."),
        click.option(
            "--half-life", type=Number(0), default=0.4, show_default=True, help="Video: seconds of smoothing."
        ),
        click.option("--stop", type=click.IntRange(1), help="Video: the frame to stop before."),
        click.option("--start", type=click.IntRange(0), default=0, show_default=True, help="Video: the first frame."),
        click.option(
            "--every", type=click.IntRange(1), default=1, show_default=True, help="Video: look at one frame in so many."
        ),
    ):
        function = option(function)
    return function


def is_video(path: str, options: dict[str, Any]) -> bool:
    """Return whether a command's argument is a video: by its suffix; a GIF where the options ask for what only videos give.

    Nothing that reads a video is imported. options: of the command.
    """
    suffix = Path(path).suffix.lower()
    asked = options.get("timeline") or options.get("table") or str(options.get("out")).lower().endswith(".mp4")
    return suffix in SUFFIXES or (suffix == ".gif" and bool(asked))


def no_video(options: dict[str, Any]) -> None:
    """Raise UsageError where pictures are given and options ask for what only videos give."""
    for name in ("timeline", "table"):
        if options.get(name):
            raise UsageError(
                f"--{name} is for a video ({', '.join(SUFFIXES)}, .gif); --out FILE.csv is a table of pictures"
            )


def explain_video(paths: Sequence[str], method: str, options: dict[str, Any], settings: dict[str, Any]) -> int:
    """Explain one video frame by frame with `method`; --out defaults to <stem>_explain.mp4. Raises UsageError for several."""
    from ferviz.attribution.methods.registry import METHODS

    METHODS.entry(method)
    only_one(paths)
    if not (options.get("out") or options.get("table") or options.get("timeline")):
        options = {**options, "out": str(default_output(paths, "explain", ".mp4"))}
    return run_video(paths[0], "explain", options, method, options["target"], settings)


def only_one(paths: Sequence[str]) -> None:
    """Raise UsageError where a video is not the only argument."""
    if len(paths) > 1:
        raise UsageError("one video at a time, and without pictures; call ferviz once for each")


def run_video(
    path: str,
    command: str,
    options: dict[str, Any],
    method: str | None,
    target: str = "predicted",
    settings: dict[str, Any] | None = None,
) -> int:
    """Follow the faces of one video and write what the options ask for; return the exit code.

    command: for the JSON document. options: of the command, with those of `video_options`, the model's and the faces'.
    method: draws heatmaps over the faces of the annotated video; None = no heatmaps. target, settings: of the method.
    """
    from ferviz.files import check_output
    from ferviz.video.drawing import frame_picture
    from ferviz.video.history import TrackHistory
    from ferviz.video.pipeline import AnalysisOptions, FrameAnalyzer
    from ferviz.video.reading import Video
    from ferviz.video.records import frame_record
    from ferviz.video.result import VideoSummary
    from ferviz.video.writing import TableWriter, VideoWriter

    console = Console(options["quiet"])
    out, table = _outputs(options)
    timeline = options.get("timeline")
    for name in (out, table):
        if name:
            check_output(name, options["force"])
    if timeline:
        VideoSummary.check_path(timeline, options["force"])
    with contextlib.ExitStack() as stack:
        video = stack.enter_context(Video(path))
        model = open_model(options, console)
        chosen = {
            k: options[k]
            for k in ("detector", "detector_model", "threshold", "largest", "max_side")
            if options.get(k) is not None
        }
        if options.get("min_size"):
            chosen["min_size"] = options["min_size"]
        settings = dict(settings or {})
        analysis = AnalysisOptions(
            method=method,
            target=target,
            layer=options.get("layer"),
            half_life=options["half_life"],
            seed=settings.pop("seed", 0),
            settings=settings,
            **chosen,
        )
        analyzer, history = FrameAnalyzer(model, analysis), TrackHistory(model.labels)
        movie = stack.enter_context(VideoWriter(out, video.output_rate(), options["force"])) if out else None
        lines = stack.enter_context(TableWriter(table, model.labels, options["force"])) if table else None
        stop = options.get("stop") or (video.count or None)
        total = stop - options["start"] if stop else None
        frames = video.frames(options["start"], options.get("stop"))
        for result in console.progress(analyzer.run(frames, options["every"]), "analyzing", total):
            history.add(result)
            if lines is not None:
                lines.add(result)
            if movie is not None:
                movie.add(frame_picture(result.frame.pixels, result.faces, model.labels), result.frame.time)
            if options.get("jsonl") and result.analyzed:
                record = {"schema_version": 1, "command": command, "source": path, **frame_record(result)}
                click.echo(json.dumps(record))
        count, last = history.frames, history.end
        if video.still and count > 1 and not history.faces:  # nothing is written of it
            raise NoFaceError(
                f"all {count} frames of {path} are the same and show no face; interlaced video looks so, which OpenCV cannot decode: "
                "convert it first (ffmpeg -i FILE -vf yadif OUT.mp4)"
            )
    # Containers without a count give the duration times a rate: at a varying rate fewer frames fill the whole of it, and the
    # sound may last longer than the pictures.
    if total and count < total * 0.98 and last < (stop or 0) / video.rate * 0.98 - _SLACK:
        console.warn(
            f"{path} ends after {count} of the {total} frames that it declares; it is cut off, or its header is wrong"
        )
    summary = history.summary(path, model, video.rate)
    if timeline:
        summary.save(timeline, options["force"])
    outputs = [name for name in (out, table, timeline) if name]
    for name in outputs:
        console.say(f"wrote {name}")
    console.say(
        f"{path}: {count} frames, {history.analyzed} analyzed, {history.faces} faces in {len(summary.tracks)} tracks"
    )
    if options["as_json"]:
        print_json(command, {**summary.to_dict(), "out": outputs})
    if not history.faces:
        raise NoFaceError(
            f"no face was found in the {history.analyzed} frames of {path} that were analyzed; lower --threshold, or try another --detector"
        )
    return 0


def _outputs(options: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return (video, table) of --out and --table. Raises UsageError for an --out of another kind."""
    out, table = options.get("out"), options.get("table")
    if out and Path(out).suffix.lower() == ".csv":
        if table:
            raise UsageError("--out and --table both name a table; let --out name an .mp4")
        return None, out
    if out and Path(out).suffix.lower() != ".mp4":
        raise UsageError(
            f"--out {out}: a video is written as .mp4, its table as .csv; --timeline FILE.png draws the emotions over time"
        )
    return out, table
