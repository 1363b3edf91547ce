import json

import numpy as np
import pytest
from PIL import Image

from ferviz import activations
from ferviz.attribution.sheets.activation_sheet import ActivationSheet
from ferviz.engines.base import LayerInfo
from ferviz.errors import ModelError, OutputExistsError, UnknownNameError, UsageError
from ferviz.images import read_manifest
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model


class Steps:
    """An engine whose activations are worked out by hand: pictures, 2x2 means with a sign each, their sum over the picture."""

    name, classes = "by-hand", 2
    layers = (
        LayerInfo("first", "Conv2D", (48, 48, 1), True),
        LayerInfo("again", "ReLU", (48, 48, 1), True),
        LayerInfo("pooled", "Conv2D", (24, 24, 3), True, 1),
        LayerInfo("sum", "Dense", (3,), False),
    )

    def activations(self, batch, layers):
        pooled = batch.reshape(len(batch), 24, 2, 24, 2).mean(axis=(2, 4))[..., None] * np.array([1, -2, 0], np.float32)
        known = {"first": batch, "again": batch, "pooled": pooled, "sum": pooled.sum(axis=(1, 2))}
        self.batches = [*getattr(self, "batches", []), len(batch)]
        return [known[name].astype(np.float32) for name in layers]


@pytest.fixture
def model() -> Model:
    return Model("by-hand", "cd" * 32, ("happy", "sad"), InputSpec(48, 48, 1, "0..1"), Steps())


@pytest.fixture
def faces() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8)


def test_layers_between_convolutions_unless_named(model, faces):
    assert activations(model, faces).layers == ("again", "pooled")  # not "first", which is on its way to "again"
    assert activations(model, faces, "all").layers == ("first", "again", "pooled")
    assert activations(model, faces, "sum").layers == ("sum",)
    assert activations(model, faces, ["sum", "first", "sum"]).layers == ("sum", "first")


def test_a_deep_network_shows_eight_layers(model, faces):
    deep = [LayerInfo(f"{kind} {i}", kind, (48, 48, 1), True) for i in range(20) for kind in ("Conv2D", "ReLU")]
    model.engine.layers = (LayerInfo("scaled", "Rescaling", (48, 48, 1), True), *deep)
    model.engine.activations = lambda batch, layers: [batch for _ in layers]
    names = activations(model, faces).layers
    assert len(names) == 8
    assert names[0] == "ReLU 0"
    assert names[-1] == "ReLU 19"
    assert all(name.startswith("ReLU") for name in names)


def test_values_are_the_networks_own_whatever_the_batch(model, faces):
    got = activations(model, faces, ["pooled", "sum"], batch_size=2)
    assert model.engine.batches == [2, 2, 1]
    means = faces.reshape(5, 24, 2, 24, 2).mean(axis=(2, 4)) / 255
    np.testing.assert_allclose(got.arrays["pooled"][..., 0], means, atol=1e-6)
    np.testing.assert_allclose(got.arrays["sum"][:, 1], -2 * means.sum(axis=(1, 2)), rtol=1e-5)


def test_unknown_layer(model, faces):
    with pytest.raises(
        UnknownNameError, match=r"layer 'poled' is not in this model; it has first, .* did you mean 'pooled'"
    ):
        activations(model, faces, "poled")


def test_network_without_maps(model, faces):
    model.engine.layers = Steps.layers[3:]
    with pytest.raises(ModelError, match="no layer of by-hand has a map"):
        activations(model, faces)


def test_channels_are_one_layers(model, faces):
    several = activations(model, faces[:1])
    with pytest.raises(UsageError, match="one layer at a time; name one of again, pooled"):
        several.picture("channels")
    with pytest.raises(UsageError, match="'sum' has no map"):
        activations(model, faces, "sum").picture("channels")
    with pytest.raises(UnknownNameError, match="mode 'chanels'"):
        several.picture("chanels")
    with pytest.raises(UnknownNameError, match="layer 'sum' is not in these activations"):
        several.picture("channels", layer="sum")
    tiles = several.picture("channels", layer="pooled")
    rows = activations(model, faces).picture("channels", layer="pooled")
    assert tiles.size != rows.size


def test_mean_is_over_channels(model, faces):
    """Channels 1, -2 and 0 times the means average to -1/3 of them: one sign only, so the picture is the blue half."""
    picture = np.asarray(activations(model, faces[:1], "pooled").picture()).astype(int)
    tile = picture[110:250, 180:320]
    assert (tile[..., 2] >= tile[..., 0]).all()
    assert (tile[..., 2] - tile[..., 0]).max() > 100


def test_npz_and_json(model, faces, tmp_path):
    made = activations(model, faces, ["pooled", "sum"])
    made.save(tmp_path / "a.npz")
    made.save(tmp_path / "a.json")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert set(file.files) == {"activations/pooled", "activations/sum", "images", "sizes", "manifest"}
        np.testing.assert_array_equal(file["activations/pooled"], made.arrays["pooled"])
        np.testing.assert_array_equal(file["images"][..., 0], faces)
        manifest = json.loads(str(file["manifest"]))
    document = json.loads((tmp_path / "a.json").read_text())
    for found in (manifest, document):
        assert found["command"] == "activations"
        assert found["layers"] == [{"name": "pooled", "shape": [24, 24, 3]}, {"name": "sum", "shape": [3]}]
        assert found["settings"]["model_sha256"] == "cd" * 32


def test_pictures_and_figures(model, faces, tmp_path):
    made = activations(model, faces, "pooled")
    made.save(tmp_path / "a.png", mode="channels")
    assert read_manifest(tmp_path / "a.png")["drawing"]["mode"] == "channels"
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == made.picture("channels").size
    made.save(tmp_path / "a.svg", mode="channels")
    assert "<svg" in (tmp_path / "a.svg").read_text()
    with pytest.raises(OutputExistsError):
        made.save(tmp_path / "a.png")
    with pytest.raises(UsageError, match="cannot be written as"):
        made.save(tmp_path / "a.xyz")
    assert made._repr_png_().startswith(b"\x89PNG")


def test_pages(model):
    many = activations(model, np.zeros((30, 48, 48), np.uint8))
    assert many.picture().height > many.picture(start=24).height
    with pytest.raises(UsageError, match="no face number 30"):
        many.picture(start=30)


class Block(Steps):
    """A convolution, its normalisation and its activation: what is largest before the activation is not what is passed on."""

    layers = (
        LayerInfo("conv", "Conv2D", (48, 48, 3), True, 9),
        LayerInfo("norm", "BatchNormalization", (48, 48, 3), True, 6),
        LayerInfo("relu", "ReLU", (48, 48, 3), True),
        LayerInfo("last", "Conv2D", (48, 48, 3), True, 9),
    )

    def activations(self, batch, layers):
        conv = np.concatenate([-9 * batch - 1, batch, 2 * batch], axis=-1)
        known = {"conv": conv, "norm": conv, "relu": np.maximum(conv, 0), "last": -conv}
        return [known[name].astype(np.float32) for name in layers]


def test_channels_stand_in_the_order_of_what_is_passed_on(faces):
    model = Model("by-hand", "cd" * 32, ("happy", "sad"), InputSpec(48, 48, 1, "0..1"), Block())
    got = activations(model, faces, ["conv", "relu", "last"])
    assert set(got.arrays) == {"conv", "relu", "last"}
    assert set(got.passed) == {"conv"}  # nothing follows the last one, and relu itself is an activation
    name, strengths = got.passed["conv"]
    assert name == "relu"
    np.testing.assert_allclose(strengths[:, 0], 0)
    names, _ = ActivationSheet(activations(model, faces[:1], "conv"), "channels").tiles()
    assert names == ["conv 2", "conv 1", "conv 0"]
    names, _ = ActivationSheet(activations(model, faces[:1], "last"), "channels").tiles()
    assert names[0] == "last 0"  # without an activation: by magnitude


def test_what_was_assumed_is_said(model, faces, tmp_path):
    note = "the file does not name its classes: assumed"
    assumed = Model("by-hand", "", ("happy", "sad"), model.input, model.engine, (note, "Keras was loaded"))
    got = activations(assumed, faces, "pooled")
    assert got.to_dict()["warnings"] == [note]
    words = {t.get_text() for t in got.plot().findobj(lambda a: hasattr(a, "get_text"))}
    assert {"Note:", "assumed"} <= words
    assert "loaded" not in words


def test_maps_in_axes_of_ones_own(model, faces):
    from matplotlib.figure import Figure

    got = activations(model, faces[:1], "again,pooled")
    axes = Figure().subplots(1, 2)
    got.plot(ax=axes)
    assert [a.get_title() for a in axes] == ["again", "pooled"]
    assert axes[1].images[0].get_array().shape == (24, 24, 3)
    three = Figure().subplots(1, 3)
    got.plot("channels", layer="pooled", ax=three, title="")
    assert [a.get_title() for a in three] == ["", "", ""]
    with pytest.raises(UsageError, match="2 pictures cannot be drawn into 3 axes"):
        got.plot(ax=three)


def test_printed_pages_keep_their_width_and_height(model, tmp_path):
    many = activations(model, np.zeros((40, 48, 48), np.uint8))
    pages = many.pages(width_mm=84, font_size=6)
    assert len(pages) > 1
    for page in pages:
        width, height = page.get_size_inches()
        assert width == pytest.approx(84 / 25.4)
        assert height <= 230 / 25.4 + 0.01
    tall = many.long_page(width_mm=84, font_size=6)
    assert tall.get_size_inches()[1] > sum(page.get_size_inches()[1] for page in pages)
    many.save(tmp_path / "a.png", width_mm=84, dpi=150)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width == round(84 / 25.4 * 150)
        assert picture.info["dpi"][0] == pytest.approx(150, abs=0.5)
