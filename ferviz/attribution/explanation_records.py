"""An explanation as plain data: the record of each face, the answer that holds them, and the columns that conditions are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.attribution.maps.region_values import region_records
from ferviz.data.where import mask_of, parse_where, prediction_columns
from ferviz.models.prediction import face_record, picture_records

if TYPE_CHECKING:
    from ferviz.attribution.explanation import Explanation


def answer(explanation: Explanation) -> dict[str, Any]:
    """Return what `Explanation.to_dict` does.

    Args:
        explanation: of any number of faces.
    """
    records = [explanation.record(number) for number in range(len(explanation))]
    return {
        "model": explanation.settings.get("model"),
        "method": explanation.method,
        "chosen": explanation.settings.get("chosen"),
        "layer": explanation.layer,
        "targets": list(explanation.targets),
        "engine": explanation.settings.get("engine"),
        "warnings": list(explanation.warnings),
        "test": explanation.trust and explanation.trust.to_dict(),
        "pictures": picture_records(explanation.faces, records),
    }


def record(explanation: Explanation, face: int) -> dict[str, Any]:
    """Return what `Explanation.record` does.

    Args:
        explanation: which has the face.
        face: its number, from 0.
    """
    names, origin, trust = explanation.target_names(face), explanation.provenance, explanation.trust
    more: dict[str, Any] = {} if origin is None else origin.record(face)
    more |= {"evidence": explanation.evidence(face)}
    more |= region_records(explanation.settings, face, names)
    if trust is not None:
        more["verdict"] = {n: v.to_dict() for n, v in zip(names, trust.verdicts[face], strict=True)}
    return face_record(explanation.faces[face], explanation.predictions[face], **more)


def mask(explanation: Explanation, condition: str) -> np.ndarray:
    """Return for which faces conditions hold.

    Args:
        explanation: of at least one face.
        condition: as `Explanation.where` takes them.

    Returns:
        (N,) bool.

    Raises:
        UsageError, UnknownNameError: the conditions are none.
    """
    labels = tuple(explanation.predictions[0].probabilities)
    shares = np.array([list(p.probabilities.values()) for p in explanation.predictions])
    origin = explanation.provenance
    columns = prediction_columns(shares, labels, None if origin is None else origin.true)
    if origin is not None:
        columns |= origin.to_arrays() | {"row": origin.rows}
        labels = (*labels, *(name for name in dict.fromkeys(origin.true) if name not in labels))
    return mask_of(parse_where(condition), columns, labels)
