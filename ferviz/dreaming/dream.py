"""`ferviz.dream`: from a network and an objective to pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.dreaming.ascent import Schedule
from ferviz.dreaming.batches import Progress, ascend
from ferviz.dreaming.deepdream import SMALLEST, STEP, Octaves, deepdream
from ferviz.dreaming.differentiable import DreamNetwork
from ferviz.dreaming.face_statistics import face_statistics
from ferviz.dreaming.facets import facets as find_facets
from ferviz.dreaming.objectives import Objective, bind, odds
from ferviz.dreaming.parameterization import Parameterization
from ferviz.dreaming.priors import Prior, around, prior
from ferviz.dreaming.regularizers import Regularizers
from ferviz.dreaming.result import Dream
from ferviz.dreaming.terms import Logit
from ferviz.dreaming.transforms import NONE, Transforms
from ferviz.engines.precision import chosen as chosen_precision
from ferviz.errors import PictureError, UsageError, check_integer
from ferviz.images import PictureSource, read_image
from ferviz.models.model import Model, as_model

FACES = Transforms(flip=True)
"""Views for dreams that begin with a face or with nothing: a mirrored face shows the same emotion."""


@dataclass(frozen=True)
class _Plan:
    """What one call of `dream` was asked for, checked."""

    model: Model
    objectives: tuple[Objective, ...]
    prior: Prior
    transforms: Transforms
    schedule: Schedule
    seed: int
    copies: int
    frames: int
    notes: dict[str, Any] = field(default_factory=dict)


def dream(
    model: Model,
    objective: Objective | str | Sequence[Objective | str] | None = None,
    *,
    steps: int = 128,
    seed: int = 0,
    copies: int = 1,
    prior: str | None = None,
    strength: float = 1.0,
    samples: int = 4,
    rate: float | None = None,
    smooth: float | None = None,
    precision: str = "auto",
    transforms: Transforms | None = None,
    penalties: Regularizers | None = None,
    parameterization: Parameterization | None = None,
    image: PictureSource | None = None,
    octaves: Octaves | None = None,
    facets: int = 0,
    faces: Dataset | None = None,
    frames: int = 0,
    progress: Progress | None = None,
) -> Dream:
    """Make pictures that a network wants to see.

    model: a model on the Keras engine. objective: one or several of `ferviz.objectives`, or class names (their `odds`); None = every class.
    steps: of gradient ascent, 1 or more. seed: of the noise to begin with and of every view; the same seed gives the same bytes on one
    machine. copies: pictures an objective, from noise of different seeds.
    prior: "faces", "class", "spectrum" or "none" (see `ferviz.dreaming.priors`); None = "faces" for classes, "none" for layers.
    strength: of the prior, 0 or more; 1 is the usual. samples: views of a picture that each step averages over.
    rate, transforms, penalties, parameterization, smooth: instead of what the prior brings. smooth: the gradient is blurred by so many
    pixels (at a height of 48) at first and ever less, so that large forms come before small ones.
    precision: "half", "single" or "auto" (see `ferviz.engines.precision`).
    image: a picture to dream on instead of a prior: DeepDream in octaves for layers and channels (at its own size where the network can
    take it); for classes a face crop, such as `find_faces(...)[0].pixels`, at the network's own size. octaves: of DeepDream; giving
    them asks for DeepDream for classes too.
    facets: pictures a class, each for one group of the class's real `faces` (then needed), in place of `copies`.
    frames: how many pictures of the way to keep for an animation. progress: called with (steps done, steps in all) now and then.
    -> Dream. Raises UnknownNameError for a layer, class, prior or precision that is not there, UsageError for numbers that make no sense,
    PictureError for a picture that is too small, ModelError for a model without gradients.
    """
    objectives = _objectives(as_model(model), objective)
    for name, number in (("steps", steps), ("copies", copies), ("samples", samples)):
        check_integer(name, number, 1)
    check_integer("seed", seed, 0)
    layers = {layer.name: layer for layer in model.layers}
    for one in objectives:
        bind(one, layers, model.labels)  # a wrong name is told before any work
    about_classes = all(isinstance(term, Logit) for o in objectives for _, term in o.terms)
    precision = chosen_precision(precision)
    settings = _settings(model, seed, steps, samples, copies) | {"precision": precision}
    if image is not None and (octaves is not None or not about_classes):
        if copies > 1 or facets:
            raise UsageError("a DeepDream of a picture has no copies or facets; leave them out")
        schedule = Schedule(steps, rate or STEP, samples if transforms else 1, precision=precision)
        dreamt = deepdream(
            model, objectives, read_image(image), octaves=octaves or Octaves(), schedule=schedule,
            transforms=transforms, penalties=penalties, seed=seed, frames=frames, progress=progress,
        )  # fmt: skip
        settings |= {"start": "picture", "octaves": dreamt.sizes, "rate": schedule.rate, "samples": schedule.samples}
        return Dream.of(model, objectives, dreamt.images, dreamt.trace, dreamt.frames, settings)
    if octaves is not None:
        raise UsageError("octaves belong to a DeepDream; give it a picture (image=...) to begin with")
    network = DreamNetwork(model)
    if min(network.size[:2]) < SMALLEST:
        raise PictureError(
            f"{model.name} sees {network.size[0]} x {network.size[1]} pixels; a dream needs {SMALLEST} or more"
        )
    name = prior or ("faces" if about_classes else "none")
    if facets:
        objectives, chosen = _faceted(model, objectives, facets, faces, seed, name, strength)
    else:
        chosen = _prior(name, objectives, network.size, strength)
    if image is not None:
        chosen = _from_image(chosen, read_image(image), network.size)
    chosen = replace(
        chosen, rate=rate or chosen.rate, penalties=penalties or chosen.penalties,
        parameterization=parameterization or chosen.parameterization,
    )  # fmt: skip
    smooth = chosen.smooth if smooth is None else smooth
    schedule = Schedule(steps, chosen.rate, samples, smooth=smooth, precision=precision)
    views = transforms or (FACES if about_classes else Transforms())
    climbed = ascend(
        network, objectives, chosen, views, schedule, seed=seed, copies=copies, frames=frames, progress=progress
    )
    settings |= {
        "start": "picture" if image is not None else "prior",
        "prior": chosen.name,
        "strength": strength,
        "rate": schedule.rate,
        "smooth": smooth,
        "parameterization": type(chosen.parameterization).__name__.lower(),
        "transforms": None if views == NONE else asdict(views),
        "penalties": asdict(chosen.penalties),
        "facets": facets,
    }
    every = tuple(o for o in objectives for _ in range(copies))
    pictures = np.rint(climbed.pictures * 255.0).astype(np.uint8)
    return Dream.of(model, every, _flat(pictures), climbed.trace, _flat(climbed.frames), settings)


def _objectives(model: Model, asked: Objective | str | Sequence[Objective | str] | None) -> tuple[Objective, ...]:
    if asked is None:
        asked = list(model.labels)
    several = [asked] if isinstance(asked, Objective | str) else list(asked)
    if not several:
        raise UsageError("there is nothing to dream of; give an objective or a class")
    return tuple(odds(one) if isinstance(one, str) else one for one in several)


def _prior(name: str, objectives: Sequence[Objective], size: Sequence[int], strength: float) -> Prior:
    return prior(name, objectives, size, strength, face_statistics())


def _faceted(
    model: Model,
    objectives: Sequence[Objective],
    count: int,
    faces: Dataset | None,
    seed: int,
    name: str,
    strength: float,
) -> tuple[tuple[Objective, ...], Prior]:
    """Return one objective a facet, and the prior about each facet's mean face (for the face priors)."""
    targets = [
        o.terms[0][1].target if len(o.terms) == 1 and isinstance(o.terms[0][1], Logit) else None for o in objectives
    ]
    if faces is None:
        raise UsageError(
            "facets are groups of real faces; give labelled faces with --faces DATA (faces=ferviz.read_data(...))"
        )
    if any(target is None for target in targets):
        raise UsageError("facets are the different faces of a class; give classes, not other objectives")
    found = [facet for target in targets for facet in find_facets(model, str(target), faces, count, seed)]
    several = tuple(facet.objective for facet in found)
    size = (*model.input.size, model.input.channels)
    chosen = _prior(name, several, size, strength)
    if name in ("faces", "class"):
        means = np.stack([facet.mean for facet in found])[..., None]
        chosen = around(chosen, np.repeat(means, size[2], axis=3).astype(np.float32))
    return several, chosen


def _from_image(chosen: Prior, picture: np.ndarray, size: Sequence[int]) -> Prior:
    """Return the prior about a given face instead of the mean one."""
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
    """Leave out the axis of channels where there is but one."""
    return pictures[..., 0] if pictures.shape[-1] == 1 else pictures


def _settings(model: Model, seed: int, steps: int, samples: int, copies: int) -> dict[str, Any]:
    return {
        "model": model.name,
        "model_sha256": model.sha256,
        "labels": list(model.labels),
        "seed": seed,
        "steps": steps,
        "samples": samples,
        "copies": copies,
    }
