"""`ferviz audit`: would this accuracy be believed?"""

from __future__ import annotations

from pathlib import Path

import click

from ferviz.cli.console import Console, echo, print_json
from ferviz.cli.inputs import open_data, open_model, printed_warnings
from ferviz.cli.options.input_options import DataOptions
from ferviz.cli.options.network_options import BatchOptions, ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.outputs import check_outputs, files_of, inputs_of
from ferviz.cli.sections import Number, SectionedCommand, options
from ferviz.errors import UsageError


@click.command("audit", cls=SectionedCommand)
@click.argument("path", metavar="DATA")
@click.option("--claim", type=Number(0, 100), help="The accuracy that somebody gives for this network, in percent.")
@click.option(
    "--faces",
    type=click.IntRange(1),
    default=4000,
    show_default=True,
    help="How many training faces are measured, at most.",
)
@options(
    out="none; FILE.png for a picture, .csv for a table, .json for everything",
    defaults={"batch_size": 256, "split": "auto"},
    helps={
        "split": "The split whose accuracy is in question; auto = PublicTest, or the only split; random = a tenth drawn with --seed."
    },
)
def command(
    path: str,
    claim: float | None,
    faces: int,
    model: ModelOptions,
    batch: BatchOptions,
    data: DataOptions,
    output: OutputOptions,
) -> None:
    """Find out whether a network's accuracy would be believed.

    Asks what a careful reader asks: which faces it was measured on, whether it has seen them, whether it was chosen on them, with what
    help, and how exact the figure is. Of a network that `ferviz train` made, the manifest in its run folder is read.

    DATA is fer2013.csv, icml_face_data.csv, or folders split/class/*.png, best with the training split.
    """
    from ferviz.data.splits import choose_split
    from ferviz.evaluation.audit.audit import RANDOM, audit
    from ferviz.evaluation.audit.audit_result import AuditResult
    from ferviz.files import check_suffix

    console = Console(output.quiet)
    if data.split == "all":
        raise UsageError("an audit is about one split; name it with --split, and the others are measured beside it")
    out = Path(output.out) if output.out else None
    inputs = [path, *inputs_of(model, data)]
    if out is not None:
        check_suffix(out, AuditResult.suffixes())
        check_outputs([out], inputs)
    dataset = open_data(path, data, console, seed=output.seed)
    if data.split != RANDOM:
        choose_split(dataset, data.split)
    network = open_model(model, console)
    if out is not None:
        check_outputs([out], files_of(network))
        AuditResult.check_path(out, output.force)
    with printed_warnings(console):
        result = audit(
            network,
            dataset,
            split=data.split or "auto",
            claim=None if claim is None else claim / 100,
            faces=faces,
            seed=output.seed,
            batch_size=batch.batch_size,
            progress=console.say,
        )
    if out is not None:
        result.save(out, output.force)
    if output.as_json:
        print_json("audit", {**result.to_dict(), "out": str(out) if out else None})
    else:
        echo(result.text())
    if out is not None:
        console.say(f"wrote {out}")
