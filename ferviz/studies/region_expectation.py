"""What the AU codebooks expect of an emotion's face, region by region, and what people looked at: plausibility, never truth.

A network that is right for another reason than these is no worse for it: people express emotions in many ways.
"""

from __future__ import annotations

import numpy as np

from ferviz.faces.regions import REGIONS

FACE_REGIONS = REGIONS[1:]
"""The regions that the codebooks speak of: all but the background."""

EXPECTED: dict[str, tuple[float, ...]] = {
    "happy": (0.00, 0.00, 0.14, 0.00, 0.35, 0.51, 0.00),
    "sad": (0.10, 0.40, 0.02, 0.03, 0.07, 0.22, 0.15),
    "surprise": (0.14, 0.33, 0.20, 0.00, 0.00, 0.22, 0.12),
    "fear": (0.11, 0.36, 0.14, 0.02, 0.00, 0.32, 0.06),
    "angry": (0.02, 0.20, 0.37, 0.03, 0.01, 0.32, 0.05),
    "disgust": (0.00, 0.07, 0.00, 0.25, 0.09, 0.37, 0.23),
}
"""Emotion -> the share of its action units in each of FACE_REGIONS, the mean of EMFACS' prototypes and those of Du, Tao and Martinez
(2014); how an action unit is divided among regions is a choice of ferviz's. Neutral has none."""

HUMAN = {"happy": -58, "sad": 48, "surprise": -1, "fear": 37, "angry": 37, "disgust": -59}
"""Emotion -> how much more weight 96 observers' answers gave to the row of the eyes than to that of the mouth (Wegrzyn et al., PLoS ONE
2017; two faces an emotion)."""

LEAST = 0.15
"""The share of action units from which on a region is expected to matter."""

AGREEMENT = "Agreement with the AU codebook says that a network looks where the codebook does, not that it is right."


def expected(emotion: str) -> np.ndarray | None:
    """Return what the codebooks expect of an emotion, in the order of FACE_REGIONS; None where they say nothing.

    Args:
        emotion: its canonical name.
    """
    return np.array(EXPECTED[emotion]) if emotion in EXPECTED else None


def rank_agreement(profile: np.ndarray, reference: np.ndarray) -> float:
    """Return Spearman's rank correlation of two profiles, tied values sharing their mean rank; NaN where one is flat.

    Args:
        profile, reference: (R,).
    """
    first, second = _ranks(profile), _ranks(reference)
    first, second = first - first.mean(), second - second.mean()
    scale = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / scale) if scale > 0 else float("nan")


def _ranks(values: np.ndarray) -> np.ndarray:
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: np.ndarray = (ends - (counts - 1) / 2)[index]
    return ranks
