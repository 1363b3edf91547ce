"""`ferviz scale plan`: the shards of a source, and how their faces are explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ferviz.cli.console import Console, duration, print_json
from ferviz.cli.inputs import check_detector
from ferviz.cli.options.explain_options import ExplainOptions, TestOptions
from ferviz.cli.options.input_options import FaceOptions
from ferviz.cli.options.network_options import BatchOptions, ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.outputs import inputs_of
from ferviz.cli.sections import SectionedCommand, options
from ferviz.paths import check_is_no_input, is_folder


@click.command("plan", cls=SectionedCommand)
@click.argument("source", metavar="SOURCE")
@click.option(
    "--split", metavar="NAME", help="The part of the data set, or all.  [default: the only one; several must be named]"
)
@click.option("--shard-size", type=click.IntRange(1), default=2000, show_default=True, help="Most pictures of a shard.")
@click.option(
    "--max-tries",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="Attempts at a shard that fails or ends its process, before it runs by itself a last time.",
)
@options(
    out="<source>_scale, a folder",
    defaults={"detector": "none"},
    helps={
        "out": "The folder of the run, which every worker sees.",
        "method": "The attribution method (see: ferviz explain --methods); none predicts only.",
        "detector": "none (each picture is one face), auto, haar, ...",
        "test": "Test whether each map points at what the network needs; up to 64 passes a map.  [default: no]",
    },
    without=("no_cache", "force"),
)
def command(
    source: str,
    split: str | None,
    shard_size: int,
    max_tries: int,
    model: ModelOptions,
    batch: BatchOptions,
    faces: FaceOptions,
    explain: ExplainOptions,
    test: TestOptions,
    output: OutputOptions,
) -> int:
    """Cut a source into shards, and fix how its faces are explained.

    SOURCE is a folder of pictures (class folders or any other), fer2013.csv, an array of pictures (.npy), .parquet files with a column of
    pictures, or WebDataset's .tar files; of the last two also a folder of them.
    """
    from ferviz.attribution.methods.registry import AUTO
    from ferviz.scale import plan
    from ferviz.scale.predictions import NO_MAPS

    if explain.method != NO_MAPS:
        explain.check_method()
    check_detector(faces)
    console = Console(output.quiet)
    folder = Path(output.out or f"{Path(source).stem or 'ferviz'}_scale")
    if not is_folder(folder):
        check_is_no_input(folder, [source, *inputs_of(model, faces)])
    planned = plan(
        source,
        folder,
        split=split,
        shard_size=shard_size,
        max_tries=max_tries,
        progress=lambda shards: console.progress(shards, "listing shards"),
        model=model.model,
        **model.arguments(),
        method=explain.method_if_asked(),
        target=list(explain.target),
        layer=list(explain.layer) or None,
        settings=dict(explain.settings),
        batch_size=batch.batch_size,
        seed=output.seed,
        test=bool(test.test),
        detector=faces.detector,
        search=_search(faces),
    )
    about = {
        "folder": planned.folder,
        "kind": planned.kind,
        "shards": planned.shards,
        "pictures": planned.pictures,
        "face_seconds": planned.face_seconds,
        "fingerprint": planned.fingerprint,
    }
    if output.as_json:
        print_json("scale plan", about)
    pictures = "" if planned.pictures is None else f" with {planned.pictures:,} pictures"
    method = planned.settings.facts["method"]
    if method != explain.method:
        reason = "" if explain.method == AUTO else ", which has no gradients at a map"
        console.say(f"method {method}: the best for this network{reason}")
    console.say(f"planned {planned.shards:,} shards{pictures} in {folder}; start with: ferviz scale run {folder}")
    if planned.pictures is not None:
        work = duration(planned.pictures * planned.face_seconds)
        console.say(f"about {work} on one processor, without reading the pictures")
    return 0


def _search(faces: FaceOptions) -> dict[str, Any]:
    """-> the arguments of `find_faces` besides the detector; {} where each picture is one face."""
    arguments = {name: value for name, value in faces.arguments().items() if name != "detector"}
    return {} if faces.detector == "none" else arguments
