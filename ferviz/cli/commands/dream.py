"""`ferviz dream`: pictures that excite a class or a layer most."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import click

from ferviz.cli.bare_files import any_part, check_bare, enlarge, names, write_pictures
from ferviz.cli.console import Console, print_json
from ferviz.cli.inputs import open_data, open_model
from ferviz.cli.networks import split_networks
from ferviz.cli.options.drawing_options import PrintOptions
from ferviz.cli.options.input_options import DataOptions, FaceOptions
from ferviz.cli.options.network_options import ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.outputs import check_outputs, files_of, inputs_of, output_path, typed
from ferviz.cli.sections import Number, OptionGroup, SectionedCommand, option, options
from ferviz.errors import UsageError
from ferviz.paths import PathLike, exists
from ferviz.registry import split_names

if TYPE_CHECKING:
    from ferviz.data.dataset import Dataset
    from ferviz.dreaming.objectives import Objective
    from ferviz.dreaming.result import Dream
    from ferviz.images import Pixels
    from ferviz.models.model import Model

PRIORS = ["faces", "class", "spectrum", "none"]
PRECISIONS = ["auto", "half", "single"]
FRAMES = 48
JUDGE = (
    "Another network that judges the dreams, FILE?scaling=-1..1&labels=7 if its file does not tell these; "
    "several: with commas between, or repeat."
)


@dataclass(frozen=True)
class ObjectiveOptions(OptionGroup):
    """What the pictures shall excite."""

    section: ClassVar[str] = "Objective"
    target: tuple[str, ...] = option(
        "--target",
        "-t",
        default=(),
        multiple=True,
        metavar="CLASS",
        help="all, a class, or a contrast (happy-sad); several: happy,sad, or repeat.  [default: all]",
    )
    layer: str | None = option(
        "--layer",
        "-l",
        metavar="NAME",
        help="Dream of this layer's channels; with --image: more of what the layer sees.",
    )
    channel: str | None = option(
        "--channel", "-c", metavar="NUMBERS", help="Of --layer: 12, or 3,7,9, or all, or mean (all channels together)."
    )
    count: int = option(
        "--count", default=16, type=click.IntRange(1), help="How many of the layer's most active channels."
    )


@dataclass(frozen=True)
class StartOptions(OptionGroup):
    """The picture that a dream starts from."""

    section: ClassVar[str] = "Starting picture"
    image: str | None = option(
        "--image",
        "-i",
        metavar="PICTURE",
        help="Start from this picture instead of noise; classes start from its largest face.",
    )
    octaves: int | None = option(
        "--octaves", type=click.IntRange(1), help="Number of sizes of --image.  [default: 4 for layers]"
    )
    size: int | None = option(
        "--size", type=click.IntRange(16, 4096), help="Longer side of the largest octave, in pixels."
    )

    def inputs(self) -> list[PathLike]:
        """Return the picture."""
        return [self.image] if self.image else []


@dataclass(frozen=True)
class AscentOptions(OptionGroup):
    """How the pictures are computed."""

    section: ClassVar[str] = "Gradient ascent"
    steps: int = option("--steps", default=128, help="Steps of gradient ascent.")
    learning_rate: float | None = option(
        "--learning-rate", type=Number(0, min_open=True), help="Size of a step.  [default: the prior's own]"
    )
    samples: int = option("--samples", default=4, help="Transformed copies of each picture that a step averages.")
    prior: str | None = option(
        "--prior",
        type=click.Choice(PRIORS),
        help="Keep dreams near real faces.  [default: faces for classes, none for layers]",
    )
    strength: float = option("--strength", default=1.0, help="The prior's weight, 0 or more.")
    precision: str = option(
        "--precision",
        default="auto",
        type=click.Choice(PRECISIONS),
        help="Of the convolutions; auto = half if the processor has instructions for it.",
    )
    copies: int = option(
        "--copies", default=1, help="Dreams of each kind, which begin differently and are to be unlike each other."
    )


@dataclass(frozen=True)
class JudgeOptions(OptionGroup):
    """What the dreams are compared with."""

    section: ClassVar[str] = "Real faces and other networks"
    faces: str | None = option(
        "--faces",
        metavar="DATA",
        help="Labelled faces: for --facets, --judge (distances) and the choice of channels.",
    )
    facets: int | None = option(
        "--facets",
        type=click.IntRange(1),
        help="Dreams of each class, one for each group of its real faces (needs --faces).",
    )
    judges: tuple[str, ...] = option("--judge", "-j", default=(), multiple=True, metavar="FILE", help=JUDGE)

    def inputs(self) -> list[PathLike]:
        """Return the data."""
        return [self.faces] if self.faces else []


@click.command("dream", cls=SectionedCommand, context_settings={"allow_extra_args": True})
@click.option("--animate", metavar="FILE", help="Also write the steps as an animation: .gif or .webp.")
@click.option("--side", type=click.IntRange(16, 8192), help="Pixels of each dream, on the sheet or --bare.")
@click.option(
    "--bare", is_flag=True, help="Only the dreams' pixels, without words; one file for each, enlarged with --side only."
)
@options(
    out="ferviz_dream.png, with --image <picture>_dream.png",
    without=("threshold", "min_size", "largest", "max_side", "tilt", "split", "scheme", "votes"),
)
def command(
    animate: str | None,
    side: int | None,
    bare: bool,
    objective: ObjectiveOptions,
    start: StartOptions,
    ascent: AscentOptions,
    judging: JudgeOptions,
    model: ModelOptions,
    detection: FaceOptions,
    data: DataOptions,
    printing: PrintOptions,
    output: OutputOptions,
) -> int:
    """Dream: pictures that excite a class or a layer most.

    Without options, one dream of every class. --out FILE.png, .jpg or .webp is the sheet with captions, .npz the exact pixels,
    .json the numbers, .pdf or .svg a figure. A dream shows what excites the network; see the documentation for what it does not prove.
    """
    from ferviz.dreaming.result import Dream
    from ferviz.dreaming.sheets.animation import ANIMATIONS, check_animation
    from ferviz.files import check_suffix

    console = Console(output.quiet)
    _refuse_words(click.get_current_context().args)
    others = [model.another(text) for text in split_networks(judging.judges)]
    inputs = inputs_of(start, judging, model, *others, detection)
    asked = typed("target", "layer", "channel")
    named, taken = [start.image] if start.image else [], any_part if bare else exists
    out = output_path(output, named, (), "dream", asked=asked, inputs=inputs, taken=taken)
    if bare:
        check_bare(out, printing)
    check_suffix(out, Dream.suffixes())
    if animate:
        check_suffix(animate, ANIMATIONS)
    check_outputs((out, animate), inputs)
    _check(objective, start, judging, detection, data)
    image = _starting_picture(objective, start, detection)
    from ferviz.dreaming.deepdream import Octaves
    from ferviz.dreaming.dream import DreamConfig, dream

    faces = open_data(judging.faces, data, console, seed=output.seed) if judging.faces else None
    network = open_model(model, console)
    judges = [open_model(options, Console(quiet=True)) for options in others]
    for judge in judges:
        for note in judge.notes:
            console.warn(f"{judge.name}: {note}")
    _check_objective(network, objective)
    inputs += [file for loaded in (network, *judges) for file in files_of(loaded)]
    check_outputs((out, animate), inputs)
    Dream.check_path(out, output.force)
    if animate:
        check_animation(animate, output.force)
    config = DreamConfig(
        samples=ascent.samples,
        strength=ascent.strength,
        precision=ascent.precision,
        facets=judging.facets or 0,
        faces=faces,
        frames=FRAMES if animate else 0,
    )
    with console.steps("dreaming") as progress:
        result = dream(
            network,
            _objectives(network, objective, start.image is not None, faces),
            steps=ascent.steps,
            seed=output.seed,
            copies=ascent.copies,
            prior=ascent.prior,
            image=image,
            octaves=Octaves(start.octaves, size=start.size) if start.octaves or start.size else None,
            learning_rate=ascent.learning_rate,
            config=config,
            progress=progress,
        )
    if judges:
        result = result.judged(judges, faces)
    written = [out]
    if bare:
        written = names(out, [(name,) for name in result.objective])
        check_outputs([*written, animate], inputs)
        pictures = [enlarge(picture, side) for picture in result.images]
        write_pictures(written, pictures, result.manifest(), output.force, printing.dpi)
    else:
        result.save(out, output.force, **({"side": side} if side else {}), **printing.given())
    if animate:
        result.animate(animate, force=output.force)
    if output.as_json:
        print_json("dream", {"out": written[0], **result.to_dict()})
    _report(result, console)
    for path in (*written, animate):
        if path:
            console.say(f"wrote {path}")
    return 0


def _check(
    objective: ObjectiveOptions, start: StartOptions, judging: JudgeOptions, detection: FaceOptions, data: DataOptions
) -> None:
    if objective.channel and not objective.layer:
        raise UsageError("--channel needs --layer, the layer whose channel it is (see: ferviz layers)")
    if objective.layer and objective.target:
        raise UsageError("--target is about classes and --layer about a layer; give one of them")
    if (start.octaves or start.size) and not start.image:
        raise UsageError("--octaves and --size belong to --image, the picture to dream on")
    if (detection.detector != "auto" or detection.detector_model) and (not start.image or objective.layer):
        raise UsageError(
            "--detector and --detector-model find the face of --image that a class is dreamt on; leave them out"
        )
    if (data.reader != "auto" or data.skip_bad) and not judging.faces:
        raise UsageError("--reader and --skip-bad determine how --faces DATA is read; name the data too")


def _starting_picture(objective: ObjectiveOptions, start: StartOptions, detection: FaceOptions) -> str | Pixels | None:
    """Return the picture; where a class is dreamt on it, the crop of its largest face, as every other command would explain it."""
    if not start.image or objective.layer or start.octaves or start.size:
        return start.image
    from ferviz.faces.find import find_faces

    (face,) = find_faces(start.image, detection.detector, detector_model=detection.detector_model, largest=True)
    return face.pixels


def _objectives(model: Model, wanted: ObjectiveOptions, image: bool, faces: Dataset | None) -> list[Objective]:
    from ferviz.dreaming import objectives

    name, channel = wanted.layer, wanted.channel
    if not name:
        return [_class_objective(model, text) for text in _targets(model, wanted.target)]
    shape = model.layer(name).shape
    if channel == "mean" or (image and not channel):
        return [objectives.layer(name)]
    if channel == "all":
        channels: Sequence[int] = range(shape[-1] or 0)
    elif channel:
        channels = _numbers(channel)
    else:
        channels = objectives.most_active(model, name, wanted.count, faces)
    return [objectives.channel(name, index) for index in channels]


def _check_objective(model: Model, wanted: ObjectiveOptions) -> None:
    """Raise UnknownNameError for a layer or a class that the network does not have."""
    from ferviz.dreaming.terms.class_terms import class_index

    if wanted.layer:
        model.layer(wanted.layer)
        return
    for text in _targets(model, wanted.target):
        for name in _classes(model, text):
            class_index(name, model.labels)


def _classes(model: Model, text: str) -> list[str]:
    """-> the class, or the two of a contrast; a class may have a hyphen in its own name, and only then is it no contrast."""
    contrast = text not in model.labels and text.count("-") == 1
    return [part.strip() for part in text.split("-")] if contrast else [text]


def _refuse_words(words: Sequence[str]) -> None:
    """Raise UsageError for a word without an option, which says which option it probably belongs to."""
    if not words:
        return
    from ferviz.emotions import FERPLUS, canonical

    word, parts = words[0], re.split(r"[,-]", words[0])
    known = all(part == "all" or canonical(part) in FERPLUS for part in parts)
    flag = "--image" if exists(word) or Path(word).suffix else "--target" if known else "--layer"
    raise UsageError(f"{word!r} stands without an option; did you mean {flag} {word}?")


def _targets(model: Model, texts: Sequence[str]) -> Sequence[str]:
    names = split_names(texts, model.labels)
    return model.labels if not names or "all" in names else names


def _class_objective(model: Model, text: str) -> Objective:
    from ferviz.dreaming import objectives

    names = _classes(model, text)
    return objectives.contrast(*names) if len(names) > 1 else objectives.odds(text)


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--channel takes numbers such as 12 or 3,7,9, or all, or mean, not {text!r}") from None


def _report(dream: Dream, console: Console) -> None:
    for name, lines in zip(dream.objective, dream.captions(), strict=True):
        if len(dream) <= 32:
            console.say(f"{name}: {'; '.join(lines)}")
    if dream.judgement is not None:
        for line in str(dream.judgement).splitlines():
            console.say(line)
