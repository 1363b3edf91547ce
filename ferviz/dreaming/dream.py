"""`ferviz.dream`: from a network and an objective to pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.dreaming.ascent.ascend import Progress, Watch, ascend, open_network
from ferviz.dreaming.ascent.ascent_config import AscentConfig
from ferviz.dreaming.ascent.border import within_borders
from ferviz.dreaming.ascent.copies import begin_apart, unlike_each_other
from ferviz.dreaming.ascent.differentiable import graph_engine_of
from ferviz.dreaming.deepdream import SMALLEST, Octaves, deepdream, deepdream_config
from ferviz.dreaming.face_statistics import face_statistics
from ferviz.dreaming.facets import facets
from ferviz.dreaming.finish import finish_dream
from ferviz.dreaming.objectives import Objective, bind, odds
from ferviz.dreaming.parameterizations.parameterization import Parameterization
from ferviz.dreaming.priors import Prior, around
from ferviz.dreaming.priors import prior as prior_of
from ferviz.dreaming.regularizers import Regularizers
from ferviz.dreaming.result import Dream
from ferviz.dreaming.transforms import NONE, Transforms
from ferviz.engines.precision import choose_precision
from ferviz.errors import PictureError, UsageError, check_integer
from ferviz.images import PictureSource, read_image
from ferviz.models.model import Model, as_model

FACES = Transforms(flip=True)
"""Views for dreams of classes: a mirrored face shows the same emotion."""


@dataclass(frozen=True)
class DreamConfig:
    """The finer settings of a dream; None means the prior's or the kind of dream's own.

    Attributes:
        samples: views of a picture over which each step averages, 1 or more.
        strength: of the prior, 0 or more; 1 is the usual.
        smooth: the gradient is blurred by so many pixels (at a height of 48) at first and ever less, so that large forms come before
            small ones.
        precision: "half", "single" or "auto" (see `ferviz.engines.precision`); other engines than Keras compute as they always do.
        transforms: the random views.
        regularizers: the costs that are subtracted from the objective.
        parameterization: the variables from which a picture follows.
        facets: pictures per class, each for one group of the class's real `faces`, in place of copies; 0 = none.
        faces: labelled faces; needed for facets.
        frames: how many pictures of the way to keep for an animation.
        watch: called with (steps done, pictures (F, h, w, c) uint8) for each of the `frames` as soon as it is there; a DeepDream has none.
        diversity: where there are copies, the weight of the reward for copies that are unlike each other; None = by the kind of dream
            (see `ferviz.dreaming.ascent.copies`), 0 = none.
    """

    samples: int = 4
    strength: float = 1.0
    smooth: float | None = None
    precision: str = "auto"
    transforms: Transforms | None = None
    regularizers: Regularizers | None = None
    parameterization: Parameterization | None = None
    facets: int = 0
    faces: Dataset | None = None
    frames: int = 0
    watch: Watch | None = field(default=None, compare=False)
    diversity: float | None = None


@dataclass(frozen=True)
class _Request:
    """The arguments of one call of `dream`, checked."""

    model: Model
    objectives: tuple[Objective, ...]
    steps: int
    seed: int
    copies: int
    prior: str | None
    picture: np.ndarray | None
    octaves: Octaves | None
    learning_rate: float | None
    config: DreamConfig = field(repr=False)
    precision: str = "single"

    @property
    def about_classes(self) -> bool:
        return all(objective.is_about_classes for objective in self.objectives)

    @property
    def settings(self) -> dict[str, Any]:
        """What every dream records."""
        return {
            "model": self.model.name,
            "model_sha256": self.model.sha256,
            "labels": list(self.model.labels),
            "engine": self.model.engine.name,
            "seed": self.seed,
            "steps": self.steps,
            "samples": self.config.samples,
            "copies": self.copies,
            "precision": self.precision,
        }


def dream(
    model: Model,
    objective: Objective | str | Sequence[Objective | str] | None = None,
    *,
    steps: int = 128,
    seed: int = 0,
    copies: int = 1,
    prior: str | None = None,
    image: PictureSource | None = None,
    octaves: Octaves | None = None,
    learning_rate: float | None = None,
    config: DreamConfig | None = None,
    progress: Progress | None = None,
) -> Dream:
    """Make pictures that a network responds to most.

    A Keras network dreams in a loop that TensorFlow compiles; any other engine that has gradients dreams through the same loop in NumPy.

    Args:
        model: the network.
        objective: one or several of `ferviz.objectives`, or class names (their `odds`); None = every class.
        steps: number of steps of gradient ascent, 1 or more.
        seed: of the noise to begin with and of every view; the same seed gives the same bytes on one machine.
        copies: pictures per objective, which differ: each begins with a face (or noise) of its own, sees views of its own, and is
            rewarded for being unlike the others.
        prior: "faces", "class", "spectrum" or "none" (see `ferviz.dreaming.priors`); None = "faces" for classes, "none" for layers.
        image: a picture to dream on instead of a prior: DeepDream in octaves for layers and channels (at its own size where the network
            can take it); for classes a face crop, such as `find_faces(...)[0].pixels`, at the network's own size.
        octaves: of DeepDream; giving them asks for DeepDream for classes too.
        learning_rate: size of a step; None = the prior's own.
        config: everything else.
        progress: called with (steps done, steps in all) now and then.

    Returns:
        The dream.

    Raises:
        UnknownNameError: for a layer, class, prior or precision that is not there.
        UsageError: for numbers that make no sense.
        PictureError: for a picture that is too small.
        ModelError: for a model without gradients.
    """
    config = config or DreamConfig()
    objectives = _objectives(as_model(model), objective)
    for name, number in (("steps", steps), ("copies", copies), ("samples", config.samples)):
        check_integer(name, number, 1)
    check_integer("seed", seed, 0)
    layers = {layer.name: layer for layer in model.layers}
    for each in objectives:
        bind(each, layers, model.labels)  # a wrong name is reported before any work
    request = _Request(
        model, objectives, steps, seed, copies, prior, None if image is None else read_image(image), octaves, learning_rate,
        config, _precision(model, config.precision),
    )  # fmt: skip
    if request.picture is not None and (octaves is not None or not request.about_classes):
        return _deepdream(request, request.picture, progress)
    if octaves is not None:
        raise UsageError("octaves belong to a DeepDream; give it a picture (image=...) to begin with")
    return _from_prior(request, progress)


def _deepdream(request: _Request, picture: np.ndarray, progress: Progress | None) -> Dream:
    config = request.config
    if request.copies > 1 or config.facets:
        raise UsageError("a DeepDream of a picture has no copies or facets; leave them out")
    ascent = deepdream_config(
        request.steps, request.learning_rate, config.samples, request.precision, config.transforms, config.regularizers
    )
    result = deepdream(
        request.model, request.objectives, picture, ascent, octaves=request.octaves or Octaves(), seed=request.seed,
        frames=config.frames, progress=progress,
    )  # fmt: skip
    settings = request.settings | {
        "start": "picture",
        "octaves": result.sizes,
        "learning_rate": ascent.learning_rate,
        "samples": ascent.samples,
    }
    before = np.stack([result.before] * len(result.images))
    return finish_dream(request.model, request.objectives, result.images, result.trace, result.frames, settings, before)


def _from_prior(request: _Request, progress: Progress | None) -> Dream:
    model, config = request.model, request.config
    size = (*model.input.size, model.input.channels)
    if min(size[:2]) < SMALLEST:
        raise PictureError(f"{model.name} takes {size[0]} x {size[1]} pixels; a dream needs {SMALLEST} or more")
    objectives, chosen = _objectives_and_prior(request, size)
    transforms = config.transforms or (FACES if request.about_classes else Transforms())
    ascent = AscentConfig(
        config.parameterization or chosen.parameterization,
        transforms,
        config.regularizers or chosen.regularizers,
        request.steps,
        request.learning_rate or chosen.learning_rate,
        config.samples,
        smooth=chosen.smooth if config.smooth is None else config.smooth,
        precision=request.precision,
    )
    starts, raised = chosen.starts, within_borders(model, objectives)
    if request.copies > 1:
        raised = unlike_each_other(model, raised, config.diversity)
        starts = starts if request.picture is not None else begin_apart(chosen, request.copies, request.seed)
    result = ascend(
        open_network(model), raised, starts, ascent,
        seed=request.seed, copies=request.copies, frames=config.frames, progress=progress, watch=config.watch,
    )  # fmt: skip
    settings = request.settings | {
        "start": "prior" if request.picture is None else "picture",
        "prior": chosen.name,
        "strength": config.strength,
        "learning_rate": ascent.learning_rate,
        "smooth": ascent.smooth,
        "parameterization": type(ascent.parameterization).__name__.lower(),
        "transforms": None if transforms == NONE else asdict(transforms),
        "regularizers": asdict(ascent.regularizers),
        "facets": config.facets,
        "margins": {term.layer: term.margin for o in raised for _, term in o.terms if term.margin},
        "raised": [o.formula for o in raised] if request.copies > 1 else None,
    }
    every = tuple(o for o in objectives for _ in range(request.copies))
    pictures = np.rint(result.pictures * 255.0).astype(np.uint8)
    before = None
    if request.picture is not None:
        before = _flat(np.rint(np.repeat(chosen.starts, request.copies, axis=0) * 255.0).astype(np.uint8))
    return finish_dream(model, every, _flat(pictures), result.trace, _flat(result.frames), settings, before)


def _precision(model: Model, precision: str) -> str:
    """-> "half" or "single"; only TensorFlow's loop computes in half precision."""
    chosen = choose_precision(precision)
    if chosen == "single" or graph_engine_of(model) is not None:
        return chosen
    if precision == "half":
        raise UsageError(
            f"{model.name} runs on the {model.engine.name} engine, and only networks with a graph dream in half precision; leave it out"
        )
    return "single"


def _objectives(model: Model, asked: Objective | str | Sequence[Objective | str] | None) -> tuple[Objective, ...]:
    if asked is None:
        asked = list(model.labels)
    several = [asked] if isinstance(asked, Objective | str) else list(asked)
    if not several:
        raise UsageError("the list of objectives is empty; give an objective or a class")
    return tuple(odds(each) if isinstance(each, str) else each for each in several)


def _objectives_and_prior(request: _Request, size: Sequence[int]) -> tuple[tuple[Objective, ...], Prior]:
    """-> one objective for each facet where facets are asked for, and the prior about its start pictures."""
    name, objectives = request.prior or ("faces" if request.about_classes else "none"), request.objectives
    strength, means = request.config.strength, None
    if request.config.facets:
        objectives, means = _facets(request)
    chosen = prior_of(name, objectives, size, strength, face_statistics())
    if means is not None and name in ("faces", "class"):
        chosen = around(chosen, np.repeat(means[..., None], size[2], axis=3).astype(np.float32))
    if request.picture is not None:
        chosen = _around_picture(chosen, request.picture, size)
    return objectives, chosen


def _facets(request: _Request) -> tuple[tuple[Objective, ...], np.ndarray]:
    """-> one objective for each facet, and each facet's mean face, (F, h, w)."""
    config, objectives = request.config, request.objectives
    if config.faces is None:
        raise UsageError(
            "facets are groups of real faces; give labelled faces with --faces DATA (DreamConfig(faces=ferviz.read_data(...)))"
        )
    if not all(len(o.terms) == 1 and o.is_about_classes for o in objectives):
        raise UsageError("facets are the different faces of a class; give classes, not other objectives")
    groups = [
        facet
        for o in objectives
        for facet in facets(request.model, str(o.target), config.faces, config.facets, request.seed)
    ]
    return tuple(facet.objective for facet in groups), np.stack([facet.mean for facet in groups])


def _around_picture(chosen: Prior, picture: np.ndarray, size: Sequence[int]) -> Prior:
    """-> the prior about a given face instead of the mean one."""
    import cv2

    if min(picture.shape[:2]) < SMALLEST:
        raise PictureError(
            f"the picture has {picture.shape[1]} x {picture.shape[0]} pixels; a dream needs at least {SMALLEST} on each side"
        )
    grey = picture if size[2] == 3 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None]
    small = cv2.resize(grey, (size[1], size[0]), interpolation=cv2.INTER_AREA).reshape(size)
    starts = np.repeat(small[None].astype(np.float32) / 255.0, len(chosen.starts), axis=0)
    return around(chosen, starts)


def _flat(pictures: np.ndarray) -> np.ndarray:
    """Leave out the axis of channels where there is only one."""
    return pictures[..., 0] if pictures.shape[-1] == 1 else pictures
