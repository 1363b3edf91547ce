"""`analyze_video`: the faces of a video followed from its first frame to its last, and what is written meanwhile."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from ferviz.errors import NoFaceError
from ferviz.files import PathLike, check_output
from ferviz.models.model import Model, as_model
from ferviz.video.drawing import frame_picture
from ferviz.video.history import TrackHistory
from ferviz.video.pipeline import AnalysisOptions, FrameAnalyzer, FrameResult
from ferviz.video.reading import Video
from ferviz.video.result import VideoSummary
from ferviz.video.writing import TableWriter, VideoWriter

SLACK = 0.25
"""Seconds by which a video may be shorter than its header declares."""

FrameProgress = Callable[[Iterator[FrameResult], int | None], Iterable[FrameResult]]


def analyze_video(
    model: Model,
    video: Any,
    options: AnalysisOptions | None = None,
    *,
    out: PathLike | None = None,
    table: PathLike | None = None,
    start: int = 0,
    stop: int | None = None,
    every: int = 1,
    force: bool = False,
    progress: FrameProgress | None = None,
    log: Callable[[str], None] | None = None,
) -> VideoSummary:
    """Follow the faces of a video, with memory for one frame however long it is.

    Args:
        model: the network.
        video: a file, or an open `ferviz.video.reading.Video`.
        options: how to search, smooth and explain; None = the defaults, without heatmaps.
        out: an .mp4 file for the annotated video.
        table: a .csv file with one line for each face and frame.
        start: the first frame.
        stop: the frame to stop before; None = the end.
        every: every so many frames one is analyzed, and the others show its faces.
        force: replace existing files.
        progress: takes (iterator over the frames' results, how many there are or None) and yields the same; for a progress bar, or to see
            each frame as soon as it is known.
        log: takes one sentence for the user, where the file ends too early; None = `warnings.warn`.

    Returns:
        What the video showed; it draws and saves itself as a timeline.

    Raises:
        PictureError: the video cannot be read.
        UsageError, UnknownNameError, ModelError: an option that makes no sense, or that the network cannot do.
        NoFaceError: all frames are the same and show no face, which is how interlaced video looks; then nothing is written.
        OutputExistsError: a file is there and `force` is false.
        OutputError: a file cannot be written.
    """
    with contextlib.ExitStack() as stack:
        opened = video if isinstance(video, Video) else stack.enter_context(Video(video))
        analyzer, history = FrameAnalyzer(as_model(model), options), TrackHistory(model.labels)
        for name in (out, table):
            if name is not None:
                check_output(name, force)
        movie = None if out is None else stack.enter_context(VideoWriter(out, opened.output_rate(), force))
        lines = None if table is None else stack.enter_context(TableWriter(table, model.labels, force))
        end = stop or opened.count or None
        total = end - start if end else None
        results = analyzer.run(opened.frames(start, stop), every)
        for result in progress(results, total) if progress else results:
            history.add(result)
            if lines is not None:
                lines.add(result)
            if movie is not None:
                movie.add(frame_picture(result.frame.pixels, result.faces, model.labels), result.frame.time)
        _check_still(opened, history)
    _check_length(opened, history, total, end, log or warnings.warn)
    return replace(history.summary(opened.name, model, opened.rate), detector=analyzer.detector)


def _check_still(video: Video, history: TrackHistory) -> None:
    """Raise NoFaceError where no frame differs from another, before anything is written."""
    if video.still and history.frames > 1 and not history.faces:
        raise NoFaceError(
            f"all {history.frames} frames of {video.name} are the same and show no face; interlaced video looks so, which OpenCV cannot "
            "decode: convert it first (ffmpeg -i FILE -vf yadif OUT.mp4)"
        )


def _check_length(
    video: Video, history: TrackHistory, total: int | None, end: int | None, log: Callable[[str], None]
) -> None:
    # Containers without a count give the duration times a rate: at a varying rate fewer frames fill all of it, and the
    # sound may last longer than the pictures.
    if total and history.frames < total * 0.98 and history.end < (end or 0) / video.rate * 0.98 - SLACK:
        log(
            f"{video.name} ends after {history.frames} of the {total} frames that it declares; it is cut off, or its header is wrong"
        )
