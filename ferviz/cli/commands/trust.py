"""`ferviz trust`: which attribution method, at which layer, to believe for a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferviz.cli.console import Console, echo, print_json
from ferviz.cli.inputs import open_data, open_model
from ferviz.cli.options.drawing_options import PrintOptions
from ferviz.cli.options.input_options import UNSEEN, DataOptions
from ferviz.cli.options.network_options import BatchOptions, ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.outputs import check_outputs, files_of, inputs_of
from ferviz.cli.sections import SectionedCommand, names_option, options
from ferviz.errors import UsageError
from ferviz.registry import split_names

if TYPE_CHECKING:
    from ferviz.models.model import Model


@click.command("trust", cls=SectionedCommand)
@click.argument("path", metavar="DATA")
@click.option("--faces", type=click.IntRange(1), default=100, show_default=True, help="How many faces.")
@names_option("--method", "methods", help="A method to test; several: gradcam,rise, or repeat.  [default: all]")
@names_option(
    "--layer",
    "-l",
    "layers",
    help="A layer to test them at; several: conv3,conv5, or repeat.  [default: the last map, and the next larger one]",
)
@click.option(
    "--random-draws",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="Networks whose weights are drawn anew, to see whether maps depend on them; 0 leaves that out.",
)
@click.option(
    "--random-stages",
    type=click.IntRange(2),
    default=3,
    show_default=True,
    help="Stages of each, from the last layer to all.",
)
@click.option(
    "--calibrate", is_flag=True, help="Measure the margin of the verdicts for this network, and nothing else."
)
@click.option("--write", is_flag=True, help="Keep the result beside the network, in its sidecar.")
@options(
    out="none; FILE.png for a picture, .csv for a table, .json for everything",
    defaults={"split": "auto"},
    helps={"split": UNSEEN},
    without=("scheme", "votes"),
)
def command(
    path: str,
    faces: int,
    methods: tuple[str, ...],
    layers: tuple[str, ...],
    random_draws: int,
    random_stages: int,
    calibrate: bool,
    write: bool,
    model: ModelOptions,
    batch: BatchOptions,
    data: DataOptions,
    printing: PrintOptions,
    output: OutputOptions,
) -> None:
    """Find out which heatmaps to believe for a network.

    Every method explains the faces of DATA, and its maps are tested: pixels are hidden, and shown, in the order in which the map ranks
    them. What counts is how much better than a blob in the middle of the face a map knows which pixels the network needs.

    DATA is fer2013.csv, icml_face_data.csv, or folders split/class/*.png.
    """
    from ferviz.attribution.methods.registry import METHODS
    from ferviz.data.splits import choose_split
    from ferviz.evaluation.panel.panel import trust_report
    from ferviz.evaluation.panel.panel_result import TrustReport
    from ferviz.files import check_suffix

    console = Console(output.quiet)
    if calibrate and output.out:
        raise UsageError("--calibrate measures the margin alone, without a report; leave out --out")
    if printing != PrintOptions() and not output.out:
        raise UsageError("--width-mm, --dpi and --font-size lay out a picture; add --out FILE.pdf")
    out = Path(output.out) if output.out else None
    inputs = [path, *inputs_of(model, data)]
    if out is not None:
        check_suffix(out, TrustReport.suffixes())
        check_outputs([out], inputs)
    for name in split_names(methods, METHODS):
        METHODS.entry(name)
    split = None if data.split == "all" else data.split
    network = open_model(model, console)
    for name in split_names(layers, [layer.name for layer in network.layers]):
        network.layer(name)
    file = _sidecar_home(network) if write else None
    random = split == "random"
    dataset = open_data(path, data, console, split=split if random else None, seed=output.seed)
    dataset = dataset if random else choose_split(dataset, split)
    if out is not None:
        check_outputs([out], files_of(network))
        TrustReport.check_path(out, output.force)
    if calibrate:
        _calibrate(network, dataset.images, faces, batch, output, file, console)
        return
    report = trust_report(
        network,
        dataset,
        methods=methods or None,
        layers=layers or None,
        faces=faces,
        random_draws=random_draws,
        random_stages=random_stages,
        seed=output.seed,
        batch_size=batch.batch_size,
        progress=console.say,
    )
    written = _keep(file, "report", _summary(report.to_dict())) if file else None
    if out is not None:
        report.save(out, output.force, **printing.given())
    if output.as_json:
        print_json("trust", {**report.to_dict(), "out": str(out) if out else None})
    else:
        echo(report.text())
    for target in (written, out):
        if target is not None:
            console.say(f"wrote {target}")


def _calibrate(
    network: Model,
    images: Any,
    faces: int,
    batch: BatchOptions,
    output: OutputOptions,
    file: Path | None,
    console: Console,
) -> None:
    import numpy as np

    from ferviz.trust.calibration import calibrate

    chosen = np.sort(np.random.default_rng(output.seed).permutation(len(images))[:faces])

    def bar(rows: Any) -> Any:
        return console.progress(iter(rows), f"testing random maps on {len(chosen)} faces", len(chosen))

    result = calibrate(network, images[chosen], seed=output.seed, batch_size=batch.batch_size, progress=bar)
    record = result.to_dict()
    if file:
        console.say(f"wrote {_keep(file, 'calibration', record)}")
    if output.as_json:
        print_json("trust", {"calibration": record})
    else:
        for steps, delta in result.deltas.items():
            echo(f"{steps} steps: a map has to beat the centre blob by {delta:g} under every fill")


def _sidecar_home(network: Model) -> Path:
    if network.file_name is None:
        raise UsageError("--write keeps the result beside a network's file; name one with --model")
    home: Path = network.origin.path
    return home


def _keep(file: Path, key: str, record: dict[str, Any]) -> Path:
    from ferviz.models.sidecar import find_sidecar, read_sidecar, write_trust

    path = find_sidecar(file)
    before = read_sidecar(path).trust if path else {}
    return write_trust(file, before | {key: record})


def _summary(report: dict[str, Any]) -> dict[str, Any]:
    """-> what a sidecar keeps of a report: which methods to take, where the layers' cells look, and how that was found out."""
    kept = (
        "model_sha256",
        "data",
        "faces",
        "assessable",
        "steps",
        "delta",
        "seed",
        "recommendation",
        "layers",
        "placement",
    )
    return {key: report[key] for key in kept}
