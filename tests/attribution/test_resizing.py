"""Maps to picture size, and where the evidence lands there."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from ferviz.attribution.explain import explain
from ferviz.attribution.resize import resize_maps
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model


@pytest.mark.parametrize("old", [(3, 3), (6, 6), (4, 7), (1, 1), (1, 5), (48, 48), (60, 50)])
@pytest.mark.parametrize("new", [(48, 48), (64, 60), (1, 1)])
def test_it_is_what_opencv_does(old: tuple[int, int], new: tuple[int, int]) -> None:
    maps = np.random.default_rng(0).normal(size=(2, 3, *old)).astype(np.float32)
    ours = resize_maps(maps, *new)
    assert ours.shape == (2, 3, *new)
    for n in range(2):
        for t in range(3):
            theirs = cv2.resize(maps[n, t], new[::-1], interpolation=cv2.INTER_LINEAR)
            np.testing.assert_allclose(ours[n, t], theirs, atol=1e-5)


def test_no_map_overshoots_or_turns_negative() -> None:
    maps = np.random.default_rng(1).random((5, 6, 6)).astype(np.float32)
    large = resize_maps(maps, 48, 48)
    assert large.min() >= maps.min()
    assert large.max() <= maps.max()


@pytest.mark.parametrize("cells", [3, 6])
@pytest.mark.parametrize(
    "method", ["gradcam", "hirescam", "layercam", "xgradcam", "gradcam++", "eigencam", "scorecam", "ablationcam"]
)
def test_the_peak_lies_within_half_a_cell_of_the_evidence(cells: int, method: str) -> None:
    """A network whose only map is the picture's mean in each of 3 x 3 (6 x 6) cells; one bright cell is the evidence."""
    from ferviz.engines.backend import keras
    from ferviz.engines.keras import KerasEngine

    layers, size = keras().layers, 48 // cells
    picture = layers.Input((48, 48, 1))
    x = layers.Conv2D(1, size, strides=size, name="map", use_bias=False)(picture)
    network = keras().Model(picture, layers.Dense(2, use_bias=False)(layers.GlobalAveragePooling2D()(x)))
    network.set_weights([np.full((size, size, 1, 1), 1 / size**2), np.array([[8.0, -8.0]])])
    model = Model("cells", "", ("there", "not"), InputSpec(48, 48, 1), KerasEngine(network))
    faces = np.zeros((cells * cells, 48, 48), np.uint8)
    for i in range(cells * cells):
        row, column = divmod(i, cells)
        faces[i, row * size : (row + 1) * size, column * size : (column + 1) * size] = 255
    made = explain(model, faces, method=method, target="there", layer="map")
    for i, heat in enumerate(made.heatmaps[:, 0]):
        row, column = divmod(i, cells)
        assert heat.max() > 0
        tops = np.argwhere(heat >= heat.max() * 0.9999) + 0.5  # a border cell's plateau reaches to the border
        centre = (np.array([row, column]) + 0.5) * size
        nearest = np.abs(tops - centre).max(1).min()
        assert nearest <= size / 2, (method, row, column)
        assert np.abs(tops - centre).max() <= size / 2 + 0.5, (method, row, column)


def test_heatmaps_come_at_the_networks_input_size(engine: Any) -> None:
    model = Model("any", "", ("a", "b", "c", "d"), InputSpec(None, None, 1, default_side=31), engine("any_size"))
    made = explain(model, np.zeros((2, 50, 60), np.uint8))
    assert made.heatmaps.shape == (2, 1, 31, 31)
    assert made.raw.shape == (2, 1, 16, 16)
