"""`ferviz report`: what there is to say about a network on a data set, as one HTML file."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from ferviz.cli.console import Console, echo, print_json
from ferviz.cli.inputs import open_data, open_model
from ferviz.cli.networks import split_networks
from ferviz.cli.options.input_options import UNSEEN, DataOptions
from ferviz.cli.options.network_options import BatchOptions, ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.outputs import check_outputs, default_output, files_of, inputs_of, typed
from ferviz.cli.sections import Number, SectionedCommand, options

EXTRACT = "extract"
WORDS = "ferviz.report.words"
"""Where a context keeps the words that were typed."""


class ReportCommand(SectionedCommand):
    """A command that hands `extract FILE` to the command that reads a report."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Return the context of the command that fits the arguments.

        Args:
            info_name: this command's name.
            args: the words behind it.
            parent: the context of the group.
            **extra: as of `click.Command.make_context`.
        """
        if args[:1] == [EXTRACT]:
            return extract.make_context(f"{info_name} {EXTRACT}", args[1:], parent, **extra)
        words = list(args)
        context = super().make_context(info_name, args, parent, **extra)
        context.meta[WORDS] = words
        return context

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command of the context.

        Args:
            ctx: of `make_context`.
        """
        return super().invoke(ctx) if ctx.command is self else ctx.command.invoke(ctx)


@click.command(EXTRACT)
@click.argument("file")
def extract(file: str) -> None:
    """Print the numbers of a report, or of any HTML file that ferviz wrote, as JSON."""
    from ferviz.documents.read_record import read_record
    from ferviz.manifests import to_json

    echo(to_json(read_record(file), indent=2))


@click.command("report", cls=ReportCommand)
@click.argument("path", metavar="DATA | extract FILE")
@click.option("--quick", is_flag=True, help="Let the slow sections rest on fewer faces.")
@click.option("--no-faces", is_flag=True, help="Show no single face: means, maps and numbers only.")
@click.option(
    "--max-mb",
    type=Number(0.1, 20),
    default=5.0,
    show_default=True,
    help="How large the file may be; pictures become smaller, then fewer, and the report says so.",
)
@click.option(
    "--judge",
    "-j",
    "judges",
    multiple=True,
    metavar="FILE",
    help="Another network that says what it sees in the dreams, FILE?scaling=-1..1&labels=7; several: with commas between, or repeat.  "
    "[default: the bundled one, unless the report is about it]",
)
@click.option("--resume", is_flag=True, help="Go on with an interrupted report.")
@options(
    out="<data>_report.html",
    defaults={"split": "auto"},
    helps={"split": UNSEEN},
)
def command(
    path: str,
    quick: bool,
    no_faces: bool,
    max_mb: float,
    judges: tuple[str, ...],
    resume: bool,
    model: ModelOptions,
    batch: BatchOptions,
    data: DataOptions,
    output: OutputOptions,
) -> None:
    """Write what there is to say about a network as one HTML file that one can send.

    DATA is fer2013.csv, icml_face_data.csv, or folders split/class/*.png. The report runs no script and asks no other host for anything.
    `ferviz report extract FILE` prints its numbers as JSON.
    """
    from ferviz.data.splits import choose_split
    from ferviz.reports.network_report import judges_of, split_name
    from ferviz.reports.question import Question
    from ferviz.reports.write_report import check_report_path, write_report

    console = Console(output.quiet)
    others = [model.another(text) for text in split_networks(judges)]
    inputs = [path, *inputs_of(model, data, *others)]
    force = output.force or resume
    out = Path(
        output.out or default_output([path], "report", ".html", asked=typed("split"), force=force, inputs=inputs)
    )
    check_outputs([out], inputs)
    check_report_path(out, resume, output.force)
    split = None if data.split == "all" else data.split
    random = split == "random"
    dataset = open_data(path, data, console, split=split if random else None, seed=output.seed, explained=True)
    dataset = dataset if random else choose_split(dataset, split)
    network = open_model(model, console)
    named = [open_model(options, Console(quiet=True)) for options in others]
    check_outputs([out], [*inputs, *(file for each in (network, *named) for file in files_of(each))])
    question = Question(
        model=network,
        data=dataset,
        split=split_name(dataset),
        quick=quick,
        show_faces=not no_faces,
        judges=judges_of(network, named),
        seed=output.seed,
        batch_size=batch.batch_size,
        command=_typed(click.get_current_context().meta[WORDS]),
        progress=console.say,
    )

    def track(names: list[str]) -> Iterable[str]:
        return console.progress(names, "sections", len(names))

    write_report(question, out, max_mb=max_mb, resume=resume, force=output.force, track=track)
    if output.as_json:
        print_json("report", {**question.settings(), "out": str(out)})
    else:
        console.say(f"wrote {out}")


def _typed(words: list[str]) -> str:
    """-> the command line, with the names of files in place of absolute paths: folders say who made a report."""
    from ferviz.writers import names_only

    shown = []
    for word in words:
        flag, sign, value = word.partition("=") if word.startswith("-") else ("", "", word)
        shown.append(f"{flag}{sign}{names_only(value)}")
    return shlex.join(["ferviz", "report", *shown])
