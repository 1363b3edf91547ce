"""What a dream begins with and may become: faces, faces of the class, the spectrum of faces, or anything at all.

A prior is help from outside the network. The stronger it is, the more a dream looks like a face and the less it says about the network
alone; every dream notes the prior and its strength, and "none" shows the same objective without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ferviz.dreaming.face_statistics import FaceStatistics
from ferviz.dreaming.objectives import Objective
from ferviz.dreaming.parameterization import Components, Fourier, Parameterization, Phase
from ferviz.dreaming.regularizers import Regularizers
from ferviz.dreaming.terms import Logit
from ferviz.errors import UnknownNameError, UsageError

PRIORS = {
    "faces": "the mean of all faces, moved along the principal components of real faces",
    "class": "the same from the mean face of the class: the clearest, and the one that gives most away",
    "spectrum": "as much of each frequency as faces have, in any arrangement (MACO)",
    "none": "from noise to anything smooth",
}
"""Names of the priors and what they are."""

TYPICAL = 2.0
"""Logits that a face as far from the mean as real ones are has to pay, at strength 1."""


@dataclass(frozen=True)
class Prior:
    """Where the ascent starts and what it changes.

    name: one of PRIORS, or "image". starts: (F, h, w, c) float32 in 0..1. parameterization, penalties, rate, smooth: as the ascent
    takes them.
    """

    name: str
    starts: np.ndarray = field(repr=False)
    parameterization: Parameterization
    penalties: Regularizers
    rate: float
    smooth: float = 0.0


def prior(
    name: str, objectives: Sequence[Objective], size: Sequence[int], strength: float, statistics: FaceStatistics
) -> Prior:
    """Return the prior of that name for some objectives.

    size: (h, w, c). strength: >= 0; for "faces" and "class" a face as far from the mean as real ones are costs TYPICAL * strength
    logits (its Mahalanobis distance), and at 0 only the space of faces remains; for "none" it scales the costs of total variation
    and of contrast. statistics: of real faces.
    Raises UnknownNameError, UsageError.
    """
    if name not in PRIORS:
        raise UnknownNameError("prior", name, PRIORS)
    if not (np.isfinite(strength) and strength >= 0):
        raise UsageError(f"the prior's strength must be 0 or more, not {strength}")
    grey = np.full((len(objectives), *size), 0.5, np.float32)
    if name == "none":
        if all(isinstance(term, Logit) for o in objectives for _, term in o.terms):
            # Large forms first, and little contrast: what convinces strangers are a few shapes, not one texture everywhere.
            return Prior(name, grey, Fourier(1.5, energy=120 * strength), Regularizers(tv=80 * strength), 0.02, 3.0)
        # Activations have no common unit, so no weight in logits would fit them.
        return Prior(name, grey, Fourier(), Regularizers(tv=6 * strength, l2=10 * strength, relative=True), 0.04)
    faces = statistics.sized((size[0], size[1]))
    if name == "spectrum":
        return Prior(name, grey, Phase(faces.magnitude), Regularizers(), 0.3)
    means = [faces.of(_class_of(o)) if name == "class" else faces.mean for o in objectives]
    starts = np.repeat(np.stack(means)[..., None], size[2], axis=3).astype(np.float32)
    return Prior(name, starts, Components(faces.components, TYPICAL * strength), Regularizers(), 0.06)


def around(prior: Prior, starts: np.ndarray) -> Prior:
    """Return the same prior about other start pictures, (F, h, w, c) in 0..1."""
    return replace(prior, starts=starts)


def _class_of(objective: Objective) -> str:
    """The class that the objective wants most, or "" where it is not about classes by name."""
    wanted = [(weight, term.target) for weight, term in objective.terms if isinstance(term, Logit) and weight > 0]
    return str(max(wanted, key=lambda pair: pair[0])[1]) if wanted else ""
