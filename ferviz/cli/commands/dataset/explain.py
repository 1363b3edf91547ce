"""`ferviz dataset explain`: a whole data set, chunk by chunk, in a run that can be resumed; or some of its faces as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ferviz.cli.console import Console, print_json
from ferviz.cli.inputs import open_data, open_model
from ferviz.cli.options.explain_options import ExplainOptions
from ferviz.cli.options.input_options import DataOptions, WhereOptions
from ferviz.cli.options.network_options import BatchOptions, ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.outputs import check_outputs, default_output, files_of, inputs_of, typed
from ferviz.cli.sections import OptionBundle, SectionedCommand, options
from ferviz.errors import UsageError
from ferviz.paths import PathLike, exists, is_folder

if TYPE_CHECKING:
    from ferviz.attribution.attribution_job import AttributionJob
    from ferviz.data.dataset import Dataset

STREAMED = ".npz"
MAX_PAGED = 480
"""Most faces that a PDF file shows: ten pages."""


@dataclass(frozen=True)
class DatasetOptions(OptionBundle):
    """What the commands take that explain the faces of a data set."""

    explain: ExplainOptions
    model: ModelOptions
    batch: BatchOptions
    data: DataOptions
    where: WhereOptions
    output: OutputOptions


@click.command("explain", cls=SectionedCommand)
@click.argument("path", metavar="DATA")
@click.option("--resume", is_flag=True, help="Continue an interrupted run.")
@options(out="<data>_explain.npz", without=("scheme", "votes"))
def command(path: str, resume: bool, asked: DatasetOptions) -> int:
    """Explain every face of a data set.

    DATA is fer2013.csv, icml_face_data.csv, or folders split/class/*.png. A .npz file holds the maps with the faces, their rows and
    labels; it is written chunk by chunk, so that memory does not grow with the data, and --resume continues after an interruption.
    Other formats show the faces, best of all a few of them: --where "true=fear predicted=sad" --out fear.png.
    """
    return explain_data("explain", path, resume, asked)


def explain_data(command: str, path: str, resume: bool, asked: DatasetOptions) -> int:
    """Explain the faces of a data set, into a .npz file chunk by chunk, into another format at once.

    Args:
        command: the command's name, for file names and JSON.
        path: the data set.
        resume: continue an interrupted run.
        asked: the command's options.

    Returns:
        The exit code.
    """
    from ferviz.attribution.attribution_job import AttributionJob
    from ferviz.attribution.explanation import Explanation
    from ferviz.data.where import parse_where
    from ferviz.files import check_output, check_suffix
    from ferviz.models.face_selection import select_faces

    explain, data, where, output = asked.explain, asked.data, asked.where, asked.output
    explain.check_method()
    if where.where is not None:
        parse_where(where.where)
    console = Console(output.quiet)
    inputs = [path, *inputs_of(asked.model, data)]
    words = typed("method", "target", "layer", "where")
    out = Path(output.out) if output.out else _default_output(command, path, words, resume, output.force, inputs)
    check_suffix(out, Explanation.suffixes())
    streamed = out.suffix.lower() == STREAMED
    if resume and not streamed:
        raise UsageError(f"--resume continues a run that writes a .npz file; {out} is made in one go")
    check_outputs([out], inputs)
    faces = open_data(path, data, console, split=data.split, seed=output.seed)
    network = open_model(asked.model, console)
    job = AttributionJob.prepare(
        network,
        explain.method_if_asked(),
        explain.target,
        explain.layer or None,
        dict(explain.settings),
        asked.batch.batch_size,
        output.seed,
    )
    if job.chosen:
        console.say(f"method {job.name}: {job.chosen}")
    check_outputs([out], files_of(network))
    if streamed:
        # Only explain_dataset knows whether an interrupted run is there, which --resume may finish over its output.
        check_output(out, output.force or resume)
    else:
        Explanation.check_path(out, output.force)
    faces = select_faces(network, faces, where.where, progress=console.say)
    count = (
        _stream(out, job, faces, resume, output.force, console) if streamed else _draw(out, job, faces, output, console)
    )
    if output.as_json:
        warnings = [*network.cautions, *job.warnings]
        about = {"model": network.name, "method": job.name, "faces": count, "warnings": warnings, "out": str(out)}
        print_json(command, about)
    console.say(f"wrote {out}: {count} faces")
    return 0


def _stream(out: Path, job: AttributionJob, faces: Dataset, resume: bool, force: bool, console: Console) -> int:
    from ferviz.attribution.stream import explain_dataset, parts_folder

    def progress(chunks: Iterator[int], total: int) -> Iterator[int]:
        # The bar counts faces; each chunk is the number of its faces.
        numbers = (face for chunk in chunks for face in range(chunk))
        yield from console.progress(numbers, f"explaining {total} faces", total)

    try:
        explain_dataset(out, job, faces, resume=resume, force=force, progress=progress, log=console.warn)
    except KeyboardInterrupt:
        console.say(f"the finished chunks are kept in {parts_folder(out)}; continue with --resume")
        raise
    return len(faces)


def _draw(out: Path, job: AttributionJob, faces: Dataset, output: OutputOptions, console: Console) -> int:
    """Explain as many faces as the format shows, and save them; return how many."""
    from ferviz.attribution.explain import explain_faces
    from ferviz.rendering.sheets.overlays import page_size

    suffix = out.suffix.lower()
    limit = len(faces)
    if suffix not in (".json", ".csv", ".parquet"):
        limit = MAX_PAGED if suffix == ".pdf" else page_size(len(job.targets))
    if len(faces) > limit:
        console.warn(
            f"{out} shows the first {limit} of {len(faces)} faces; --where chooses others, .npz holds all of them"
        )
        faces = faces.take(range(limit))
    explanation = explain_faces(job, faces)
    explanation.save(out, output.force)
    return len(explanation)


def _default_output(
    command: str, path: str, asked: Sequence[str], resume: bool, force: bool, inputs: Sequence[PathLike]
) -> Path:
    """-> a name that is free; with --resume that of the first unfinished run, or of the first run where all are finished."""
    from ferviz.attribution.stream import parts_folder

    def taken(out: Path) -> bool:
        return exists(out) and not (resume and is_folder(parts_folder(out)))

    free = default_output([path], command, ".npz", asked=asked, force=force, inputs=inputs, taken=taken)
    if not resume or is_folder(parts_folder(free)):
        return free
    return default_output([path], command, ".npz", asked=asked, force=True, inputs=inputs)
