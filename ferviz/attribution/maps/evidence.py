"""How strong the evidence in a map is, and where it is greatest."""

from __future__ import annotations

from typing import Any

import numpy as np

from ferviz.rendering.tiles import has_evidence


def evidence_of(heatmap: np.ndarray) -> dict[str, Any]:
    """Return the greatest and the least value of a map, and the place of the greatest.

    Args:
        heatmap: (h, w) float, at least one cell.

    Returns:
        {"max", "min", "argmax"}: the values, and (x, y) of the centre of the cell in 0..1 of the width and height; None for a map
        without evidence.
    """
    height, width = heatmap.shape
    row, column = np.unravel_index(int(np.argmax(heatmap)), heatmap.shape)
    place = [round(float((column + 0.5) / width), 3), round(float((row + 0.5) / height), 3)]
    values = {"max": float(np.max(heatmap)), "min": float(np.min(heatmap))}
    return {**values, "argmax": place if has_evidence(heatmap) else None}
