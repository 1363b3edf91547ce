"""The verdict on a heatmap: does it know more about what the network needs than "it is in the middle of the face"?

A map and a centred Gaussian delete and insert the same face's pixels. Where the map's area between the curves is the larger by more
than the margin, under every fill, the map is better than a centre blob; where it is smaller, worse; else nothing distinguishes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ferviz.engines.base import Array
from ferviz.models.model import Model
from ferviz.trust.calibration import Calibration, calibration_of
from ferviz.trust.controls import centre_blob
from ferviz.trust.deletion import FILLS, QUICK_STEPS, deletion_curves, end_scores, pixel_ranks
from ferviz.trust.scores import MIN_GAP, network_scores

BETTER, SAME, WORSE, UNKNOWN = OUTCOMES = ("better", "indistinguishable", "worse", "not-assessable")
"""What a verdict can be."""

FLAT = 1e-6
"""A map whose values differ by less than this share of the largest is the same everywhere: it names no place."""

_SENTENCES = {
    BETTER: "Tested: better than a centre blob",
    SAME: "Tested: not distinguishable from a centre blob",
    WORSE: "Tested: worse than a centre blob",
}
_SHORT = {
    BETTER: "better than a blob",
    SAME: "no better than a blob",
    WORSE: "worse than a blob",
    UNKNOWN: "not assessable",
}


@dataclass(frozen=True)
class Verdict:
    """Whether one map points at what the network needs.

    Attributes:
        outcome: one of OUTCOMES.
        margin: {fill: the map's area between insertion and deletion less the centred Gaussian's}; without the fills that were not asked
            because those before them had decided, and empty where there is nothing to compare.
        srg: {fill: the map's own area}, in the same order.
        calibrated: the margin that decides was measured for this network.
        reason: why the map cannot be assessed, else "".
    """

    outcome: str
    margin: dict[str, float] = field(default_factory=dict)
    srg: dict[str, float] = field(default_factory=dict)
    calibrated: bool = False
    reason: str = ""

    @property
    def sentence(self) -> str:
        """The verdict in words: "Tested: better than a centre blob"."""
        return _SENTENCES.get(self.outcome) or f"Not assessable: {self.reason}"

    @property
    def short(self) -> str:
        """The verdict in few words, for places that are narrow."""
        return _SHORT[self.outcome]

    @property
    def poor(self) -> bool:
        """Whether the map was assessed and is not better than a centre blob."""
        return self.outcome in (SAME, WORSE)

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as plain data: outcome, margin, srg, calibrated, reason (null where there is none)."""
        return {
            "outcome": self.outcome,
            "margin": _rounded(self.margin),
            "srg": _rounded(self.srg),
            "calibrated": self.calibrated,
            "reason": self.reason or None,
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Verdict:
        """Return the verdict that `to_dict` described.

        Args:
            record: plain data.

        Raises:
            ValueError, KeyError, TypeError: it is not the record of a verdict.
        """
        if record["outcome"] not in OUTCOMES:
            raise ValueError(f"{record['outcome']!r} is no verdict")
        margin, srg = ({str(f): float(value) for f, value in record[name].items()} for name in ("margin", "srg"))
        return cls(record["outcome"], margin, srg, bool(record["calibrated"]), str(record["reason"] or ""))


@dataclass(frozen=True)
class Trust:
    """The verdicts on the maps of some faces.

    Attributes:
        verdicts: for each of N faces those on its T maps.
        steps: of deletion and insertion.
        delta: the margin that decides.
        calibrated: whether `delta` was measured for this network.
    """

    verdicts: tuple[tuple[Verdict, ...], ...]
    steps: int
    delta: float
    calibrated: bool

    def take(self, at: np.ndarray) -> Trust:
        """Return the verdicts on the maps of some of the faces.

        Args:
            at: (M,) numbers of faces.
        """
        return replace(self, verdicts=tuple(self.verdicts[face] for face in at))

    def phrases(self) -> tuple[str, ...]:
        """Return a phrase about each face: the verdict on its only map, or how many of its maps passed."""
        return tuple(
            row[0].sentence[:1].lower() + row[0].sentence[1:]
            if len(row) == 1
            else f"{sum(v.outcome == BETTER for v in row)} of {len(row)} maps better than a centre blob"
            for row in self.verdicts
        )

    def to_dict(self) -> dict[str, Any]:
        """Return how the maps were tested: steps, fills, delta, calibrated; the verdicts stand with the faces."""
        return {"steps": self.steps, "fills": list(FILLS), "delta": self.delta, "calibrated": self.calibrated}


def join_trust(parts: Sequence[Trust | None]) -> Trust | None:
    """Return the verdicts of several chunks as one; None where a chunk was not tested.

    Args:
        parts: at least one, in the order of the faces, all tested in the same way.
    """
    tested = [part for part in parts if part is not None]
    if len(tested) < len(parts):
        return None
    return replace(tested[0], verdicts=tuple(row for part in tested for row in part.verdicts))


def read_trust(
    test: dict[str, Any] | None, records: Sequence[dict[str, Any]], names: Sequence[Sequence[str]]
) -> Trust | None:
    """Return the verdicts behind `Trust.to_dict` and `Verdict.to_dict`.

    Args:
        test: how the maps were tested, None where they were not.
        records: for each face {target: the record of its verdict}.
        names: for each face the names of its targets, in order.

    Raises:
        ValueError, KeyError, TypeError: these are not such records.
    """
    if test is None:
        return None
    verdicts = tuple(
        tuple(Verdict.from_dict(record[name]) for name in row) for record, row in zip(records, names, strict=True)
    )
    if not isinstance(test["steps"], int):
        raise TypeError("the steps of a test are a whole number")
    return Trust(verdicts, test["steps"], float(test["delta"]), bool(test["calibrated"]))


def judge(
    model: Model,
    pictures: np.ndarray,
    maps: Array,
    weights: Array,
    *,
    steps: int = QUICK_STEPS,
    seed: int = 0,
    batch_size: int = 64,
    calibration: Calibration | None = None,
) -> Trust:
    """Judge heatmaps.

    One fill after the other is asked, until it is clear that the answer is "not distinguishable"; better and worse need them all.

    Args:
        model: the network that they explain.
        pictures: (N, h, w, c), the faces as `model.input.resized` returns them.
        maps: (N, T, h, w), one a face and target.
        weights: (N, T, K), the targets as weights of the logits.
        steps: of deletion and insertion.
        seed: of the order of equal values.
        batch_size: changed pictures in one pass through the network.
        calibration: the margin; None = what was measured for this network, or the usual one.

    Returns:
        The verdicts.
    """
    margin = calibration or calibration_of(model)
    height, width = pictures.shape[1:3]
    blob = np.broadcast_to(centre_blob(height, width), (len(maps), 1, height, width))
    ranks = pixel_ranks(np.concatenate([maps, blob], axis=1), seed)
    ends = end_scores(network_scores(model, weights), pictures, FILLS, batch_size)
    gaps = ends[0][..., None] - ends[1]
    reasons = np.array([[_reason(*pair) for pair in zip(*row, strict=True)] for row in zip(maps, gaps, strict=True)])
    own, blob_srg = np.full((2, *gaps.shape), np.nan, np.float32)
    undecided = reasons == ""
    for number, fill in enumerate(FILLS):
        faces = np.flatnonzero(undecided.any(1))
        if not len(faces):
            break
        known = ends[0][faces], ends[1][faces, :, number : number + 1]
        scores = network_scores(model, weights[faces])
        srg = deletion_curves(scores, pictures[faces], ranks[faces], [fill], steps, batch_size, known).srg[..., 0]
        at = np.arange(maps.shape[1])
        own[faces, :, number], blob_srg[faces, :, number] = srg[:, at, at], srg[:, -1]
        so_far = (own - blob_srg)[..., : number + 1]
        undecided &= outcome(so_far, margin.delta(steps)) != OUTCOMES.index(SAME)
    verdicts = tuple(
        tuple(_verdict(*parts, margin, steps) for parts in zip(*face, strict=True))
        for face in zip(reasons, own, own - blob_srg, strict=True)
    )
    return Trust(verdicts, steps, margin.delta(steps), margin.calibrated)


def outcome(margins: Array, delta: float) -> np.ndarray:
    """Return the verdict that margins mean, as numbers of OUTCOMES: it has to hold under every fill.

    Args:
        margins: (..., F), the differences to the centred Gaussian under F fills.
        delta: the margin that decides.
    """
    low, high = margins.min(-1), margins.max(-1)
    return np.select(
        [low > delta, high < -delta], [OUTCOMES.index(BETTER), OUTCOMES.index(WORSE)], OUTCOMES.index(SAME)
    )


def flat(heat: np.ndarray) -> bool:
    """Return whether a map names no place, because its values are all the same.

    Args:
        heat: (h, w), finite.
    """
    low, high = float(heat.min()), float(heat.max())
    return high - low <= FLAT * max(abs(low), abs(high))


def _reason(heat: Array, gaps: Array) -> str:
    """-> why a map cannot be assessed, or "". heat: (h, w). gaps: (F,), what hiding the whole face takes from the score."""
    if not np.isfinite(heat).all():
        return "the map has values that are not numbers"
    if flat(heat):
        return "the map is empty"
    return "" if (gaps >= MIN_GAP).all() else "hiding the whole face hardly changes the answer"


def _verdict(reason: str, own: Array, margins: Array, calibration: Calibration, steps: int) -> Verdict:
    """-> the verdict; own, margins: (F,), NaN from where on they were not needed."""
    if reason:
        return Verdict(UNKNOWN, calibrated=calibration.calibrated, reason=str(reason))
    asked = np.isfinite(margins)
    word = OUTCOMES[int(outcome(margins[asked], calibration.delta(steps)))]
    return Verdict(word, _by_fill(margins), _by_fill(own), calibration.calibrated)


def _by_fill(values: Array) -> dict[str, float]:
    return {fill: float(value) for fill, value in zip(FILLS, values, strict=True) if np.isfinite(value)}


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}
