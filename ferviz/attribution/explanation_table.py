"""An explanation as a table: one row for each face and target."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ferviz.faces.regions import REGIONS
from ferviz.trust.deletion import FILLS

COLUMNS = (
    "source", "face", "row", "true", "split", "label", "target", "probability", "max", "min", "x", "y", "verdict", "reason", "calibrated",
    *(f"margin_{fill}" for fill in FILLS), "landmark_source", *(f"region_{name}" for name in REGIONS),
)  # fmt: skip
"""Names of the columns: row, true and split are those of faces of a data set; x and y are the place of the greatest value in 0..1 of the
face; `probability` is empty for contrasts, and a region's value for methods that do not ask region by region."""


def table_rows(pictures: Iterable[dict[str, Any]]) -> list[list[Any]]:
    """Return the rows of some pictures.

    Args:
        pictures: their records, as `Explanation.to_dict` holds them.
    """
    rows = []
    for picture in pictures:
        for number, face in enumerate(picture["faces"], start=1):
            for target, evidence in face["evidence"].items():
                place = evidence["argmax"] or ("", "")
                verdict = face.get("verdict", {}).get(target) or {"margin": {}}
                margins = [verdict["margin"].get(fill, "") for fill in FILLS]
                tested = [verdict.get("outcome", ""), verdict.get("reason") or "", verdict.get("calibrated", "")]
                probability = face["probabilities"].get(target, "")
                origin = [face.get(name, "") for name in ("row", "true", "split")]
                row = [picture["source"] or "", number, *origin, face["label"], target, probability]
                values = face.get("regions", {}).get(target, {})
                regions = [face["landmark_source"] or "", *(values.get(name, "") for name in REGIONS)]
                rows.append([*row, evidence["max"], evidence["min"], *place, *tested, *margins, *regions])
    return rows
