"""`ferviz train`: train a network on labelled faces, or go on with a run."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferviz.cli.commands.reading import open_data, reading_options
from ferviz.cli.options import Console, Number, print_json, seed_option
from ferviz.training.config import Augmentation, TrainConfig

if TYPE_CHECKING:
    from ferviz.training.train import Progress

DEFAULTS = TrainConfig()
AUGMENTATION = ("flip", "shift", "rotate", "zoom", "brightness", "contrast", "erase", "noise", "mixup")
CONFIG = (
    "epochs", "batch_size", "optimizer", "learning_rate", "weight_decay", "schedule", "warmup", "label_smoothing", "class_weights",
    "ema", "patience", "early_stopping", "ferplus_weight", "distillation", "temperature", "freeze", "precision", "teachers",
    "validation", "fraction", "seed",
)  # fmt: skip


def _setting(name: str, kind: type, what: str) -> Callable[[Any], Any]:
    """Return an option for the field of TrainConfig or Augmentation with the same name; its default is shown in the help only."""
    field = name.strip("-").replace("-", "_")
    default = getattr(DEFAULTS.augmentation if field in AUGMENTATION else DEFAULTS, field)
    return click.option(name, field, type=kind, help=f"{what}  [default: {default}]")


@click.command()
@click.argument("data")
@click.option(
    "--architecture",
    "-a",
    default="residual",
    show_default=True,
    help="residual, plain, vgg, mini_xception or transfer.",
)
@click.option(
    "--set",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of the architecture, e.g. widths=32,64; repeat for several.",
)
@click.option(
    "--labels", default="7", show_default=True, metavar="NAMES", help="7, 6-merged, 6-dropped ... or happy,sad,..."
)
@click.option("--out", "-o", required=True, metavar="FOLDER", help="The run folder.")
@click.option(
    "--resume", is_flag=True, help="Go on with the run in --out; only --epochs may differ from its beginning."
)
@click.option("--force", "-f", is_flag=True, help="Start over where --out holds a run already.")
@click.option("--init-from", metavar="FILE", help="Fine-tune this network instead of starting from random weights.")
@_setting("--freeze", int, "Layers from the front that keep their weights.")
@click.option(
    "--teacher", "teachers", multiple=True, metavar="FILE", help="Learn a network's answers too; repeat for several."
)
@_setting("--distillation", float, "Weight of the teachers' answers.")
@_setting("--temperature", float, "Softness of the teachers' answers.")
@click.option(
    "--votes", "vote_file", metavar="FILE", help="FERPlus' fer2013new.csv, for --labels 8-ferplus and --ferplus-weight."
)
@_setting("--ferplus-weight", float, "Weight of the FERPlus votes as auxiliary target.")
@click.option(
    "--split", type=click.Choice(["official", "random"]), default="official", show_default=True, help="Whose splits."
)
@click.option("--validation", metavar="SPLIT", help="The split that chooses the best epoch.  [default: PublicTest]")
@click.option(
    "--fraction",
    type=Number(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Share of the training faces, each class alike.",
)
@reading_options
@_setting("--epochs", int, "Passes over the data.")
@_setting("--batch-size", int, "Faces in one step.")
@_setting("--optimizer", str, "adamw, or sgd (Nesterov momentum).")
@click.option("--learning-rate", type=float, help="Peak learning rate.  [default: 0.002 for adamw, 0.1 for sgd]")
@click.option("--weight-decay", type=float, help="Decoupled weight decay.  [default: 0.05 for adamw, 0.0005 for sgd]")
@_setting("--schedule", str, "cosine, plateau or constant.")
@_setting("--warmup", float, "Epochs over which the learning rate rises.")
@_setting("--patience", int, "Epochs without a better accuracy before the plateau schedule halves the learning rate.")
@_setting("--early-stopping", int, "End after this many epochs without a better accuracy; 0 = never.")
@_setting("--label-smoothing", float, "Part of each label that is spread over all classes.")
@_setting("--class-weights", str, "none or balanced.")
@_setting("--ema", float, "Momentum of the averaged weights; 0 = off.")
@_setting("--flip", float, "Probability of a mirror image.")
@_setting("--shift", float, "Largest shift in pixels (of a 48-pixel face).")
@_setting("--rotate", float, "Largest angle in degrees.")
@_setting("--zoom", float, "Largest change of scale.")
@_setting("--brightness", float, "Largest change of brightness (0 to 1).")
@_setting("--contrast", float, "Largest change of contrast (0 to 1).")
@_setting("--erase", float, "Probability of an erased rectangle.")
@_setting("--noise", float, "Deviation of Gaussian noise (0 to 1).")
@_setting("--mixup", float, "Mixup's alpha; 0 = off.")
@_setting("--precision", str, "auto, float32, bfloat16 or float16.")
@seed_option("weights, order, augmentation and dropout")
@click.option(
    "--tensorboard", is_flag=True, help="Write TensorBoard logs into the run folder (needs the package tensorboard)."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
@click.option("--quiet", "-q", is_flag=True, help="No progress and no messages.")
def command(data: str, out: str, **given: Any) -> None:
    """Train a network.

    DATA is what it learns from (fer2013.csv, icml_face_data.csv, or folders split/class/*.png).

    Leaves in --out: best.keras and last.keras with their labels and input spec, history.csv, curves.png, config.json and
    manifest.json. Interrupt it whenever you like: --resume ends where the uninterrupted run would have.
    """
    from ferviz.training.run_folder import run_labels
    from ferviz.training.train import train

    console = Console(given["quiet"])
    config = _config(given)
    chosen = dict(parse_option(text) for text in given["options"])
    faces = open_data(
        data,
        given,
        console,
        labels=run_labels(out) if given["resume"] else given["labels"],
        votes=given["vote_file"],
        split="random" if given["split"] == "random" else None,
    )
    try:
        with _report(console) as report:
            run = train(
                faces, out=out, architecture=given["architecture"], options=chosen, init_from=given["init_from"], config=config,
                resume=given["resume"], force=given["force"], tensorboard=given["tensorboard"], progress=report,
            )  # fmt: skip
    except KeyboardInterrupt:
        if (Path(out) / "config.json").is_file():
            console.say(f"the run in {out} is kept as its last whole epoch left it; go on with --resume")
        raise
    if given["as_json"]:
        print_json("train", {"out": str(run.folder), "epochs": len(run.history), "best": run.best})
    console.say(
        f"best epoch {run.best['epoch']:.0f} of {len(run.history)}: validation accuracy {run.best['val_accuracy']:.4f}, "
        f"in {run.folder}/best.keras"
    )


def parse_option(text: str) -> tuple[str, Any]:
    """Return (name, value) of "name=value": numbers, true / false and comma-separated lists become such.

    Raises click.BadParameter without "=".
    """
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise click.BadParameter(f"--set takes NAME=VALUE, got {text!r}")
    parts: list[Any] = [_value(part) for part in value.split(",")]
    return name.replace("-", "_"), parts if len(parts) > 1 else parts[0]


def _value(text: str) -> Any:
    with contextlib.suppress(json.JSONDecodeError):
        return json.loads(text)
    return text


def _config(given: dict[str, Any]) -> TrainConfig | None:
    """Return the configuration that the options ask for; None where a run is resumed with its own."""
    if given["resume"] and given["epochs"] is None:
        return None
    values = {key: given[key] for key in CONFIG if given[key] is not None}
    augmentation = {key: given[key] for key in AUGMENTATION if given[key] is not None}
    return TrainConfig(**values, augmentation=Augmentation(**augmentation))


@contextlib.contextmanager
def _report(console: Console) -> Iterator[Callable[[Progress], None] | None]:
    """Yield what `train` calls after every step: a bar with the time left at a terminal, one line an epoch elsewhere."""
    if console.quiet:
        yield None
        return
    if not sys.stderr.isatty():
        yield lambda p: console.say(epoch_line(p)) if p.validated else None
        return
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}")
    with Bar(*columns, console=RichConsole(stderr=True), transient=True) as bar:
        task = bar.add_task("training", total=None, state="")

        def show(p: Progress) -> None:
            if p.validated:
                bar.console.print(epoch_line(p), highlight=False)
            state = f"loss {p.loss:.3f}  {clock(p.seconds_left)} left"
            bar.update(task, total=p.steps, completed=p.step, description=f"epoch {p.epoch}/{p.epochs}", state=state)

        yield show


def epoch_line(p: Progress) -> str:
    """Return the line about an epoch that just ended."""
    row = p.validated or {}
    return (
        f"epoch {p.epoch}/{p.epochs}  loss {row['loss']:.3f}  validation loss {row['val_loss']:.3f}  "
        f"accuracy {row['val_accuracy']:.4f}  {row['seconds']:.0f} s, {clock(p.seconds_left)} left"
    )


def clock(seconds: float) -> str:
    """Return a duration as "1 h 05 min", "12 min" or "40 s"."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
