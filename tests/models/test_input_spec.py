"""InputSpec.preprocess against numbers worked out by hand and against Pillow and OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from ferviz.errors import UsageError
from ferviz.models.input_spec import InputSpec

rng = np.random.default_rng(0)
COLOUR = rng.integers(0, 256, (6, 48, 48, 3), np.uint8)
GREY = rng.integers(0, 256, (6, 48, 48), np.uint8)


@pytest.mark.parametrize(("scaling", "black", "white"), [("0..1", 0, 1), ("-1..1", -1, 1), ("0..255", 0, 255)])
def test_ends_of_each_range(scaling, black, white):
    pixels = np.zeros((1, 48, 48), np.uint8)
    pixels[:, 24:] = 255
    batch = InputSpec(scaling=scaling).preprocess(pixels)
    assert batch.shape == (1, 48, 48, 1)
    assert batch.dtype == np.float32
    assert np.unique(batch) == pytest.approx([black, white], abs=1e-6)


def test_grey_is_bt601_as_pillow_makes_it():
    ours = InputSpec(scaling="0..255").preprocess(COLOUR)[..., 0]
    pillow = np.stack([np.asarray(Image.fromarray(one).convert("L")) for one in COLOUR])
    exact = COLOUR @ np.array([0.299, 0.587, 0.114])
    assert np.abs(ours - pillow).max() <= 1  # both round, each in its own way
    assert np.abs(ours - exact).max() <= 0.51


def test_a_grey_picture_stored_as_colour_keeps_its_values():
    ramp = np.repeat(np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1), 3, axis=3)
    assert (InputSpec(16, 16, scaling="0..255").preprocess(ramp)[0, ..., 0].ravel() == np.arange(256)).all()


def test_channel_order():
    rgb = InputSpec(channels=3, scaling="0..255").preprocess(COLOUR)
    bgr = InputSpec(channels=3, scaling="0..255", order="bgr").preprocess(COLOUR)
    assert (rgb == COLOUR).all()
    assert (bgr == COLOUR[..., ::-1]).all()
    assert (InputSpec(channels=3, scaling="0..255").preprocess(GREY) == GREY[..., None]).all()


def test_smaller_is_averaged_and_larger_is_interpolated():
    small = InputSpec(24, 24, scaling="0..255", resize="float").preprocess(GREY)[..., 0]
    means = GREY.reshape(6, 24, 2, 24, 2).mean(axis=(2, 4))
    assert np.abs(small - means).max() < 1e-3
    large = InputSpec(64, 64, scaling="0..255").preprocess(GREY)[..., 0]
    assert (large == np.stack([cv2.resize(one, (64, 64), interpolation=cv2.INTER_LINEAR) for one in GREY])).all()


def test_resizing_pixels_rounds_and_resizing_floats_does_not():
    as_pixels = InputSpec(64, 64, scaling="0..255").preprocess(GREY)
    as_floats = InputSpec(64, 64, scaling="0..255", resize="float").preprocess(GREY)
    assert (as_pixels == np.round(as_pixels)).all()
    assert not (as_floats == np.round(as_floats)).all()
    assert np.abs(as_pixels - as_floats).max() <= 1


def test_height_and_width_are_not_confused():
    wide = np.zeros((10, 30), np.uint8)
    assert InputSpec(20, 40).preprocess([wide]).shape == (1, 20, 40, 1)
    assert InputSpec(None, None, default_side=32).preprocess([wide]).shape == (1, 32, 32, 1)


def test_standardize_with_numbers_channels_and_maps():
    pixels = COLOUR.astype(np.float64)
    spec = InputSpec(channels=3, scaling="standardize", mean=[0.5, 0.4, 0.3], std=[0.2, 0.25, 0.3], unit=255)
    assert np.allclose(spec.preprocess(COLOUR), (pixels / 255 - [0.5, 0.4, 0.3]) / [0.2, 0.25, 0.3], atol=1e-5)
    mean, std = GREY.mean(axis=0), GREY.std(axis=0) + 1
    spec = InputSpec(scaling="standardize", mean=mean, std=std)
    assert np.allclose(spec.preprocess(GREY)[..., 0], (GREY - mean) / std, atol=1e-5)


def test_standardize_without_numbers_is_each_picture_by_itself():
    batch = InputSpec(scaling="standardize").preprocess([GREY[0], np.full((48, 48), 9, np.uint8)])
    assert batch[0].mean() == pytest.approx(0, abs=1e-5)
    assert batch[0].std() == pytest.approx(1, abs=1e-4)
    assert (batch[1] == 0).all()


def test_a_list_of_any_sizes_equals_one_at_a_time():
    crops = [rng.integers(0, 256, shape, np.uint8) for shape in ((48, 48), (30, 50, 3), (100, 90, 3), (48, 48), (5, 5))]
    spec = InputSpec(scaling="-1..1")
    assert (spec.preprocess(crops) == np.concatenate([spec.preprocess([one]) for one in crops])).all()
    assert spec.preprocess([]).shape == (0, 48, 48, 1)


def test_what_comes_in_is_not_changed():
    before = COLOUR.copy()
    InputSpec(channels=3, scaling="0..255", order="bgr").preprocess(COLOUR)[:] = 0
    assert (before == COLOUR).all()


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((2, 48, 48), np.float32), np.zeros((48, 48), np.uint8), [np.zeros((4, 4, 4), np.uint8)],
     [np.zeros((0, 4), np.uint8)], [np.zeros((3, 4, 4, 3), np.uint8)]],
)  # fmt: skip
def test_other_arrays_are_refused(wrong):
    with pytest.raises(UsageError, match="uint8"):
        InputSpec().preprocess(wrong)


@pytest.mark.parametrize(
    ("settings", "word"),
    [({"scaling": "0-1"}, "scaling"), ({"channels": 2}, "channels"), ({"order": "gbr"}, "order"), ({"resize": "x"}, "resize"),
     ({"height": 0}, "height"), ({"width": 10**6}, "width"), ({"mean": 1.0}, "together"), ({"unit": 2}, "unit"),
     ({"mean": 1.0, "std": 1.0}, "standardize"), ({"scaling": "standardize", "mean": 1.0, "std": 0.0}, "positive"),
     ({"scaling": "standardize", "mean": [1, 2], "std": [1, 1]}, "shape"),
     ({"scaling": "standardize", "mean": float("nan"), "std": 1}, "finite"),
     ({"scaling": "standardize", "mean": "x", "std": 1}, "numbers")],
)  # fmt: skip
def test_settings_that_cannot_be(settings, word):
    with pytest.raises(UsageError, match=word):
        InputSpec(**settings)


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_a_picture_may_be_changed_between_the_two_halves_of_preprocessing(order):
    spec = InputSpec(24, 24, channels=3, scaling="-1..1", order=order)
    pictures = spec.resized(COLOUR)
    assert pictures.dtype == np.uint8
    np.testing.assert_array_equal(spec.scaled(pictures), spec.preprocess(COLOUR))
    red = np.zeros_like(pictures) + np.array(
        [255, 0, 0], np.uint8
    )  # RGB between the halves, whatever the network's order
    np.testing.assert_allclose(spec.scaled(red)[0, 0, 0], [1, -1, -1] if order == "rgb" else [-1, -1, 1])


def test_equalised_values_on_paper() -> None:
    """Of 16 pixels 4 have the lowest grey: a grey with k more pixels up to it becomes 255 k / 12, whatever the greys are."""
    greys = np.repeat([10, 11, 90, 200], 4).astype(np.uint8).reshape(1, 4, 4)
    spec = InputSpec(4, 4, scaling="0..255", equalize=True)
    assert spec.preprocess(greys).ravel().tolist() == np.repeat([0, 85, 170, 255], 4).tolist()
    colours = np.stack([greys, 255 - greys, np.zeros_like(greys)], axis=3)
    values = InputSpec(4, 4, 3, scaling="0..255", equalize=True).preprocess(colours)
    assert values[0, :, :, 0].ravel().tolist() == np.repeat([0, 85, 170, 255], 4).tolist()
    assert values[0, :, :, 1].ravel().tolist() == np.repeat([255, 170, 85, 0], 4).tolist()
    assert spec.preprocess(greys[:0]).shape == (0, 4, 4, 1)


def test_a_centre_crop_takes_the_pixels_in_the_middle() -> None:
    faces = np.random.default_rng(0).integers(0, 256, (2, 48, 48)).astype(np.uint8)
    spec = InputSpec(44, 44, scaling="0..255", crop_pct=44 / 48)
    np.testing.assert_array_equal(spec.preprocess(faces)[..., 0], faces[:, 2:46, 2:46])
    large = np.repeat(np.repeat(faces, 2, 1), 2, 2)
    np.testing.assert_array_equal(spec.preprocess(large)[..., 0], faces[:, 2:46, 2:46])


@pytest.mark.parametrize("value", [0, 1.5, "1", float("nan"), None])
def test_a_crop_is_a_share(value: object) -> None:
    with pytest.raises(UsageError, match="crop_pct"):
        InputSpec(crop_pct=value)  # type: ignore[arg-type]
