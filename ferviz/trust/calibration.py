"""The margin by which a map has to beat a centre blob: measured so that at most one random map in twenty does."""

from __future__ import annotations

from dataclasses import dataclass, field

from ferviz.models.model import Model

DELTA = 0.05
"""The margin of networks for which none was measured."""


@dataclass(frozen=True)
class Calibration:
    """The margin of one network.

    Attributes:
        deltas: {steps: margin}.
        calibrated: it was measured for this network.
    """

    deltas: dict[int, float] = field(default_factory=dict)
    calibrated: bool = False

    def delta(self, steps: int) -> float:
        """Return the margin that a map has to exceed.

        Args:
            steps: of deletion and insertion.
        """
        return self.deltas.get(steps, DELTA)


def calibration_of(model: Model) -> Calibration:
    """Return the margin that was measured for a network, or the usual one.

    Args:
        model: the network.
    """
    return Calibration()
