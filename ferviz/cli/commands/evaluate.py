"""`ferviz evaluate`: measure a network on labelled faces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ferviz.cli.console import Console, print_json
from ferviz.cli.inputs import open_data, open_model, printed_warnings
from ferviz.cli.options import BatchOptions, DataOptions, ModelOptions, OutputOptions
from ferviz.cli.sections import Number, SectionedCommand, options

if TYPE_CHECKING:
    from ferviz.evaluation.comparison import ModelComparison
    from ferviz.evaluation.evaluation import Evaluation


@click.command("evaluate", cls=SectionedCommand)
@click.argument("path")
@click.option(
    "--tta",
    multiple=True,
    metavar="NAME",
    help="Measure with test-time augmentation too: flip, ten-crop; repeat for several.",
)
@click.option(
    "--occlude", type=click.Choice(["regions"]), help="Measure again with brows, eyes, nose and mouth hidden."
)
@click.option("--compare", metavar="FILE", help="A second network: which is better, and on which faces.")
@click.option("--compare-labels", metavar="NAMES", help="The second network's --labels.")
@click.option("--compare-scaling", metavar="RANGE", help="The second network's --scaling.")
@click.option(
    "--fraction",
    type=Number(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Measure this share of the faces, drawn from each class alike.",
)
@options(
    out="<model>_evaluate.png; FILE.json for the numbers only, a name without suffix for a folder with everything",
    defaults={"batch_size": 256, "split": "PublicTest"},
    helps={"split": "What is measured; all = everything, random = a tenth drawn with --seed."},
)
def command(
    path: str,
    tta: tuple[str, ...],
    occlude: str | None,
    compare: str | None,
    compare_labels: str | None,
    compare_scaling: str | None,
    fraction: float,
    model: ModelOptions,
    batch: BatchOptions,
    data: DataOptions,
    output: OutputOptions,
) -> None:
    """Measure a network on labelled faces.

    PATH: fer2013.csv, icml_face_data.csv, or folders split/class/*.png.

    Classes are matched by name, so networks with other orders and other sets of labels are measured correctly. Rates come with
    95 % intervals. Faces that are pixel-identical to a training face are counted separately.
    """
    from ferviz.evaluation.comparison import compare_models
    from ferviz.evaluation.evaluate import evaluate
    from ferviz.evaluation.output import check_report
    from ferviz.evaluation.tta import TTA
    from ferviz.files import check_output

    console = Console(output.quiet)
    for name in tta:
        TTA.entry(name)
    if output.out:
        check_report(output.out, output.force)
    faces = open_data(path, data, console, seed=output.seed)
    split = None if data.split == "all" else data.split
    if faces.splits != ("",) and split not in (None, "random"):
        faces.part(split)  # an unknown split is an error before the network is loaded
    network = open_model(model, console)
    out = Path(output.out or f"{network.name}_evaluate.png")
    check_report(out, output.force)
    for file in beside(out) if compare else []:
        if file.parent.is_dir():  # a folder that does not exist yet holds nothing to overwrite
            check_output(file, output.force)
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
    if compare:
        second = ModelOptions(compare, compare_labels, compare_scaling, trust=model.trust)
        other = open_model(second, console)
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
    files = save(result, comparison, out, output.force)
    document = {**result.to_dict(), **({"compare": comparison.to_dict()} if comparison else {})}
    if output.as_json:
        print_json("evaluate", {**document, "out": [str(f) for f in files]})
    else:
        click.echo(text(result, comparison))
        console.say("wrote " + ", ".join(map(str, files)))


def save(result: Evaluation, comparison: ModelComparison | None, out: Path, force: bool) -> list[Path]:
    """Write the report and, beside it, the comparison with the faces that the two networks disagree on.

    Args:
        result: the report.
        comparison: with a second network, or None.
        out: where to write.
        force: replace existing files.

    Returns:
        The files.
    """
    from ferviz.evaluation.output import write_figure
    from ferviz.files import manifest, to_json, write_text

    if comparison is None:
        return result.save(out, force)
    if out.suffix.lower() == ".json":
        write_text(out, to_json(manifest(**result.to_dict(), compare=comparison.to_dict()), indent=2) + "\n", force)
        return [out]
    pages = beside(out)
    files = result.save(out, force)
    write_figure(pages[0], comparison.plot(), force, comparison.to_dict())
    write_figure(pages[1], comparison.sheet(), force, comparison.to_dict())
    for table in pages[2:]:
        write_text(table, comparison.table(), force)
    return [*files, *pages]


def beside(out: Path) -> list[Path]:
    """Return the files that a comparison adds to a report: the page, the sheet of faces, and in a folder their table.

    Args:
        out: where the report is written.
    """
    if out.suffix.lower() == ".json":
        return []
    if out.suffix:
        return [out.with_name(f"{out.stem}_{name}{out.suffix}") for name in ("compare", "disagreements")]
    return [out / name for name in ("compare.png", "disagreements.png", "disagreements.csv")]


def text(result: Evaluation, comparison: ModelComparison | None = None) -> str:
    """Return the numbers as lines for a terminal.

    Args:
        result: the evaluation.
        comparison: with a second network, or None.
    """
    from ferviz.evaluation.plots import percent

    d = result.to_dict()
    if not len(result):
        return "no faces to measure"
    lines = [
        f"{result.model} on {result.split}: {len(result):,} faces",
        (
            f"accuracy {percent(d['accuracy'], d['interval'])}   top-2 {percent(d['top2'])}   mean rank {d['mean_rank']:.2f}   "
            f"macro recall {percent(d['macro_recall'])}   macro F1 {d['macro_f1']:.3f}   ECE {d['ece']:.3f}"
        ),
    ]
    for name, f in d.get("tta", {}).items():
        lines.append(f"with {name}: accuracy {percent(f['accuracy'], f['interval'])}   ECE {f['ece']:.3f}")
    if "duplicates" in d and d["duplicates"]["in_training"]["n"]:
        inside, without = d["duplicates"]["in_training"], d["duplicates"]["without"]
        lines.append(
            f"without the {inside['n']:,} faces that are also in training: {percent(without['accuracy'], without['interval'])}; "
            f"on those {percent(inside['accuracy'])}"
        )
    wide = max(map(len, (*result.labels, "class")))
    lines += ["", f"{'class'.ljust(wide)}  recall (95 % interval)    precision     F1   faces  predicted as"]
    for name, c in d["per_class"].items():
        recall = "     -" + " " * 18 if c["recall"] is None else percent(c["recall"], c["interval"]).rjust(24)
        f1 = "    -" if c["f1"] is None else f"{c['f1']:5.3f}"
        lines.append(
            f"{name.ljust(wide)}{recall}{percent(c['precision']):>14}  {f1} {c['support']:7,}{c['predicted']:11,}"
        )
    if "occlusion" in d:
        lines += ["", f"{'hidden'.ljust(wide)}  accuracy  recall: " + "  ".join(n.rjust(8) for n in result.labels)]
        for name, o in d["occlusion"].items():
            recalls = "  ".join("       -" if r is None else f"{r * 100:8.1f}" for r in o["recall"].values())
            lines.append(f"{name.ljust(wide)}  {o['accuracy'] * 100:8.1f}          {recalls}")
    if comparison is not None:
        t = comparison.test
        a, b = comparison.first, comparison.second
        lines += [
            "",
            (
                f"{a.model} {percent(a.accuracy)} against {b.model} {percent(b.accuracy)} on {t.n:,} faces: "
                f"{t.difference * 100:+.1f} points ({t.interval[0] * 100:+.1f} to {t.interval[1] * 100:+.1f})"
            ),
            (
                f"right only for the first {t.only_first:,}, only for the second {t.only_second:,}; McNemar p = {t.p:.2g}; "
                f"they disagree on {len(comparison.disagreements):,} faces, {percent(comparison.disagreement)}"
            ),
        ]
    return "\n".join(lines)
