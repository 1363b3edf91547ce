"""`ferviz evaluate`: measure a network on labelled faces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferviz.cli.commands.reading import open_data, reading_options, told
from ferviz.cli.options import Console, batch_option, model_options, open_model, output_options, print_json

if TYPE_CHECKING:
    from ferviz.evaluation.comparison import ModelComparison
    from ferviz.evaluation.evaluation import Evaluation


@click.command()
@click.argument("path")
@model_options
@click.option(
    "--split",
    default="PublicTest",
    show_default=True,
    metavar="NAME",
    help="What is measured; all = everything, random = a tenth drawn with --seed.",
)
@click.option(
    "--scheme",
    default="7",
    show_default=True,
    metavar="NAMES",
    help="The data's labels: 7, 6-merged, 8-ferplus, positive-negative ...",
)
@click.option("--votes", metavar="FILE", help="FERPlus' fer2013new.csv, for --scheme 8-ferplus.")
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
@batch_option(256)
@click.option(
    "--fraction",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Measure this share of the faces, each class alike.",
)
@reading_options
@output_options("<model>_evaluate.png; FILE.json for figures only, a name without suffix for a folder with all")
def command(path: str, **options: Any) -> None:
    """Measure a network on labelled faces.

    PATH: fer2013.csv, icml_face_data.csv, or folders split/class/*.png.

    Classes are matched by name, so networks with other orders and other sets of labels are measured rightly. Rates come with
    95 % intervals. Faces that are pixel-identical to a training face are counted apart.
    """
    from ferviz.evaluation.comparison import compare_models
    from ferviz.evaluation.evaluate import evaluate
    from ferviz.evaluation.output import check_report
    from ferviz.evaluation.tta import TTA
    from ferviz.files import check_output

    console = Console(options["quiet"])
    for name in options["tta"]:
        TTA.entry(name)
    if options["out"]:
        check_report(options["out"], options["force"])
    data = open_data(path, options, console, labels=options["scheme"], votes=options["votes"])
    split = None if options["split"] == "all" else options["split"]
    if data.splits != ("",) and split not in (None, "random"):
        data.part(split)  # an unknown split is said before the network is loaded
    model = open_model(options, console)
    out = Path(options["out"] or f"{model.name}_evaluate.png")
    check_report(out, options["force"])
    for file in beside(out) if options["compare"] else []:
        if file.parent.is_dir():  # a folder that is yet to be made holds nothing to overwrite
            check_output(file, options["force"])
    settings = {
        "split": split,
        "tta": options["tta"],
        "occlude": options["occlude"],
        "batch_size": options["batch_size"],
        "fraction": options["fraction"],
        "seed": options["seed"],
    }
    with told(console):
        result = evaluate(model, data, **settings, progress=console.say)
    for note in result.notes[len(model.notes) :]:
        console.warn(note)
    comparison = None
    if options["compare"]:
        there = {
            "model": options["compare"],
            "labels": options["compare_labels"],
            "scaling": options["compare_scaling"],
        }
        other = open_model({**there, "trust": options["trust"]}, console)
        same = {name: settings[name] for name in ("split", "batch_size", "fraction", "seed")}
        with told(Console(quiet=True)):  # what there is to say about the data has been said
            second = evaluate(other, data, **same, without_duplicates=False)
        comparison = compare_models(result, second)
    files = save(result, comparison, out, options["force"])
    document = {**result.to_dict(), **({"compare": comparison.to_dict()} if comparison else {})}
    if options["as_json"]:
        print_json("evaluate", {**document, "out": [str(f) for f in files]})
    else:
        click.echo(text(result, comparison))
        console.say("wrote " + ", ".join(map(str, files)))


def save(result: Evaluation, comparison: ModelComparison | None, out: Path, force: bool) -> list[Path]:
    """Write the report and, beside it, the comparison with the faces that the two disagree on; -> the files."""
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
    """Return the files that a comparison adds to a report at `out`: the page, the sheet of faces, and in a folder their table."""
    if out.suffix.lower() == ".json":
        return []
    if out.suffix:
        return [out.with_name(f"{out.stem}_{name}{out.suffix}") for name in ("compare", "disagreements")]
    return [out / name for name in ("compare.png", "disagreements.png", "disagreements.csv")]


def text(result: Evaluation, comparison: ModelComparison | None = None) -> str:
    """Return the figures as lines for a terminal."""
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
    lines += ["", f"{'class'.ljust(wide)}  recall (95 % interval)    precision     F1   faces  called so"]
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
