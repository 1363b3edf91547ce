"""`ferviz check`: does a network get the input that it was trained on?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ferviz.cli.console import Console, print_json
from ferviz.cli.inputs import open_data, open_model
from ferviz.cli.options import BatchOptions, DataOptions, ModelOptions, OutputOptions
from ferviz.cli.sections import SectionedCommand, options
from ferviz.errors import OutputExistsError, UsageError

if TYPE_CHECKING:
    from ferviz.evaluation.check.candidates import Preprocessing
    from ferviz.evaluation.check.result import CheckResult, Convention


@click.command("check", cls=SectionedCommand)
@click.argument("network", metavar="MODEL")
@click.argument("path", metavar="DATA")
@click.option("--faces", type=click.IntRange(20), default=3000, show_default=True, help="How many faces at most.")
@click.option(
    "--write",
    is_flag=True,
    help="Write the best settings beside MODEL (MODEL.ferviz.json), so that ferviz uses them from now on.",
)
@click.option("--all", "show_all", is_flag=True, help="Print every candidate, not only the best of each preprocessing.")
@options(
    defaults={"batch_size": 256, "split": "PublicTest"},
    helps={
        "labels": "The order of its outputs as it is used today.  [default: its sidecar's, or assumed]",
        "scaling": "The value range as it is used today: 0..1, -1..1, 0..255 or standardize.",
        "weights": "Its weights, where MODEL is an architecture as JSON.",
        "split": "Faces to test on; all = everything.",
        "force": "Replace MODEL.ferviz.json if it exists already.",
    },
    without=("model", "engine", "no_cache", "out"),
)
def command(
    network: str,
    path: str,
    faces: int,
    write: bool,
    show_all: bool,
    model: ModelOptions,
    batch: BatchOptions,
    data: DataOptions,
    output: OutputOptions,
) -> None:
    """Test whether a network gets the input that it was trained on.

    Finds out from the labelled faces of DATA which input the network MODEL expects and what its outputs mean.

    Tries value ranges, label orders, the moment of resizing and the order of channels, prints them by accuracy with 95 % intervals, and
    what today's settings cost. DATA is fer2013.csv, icml_face_data.csv, or folders split/class/*.png.
    """
    from ferviz.evaluation.check.check import check
    from ferviz.models.bundled import bundled_networks
    from ferviz.models.sidecar import find_sidecar

    console = Console(output.quiet)
    if write:
        if network in bundled_networks():
            raise UsageError("--write is for networks of your own; the settings of the bundled one are known")
        sidecar = find_sidecar(network)
        if sidecar and not output.force:
            raise OutputExistsError(f"{sidecar} is already there; pass --force to replace it")
    dataset = open_data(path, data, console, seed=output.seed)
    result = check(
        open_model(replace(model, model=network), console),
        dataset,
        split=None if data.split == "all" else data.split,
        faces=faces,
        seed=output.seed,
        batch_size=batch.batch_size,
        progress=console.say,
    )
    written = result.write(network, output.force) if write else None
    if output.as_json:
        print_json("check", {**result.to_dict(), "out": None if written is None else str(written)})
    else:
        click.echo(text(result, show_all))
        if written is not None:
            console.say(f"wrote {written}")


def text(result: CheckResult, show_all: bool = False) -> str:
    """Return the verdict and the ranked table as lines for a terminal.

    Args:
        result: of the check.
        show_all: every candidate, not only the best of each preprocessing.
    """
    from ferviz.evaluation.plots import percent

    best, today = result.best, result.current
    shown = list(result.candidates) if show_all else _worth_showing(result)
    lines = [f"{result.model.name} on {result.n:,} labelled faces", ""]
    wide = max(len(_fed(c)) for c in shown)
    order = max(len("label order"), *(len(c.order.name) for c in shown))
    mixed = any(c.n != len(c.covered) for c in shown)  # then accuracies are of different faces, and skill ranks
    skill = "  skill" if mixed else ""
    lines.append(f"   {'fed':<{wide}}  resized  {'label order':<{order}}  accuracy (95 % interval)   faces{skill}")
    for c in shown:
        mark = "*" if _is(c, best) else "=" if _is(c, today) else " "
        rate = percent(c.accuracy, c.interval)
        lines.append(
            f" {mark} {_fed(c):<{wide}}  {c.feed.spec.resize:<7}  {c.order.name:<{order}}  {rate:<24} {c.n:7,}"
            + (f"{c.skill:7.2f}" if mixed else "")
        )
    if len(shown) < len(result.candidates):
        lines.append(f"   ({len(result.candidates) - len(shown)} more; --all prints them)")
    lines += ["   (* = best, = today's)", ""]
    if not result.usable:
        lines.append(
            f"verdict: no convention makes it better than naming one class every time ({percent(result.majority)})"
        )
    elif result.right_now:
        lines.append(f"verdict: its input and its labels are right: {_words(best)}")
    else:
        lines.append(f"verdict: use {_words(best)}")
        cost = result.cost
        if today is not None and cost is not None:
            low, high = (100 * v for v in cost.interval)
            lines.append(
                f"today's settings ({_words(today)}) cost {cost.difference * 100:.1f} points ({low:.1f} to {high:.1f})"
            )
    lines += [f"warning: {w}" for w in result.warnings]
    return "\n".join(lines)


def _worth_showing(result: CheckResult) -> list[Convention]:
    """Return the best feed with every label order, each other feed with its best one, and today's convention."""
    seen: list[Preprocessing] = []
    out = []
    for c in result.candidates:
        first = not any(c.feed is f for f in seen)
        seen.append(c.feed)
        if first or c.feed is result.best.feed or _is(c, result.current):
            out.append(c)
    return out


def _fed(c: Convention) -> str:
    size = c.feed.spec.size
    turned = " BGR" if c.feed.spec.order == "bgr" and "BGR" not in c.feed.name else ""
    return c.feed.name + turned + (f" at {size[0]}x{size[1]}" if c.feed.sized else "")


def _is(c: Convention, other: Convention | None) -> bool:
    return other is not None and c.feed is other.feed and c.order.labels == other.order.labels


def _words(c: Convention) -> str:
    return f"{_fed(c)}, labels {', '.join(n or '?' for n in c.order.labels)}"
