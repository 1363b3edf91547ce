"""What the commands over a video do: follow its faces, and write the annotated video, the table, the timeline and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from ferviz.cli.console import Console, echo, echo_data, print_json
from ferviz.cli.inputs import open_model
from ferviz.cli.options.drawing_options import PrintOptions
from ferviz.cli.options.explain_options import ExplainOptions
from ferviz.cli.options.input_options import FaceOptions, VideoOptions
from ferviz.cli.options.network_options import ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.outputs import check_outputs, default_output, files_of, inputs_of, typed
from ferviz.cli.sections import OptionBundle
from ferviz.cli.tables import track_lines
from ferviz.errors import NoFaceError, UsageError

if TYPE_CHECKING:
    from ferviz.models.model import Model
    from ferviz.video.pipeline import AnalysisOptions, FrameResult
    from ferviz.video.result import VideoSummary


@dataclass(frozen=True)
class VideoHeatmapOptions(OptionBundle):
    """What the commands take that draw heatmaps over the faces of a video."""

    explain: ExplainOptions
    video: VideoOptions
    model: ModelOptions
    faces: FaceOptions
    printing: PrintOptions
    output: OutputOptions


def explain_video(command: str, path: str, asked: VideoHeatmapOptions) -> int:
    """Explain one video frame by frame; --out is <stem>_<command>.mp4 if no output is named.

    Args:
        command: the command's name, for the output and JSON.
        path: the video.
        asked: the command's options.

    Returns:
        The exit code.
    """
    asked.explain.check_method()
    output, video = asked.output, asked.video
    if not (output.out or video.table or video.timeline):
        words, inputs = typed("method", "target", "layer"), [path, *inputs_of(asked.model, asked.faces)]
        out = default_output([path], command, ".mp4", asked=words, force=output.force, inputs=inputs)
        output = replace(output, out=str(out))
    return run_video(command, path, asked.explain, video, asked.model, asked.faces, asked.printing, output)


def run_video(
    command: str,
    path: str,
    explain: ExplainOptions | None,
    video_options: VideoOptions,
    model_options: ModelOptions,
    faces: FaceOptions,
    printing: PrintOptions,
    output: OutputOptions,
    printed: str = "",
) -> int:
    """Follow the faces of one video and write what the options ask for.

    Args:
        command: the command's name, for JSON.
        path: the video.
        explain: draws heatmaps over the faces of the annotated video; None = no heatmaps.
        video_options, model_options, faces, printing, output: the command's options.
        printed: what standard output gets as well as --json: "jsonl" (a document for each frame), "csv" (the table), "text" (what
            each face showed) or "".

    Returns:
        The exit code.

    Raises:
        UsageError, UnknownNameError, OutputError: an option cannot be used, before the network is loaded.
        NoFaceError: no frame shows a face.
    """
    from ferviz.files import check_output
    from ferviz.video.analyze import analyze_video
    from ferviz.video.reading import Video

    console = Console(output.quiet)
    out, table, timeline = _outputs(video_options, printing, output)
    _check_options(explain, video_options, faces)
    check_outputs((out, table, timeline), [path, *inputs_of(model_options, faces)])
    with Video(path) as video:
        model = open_model(model_options, console)
        check_outputs((out, table, timeline), files_of(model))
        explain = explain and _settled(explain, model, console)
        for name in (out, table, timeline):  # after everything that was typed, before the work
            if name:
                check_output(name, output.force)

        def progress(results: Iterator[FrameResult], total: int | None) -> Iterable[FrameResult]:
            return _printed(console.progress(results, "analyzing", total), command, path, model.labels, printed)

        summary = analyze_video(
            model,
            video,
            analysis_options(faces, explain, video_options.half_life, output.seed),
            out=out,
            table=table,
            start=video_options.start,
            stop=video_options.stop,
            every=video_options.every,
            force=output.force,
            progress=progress,
            log=console.warn,
        )
    if timeline:
        drawn = PurePath(timeline).suffix.lower() not in (".npz", ".json", ".csv")
        drawing = {"doubtful": video_options.doubtful, **printing.given()} if drawn else {}
        summary.save(timeline, output.force, **drawing)
    files = [name for name in (out, table, timeline) if name]
    for name in files:
        console.say(f"wrote {name}")
    _report(summary, printed, console)
    if output.as_json:
        print_json(command, {**summary.to_dict(), "out": files})
    if not summary.faces:
        raise NoFaceError(
            f"no face was found in the {summary.analyzed} frames of {path} that were analyzed; lower --threshold, "
            "or try another --detector"
        )
    return 0


def _printed(
    results: Iterable[FrameResult], command: str, path: str, labels: Sequence[str], printed: str
) -> Iterator[FrameResult]:
    """Yield the results, and print each that was analyzed as a JSON line or as lines of CSV if these are asked for."""
    from ferviz.tables.csv_table import csv_text
    from ferviz.video.records import frame_columns, frame_record, frame_rows

    if printed == "csv":
        echo_data(csv_text([frame_columns(labels)]))
    for result in results:
        yield result
        if printed == "jsonl" and result.analyzed:
            print_json(command, {"source": path, **frame_record(result)}, indent=None)
        if printed == "csv" and result.analyzed:
            echo_data(csv_text(frame_rows(result, labels)))


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

    arguments = {name: value for name, value in faces.arguments().items() if name != "tilt"}
    search = AnalysisOptions(**arguments, half_life=half_life, seed=seed)
    if explain is None:
        return search
    return replace(
        search,
        method=explain.method,
        target=",".join(explain.target),
        layer=explain.layer or None,
        settings=dict(explain.settings),
    )


def _outputs(
    video: VideoOptions, printing: PrintOptions, output: OutputOptions
) -> tuple[str | None, str | None, str | None]:
    """-> (annotated video, table, timeline) that --out, --table and --timeline name. Raises what makes one of them impossible."""
    from ferviz.files import check_suffix
    from ferviz.video.result import VideoSummary

    out, table, timeline = output.out, video.table, video.timeline
    if video.doubtful and not timeline:
        raise UsageError("--doubtful is about the timeline; add --timeline FILE.png")
    if printing != PrintOptions() and not timeline:
        raise UsageError("--width-mm, --dpi and --font-size lay out the timeline; add --timeline FILE.pdf")
    suffix = Path(out).suffix.lower() if out else ".mp4"
    if suffix == ".csv":
        if table:
            raise UsageError("--out and --table both name a table; let --out name an .mp4")
        out, table = None, out
    elif suffix != ".mp4":
        raise UsageError(
            f"--out {out}: a video is written as .mp4, its table as .csv; --timeline FILE.png draws the emotions over time"
        )
    if table:
        check_suffix(table, (".csv",))
    if timeline:
        check_suffix(timeline, VideoSummary.suffixes())
    return out, table, timeline


def _check_options(explain: ExplainOptions | None, video: VideoOptions, faces: FaceOptions) -> None:
    """Raise what is wrong with options whatever the network is, before it is loaded."""
    from ferviz.attribution.methods.registry import AUTO, METHODS
    from ferviz.faces.detectors.registry import NONE, open_detector
    from ferviz.faces.search import SearchOptions

    if video.stop is not None and video.stop <= video.start:
        raise UsageError(f"frames {video.start} to {video.stop} are not a range; give --start and a larger --stop")
    if explain is not None and explain.method != AUTO:  # which is settled when the network is known
        METHODS[explain.method].resolve_settings(dict(explain.settings))
    SearchOptions(faces.threshold, faces.min_size, faces.max_side)
    if faces.detector != NONE:
        open_detector(faces.detector, faces.detector_model)


def _settled(explain: ExplainOptions, model: Model, console: Console) -> ExplainOptions:
    """-> the options with the method that is taken for a network, and its layers."""
    from ferviz.attribution.attribution_job import AttributionJob

    layer = explain.layer or None
    job = AttributionJob.prepare(model, explain.method_if_asked(), explain.target, layer, dict(explain.settings))
    if job.chosen:
        console.say(f"method {job.name}: {job.chosen}")
    return replace(explain, method=job.name, layer=job.layers if job.chosen else explain.layer)


def _report(summary: VideoSummary, printed: str, console: Console) -> None:
    """Say how much was seen and what spoils it, and print the lines of each track if they are asked for."""
    tracks = f"{len(summary.tracks)} {'track' if len(summary.tracks) == 1 else 'tracks'}"
    doubtful = sum(bool(track.doubt) for track in summary.tracks)
    tracks += f", of which {doubtful} {'is' if doubtful == 1 else 'are'} doubtful" if doubtful else ""
    console.say(
        f"{summary.source}: {summary.frames} frames, {summary.analyzed} analyzed, {summary.faces} faces in {tracks}"
    )
    if summary.detector == "haar" and summary.faces:
        console.warn(_about_haar())
    if printed == "text":
        for line in track_lines(summary.to_dict()):
            echo(line)


def _about_haar() -> str:
    """-> what the default detector would do better than Haar's cascade."""
    return (
        "haar takes patterns for faces and loses a face that turns or tilts; YuNet, the default, does so far less and marks eyes, "
        "nose and mouth: leave out --detector haar"
    )
