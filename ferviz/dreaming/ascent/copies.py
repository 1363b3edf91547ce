"""Several dreams of one objective that differ: each begins elsewhere, sees views of its own, and is rewarded for being unlike the others.

All three are those of feature visualization: random starts and views, and the diversity term of Olah et al. 2017.
"""

from __future__ import annotations

import numpy as np

from ferviz.dreaming.ascent.ascent_config import inside
from ferviz.dreaming.ascent.differentiable import graph_engine_of
from ferviz.dreaming.face_statistics import face_statistics, resized
from ferviz.dreaming.objectives import Objective, diversity
from ferviz.dreaming.parameterizations.parameterization import SLOPE
from ferviz.dreaming.priors import Prior
from ferviz.dreaming.terms.layer_terms import Diversity
from ferviz.engines.base import LOGITS
from ferviz.errors import ModelError
from ferviz.models.model import Model
from ferviz.numerics import sigmoid

REWARD = 4.0
"""Logits for pictures that have nothing in common, as against pictures that are alike."""

PERSON = 0.9
"""How far from the mean face each copy's own face is, in standard deviations of real faces along each component."""

NOISE = 0.12
"""Standard deviation of the soft noise that a copy without a face begins with, for pixels in 0..1."""


def begin_apart(prior: Prior, copies: int, seed: int) -> np.ndarray:
    """Give each copy its own picture to begin with: the prior's for the first, for each other a face of its own or soft noise.

    Args:
        prior: about the start pictures (F, h, w, c) of F objectives.
        copies: of each objective.
        seed: of the faces.

    Returns:
        (F, copies, h, w, c) float32 in 0..1.
    """
    size = prior.starts.shape[1:]
    starts = np.repeat(prior.starts[:, None], copies, axis=1)
    if prior.name == "spectrum":  # random phases differ from the first step on
        return starts
    components = face_statistics().sized((size[0], size[1])).components
    for copy in range(1, copies):
        random = np.random.default_rng((seed, copy))
        if prior.name in ("faces", "class"):
            offset = np.tensordot(random.normal(0, PERSON, len(components)), components, 1)
        else:
            coarse = random.normal(0, 1, (1, max(2, size[0] // 6), max(2, size[1] // 6)))
            offset = resized(coarse.astype(np.float32), (size[0], size[1]))[0]
            offset *= NOISE / max(float(offset.std()), 1e-6)
        known = inside(starts[:, copy])
        odds = np.log(known / (1.0 - known))
        starts[:, copy] = sigmoid(odds + np.float32(SLOPE) * offset[..., None].astype(np.float32))
    return starts


def unlike_each_other(
    model: Model, objectives: tuple[Objective, ...], weight: float | None = None
) -> tuple[Objective, ...]:
    """Add to each objective the reward for pictures that are unlike each other, unless it has one.

    Args:
        model: the network.
        objectives: what is dreamt.
        weight: of the reward; None = REWARD logits for classes, and for layers as many times what the layer's channels have on average
            for the mean faces. 0 = none.

    Returns:
        The objectives under their own names; as they are where a network's inside cannot be differentiated.
    """
    if weight == 0:
        return objectives
    return tuple(_unlike(model, objective, weight) for objective in objectives)


def _unlike(model: Model, objective: Objective, weight: float | None) -> Objective:
    if any(isinstance(term, Diversity) for _, term in objective.terms):
        return objective
    layers = [layer for layer in objective.layers if layer != LOGITS and model.layer(layer).spatial]
    if layers:
        layer, unit = layers[0], _unit(model, layers[0])
    elif graph_engine_of(model) is None:
        return objective  # a compiled network holds no gradient of its layers
    else:
        try:
            layer, unit = model.default_layer()[0], 1.0
        except ModelError:
            return objective
    return (objective + (REWARD * unit if weight is None else weight) * diversity(layer)).named(objective.name)


def _unit(model: Model, layer: str) -> float:
    known = face_statistics()
    values = model.engine.activations(model.preprocess(np.rint(known.means * 255.0).astype(np.uint8)), [layer])[0]
    return float(np.abs(values).mean())
