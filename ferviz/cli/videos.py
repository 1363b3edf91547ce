"""What the commands over a video do: follow its faces, and write the annotated video, the table, the timeline and JSON."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ferviz.cli.console import Console, print_json
from ferviz.cli.inputs import open_model
from ferviz.cli.options import ExplainOptions, FaceOptions, ModelOptions, OutputOptions, VideoOptions
from ferviz.cli.pictures import default_output
from ferviz.errors import NoFaceError, UsageError

if TYPE_CHECKING:
    from ferviz.video.pipeline import AnalysisOptions

SLACK = 0.25
"""Seconds by which a video may be shorter than its header declares."""


def explain_video(
    command: str,
    path: str,
    explain: ExplainOptions,
    video: VideoOptions,
    model: ModelOptions,
    faces: FaceOptions,
    output: OutputOptions,
) -> int:
    """Explain one video frame by frame; --out is <stem>_<command>.mp4 if no output is named.

    Args:
        command: the command's name, for the output and JSON.
        path: the video.
        explain, video, model, faces, output: the command's options.

    Returns:
        The exit code.
    """
    from ferviz.attribution.methods.registry import METHODS

    METHODS.entry(explain.method)
    if not (output.out or video.table or video.timeline):
        output = replace(output, out=str(default_output([path], command, ".mp4")))
    return run_video(command, path, explain, video, model, faces, output)


def run_video(
    command: str,
    path: str,
    explain: ExplainOptions | None,
    video_options: VideoOptions,
    model_options: ModelOptions,
    faces: FaceOptions,
    output: OutputOptions,
    jsonl: bool = False,
) -> int:
    """Follow the faces of one video and write what the options ask for.

    Args:
        command: the command's name, for JSON.
        path: the video.
        explain: draws heatmaps over the faces of the annotated video; None = no heatmaps.
        video_options, model_options, faces, output: the command's options.
        jsonl: print one JSON document for each frame.

    Returns:
        The exit code.

    Raises:
        NoFaceError: no frame shows a face.
    """
    from ferviz.files import check_output
    from ferviz.video.drawing import frame_picture
    from ferviz.video.history import TrackHistory
    from ferviz.video.pipeline import FrameAnalyzer
    from ferviz.video.reading import Video
    from ferviz.video.records import frame_record
    from ferviz.video.result import VideoSummary
    from ferviz.video.writing import TableWriter, VideoWriter

    console = Console(output.quiet)
    out, table = _outputs(output.out, video_options.table)
    timeline = video_options.timeline
    for name in (out, table):
        if name:
            check_output(name, output.force)
    if timeline:
        VideoSummary.check_path(timeline, output.force)
    start, stop = video_options.start, video_options.stop
    with contextlib.ExitStack() as stack:
        video = stack.enter_context(Video(path))
        model = open_model(model_options, console)
        analyzer = FrameAnalyzer(model, analysis_options(faces, explain, video_options.half_life, output.seed))
        history = TrackHistory(model.labels)
        movie = stack.enter_context(VideoWriter(out, video.output_rate(), output.force)) if out else None
        lines = stack.enter_context(TableWriter(table, model.labels, output.force)) if table else None
        end = stop or (video.count or None)
        total = end - start if end else None
        results = analyzer.run(video.frames(start, stop), video_options.every)
        for result in console.progress(results, "analyzing", total):
            history.add(result)
            if lines is not None:
                lines.add(result)
            if movie is not None:
                movie.add(frame_picture(result.frame.pixels, result.faces, model.labels), result.frame.time)
            if jsonl and result.analyzed:
                print_json(command, {"source": path, **frame_record(result)}, indent=None)
        count, last = history.frames, history.end
        if video.still and count > 1 and not history.faces:  # nothing is written of it
            raise NoFaceError(
                f"all {count} frames of {path} are the same and show no face; interlaced video looks so, which OpenCV cannot decode: "
                "convert it first (ffmpeg -i FILE -vf yadif OUT.mp4)"
            )
    # Containers without a count give the duration times a rate: at a varying rate fewer frames fill all of it, and the
    # sound may last longer than the pictures.
    if total and count < total * 0.98 and last < (end or 0) / video.rate * 0.98 - SLACK:
        console.warn(
            f"{path} ends after {count} of the {total} frames that it declares; it is cut off, or its header is wrong"
        )
    summary = history.summary(path, model, video.rate)
    if timeline:
        summary.save(timeline, output.force)
    files = [name for name in (out, table, timeline) if name]
    for name in files:
        console.say(f"wrote {name}")
    console.say(
        f"{path}: {count} frames, {history.analyzed} analyzed, {history.faces} faces in {len(summary.tracks)} tracks"
    )
    if output.as_json:
        print_json(command, {**summary.to_dict(), "out": files})
    if not history.faces:
        raise NoFaceError(
            f"no face was found in the {history.analyzed} frames of {path} that were analyzed; lower --threshold, "
            "or try another --detector"
        )
    return 0


def analysis_options(
    faces: FaceOptions, explain: ExplainOptions | None, half_life: float, seed: int = 0
) -> AnalysisOptions:
    """Return how the frames of a video are analyzed.

    Args:
        faces: how to search each frame.
        explain: the heatmaps; None = no heatmaps.
        half_life: of the smoothing, in seconds.
        seed: of the method.
    """
    from ferviz.video.pipeline import AnalysisOptions

    search = AnalysisOptions(
        detector=faces.detector,
        detector_model=faces.detector_model,
        threshold=faces.threshold,
        min_size=faces.min_size,
        max_side=faces.max_side,
        largest=faces.largest,
        half_life=half_life,
        seed=seed,
    )
    if explain is None:
        return search
    return replace(
        search, method=explain.method, target=explain.target, layer=explain.layer, settings=dict(explain.settings)
    )


def _outputs(out: str | None, table: str | None) -> tuple[str | None, str | None]:
    """-> (video, table) of --out and --table. Raises UsageError for an --out of another kind."""
    suffix = Path(out).suffix.lower() if out else ".mp4"
    if suffix == ".csv":
        if table:
            raise UsageError("--out and --table both name a table; let --out name an .mp4")
        return None, out
    if suffix != ".mp4":
        raise UsageError(
            f"--out {out}: a video is written as .mp4, its table as .csv; --timeline FILE.png draws the emotions over time"
        )
    return out, table
