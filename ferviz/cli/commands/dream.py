"""`ferviz dream`: pictures that excite a class or a layer most."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import click

from ferviz.cli.console import Console, print_json
from ferviz.cli.inputs import open_data, open_model
from ferviz.cli.options import DataOptions, FaceOptions, ModelOptions, OutputOptions
from ferviz.cli.pictures import default_output
from ferviz.cli.sections import SectionedCommand, options
from ferviz.errors import UsageError

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
    "Another network that judges the dreams; repeat for several. "
    "FILE?scaling=-1..1&labels=7 if its file does not tell these."
)


@click.command("dream", cls=SectionedCommand)
@click.option(
    "--target",
    "-t",
    metavar="CLASS",
    help="all, a class, several (happy,sad), or a contrast (happy-sad).  [default: all]",
)
@click.option(
    "--layer", "-l", metavar="NAME", help="Dream of this layer's channels; with --image: more of what the layer sees."
)
@click.option(
    "--channel", "-c", metavar="NUMBERS", help="Of --layer: 12, or 3,7,9, or all, or mean (all channels together)."
)
@click.option(
    "--count",
    type=click.IntRange(1),
    default=16,
    show_default=True,
    help="How many of the layer's most active channels.",
)
@click.option(
    "--image",
    "-i",
    metavar="PICTURE",
    help="Start from this picture instead of noise; classes start from its largest face.",
)
@click.option("--octaves", type=click.IntRange(1), help="Number of sizes of --image.  [default: 4 for layers]")
@click.option("--size", type=click.IntRange(16, 4096), help="Longer side of the largest octave, in pixels.")
@click.option("--steps", type=int, default=128, show_default=True, help="Steps of gradient ascent.")
@click.option(
    "--learning-rate", type=click.FloatRange(0, min_open=True), help="Size of a step.  [default: the prior's own]"
)
@click.option(
    "--samples", type=int, default=4, show_default=True, help="Transformed copies of each picture that a step averages."
)
@click.option(
    "--prior",
    type=click.Choice(PRIORS),
    help="Keep dreams near real faces.  [default: faces for classes, none for layers]",
)
@click.option("--strength", type=float, default=1.0, show_default=True, help="The prior's weight, 0 or more.")
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="auto",
    show_default=True,
    help="Of the convolutions; auto = half if the processor has instructions for it.",
)
@click.option("--copies", type=int, default=1, show_default=True, help="Dreams of each kind, from different noise.")
@click.option(
    "--facets",
    type=click.IntRange(1),
    help="Dreams of each class, one for each group of its real faces (needs --faces).",
)
@click.option(
    "--faces",
    "faces_path",
    metavar="DATA",
    help="Labelled faces: for --facets, --judge (distances) and the choice of channels.",
)
@click.option("--judge", "-j", "judges", multiple=True, metavar="FILE", help=JUDGE)
@click.option("--animate", metavar="FILE", help="Also write the steps as an animation: .gif or .webp.")
@click.option("--side", type=click.IntRange(16, 1024), help="Pixels of each dream on the sheet.")
@options(
    out="ferviz_dream.png, with --image <picture>_dream.png",
    without=("threshold", "min_size", "largest", "max_side", "tilt", "split", "scheme", "votes"),
)
def command(
    target: str | None,
    layer: str | None,
    channel: str | None,
    count: int,
    image: str | None,
    octaves: int | None,
    size: int | None,
    steps: int,
    learning_rate: float | None,
    samples: int,
    prior: str | None,
    strength: float,
    precision: str,
    copies: int,
    facets: int | None,
    faces_path: str | None,
    judges: tuple[str, ...],
    animate: str | None,
    side: int | None,
    model: ModelOptions,
    detection: FaceOptions,
    data: DataOptions,
    output: OutputOptions,
) -> int:
    """Dream: pictures that excite a class or a layer most.

    Without options, one dream of every class. --out FILE.png, .jpg or .webp is the sheet with captions, .npz the exact pixels,
    .json the numbers, .pdf or .svg a figure. A dream shows what excites the network; see the documentation for what it does not prove.
    """
    from ferviz.dreaming.result import Dream, check_animation

    console = Console(output.quiet)
    out = Path(output.out) if output.out else default_output([image] if image else [], "dream")
    Dream.check_path(out, output.force)
    if animate:
        check_animation(animate, output.force)
    if channel and not layer:
        raise UsageError("--channel needs --layer, the layer whose channel it is (see: ferviz layers)")
    if layer and target:
        raise UsageError("--target is about classes and --layer about a layer; give one of them")
    if (octaves or size) and not image:
        raise UsageError("--octaves and --size belong to --image, the picture to dream on")
    if (detection.detector != "auto" or detection.detector_model) and (not image or layer):
        raise UsageError(
            "--detector and --detector-model find the face of --image that a class is dreamt on; leave them out"
        )
    if (data.reader != "auto" or data.skip_bad) and not faces_path:
        raise UsageError("--reader and --skip-bad determine how --faces DATA is read; name the data too")
    start: str | Pixels | None = image
    if image and not (layer or octaves or size):
        start = _face(image, detection)
    from ferviz.dreaming.deepdream import Octaves
    from ferviz.dreaming.dream import DreamConfig, dream

    faces = open_data(faces_path, data, console, seed=output.seed) if faces_path else None
    network = open_model(model, console)
    others = [open_judge(text, model.trust) for text in judges]
    for other in others:
        for note in other.notes:
            console.warn(f"{other.name}: {note}")
    config = DreamConfig(
        samples, strength, precision=precision, facets=facets or 0, faces=faces, frames=FRAMES if animate else 0
    )
    with console.steps("dreaming") as progress:
        result = dream(
            network,
            _objectives(network, target, layer, channel, count, image is not None, faces),
            steps=steps,
            seed=output.seed,
            copies=copies,
            prior=prior,
            image=start,
            octaves=Octaves(octaves, size=size) if octaves or size else None,
            learning_rate=learning_rate,
            config=config,
            progress=progress,
        )
    if others:
        result = result.judged(others, faces)
    result.save(out, output.force, **({"side": side} if side else {}))
    if animate:
        result.animate(animate, force=output.force)
    if output.as_json:
        print_json("dream", {"out": out, **result.to_dict()})
    _report(result, console)
    for path in (out, animate):
        if path:
            console.say(f"wrote {path}")
    return 0


def _face(image: str, detection: FaceOptions) -> Pixels:
    """Return the crop of the picture's largest face, as every other command would explain it."""
    from ferviz.faces.find import find_faces

    (face,) = find_faces(image, detection.detector, detector_model=detection.detector_model, largest=True)
    return face.pixels


def _objectives(
    model: Model,
    target: str | None,
    name: str | None,
    channel: str | None,
    count: int,
    image: bool,
    faces: Dataset | None,
) -> list[Objective]:
    from ferviz.dreaming import objectives

    if not name:
        return [_class_objective(model, text) for text in _targets(model, target or "all")]
    shape = model.layer(name).shape
    if channel == "mean" or (image and not channel):
        return [objectives.layer(name)]
    if channel == "all":
        channels: Sequence[int] = range(shape[-1] or 0)
    elif channel:
        channels = _numbers(channel)
    else:
        channels = objectives.most_active(model, name, count, faces)
    return [objectives.channel(name, index) for index in channels]


def _targets(model: Model, text: str) -> Sequence[str]:
    return model.labels if text == "all" else [part.strip() for part in text.split(",")]


def _class_objective(model: Model, text: str) -> Objective:
    from ferviz.dreaming import objectives

    # A class may have a hyphen in its own name; only then is it no contrast.
    if text not in model.labels and text.count("-") == 1:
        return objectives.contrast(*(part.strip() for part in text.split("-")))
    return objectives.odds(text)


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--channel takes numbers such as 12 or 3,7,9, or all, or mean, not {text!r}") from None


def open_judge(text: str, trust: bool = False) -> Model:
    """Load another network that judges dreams.

    Args:
        text: FILE or FILE?labels=...&scaling=...&weights=...
        trust: allow the file to run code of its own.

    Raises:
        UsageError: another word stands behind the question mark.
    """
    from ferviz.models.load import load_model

    path, _, query = text.partition("?")
    given: dict[str, Any] = dict(parse_qsl(query))
    unknown = set(given) - {"labels", "scaling", "weights"}
    if unknown:
        raise UsageError(f"--judge FILE?... takes labels, scaling and weights, not {', '.join(sorted(unknown))}")
    return load_model(path, trust=trust, **given)


def _report(dream: Dream, console: Console) -> None:
    for name, lines in zip(dream.objective, dream.captions(), strict=True):
        if len(dream) <= 32:
            console.say(f"{name}: {'; '.join(lines)}")
    if dream.judgement is not None:
        console.say(str(dream.judgement))
