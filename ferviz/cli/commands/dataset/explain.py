"""`ferviz dataset explain`: a whole data set, chunk by chunk, in a run that can be resumed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from ferviz.cli.console import Console, print_json
from ferviz.cli.inputs import open_data, open_model
from ferviz.cli.options import BatchOptions, DataOptions, ExplainOptions, ModelOptions, OutputOptions
from ferviz.cli.outputs import check_outputs, default_output, files_of, inputs_of, typed
from ferviz.cli.sections import SectionedCommand, options
from ferviz.paths import PathLike, exists, is_folder


@click.command("explain", cls=SectionedCommand)
@click.argument("path", metavar="DATA")
@click.option("--resume", is_flag=True, help="Continue an interrupted run.")
@options(out="<data>_explain.npz", without=("scheme", "votes"))
def command(
    path: str,
    resume: bool,
    explain: ExplainOptions,
    model: ModelOptions,
    batch: BatchOptions,
    data: DataOptions,
    output: OutputOptions,
) -> int:
    """Explain every face of a data set into one .npz file.

    DATA is fer2013.csv, icml_face_data.csv, or folders split/class/*.png with --reader folder. The maps are written chunk by chunk,
    so that memory does not grow with the data; --resume continues after an interruption.
    """
    from ferviz.attribution.explain import AttributionJob
    from ferviz.attribution.stream import explain_dataset, parts_folder
    from ferviz.files import check_output, check_suffix

    explain.check_method()
    console = Console(output.quiet)
    inputs = [path, *inputs_of(model, data)]
    asked = typed("method", "target", "layer")
    out = Path(output.out) if output.out else _default_output(path, asked, resume, output.force, inputs)
    check_suffix(out, (".npz",))
    check_outputs([out], inputs)
    faces = open_data(path, data, console, split=data.split, seed=output.seed)
    network = open_model(model, console)

    def progress(chunks: Iterator[int], total: int) -> Iterator[int]:
        # The bar counts faces; each chunk is the number of its faces.
        numbers = (face for chunk in chunks for face in range(chunk))
        yield from console.progress(numbers, f"explaining {total} faces", total)

    job = AttributionJob.prepare(
        network,
        explain.method,
        explain.target,
        explain.layer or None,
        dict(explain.settings),
        batch.batch_size,
        output.seed,
    )
    check_outputs([out], files_of(network))
    # Only explain_dataset knows whether an interrupted run is there, which --resume may finish over its output.
    check_output(out, output.force or resume)
    try:
        written = explain_dataset(
            out, job, faces, resume=resume, force=output.force, progress=progress, log=console.warn
        )
    except KeyboardInterrupt:
        console.say(f"the finished chunks are kept in {parts_folder(out)}; continue with --resume")
        raise
    if output.as_json:
        warnings = [*network.cautions, *job.warnings]
        about = {
            "model": network.name,
            "method": job.name,
            "faces": len(faces),
            "warnings": warnings,
            "out": str(written),
        }
        print_json("explain", about)
    console.say(f"wrote {written}: {len(faces)} faces")
    return 0


def _default_output(path: str, asked: Sequence[str], resume: bool, force: bool, inputs: Sequence[PathLike]) -> Path:
    """-> a name that is free; with --resume that of the first unfinished run, or of the first run where all are finished."""
    from ferviz.attribution.stream import parts_folder

    def taken(out: Path) -> bool:
        return exists(out) and not (resume and is_folder(parts_folder(out)))

    free = default_output([path], "explain", ".npz", asked=asked, force=force, inputs=inputs, taken=taken)
    if not resume or is_folder(parts_folder(free)):
        return free
    return default_output([path], "explain", ".npz", asked=asked, force=True, inputs=inputs)
