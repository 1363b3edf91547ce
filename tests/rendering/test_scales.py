"""The colour scale: what zero looks like, where the scale ends, and who sets it."""

from dataclasses import replace

import numpy as np
import pytest

from ferviz.rendering.sheets.overlays import explanation_picture
from ferviz.rendering.sheets.sheet import faint_note, scale_end, scale_note, shared_vmax
from ferviz.rendering.tiles import STRONGEST, blend, overlay_tile


def luminance(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(float) @ [0.2126, 0.7152, 0.0722]


def test_where_a_signed_map_is_zero_the_grey_face_stays_as_it_is(draw):
    face = draw.face()
    heat = draw.blob(x=0.2) - draw.blob(x=0.8)
    shown = np.asarray(overlay_tile(face, heat, 48, 1.0, signed=True))
    assert (heat == 0).any()
    np.testing.assert_array_equal(shown[heat == 0], face[heat == 0])


@pytest.mark.parametrize("grey", [60, 128, 200])
def test_no_line_runs_where_the_sign_changes(grey):
    """A ramp through zero on one grey has no darkest or lightest place at zero, and its brightness hardly moves there."""
    ramp = np.linspace(-1, 1, 2047, dtype=np.float32)[None]
    shown = luminance(blend(np.full((1, 2047, 3), grey, np.uint8), ramp, 1.0, signed=True))[0]
    near = shown[1023 - 30 : 1023 + 31]  # |value| < 0.03
    assert np.abs(near - grey).max() < 4


def test_both_signs_change_the_face_alike_and_leave_as_much_of_it():
    values = np.array([[-1.0, 1.0]], np.float32)
    dark, light = (blend(np.full((1, 2, 3), g, np.uint8), values, 1.0, signed=True).astype(int) for g in (90, 190))
    np.testing.assert_allclose(light - dark, 100 * (1 - STRONGEST), atol=1)
    assert abs(np.diff(luminance(dark)[0])[0]) < 15


def test_one_hot_pixel_does_not_own_a_signed_scale():
    heat = np.linspace(-1, 1, 48 * 48).reshape(48, 48)
    heat[0, 0] = -900.0
    assert scale_end([heat], True) == pytest.approx(1.0, abs=0.01)
    assert scale_end([heat], False) == shared_vmax([heat]) == 900.0
    note = scale_note([heat], True)
    assert "99.5th percentile" in note
    assert "900" in note
    assert scale_note([heat], False) == ""


def test_a_map_that_is_zero_but_for_a_few_pixels_has_a_scale():
    heat = np.zeros((48, 48))
    heat[3, 3] = -2.0
    assert scale_end([heat], True) == 2.0
    assert scale_end([np.zeros((4, 4))], True) == 1.0


def test_a_scale_that_holds_all_that_can_be_read_off_it_needs_no_words():
    heat = np.zeros((48, 48))
    heat[:20] = 2.7301
    heat[0, :3] = 2.7304  # three of 2,304 pixels: beyond the percentile, and 2.73 all the same
    assert scale_note([heat], True) == ""
    heat[0, :3] = 2.74
    assert "2.74" in scale_note([heat], True)


def test_a_class_without_probability_that_owns_the_scale_is_named(draw):
    strong, weak = draw.blob(peak=5.0), draw.blob(peak=0.2)
    cell = replace(
        draw.cell([strong, weak], ("disgust", "happy")), probabilities={"disgust": 0.0, "happy": 0.93}, label="happy"
    )
    note = faint_note([cell], 5.0)
    assert "disgust (0.00)" in note
    assert "happy (0.93) reaches 4%" in note
    assert "--own-scale" in note
    assert faint_note([replace(cell, maps=np.stack([weak, strong]))], 5.0) == ""
    assert faint_note([replace(cell, label="")], 5.0) == ""


def test_own_scales_are_one_for_each_map(draw):
    """Two maps that differ by a factor of a hundred look alike on scales of their own, and not on one."""
    cell = draw.cell([draw.blob(peak=5.0), draw.blob(peak=0.05)], ("disgust", "happy"))
    own = np.asarray(explanation_picture(draw.sheet([replace(cell, ends=(5.0, 0.05))])))
    shared = np.asarray(explanation_picture(draw.sheet([cell])))

    def tiles(picture: np.ndarray) -> list[np.ndarray]:
        top = next(y for y in range(picture.shape[0]) if (picture[y, 30:150] < 250).any(axis=1).all())
        return [picture[top : top + 144, 24 + 152 * k : 168 + 152 * k] for k in (1, 2)]

    np.testing.assert_array_equal(*tiles(own))
    first, second = tiles(shared)
    assert (first != second).any()
