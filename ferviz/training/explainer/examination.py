"""How good an explainer is: its maps against exact values of the regions of faces that it was not taught with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ferviz.attribution.maps.metrics import rank_correlation
from ferviz.attribution.maps.resize import cell_shares
from ferviz.attribution.methods.region_shapley import coalition_scores, exact_operator, shapley_values
from ferviz.engines.base import Array
from ferviz.faces.face import Face
from ferviz.faces.landmarks.ladder import locate_landmarks
from ferviz.faces.regions import REGIONS, FaceRegions
from ferviz.models.model import Model
from ferviz.training.explainer.coalitions import CELLS, class_request


@dataclass(frozen=True, eq=False)
class RegionValues:
    """The exact values of the regions of some faces.

    Attributes:
        values: (N, K, R), of each class's log-odds.
        shares: (N, R, cells, cells), how much of each cell of a map belongs to each region.
        predicted: (N,), the numbers of the predicted classes.
    """

    values: np.ndarray = field(repr=False)
    shares: Array = field(repr=False)
    predicted: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        return len(self.values)

    def shapes(self, classes: int) -> dict[str, tuple[int, ...]]:
        """Return the shape that each array has, by the number of faces.

        Args:
            classes: of the network.
        """
        count = len(self)
        return {
            "values": (count, classes, len(REGIONS)), "shares": (count, len(REGIONS), CELLS, CELLS), "predicted": (count,),
        }  # fmt: skip


def exact_values(model: Model, faces: Sequence[Face], fill: str) -> RegionValues:
    """Return the exact values of faces' regions: 256 passes a face.

    Args:
        model: the network.
        faces: N faces.
        fill: what stands where they are hidden.
    """
    faces = locate_landmarks(faces)
    request = class_request(model, faces)
    masks = FaceRegions.of(faces, (request.batch.shape[1], request.batch.shape[2])).masks
    operator = exact_operator()
    values = shapley_values(coalition_scores(request, masks, fill, operator), operator)
    return RegionValues(values, cell_shares(masks, CELLS), request.logits.argmax(1))


def join_values(parts: Sequence[RegionValues]) -> RegionValues:
    """Return several parts as one.

    Args:
        parts: at least one.
    """
    return RegionValues(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.shares for part in parts]),
        np.concatenate([part.predicted for part in parts]),
    )


def region_sums(maps: Array, shares: Array) -> np.ndarray:
    """Return what maps give to each region, (N, S, R).

    Args:
        maps: (N, cells, cells, S).
        shares: (N, R, cells, cells).
    """
    sums: np.ndarray = np.einsum("nijs,nrij->nsr", maps, shares, optimize=True)
    return sums


def examine(maps: Array, exact: RegionValues) -> dict[str, float]:
    """Compare maps with exact values, and with what needs no explainer.

    Args:
        maps: (N, cells, cells, 2 K), of the N faces.
        exact: their regions' values.

    Returns:
        As `ferviz.models.compiled.explainer.Lesson.measured`.
    """
    rows = np.arange(len(exact))
    sums = region_sums(maps, exact.shares)[rows, exact.predicted]
    truth = exact.values[rows, exact.predicted]
    means, others = np.empty_like(truth), np.empty_like(truth)
    for row in rows:
        same = np.flatnonzero((exact.predicted == exact.predicted[row]) & (rows != row))
        means[row] = truth[same].mean(0) if len(same) else truth.mean(0)
        others[row] = sums[same[0]] if len(same) else 0
    return {
        "faces": float(len(exact)),
        "rank": _rank(sums, truth),
        "top": float((sums.argmax(1) == truth.argmax(1)).mean()),
        "rank_mean": _rank(means, truth),
        "top_mean": float((means.argmax(1) == truth.argmax(1)).mean()),
        "rank_other": _rank(others, truth),
    }


def error_scale(maps: Array, doubt: Array, exact: RegionValues) -> float:
    """Return what the explainer's estimate of its error is to be multiplied by.

    Args:
        maps: (N, cells, cells, 2 K).
        doubt: (N, 2 K), its estimate of the deviation of scores.
        exact: the regions' values.
    """
    classes = exact.values.shape[1]
    errors = region_sums(maps, exact.shares)[:, :classes] - exact.values
    expected = float((doubt[:, :classes].astype(np.float64) ** 2).mean())
    return float(np.sqrt((errors**2).mean() / max(expected, 1e-12)))


def _rank(first: np.ndarray, second: np.ndarray) -> float:
    assert first.shape[1] == len(REGIONS)
    return float(np.mean([rank_correlation(a, b) for a, b in zip(first, second, strict=True)]))
