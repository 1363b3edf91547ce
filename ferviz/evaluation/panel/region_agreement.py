"""Whether a map puts its evidence into those regions of the face that the network needs, as exact Shapley values tell them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ferviz.attribution.explanation import Explanation
from ferviz.attribution.maps.metrics import rank_correlation
from ferviz.engines.base import Array
from ferviz.faces.face import Face
from ferviz.faces.landmarks.ladder import TEMPLATE_SOURCE
from ferviz.faces.regions import REGIONS, FaceRegions

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


def region_reference(explanation: Explanation) -> RegionReference:
    """Return the exact Shapley values of the regions of faces.

    Args:
        explanation: by the method "regions", of the predicted classes.
    """
    faces = explanation.faces
    size = explanation.heatmaps.shape[2:]
    details = explanation.settings["details"]
    values = np.stack([np.array(details[region])[:, 0] for region in REGIONS], axis=1)
    return RegionReference(values, FaceRegions.of(faces, (size[0], size[1])).masks, show_regions(faces))


def show_regions(faces: Sequence[Face]) -> np.ndarray:
    """Return which faces show their own regions, (N,) bool; the others have a typical face's.

    Args:
        faces: N faces with landmarks.
    """
    return np.array([face.landmark_source != TEMPLATE_SOURCE for face in faces])


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
