"""`ferviz train`: train a network on labelled faces, or continue a run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import click

from ferviz.cli.console import Console, duration, print_json
from ferviz.cli.inputs import open_data
from ferviz.cli.networks import split_networks
from ferviz.cli.options.input_options import DataOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.sections import NamedValue, Number, OptionGroup, SectionedCommand, option, options
from ferviz.paths import is_file
from ferviz.training.config import Augmentation, TrainConfig

if TYPE_CHECKING:
    from ferviz.training.train import TrainingProgress

TRAINING = TrainConfig()
AUGMENTATION = TRAINING.augmentation


@dataclass(frozen=True)
class TransferOptions(OptionGroup):
    """What a run takes over from other networks."""

    section: ClassVar[str] = "Fine-tuning and distillation"
    init_from: str | None = option(
        "--init-from", metavar="FILE", help="Fine-tune this network instead of starting from random weights."
    )
    freeze: int = option("--freeze", default=TRAINING.freeze, help="Layers from the front that keep their weights.")
    teachers: tuple[str, ...] = option(
        "--teacher",
        default=(),
        multiple=True,
        metavar="FILE",
        help="Learn a network's answers too, FILE?scaling=-1..1&labels=7 if its file does not tell these; several: with "
        "commas between, or repeat.",
    )
    distillation: float = option(
        "--distillation", default=TRAINING.distillation, help="Weight of the teachers' answers."
    )
    temperature: float = option(
        "--temperature", default=TRAINING.temperature, help="Softness of the teachers' answers."
    )
    teacher_flip: bool = option(
        "--teacher-flip",
        default=TRAINING.teacher_flip,
        help="Show the teachers each face as a mirror image half of the time, so that the mean of both answers is learned.",
    )


@dataclass(frozen=True)
class TrainingOptions(OptionGroup):
    """Fields of `TrainConfig` with the same names."""

    section: ClassVar[str] = "Training"
    epochs: int = option("--epochs", default=TRAINING.epochs, help="Passes over the data.")
    batch_size: int = option("--batch-size", default=TRAINING.batch_size, help="Faces in one step.")
    optimizer: str = option("--optimizer", default=TRAINING.optimizer, help="adamw, or sgd (Nesterov momentum).")
    learning_rate: float | None = option(
        "--learning-rate", type=float, help="Peak learning rate.  [default: 0.002 for adamw, 0.1 for sgd]"
    )
    weight_decay: float | None = option(
        "--weight-decay", type=float, help="Decoupled weight decay.  [default: 0.05 for adamw, 0.0005 for sgd]"
    )
    schedule: str = option("--schedule", default=TRAINING.schedule, help="cosine, plateau or constant.")
    warmup: float = option("--warmup", default=TRAINING.warmup, help="Epochs over which the learning rate rises.")
    patience: int = option(
        "--patience",
        default=TRAINING.patience,
        help="Epochs without a better accuracy before the plateau schedule halves the learning rate.",
    )
    early_stopping: int = option(
        "--early-stopping",
        default=TRAINING.early_stopping,
        help="End after this many epochs without a better accuracy; 0 = never.",
    )
    label_smoothing: float = option(
        "--label-smoothing",
        default=TRAINING.label_smoothing,
        help="Part of each label that is spread over all classes.",
    )
    class_weights: str = option("--class-weights", default=TRAINING.class_weights, help="none or balanced.")
    ema: float = option("--ema", default=TRAINING.ema, help="Momentum of the averaged weights; 0 = off.")
    ferplus_weight: float = option(
        "--ferplus-weight",
        default=TRAINING.ferplus_weight,
        help="Weight of the FERPlus votes as auxiliary target (needs --votes).",
    )
    additive_weight: float = option(
        "--additive-weight",
        default=TRAINING.additive_weight,
        help="Weight of additive training, which ties what each cell of the last map gives to what is seen there "
        "(needs --init-from; about 1).",
    )
    validation: str | None = option(
        "--validation", metavar="SPLIT", help="The split that chooses the best epoch.  [default: PublicTest]"
    )
    fraction: float = option(
        "--fraction",
        default=TRAINING.fraction,
        type=Number(0, 1, min_open=True),
        help="Share of the training faces, drawn from each class alike.",
    )
    drop_copies: bool = option(
        "--drop-copies",
        default=TRAINING.drop_copies,
        help="Leave out training faces that are pixel-identical to a validation face.",
    )
    precision: str = option("--precision", default=TRAINING.precision, help="auto, float32, bfloat16 or float16.")


@dataclass(frozen=True)
class AugmentationOptions(OptionGroup):
    """The fields of `Augmentation`."""

    section: ClassVar[str] = "Augmentation"
    flip: float = option("--flip", default=AUGMENTATION.flip, help="Probability of a mirror image.")
    shift: float = option("--shift", default=AUGMENTATION.shift, help="Largest shift in pixels (of a 48-pixel face).")
    rotate: float = option("--rotate", default=AUGMENTATION.rotate, help="Largest angle in degrees.")
    zoom: float = option("--zoom", default=AUGMENTATION.zoom, help="Largest change of scale.")
    brightness: float = option(
        "--brightness", default=AUGMENTATION.brightness, help="Largest change of brightness (0 to 1)."
    )
    contrast: float = option("--contrast", default=AUGMENTATION.contrast, help="Largest change of contrast (0 to 1).")
    erase: float = option("--erase", default=AUGMENTATION.erase, help="Probability of an erased rectangle.")
    noise: float = option("--noise", default=AUGMENTATION.noise, help="Deviation of Gaussian noise (0 to 1).")
    mixup: float = option("--mixup", default=AUGMENTATION.mixup, help="Mixup's alpha; 0 = off.")


@click.command("train", cls=SectionedCommand)
@click.argument("path", metavar="DATA")
@click.option(
    "--architecture",
    "-a",
    default="residual",
    show_default=True,
    help="residual, plain, vgg, mini_xception or transfer.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    type=NamedValue(lists=True),
    metavar="NAME=VALUE",
    help="An option of the architecture, e.g. widths=32,64; repeat for several.",
)
@click.option(
    "--labels", default="7", show_default=True, metavar="NAMES", help="7, 6-merged, 6-dropped ... or happy,sad,..."
)
@click.option("--out", "-o", required=True, metavar="FOLDER", help="The run folder.")
@click.option("--resume", is_flag=True, help="Continue the run in --out; only --epochs may differ from its beginning.")
@click.option(
    "--tensorboard", is_flag=True, help="Write TensorBoard logs into the run folder (needs the package tensorboard)."
)
@click.option(
    "--split",
    "splits",
    type=click.Choice(["official", "random"]),
    default="official",
    show_default=True,
    help="Whose splits.",
)
@options(
    helps={
        "votes": "FERPlus' fer2013new.csv, for --labels 8-ferplus and --ferplus-weight.",
        "force": "Start over where --out holds a run already.",
        "seed": "Seed of weights, order, augmentation and dropout.",
    },
    without=("split", "scheme", "out"),
)
def command(
    path: str,
    architecture: str,
    settings: tuple[tuple[str, Any], ...],
    labels: str,
    out: str,
    resume: bool,
    tensorboard: bool,
    splits: str,
    data: DataOptions,
    training: TrainingOptions,
    augmentation: AugmentationOptions,
    transfer: TransferOptions,
    output: OutputOptions,
) -> None:
    """Train a network.

    DATA is what it learns from (fer2013.csv, icml_face_data.csv, or folders split/class/*.png).

    Leaves in --out: best.keras and last.keras with their labels and input spec, history.csv, curves.png, config.json and
    manifest.json. Interrupt it whenever you like: --resume ends where the uninterrupted run would have.
    """
    from ferviz.training.run_folder import run_labels
    from ferviz.training.train import train

    console = Console(output.quiet)
    config = None
    if (
        not resume
        or click.get_current_context().get_parameter_source("epochs") is not click.core.ParameterSource.DEFAULT
    ):
        config = train_config(training, augmentation, transfer, output.seed)
    faces = open_data(
        path,
        replace(data, scheme=run_labels(out) if resume else labels),
        console,
        split="random" if splits == "random" else None,
        seed=output.seed,
    )
    try:
        with _report(console) as report:
            run = train(
                faces,
                out=out,
                architecture=architecture,
                options=dict(settings),
                init_from=transfer.init_from,
                config=config,
                resume=resume,
                force=output.force,
                tensorboard=tensorboard,
                progress=report,
            )
    except KeyboardInterrupt:
        if is_file(Path(out) / "config.json"):
            console.say(f"the run in {out} is kept as its last complete epoch left it; continue with --resume")
        raise
    if output.as_json:
        print_json("train", {"out": str(run.folder), "epochs": len(run.history), "best": run.best})
    console.say(
        f"best epoch {run.best['epoch']:.0f} of {len(run.history)}: validation accuracy {run.best['val_accuracy']:.4f}, "
        f"in {run.folder}/best.keras"
    )


def train_config(
    training: TrainingOptions, augmentation: AugmentationOptions, transfer: TransferOptions, seed: int
) -> TrainConfig:
    """Return the configuration that the options describe.

    Args:
        training, augmentation, transfer: the options.
        seed: of everything that is random.

    Raises:
        UsageError: a value is outside its range.
    """
    return TrainConfig(
        **asdict(training),
        seed=seed,
        freeze=transfer.freeze,
        teachers=tuple(split_networks(transfer.teachers)),
        distillation=transfer.distillation,
        temperature=transfer.temperature,
        teacher_flip=transfer.teacher_flip,
        augmentation=Augmentation(**asdict(augmentation)),
    )


@contextlib.contextmanager
def _report(console: Console) -> Iterator[Callable[[TrainingProgress], None] | None]:
    """Yield what `train` calls after every step: a bar with the time left at a terminal, one line an epoch elsewhere."""
    if console.quiet:
        yield None
        return
    if not console.interactive:
        yield lambda p: console.say(epoch_line(p)) if p.validated else None
        return
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}")
    with Bar(*columns, console=RichConsole(stderr=True), transient=True) as bar:
        task = bar.add_task("training", total=None, state="")

        def show(p: TrainingProgress) -> None:
            if p.validated:
                bar.console.print(epoch_line(p), highlight=False)
            state = f"loss {p.loss:.3f}  {duration(p.seconds_left)} left"
            bar.update(task, total=p.steps, completed=p.step, description=f"epoch {p.epoch}/{p.epochs}", state=state)

        yield show


def epoch_line(p: TrainingProgress) -> str:
    """Return the line about an epoch that just ended.

    Args:
        p: the progress, whose `validated` is set.
    """
    row = p.validated or {}
    return (
        f"epoch {p.epoch}/{p.epochs}  loss {row['loss']:.3f}  validation loss {row['val_loss']:.3f}  "
        f"accuracy {row['val_accuracy']:.4f}  {row['seconds']:.0f} s, {duration(p.seconds_left)} left"
    )
