"""The method "none" of sharded runs: the network's answers alone, at the price of one pass a face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ferviz.faces.face import Face
from ferviz.models.model import Model
from ferviz.models.prediction import Prediction

NO_MAPS = "none"
"""The method of a run that explains nothing."""


@dataclass(frozen=True, eq=False)
class PredictedFaces:
    """Faces and what the network says about them.

    Attributes:
        predictions: one a face.
    """

    predictions: Sequence[Prediction]


@dataclass(frozen=True, eq=False)
class PredictionJob:
    """Stands where a run that explains has its `AttributionJob`.

    Attributes:
        model: the network.
        batch_size: pictures in one pass.
        name: "none".
        targets, layers, settings: empty.
    """

    model: Model
    batch_size: int = 64
    name: str = NO_MAPS
    targets: tuple[Any, ...] = ()
    layers: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def explain(self, faces: Sequence[Face]) -> PredictedFaces:
        """Return what the network says about some faces.

        Args:
            faces: the faces.

        Raises:
            ModelError: the network answers with NaN or infinity for a face.
        """
        return PredictedFaces(self.model.predict(list(faces), self.batch_size))

    __call__ = explain
