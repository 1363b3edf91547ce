"""Maps to picture size, and where the evidence lands there."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from ferviz.attribution.explain import explain
from ferviz.attribution.maps.resize import resize_maps
from ferviz.attribution.methods.fastshap import drawn_map
from ferviz.errors import UsageError
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


def test_centres_that_lie_evenly_change_nothing() -> None:
    maps = np.random.default_rng(2).normal(size=(2, 4, 7)).astype(np.float32)
    even = tuple((np.arange(n) + 0.5) * side / n - 0.5 for n, side in ((4, 48), (7, 60)))
    np.testing.assert_allclose(resize_maps(maps, 48, 60, even), resize_maps(maps, 48, 60), atol=1e-5)


def test_a_cell_is_drawn_where_it_looks() -> None:
    """A network that crops the picture to its middle: its 3 x 3 cells look at centres 15.5, 23.5 and 31.5, and lie at 7.5, 23.5, 39.5."""
    from ferviz.engines.backend import keras
    from ferviz.engines.keras import KerasEngine

    layers = keras().layers
    picture = layers.Input((48, 48, 1))
    x = layers.Conv2D(1, 8, strides=8, name="map", use_bias=False)(layers.Cropping2D(12)(picture))
    network = keras().Model(picture, layers.Dense(2, use_bias=False)(layers.GlobalAveragePooling2D()(x)))
    network.set_weights([np.full((8, 8, 1, 1), 1 / 64), np.array([[8.0, -8.0]])])
    model = Model("crops", "", ("there", "not"), InputSpec(48, 48, 1), KerasEngine(network))
    face = np.zeros((1, 48, 48), np.uint8)
    face[0, 12:20, 28:36] = 255  # the cell at the top right
    nominal, measured = (explain(model, face, target="there", layer="map", place=p) for p in ("nominal", "measured"))
    assert np.unravel_index(nominal.heatmaps[0, 0].argmax(), (48, 48))[0] <= 7
    rows, columns = np.nonzero(measured.heatmaps[0, 0] > 0.5 * measured.heatmaps[0, 0].max())
    assert rows.max() <= 19.5
    assert columns.min() >= 27.5
    peak = measured.heatmaps[0, 0, 15:17, 31:33]
    np.testing.assert_allclose(peak, measured.heatmaps.max(), rtol=0.15)
    np.testing.assert_array_equal(nominal.raw, measured.raw)
    assert (nominal.settings.get("place"), measured.settings["place"]) == (None, "measured")


def test_places_that_make_no_sense(engine: Any) -> None:
    model = Model("net", "", tuple("abcd"), InputSpec(18, 18, 1), engine("functional"))
    face = np.zeros((1, 18, 18), np.uint8)
    with pytest.raises(UsageError, match="saliency looks at the picture"):
        explain(model, face, "saliency", place="measured")
    with pytest.raises(UsageError, match="place is nominal or measured, not 'there'"):
        explain(model, face, place="there")


def test_a_drawn_taught_map_spreads_each_value_and_keeps_the_sum() -> None:
    """1, 2, 1 along both axes: of 16 inside, 4 stay and the diagonal neighbours get 1; at a corner what would leave stays."""
    values = np.zeros((2, 4, 4), np.float32)
    values[0, 1, 2], values[1, 0, 0] = 16, 16
    drawn = drawn_map(values, 4, 4)
    np.testing.assert_array_equal(drawn[0], [[0, 1, 2, 1], [0, 2, 4, 2], [0, 1, 2, 1], [0, 0, 0, 0]])
    np.testing.assert_array_equal(drawn[1, :2, :3], [[9, 3, 0], [3, 1, 0]])
    assert drawn.sum((1, 2)).tolist() == [16, 16]
