"""Cutting out: frames worked out by hand, edges, tilt; and what is taken as faces."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from ferviz.errors import NoFaceError, PictureError, UsageError
from ferviz.faces.crops import as_faces, crop, crop_box
from ferviz.faces.face import Face

y, x = np.mgrid[:60, :80]
RAMP = np.stack([y * 4, x * 3, np.full_like(x, 7)], axis=2).astype(np.uint8)


def test_frames_on_paper() -> None:
    assert crop_box((10, 20, 30, 40)) == (10, 20, 30, 40)
    assert crop_box((10, 20, 30, 60)) == (0, 20, 40, 60)  # 20 x 40 becomes 40 x 40 about (20, 40)
    assert crop_box((10, 20, 30, 60), square=False) == (10, 20, 30, 60)
    assert crop_box((10, 20, 30, 40), 0.25) == (5, 15, 35, 45)
    assert crop_box((10, 20, 30, 40), -0.25) == (15, 25, 25, 35)
    assert crop_box((5, 5, 5, 5)) == (5, 5, 6, 6)


def test_inside_it_is_a_slice_of_its_own() -> None:
    cut = crop(RAMP, (10, 20, 40, 50))
    np.testing.assert_array_equal(cut, RAMP[20:50, 10:40])
    cut[:] = 0
    assert RAMP[20, 10, 0] == 80


def test_half_outside_keeps_its_place_and_repeats_the_edge() -> None:
    cut = crop(RAMP, (-15, -15, 15, 15))
    assert cut.shape == (30, 30, 3)
    np.testing.assert_array_equal(cut[15:, 15:], RAMP[:15, :15])
    np.testing.assert_array_equal(cut[0], cut[15])
    np.testing.assert_array_equal(cut[:, 0], cut[:, 15])
    cut = crop(RAMP, (70, 50, 90, 70))
    np.testing.assert_array_equal(cut[:10, :10], RAMP[50:, 70:])
    assert (cut[:, 15] == cut[:, 9]).all()


def test_wholly_outside_is_no_face() -> None:
    with pytest.raises(NoFaceError, match="outside"):
        crop(RAMP, (80, 0, 100, 20))


@pytest.mark.parametrize(("angle", "turns"), [(90, 1), (180, 2), (270, 3), (-90, 3), (360, 0)])
def test_a_quarter_turn_is_exact(angle: float, turns: int) -> None:
    # a head tilted clockwise by 90 degrees becomes upright by turning the picture counter-clockwise, as rot90 does
    expected = np.rot90(RAMP[10:50, 20:60], turns)
    np.testing.assert_allclose(crop(RAMP, (20, 10, 60, 50), angle=angle).astype(int), expected, atol=1)


def test_a_tilted_mark_comes_upright() -> None:
    picture = np.zeros((200, 200, 3), np.uint8)
    cv2.line(
        picture, (100, 100), (100 + 34, 100 - 60), (255, 255, 255), 3
    )  # 12 o'clock, tilted clockwise by 30 degrees
    cut = crop(picture, (30, 30, 170, 170), angle=29.5)
    rows, columns = np.nonzero(cut[:, :, 0] > 128)
    assert np.ptp(columns) <= 6
    assert rows.min() < 10
    assert abs(columns.mean() - 69.5) < 3


def test_what_is_taken_as_faces() -> None:
    grey = np.arange(2 * 6 * 5, dtype=np.uint8).reshape(2, 6, 5)
    face = Face(RAMP)
    assert as_faces(face) == [face]
    assert [f.pixels.shape for f in as_faces(grey)] == [(6, 5, 3)] * 2
    np.testing.assert_array_equal(as_faces(grey)[1].pixels[:, :, 2], grey[1])
    assert [f.pixels.shape for f in as_faces(RAMP)] == [RAMP.shape]
    assert [f.pixels.shape for f in as_faces(RAMP[:, :, 0])] == [RAMP.shape]
    assert [f.pixels.shape for f in as_faces(np.stack([RAMP] * 3))] == [RAMP.shape] * 3
    assert [f.pixels.shape for f in as_faces([face, RAMP[:9], grey, Image.fromarray(RAMP)])] == [
        RAMP.shape, (9, 80, 3), (6, 5, 3), (6, 5, 3), RAMP.shape
    ]  # fmt: skip
    assert len(as_faces(f for f in [face, face])) == 2


def test_what_is_not() -> None:
    for wrong in ("face.png", b"png", 5, None):
        with pytest.raises(UsageError, match=r"Face\b"):
            as_faces(wrong)
    for none in ([], np.zeros((0, 48, 48), np.uint8)):
        with pytest.raises(NoFaceError, match="find_faces"):
            as_faces(none)
    with pytest.raises(PictureError, match="uint8"):
        as_faces(np.zeros((2, 48, 48)))
