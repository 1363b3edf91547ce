"""Planted truth: a network that adds up the means of the face's regions, whose Shapley values are known on paper."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ferviz.attribution.explain import explain
from ferviz.attribution.maps.metrics import rank_correlation
from ferviz.attribution.maps.resize import resize_maps
from ferviz.faces.face import Face
from ferviz.faces.landmarks.points import TEMPLATE
from ferviz.faces.regions import REGIONS, region_masks
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model

SIZE = (48, 48)
WORTH = {"mouth": 0.03, "eyes": -0.01, "nose": 0.005, "chin": -0.004}  # of the regions' means; the others do not count
WEIGHTS = np.array([WORTH.get(name, 0.0) for name in REGIONS])
POINTS = np.asarray(TEMPLATE, np.float64)
MASKS = region_masks(POINTS[None], SIZE)[0].astype(np.float64)
DENSITY = np.einsum("r,rhw->hw", WEIGHTS / MASKS.sum((1, 2)), MASKS)
PIXELS = np.random.default_rng(5).integers(60, 255, (2, *SIZE)).astype(np.uint8)


class RegionMeans:
    """logits = (sum over regions of weight times mean, 0): the second class gives a contrast, which is linear."""

    name, classes, head, layers = "region-means", 2, "softmax", ()

    def logits(self, batch: np.ndarray) -> np.ndarray:
        total = np.einsum("mhw,hw->m", batch[..., 0].astype(np.float64), DENSITY)
        return np.stack([total, np.zeros_like(total)], 1).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> Model:
    engine: Any = RegionMeans()
    return Model("region-means", "", ("happy", "sad"), InputSpec(*SIZE, 1, scaling="0..255"), engine)


@pytest.fixture(scope="module")
def faces() -> list[Face]:
    return [Face(np.repeat(p[..., None], 3, -1), landmarks=POINTS.astype(np.float32)) for p in PIXELS]


def test_regions_are_worth_their_weights(network: Model, faces: list[Face]) -> None:
    """phi_r = sum of w (x - fill) over the region's mask; with black, what the region holds."""
    explanation = explain(network, faces, "regions", "happy-sad", fill="black")
    held = np.einsum("nhw,rhw->nr", PIXELS * DENSITY, MASKS)
    for number in range(len(faces)):
        record = explanation.record(number)["regions"]["happy-sad"]
        np.testing.assert_allclose([record[name] for name in REGIONS], held[number], atol=2e-3)
        assert max(record, key=record.__getitem__) == "mouth"


def test_cells_are_worth_what_lies_in_them(network: Model, faces: list[Face]) -> None:
    """The cells' values are the sums of w x over the cells, and the map ranks pixels as the sums over neighbourhoods do."""
    explanation = explain(network, faces, "shapley", "happy-sad", fill="black", samples=108)
    cells = resize_maps(np.eye(36).reshape(-1, 6, 6), *SIZE)
    held = np.einsum("nhw,chw->nc", PIXELS * DENSITY, cells).reshape(-1, 6, 6)
    np.testing.assert_allclose(explanation.grids["values"][:, 0], held, atol=2e-3)
    assert rank_correlation(explanation.grids["values"][:, 0], held) > 0.99
    mouth = MASKS[REGIONS.index("mouth")]
    for heat in explanation.heatmaps[:, 0]:
        assert mouth.ravel()[heat.argmax()] > 0.5
