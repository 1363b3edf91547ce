"""Kernels of convolutions: the exact weights, what is drawn of them, and what is said where there are none."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import ferviz
from ferviz import filters
from ferviz.attribution.filters import _grid
from ferviz.engines.backend import keras as get_keras
from ferviz.errors import ModelError, UnknownNameError, UsageError
from ferviz.rendering.colormaps import colors


@pytest.fixture(scope="module")
def model(networks):
    return lambda name: ferviz.load_model(networks.build(name))


def weights(made, layer, name="kernel"):
    return np.asarray(getattr(made.engine.network.get_layer(layer), name))


def test_the_weights_are_the_networks(model):
    made = model("functional")
    np.testing.assert_array_equal(filters(made, "conv1").arrays["kernel"], weights(made, "conv1"))
    separable = filters(made, "conv2").arrays
    assert list(separable) == ["depthwise", "pointwise"]
    np.testing.assert_array_equal(separable["depthwise"], weights(made, "conv2", "depthwise_kernel"))
    np.testing.assert_array_equal(separable["pointwise"], weights(made, "conv2", "pointwise_kernel"))


def test_kernels_that_a_network_convolves_with(model):
    """Held against the network itself: one lit pixel gives back the kernel of a convolution, turned by half."""
    made = model("sequential")
    kernel = filters(made, "conv1").arrays["kernel"]
    bias = weights(made, "conv1", "bias")
    lit = np.zeros((1, 18, 18, 1), np.float32)
    lit[0, 9, 9] = 1
    answer = made.engine.activations(lit, ["conv1"])[0][0, 7:10, 7:10]
    np.testing.assert_allclose(answer, np.maximum(kernel[::-1, ::-1, 0] + bias, 0), atol=1e-6)


def test_depthwise_transposed_and_grouped():
    keras = get_keras()
    layers = keras.layers
    network = keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(4, 3, name="plain"),
            layers.DepthwiseConv2D(3, depth_multiplier=2, name="depth"),
            layers.Conv2DTranspose(6, 2, name="up"),
            layers.Conv2D(4, 1, groups=2, name="grouped"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(3, activation="softmax"),
        ]
    )
    made = ferviz.load_model(network)
    assert filters(made, "depth").arrays["depthwise"].shape == (3, 3, 4, 2)
    up = filters(made, "up").arrays["kernel"]
    assert up.shape == (2, 2, 8, 6)
    np.testing.assert_array_equal(up, np.swapaxes(weights(made, "up"), 2, 3))
    assert filters(made, "grouped").arrays["kernel"].shape == (1, 1, 3, 4)
    with pytest.raises(UsageError, match=r"'pool' \(GlobalAveragePooling2D\) .* no kernels.* plain, depth, up"):
        filters(made, "pool")
    with pytest.raises(UnknownNameError, match="did you mean 'plain'"):
        filters(made, "plane")


def test_each_kernel_of_a_depthwise_layer_stands_alone():
    values = np.arange(3 * 3 * 2 * 2, dtype=np.float32).reshape(3, 3, 2, 2)
    grid = _grid(values, "depthwise", "", None, True, ())
    assert grid.columns == ("0.0", "0.1", "1.0", "1.1")
    np.testing.assert_array_equal(grid.values[:, :, 0, 2], values[:, :, 1, 0])


def test_what_is_left_out_is_the_weakest_and_is_said():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 3, 20, 40)).astype(np.float32)
    strengths = 1 + np.arange(40)
    values *= strengths / np.sqrt((values**2).sum(axis=(0, 1, 2)))
    values[:, :, 7] = 0
    grid = _grid(values, "kernel", "", None, True, ())
    assert grid.columns == tuple(str(n) for n in range(39, 23, -1))
    assert len(grid.rows) == 12
    assert "in 7" not in grid.rows
    assert grid.notes == (
        "Shown: 16 of 40 output channels and 12 of 20 input channels, those of the largest norm, largest first; a .npz file holds all.",
    )
    row = int(grid.rows[3].removeprefix("in "))
    np.testing.assert_array_equal(grid.values[:, :, 3, 0], values[:, :, row, 39])
    assert _grid(values, "kernel", "", 30, True, ()).columns[-1] == "10"
    assert _grid(values, "kernel", "", 40, True, ()).columns == tuple(map(str, range(40)))
    whole = _grid(values[:, :, :3], "kernel", "", None, True, ())
    assert (whole.columns, whole.rows, whole.notes) == (tuple(map(str, range(40))), ("in 0", "in 1", "in 2"), ())


def test_one_scale_or_one_a_kernel():
    values = np.zeros((3, 3, 1, 3), np.float32)
    values[1, 1, 0] = [0.5, -2, 0]
    shared, own = (_grid(values, "kernel", "", None, one, ()) for one in (True, False))
    np.testing.assert_array_equal(shared.vmax, [2, 2, 2])
    np.testing.assert_array_equal(own.vmax, [0.5, 2, 1])
    ends = colors(np.array([1.0, -1.0, 0.0]), 1, signed=True)
    np.testing.assert_array_equal(own.tiles(0)[0][1, 1], ends[0])
    np.testing.assert_array_equal(shared.tiles(1)[0][1, 1], ends[1])
    assert (shared.tiles(0)[0][1, 1] != ends[0]).any()
    np.testing.assert_array_equal(own.tiles(2)[0][1, 1], ends[2])


def test_colours_where_the_layer_sees_them(model):
    """Above the three signed rows the kernel as a colour: grey is zero, and more of red is redder."""
    made = model("rgb")
    made.engine.network.get_layer("conv1").kernel.assign(np.tile(np.float32([[1], [0], [-1]]), (3, 3, 1, 5)))
    first = filters(made, "conv1")
    assert first.colours == ("red", "green", "blue")
    grid = first._grids(None, True)[0]
    assert grid.names() == ("colour", "red", "green", "blue")
    assert grid.tiles(0)[0][0, 0].tolist() == [255, 128, 0]
    assert filters(model("functional"), "conv1").colours == ()


def test_colours_are_not_named_behind_something_that_reorders_them():
    keras = get_keras()
    layers = keras.layers
    picture = layers.Input((8, 8, 3))
    x = layers.Conv2D(2, 3, name="conv")(picture[..., ::-1])
    network = keras.Model(picture, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    assert filters(ferviz.load_model(network), "conv").colours == ()


def test_wrong_arguments_end_in_a_sentence(model):
    with pytest.raises(UsageError, match=r"call ferviz\.load_model first"):
        filters("my.h5", "conv1")
    with pytest.raises(UsageError, match="max_channels must be a whole number of 1 or more"):
        filters(model("functional"), "conv1").picture(max_channels=0)


def test_files(model, tmp_path):
    made = filters(model("functional"), "conv2")
    for suffix in (".png", ".npz", ".json", ".pdf", ".svg"):
        made.save(tmp_path / f"f{suffix}")
    with np.load(tmp_path / "f.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["kernels/pointwise"], made.arrays["pointwise"])
        assert json.loads(str(file["manifest"]))["kernels"] == {"depthwise": [3, 3, 5, 1], "pointwise": [1, 1, 5, 6]}
    text = (tmp_path / "f.svg").read_text()
    assert "conv2" in text
    assert "depthwise" in text
    with Image.open(tmp_path / "f.png") as picture:
        tiles = {tuple(c) for c in np.asarray(picture.convert("RGB")).reshape(-1, 3)}
    strongest = np.abs(made.arrays["depthwise"]).max()
    painted = colors(made.arrays["depthwise"].ravel(), strongest, signed=True)
    assert {tuple(c) for c in painted} <= tiles


def test_printed_kernels_have_the_width_the_letters_and_the_pages_of_a_journal():
    from ferviz.attribution.filters import Filters
    from ferviz.rendering.marks import Raster, Word, marks_of
    from ferviz.rendering.printing import PrintSize
    from ferviz.rendering.sheets.filter_tiles import kernel_pages

    weights = np.random.default_rng(0).normal(size=(3, 3, 8, 64)).astype(np.float32)
    made = Filters("conv", {"kernel": weights}, (), {"model": "net", "kind": "Conv2D"})
    size = PrintSize(84, 300, 7)
    pages = kernel_pages(made._grids(64, True), size, **made._words())
    assert len(pages) > 1
    kernels = 0
    for page in pages:
        assert page.width == size.room
        assert page.height <= size.tallest
        marks = marks_of(page)
        assert min(m.size for m in marks if isinstance(m, Word)) * 72 / 300 == pytest.approx(7, abs=0.15)
        tiles = [m for m in marks if isinstance(m, Raster) and m.pixels.width == m.pixels.height]
        assert all(m.left + m.pixels.width <= page.width for m in tiles)
        kernels += len(tiles)
    assert kernels == 8 * 64
    assert made.plot(width_mm=84).get_figwidth() == pytest.approx(84 / 25.4)
    assert made.picture(width_mm=84, dpi=150, font_size=7).width == round(84 / 25.4 * 150)


def test_the_bundled_network_is_reached_behind_its_compiled_form():
    made = filters(ferviz.load_model(), "conv1")
    known = ferviz.load_model(engine="keras")
    np.testing.assert_array_equal(made.arrays["kernel"], weights(known, "conv1"))


def test_a_compiled_model_has_no_kernels():
    from ferviz.models.bundled import ASSETS

    with pytest.raises(ModelError, match=r"reading kernels.*litert engine"):
        filters(ferviz.load_model(ASSETS / "bundled.ferviz"), "conv1")
