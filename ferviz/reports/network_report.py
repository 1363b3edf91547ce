"""`ferviz.report`: a report about a network in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ferviz.data.dataset import Dataset
from ferviz.data.read import as_dataset
from ferviz.data.splits import AUTO, choose_split
from ferviz.errors import UsageError, check_integer
from ferviz.files import PathLike
from ferviz.models.model import Model, as_model
from ferviz.reports.question import Question
from ferviz.reports.write_report import check_report_path, write_report

MAX_MB = 20.0
"""A report is at most so large: mail and browsers take that."""


def report(
    model: Model | PathLike | None,
    data: Dataset | PathLike,
    out: PathLike,
    *,
    split: str | None = AUTO,
    quick: bool = False,
    show_faces: bool = True,
    judges: Sequence[Model | PathLike] = (),
    max_mb: float = 5.0,
    seed: int = 0,
    batch_size: int = 64,
    resume: bool = False,
    force: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Path:
    """Write what there is to say about a network on a data set as one HTML file; `ferviz report` does the same.

    Args:
        model: the network, its path, or None for the bundled one.
        data: labelled faces that it was not trained on, or what `read_data` takes.
        out: the file to write, .html. While the report is made, its finished sections lie in a folder `<out>.parts` beside it.
        split: the faces; "auto" is "PublicTest" of data with several splits and everything of data with one; None means all.
        quick: the slow sections rest on fewer faces, and the report says on how many.
        show_faces: single faces may be shown; False leaves means, maps and numbers.
        judges: other networks, or their paths, that say what they see in the dreams; where there are none, the bundled network does,
            unless the report is about it.
        max_mb: how large the file may be, in millions of bytes, up to 20: pictures become smaller, then fewer, and the report says so.
        seed: of everything that is drawn.
        batch_size: pictures in one pass through the network.
        resume: go on with an interrupted report that asked the same.
        force: replace an existing file, and the sections of an interrupted report.
        progress: takes a phrase about what is done next.

    Returns:
        The path. The file is there whole or not at all; `read_record` gives its numbers back.

    Raises:
        UsageError: the suffix is not .html, Jinja2 is not installed, or the report is larger than `max_mb` without any picture.
        DataError: there are no faces, or the data cannot be read.
        ModelError: the network cannot be opened.
        OutputError: an interrupted report is there, and neither `resume` nor `force` is set; or a file cannot be written.
    """
    check_integer("seed", seed, 0)
    check_integer("batch_size", batch_size, 1)
    if not 0 < max_mb <= MAX_MB:
        raise UsageError(f"max_mb has to be above 0 and at most {MAX_MB:g}, not {max_mb!r:.40}")
    check_report_path(out, resume, force)
    network = _open(model)
    faces = choose_split(as_dataset(data), split)
    question = Question(
        network, faces, split_name(faces), quick, show_faces, judges_of(network, [_open(judge) for judge in judges]), seed, batch_size,
        progress=progress or (lambda text: None),
    )  # fmt: skip
    return write_report(question, out, max_mb=max_mb, resume=resume, force=force)


def split_name(data: Dataset) -> str:
    """Return what a report calls the faces that it is about.

    Args:
        data: the faces.
    """
    return ", ".join(name for name in data.splits if name) or "all"


def judges_of(model: Model, judges: Sequence[Model]) -> tuple[Model, ...]:
    """Return the networks that judge the dreams of a report: those that were named, or the bundled one if it is another.

    Args:
        model: the network that the report is about.
        judges: those that were named.
    """
    if judges:
        return tuple(judges)
    from ferviz.models.load import load_model

    bundled = load_model()
    return () if bundled.sha256 == model.sha256 else (bundled,)


def _open(model: Model | PathLike | None) -> Model:
    if model is None or not isinstance(model, Model):
        from ferviz.models.load import load_model

        return load_model(model)
    return as_model(model)
