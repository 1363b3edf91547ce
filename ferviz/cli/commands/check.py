"""`ferviz check`: is a network fed what it was trained on?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ferviz.cli.commands.reading import open_data, reading_options
from ferviz.cli.options import Console, batch_option, open_model, print_json, seed_option

if TYPE_CHECKING:
    from ferviz.evaluation.check.candidates import Preprocessing
    from ferviz.evaluation.check.result import CheckResult, Convention


@click.command()
@click.argument("model")
@click.argument("data")
@click.option(
    "--labels",
    metavar="NAMES",
    help="The outputs' order as it is used today.  [default: what its sidecar says, or assumed]",
)
@click.option(
    "--scaling", metavar="RANGE", help="The value range as it is used today: 0..1, -1..1, 0..255 or standardize."
)
@click.option("--weights", metavar="FILE", help="The weights, where MODEL is an architecture as JSON.")
@click.option("--trust", is_flag=True, help="Let the network's file run its own code (Lambda layers).")
@click.option(
    "--split", default="PublicTest", show_default=True, metavar="NAME", help="Faces to try it on; all = everything."
)
@click.option(
    "--scheme",
    default="7",
    show_default=True,
    metavar="NAMES",
    help="The data's labels: 7, 6-merged, 8-ferplus, positive-negative ...",
)
@click.option("--votes", metavar="FILE", help="FERPlus' fer2013new.csv, for --scheme 8-ferplus.")
@reading_options
@click.option("--faces", type=click.IntRange(20), default=3000, show_default=True, help="How many faces at most.")
@batch_option(256)
@click.option(
    "--write",
    is_flag=True,
    help="Write what was found beside MODEL (MODEL.ferviz.json), so that ferviz uses it from now on.",
)
@click.option("--force", "-f", is_flag=True, help="Replace MODEL.ferviz.json if it is already there.")
@click.option(
    "--all", "show_all", is_flag=True, help="Print every convention that was tried, not only each feed's best."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
@seed_option("the draw of faces")
@click.option("--quiet", "-q", is_flag=True, help="No progress and no messages.")
def command(model: str, data: str, **options: Any) -> None:
    """Test whether a network is fed what it was trained on.

    Finds out from the labelled faces of DATA how the network MODEL wants to be fed and what its outputs mean.

    Tries value ranges, label orders, the moment of resizing and the order of channels, prints them by accuracy with 95 % intervals, and
    says what today's settings cost. DATA is fer2013.csv, icml_face_data.csv, or folders split/class/*.png.
    """
    from ferviz.errors import UsageError
    from ferviz.evaluation.check.check import check
    from ferviz.models.bundled import bundled_networks
    from ferviz.models.sidecar import find_sidecar

    console = Console(options["quiet"])
    if options["write"]:
        if model in bundled_networks():
            raise UsageError("--write is for networks of your own; the bundled one says what it wants itself")
        beside = find_sidecar(model)
        if beside and not options["force"]:
            from ferviz.errors import OutputExistsError

            raise OutputExistsError(f"{beside} is already there; pass --force to replace it")
    faces = open_data(data, options, console, labels=options["scheme"], votes=options["votes"])
    network = open_model({**options, "model": model}, console)
    split = None if options["split"] == "all" else options["split"]
    result = check(
        network,
        faces,
        split=split,
        faces=options["faces"],
        seed=options["seed"],
        batch_size=options["batch_size"],
        progress=console.say,
    )
    written = result.write(model, options["force"]) if options["write"] else None
    if options["as_json"]:
        print_json("check", {**result.to_dict(), "out": None if written is None else str(written)})
    else:
        click.echo(text(result, options["show_all"]))
        if written is not None:
            console.say(f"wrote {written}")


def text(result: CheckResult, show_all: bool = False) -> str:
    """Return the verdict and the ranked table as lines for a terminal."""
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
        lines.append(f"verdict: it is fed and read rightly: {_words(best)}")
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
