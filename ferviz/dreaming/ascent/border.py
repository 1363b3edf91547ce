"""How far a picture's border reaches into a layer: cells that see the padding beside the picture, which a dream would exploit.

A convolution pads its map with zeros, and next to these zeros edges cost nothing: without care, dreams of layers are bordered by stripes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ferviz.dreaming.objectives import Objective
from ferviz.dreaming.terms.layer_terms import Direction, Layer, Neuron
from ferviz.engines.base import LOGITS
from ferviz.models.model import Model

LEVELS = (0, 32, 64, 96, 128, 160, 192, 224, 255)
"""Greys of the even pictures whose activations are looked at."""

TOLERANCE = 1e-4
"""Cells that differ from the middle one by more than this share of the largest activation see the border."""


def border_reach(model: Model, layer: str) -> int:
    """Measure how many cells along the borders of a layer's map see the padding.

    In an even picture all cells are alike but those whose receptive field reaches beyond the border.

    Args:
        model: the network, on any engine.
        layer: the layer's address.

    Returns:
        The number of cells, at most half of the map; 0 for a layer without a map.

    Raises:
        UnknownNameError: for a layer that is not there.
    """
    if not model.layer(layer).spatial:
        return 0
    pictures = np.repeat(np.array(LEVELS, np.uint8), 48 * 48).reshape(-1, 48, 48)
    values = model.engine.activations(model.preprocess(pictures), [layer])[0]
    if values.ndim != 4:
        return 0
    row, column = values.shape[1] // 2, values.shape[2] // 2
    limit = TOLERANCE * float(np.abs(values).max(initial=0))
    differs = np.abs(values - values[:, row : row + 1, column : column + 1]).max(axis=(0, 3)) > limit
    reach = 0
    for line, middle in ((differs[:, column], row), (differs[row], column)):
        before, after = np.flatnonzero(line[:middle]), np.flatnonzero(line[middle + 1 :])
        reach = max(reach, before.max(initial=-1) + 1, len(line) - middle - 1 - after.min(initial=len(line)))
    return int(reach)


def within_borders(model: Model, objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
    """Let only those cells of layers count that do not see the padding.

    Args:
        model: the network.
        objectives: what is dreamt.

    Returns:
        The same objectives; terms that mean a place, a class or anything of one's own stay as they are.
    """
    reach: dict[str, int] = {}

    def inner(objective: Objective) -> Objective:
        terms = []
        for weight, term in objective.terms:
            if isinstance(term, Layer | Direction) and not isinstance(term, Neuron) and term.layer != LOGITS:
                if term.layer not in reach:
                    sides = [side for side in model.layer(term.layer).shape[:2] if side]
                    # At least the middle third of a map counts.
                    reach[term.layer] = min(border_reach(model, term.layer), *((side - 1) // 3 for side in sides), 999)
                term = replace(term, margin=reach[term.layer])
            terms.append((weight, term))
        return replace(objective, terms=tuple(terms))

    return tuple(inner(objective) for objective in objectives)
