"""What a dream begins with and what it may become: faces, faces of the class, the spectrum of faces, or anything at all.

A prior is help from outside the network. The stronger it is, the more a dream looks like a face and the less it shows of the network
alone; every dream records the prior and its strength, and "none" shows the same objective without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ferviz.dreaming.face_statistics import FaceStatistics
from ferviz.dreaming.objectives import Objective
from ferviz.dreaming.parameterizations.parameterization import Parameterization
from ferviz.dreaming.parameterizations.spatial import Components
from ferviz.dreaming.parameterizations.spectra import Fourier, Phase
from ferviz.dreaming.regularizers import Regularizers
from ferviz.errors import UnknownNameError, UsageError

PRIORS = {
    "faces": "the mean of all faces, moved along the principal components of real faces",
    "class": "the same from the mean face of the class: the clearest, and the one that helps most",
    "spectrum": "as much of each frequency as faces have, in any arrangement (MACO)",
    "none": "from noise to anything smooth",
}
"""Names of the priors and what they are."""

TYPICAL = 2.0
"""The cost, in logits, of a face as far from the mean as real ones are, at strength 1."""


@dataclass(frozen=True)
class Prior:
    """Where the ascent starts and what it changes.

    Attributes:
        name: one of PRIORS.
        starts: (F, h, w, c) float32 in 0..1, a start picture for each objective.
        parameterization, regularizers, learning_rate, smooth: as in `AscentConfig`.
    """

    name: str
    starts: np.ndarray = field(repr=False)
    parameterization: Parameterization
    regularizers: Regularizers
    learning_rate: float
    smooth: float = 0.0


def prior(
    name: str, objectives: Sequence[Objective], size: Sequence[int], strength: float, statistics: FaceStatistics
) -> Prior:
    """Make the prior of a name for some objectives.

    Args:
        name: one of PRIORS.
        objectives: what is dreamt.
        size: (h, w, c).
        strength: 0 or more. For "faces" and "class" a face as far from the mean as real ones are costs TYPICAL * strength logits (its
            Mahalanobis distance), and at 0 only the space of faces remains; for "none" it scales the costs of total variation and of
            contrast.
        statistics: of real faces.

    Returns:
        The prior.

    Raises:
        UnknownNameError: for a name that is not there.
        UsageError: for a strength below 0.
    """
    if name not in PRIORS:
        raise UnknownNameError("prior", name, PRIORS)
    if not (np.isfinite(strength) and strength >= 0):
        raise UsageError(f"the prior's strength must be 0 or more, not {strength}")
    grey = np.full((len(objectives), *size), 0.5, np.float32)
    if name == "none":
        if all(objective.is_about_classes for objective in objectives):
            # Large forms first, and little contrast: other networks recognise a few shapes, not one texture everywhere.
            return Prior(name, grey, Fourier(1.5, energy=120 * strength), Regularizers(tv=80 * strength), 0.02, 3.0)
        # Activations have no common unit, so no weight in logits would fit them.
        return Prior(name, grey, Fourier(), Regularizers(tv=6 * strength, l2=10 * strength, relative=True), 0.04)
    faces = statistics.sized((size[0], size[1]))
    if name == "spectrum":
        return Prior(name, grey, Phase(faces.magnitude), Regularizers(), 0.3)
    means = [faces.of(str(o.target)) if name == "class" else faces.mean for o in objectives]
    starts = np.repeat(np.stack(means)[..., None], size[2], axis=3).astype(np.float32)
    return Prior(name, starts, Components(faces.components, TYPICAL * strength), Regularizers(), 0.06)


def around(prior: Prior, starts: np.ndarray) -> Prior:
    """Move a prior to other start pictures.

    Args:
        prior: the prior.
        starts: (F, h, w, c) in 0..1.

    Returns:
        The same prior with these starts.
    """
    return replace(prior, starts=starts)
