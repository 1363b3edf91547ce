"""Whether a map puts its evidence into those regions of the face that the network needs, as exact Shapley values tell them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ferviz.attribution.explain import AttributionJob
from ferviz.attribution.metrics import rank_correlation
from ferviz.engines.base import Array
from ferviz.errors import NoFaceError
from ferviz.faces.crops import as_faces
from ferviz.faces.landmarks.ladder import TEMPLATE_SOURCE
from ferviz.faces.regions import REGIONS, FaceRegions
from ferviz.models.model import Model

REFERENCE = "regions"
"""The method whose values the maps are compared with."""


@dataclass(frozen=True, eq=False)
class RegionReference:
    """What the regions of N faces add to the network's answers.

    Attributes:
        values: (N, R), the exact Shapley value of each region for the predicted class, in log-odds.
        masks: (N, R, h, w), the regions; they sum to 1.
        known: (N,) bool, the faces that show their landmarks; the regions of the others are a typical face's, and do not count.
    """

    values: np.ndarray = field(repr=False)
    masks: Array = field(repr=False)
    known: np.ndarray = field(repr=False)


@dataclass(frozen=True, eq=False)
class RegionAgreement:
    """How a method's maps agree with the regions' exact Shapley values.

    Attributes:
        rank: (N,), rank correlation of the evidence in the eight regions with their values; NaN for faces that do not count.
        top: (N,), 1 where most evidence lies in the region of the greatest value, else 0; NaN for faces that do not count.
    """

    rank: np.ndarray = field(repr=False)
    top: np.ndarray = field(repr=False)


def region_reference(model: Model, images: np.ndarray, batch_size: int = 64) -> RegionReference:
    """Return the exact Shapley values of the regions of faces: 256 passes through the network a face.

    Args:
        model: the network.
        images: (N, H, W) or (N, H, W, 3) uint8.
        batch_size: pictures in one pass through the network.

    Raises:
        NoFaceError: most of the pictures show no face.
    """
    job = AttributionJob.prepare(model, REFERENCE, "predicted", batch_size=batch_size).with_templates()
    explanation = job.explain(as_faces(images))
    places = FaceRegions.of(explanation.faces, model.input.size)
    known = np.array([face.landmark_source != TEMPLATE_SOURCE for face in explanation.faces])
    if 2 * known.sum() < len(known):
        raise NoFaceError(
            f"{int((~known).sum())} of {len(known)} pictures show no face, so they have no eyes and no mouth that a map could point at"
        )
    details = explanation.settings["details"]
    values = np.stack([np.array(details[region])[:, 0] for region in REGIONS], axis=1)
    return RegionReference(values, places.masks, known)


def region_agreement(reference: RegionReference, maps: Array) -> RegionAgreement:
    """Compare where maps put their evidence with what the regions are worth.

    Args:
        reference: the regions' values.
        maps: (N, h, w); of signed maps the evidence for the target counts.
    """
    evidence = np.einsum("nhw,nrhw->nr", np.maximum(maps, 0), reference.masks, optimize=True)
    rank = np.array([rank_correlation(a, b) for a, b in zip(evidence, reference.values, strict=True)])
    top = (evidence.argmax(1) == reference.values.argmax(1)).astype(float)
    return RegionAgreement(*(np.where(reference.known, values, np.nan) for values in (rank, top)))
