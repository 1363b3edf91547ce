"""`ferviz evaluate`: measure a network on labelled faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ferviz.cli.console import Console, echo, print_json
from ferviz.cli.inputs import open_data, open_model, printed_warnings
from ferviz.cli.options.drawing_options import PrintOptions
from ferviz.cli.options.input_options import DataOptions
from ferviz.cli.options.network_options import BatchOptions, ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.outputs import check_outputs, default_output, files_of, inputs_of, typed
from ferviz.cli.sections import Number, SectionedCommand, options
from ferviz.paths import PathLike, exists
from ferviz.registry import split_names


@click.command("evaluate", cls=SectionedCommand)
@click.argument("path")
@click.option(
    "--tta",
    multiple=True,
    metavar="NAME",
    help="Measure with test-time augmentation too: flip, ten-crop; both: flip,ten-crop, or repeat.",
)
@click.option("--occlude", type=click.Choice(["regions"]), help="Measure again with each region of the face hidden.")
@click.option(
    "--compare",
    metavar="FILE",
    help="A second network: which is better, and on which faces; FILE?scaling=-1..1&labels=7 if its file does not tell these.",
)
@click.option(
    "--fraction",
    type=Number(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Measure this share of the faces, drawn from each class alike.",
)
@click.option(
    "--no-faces", is_flag=True, help="Draw no single face: figures of a data set whose faces may not be published."
)
@options(
    out="<model>_evaluate.png; FILE.json for the numbers only, a name without suffix for a folder with everything",
    defaults={"batch_size": 256, "split": "auto"},
    helps={
        "split": "What is measured; auto = PublicTest, or the only split; all = everything, random = a tenth drawn with --seed."
    },
)
def command(
    path: str,
    tta: tuple[str, ...],
    occlude: str | None,
    compare: str | None,
    fraction: float,
    no_faces: bool,
    model: ModelOptions,
    batch: BatchOptions,
    data: DataOptions,
    printing: PrintOptions,
    output: OutputOptions,
) -> None:
    """Measure a network on labelled faces.

    PATH: fer2013.csv, icml_face_data.csv, or folders split/class/*.png.

    Classes are matched by name, so networks with other orders and other sets of labels are measured correctly. Rates come with
    95 % intervals. Faces that are pixel-identical to a training face are counted separately.
    """
    from ferviz.data.splits import choose_split
    from ferviz.evaluation.comparison import compare_models
    from ferviz.evaluation.evaluate import evaluate
    from ferviz.evaluation.evaluation import Evaluation
    from ferviz.evaluation.report import report_files
    from ferviz.evaluation.tta import TTA
    from ferviz.files import check_suffix

    console = Console(output.quiet)
    for name in split_names(tta, TTA):
        TTA.entry(name)
    second = None if compare is None else model.another(compare)
    inputs = [path, *inputs_of(model, data, *([second] if second else []))]
    compared = second is not None
    if output.out:
        check_outputs(report_files(output.out, compared), inputs)
        if Path(output.out).suffix:
            check_suffix(output.out, Evaluation.suffixes())
    faces = open_data(path, data, console, seed=output.seed, explained=True)
    split = None if data.split == "all" else data.split
    if split != "random":
        choose_split(faces, split)  # an unknown split is an error before the network is loaded
    network = open_model(model, console)
    other = None if second is None else open_model(second, console)
    inputs += [file for loaded in (network, other) if loaded is not None for file in files_of(loaded)]
    out = _report_path(output, network.name, compared, inputs)
    with printed_warnings(console):
        result = evaluate(
            network,
            faces,
            split=split,
            tta=tta,
            occlude=occlude,
            fraction=fraction,
            seed=output.seed,
            batch_size=batch.batch_size,
            progress=console.say,
        )
    for note in result.notes[len(network.notes) :]:
        console.warn(note)
    comparison = None
    if other is not None:
        with printed_warnings(Console(quiet=True)):  # the data's warnings have been printed
            comparison = compare_models(
                result,
                evaluate(
                    other,
                    faces,
                    split=split,
                    fraction=fraction,
                    seed=output.seed,
                    batch_size=batch.batch_size,
                    without_duplicates=False,
                ),
            )
    files = result.save_report(out, comparison, output.force, not no_faces, **printing.given())
    document = {**result.to_dict(), **({"compare": comparison.to_dict()} if comparison else {})}
    if output.as_json:
        print_json("evaluate", {**document, "out": [str(f) for f in files]})
    else:
        echo(result.text())
        if comparison:
            echo("\n" + comparison.text())
        console.say("wrote " + ", ".join(map(str, files)))


def _report_path(output: OutputOptions, name: str, compared: bool, inputs: Sequence[PathLike]) -> Path:
    """-> where the report goes, which may be written there."""
    from ferviz.evaluation.report import check_report, report_files

    def taken(out: Path) -> bool:
        return any(map(exists, report_files(out, compared)))

    asked, force = typed("split"), output.force
    out = Path(
        output.out or default_output([f"{name}.h5"], "evaluate", asked=asked, force=force, inputs=inputs, taken=taken)
    )
    check_outputs(report_files(out, compared), inputs)
    check_report(out, compared, force)
    return out
