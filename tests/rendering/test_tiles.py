import numpy as np
import pytest

from ferviz.rendering.tiles import (
    STRONGEST,
    blend,
    face_tile,
    has_evidence,
    map_tile,
    overlay_tile,
    resize_map,
    tile_side,
)


def test_each_pixel_of_a_small_face_is_a_square(draw):
    face = draw.face(48)
    got = np.asarray(face_tile(face, 288))
    np.testing.assert_array_equal(got, np.repeat(np.repeat(face, 6, axis=0), 6, axis=1))


def test_whole_factor_inside_a_tile_that_is_no_multiple(draw):
    face = draw.face(40)
    got = np.asarray(face_tile(face, 96))
    np.testing.assert_array_equal(got[8:88, 8:88], np.repeat(np.repeat(face, 2, axis=0), 2, axis=1))
    assert len(np.unique(got[:8].reshape(-1, 3), axis=0)) == 1


def test_grey_face_and_tall_face():
    tall = np.zeros((60, 30), np.uint8)
    got = np.asarray(face_tile(tall, 120))
    assert got.shape == (120, 120, 3)
    assert (got[:, 30:90] == 0).all()
    assert (got[:, :30] > 200).all()


def test_large_face_fits(draw):
    assert face_tile(draw.face(500), 96).size == (96, 96)


@pytest.mark.parametrize(("sizes", "wanted", "side"), [
    ([(48, 48)] * 3, 288, 288), ([(48, 48)], 144, 144), ([(64, 64)], 144, 128), ([(48, 48)], 72, 96),
    ([(48, 48), (64, 64)], 144, 144), ([(300, 200)], 144, 144), ([(92, 92)], 144, 144), ([(7, 7)], 96, 98),
])  # fmt: skip
def test_tile_side(sizes, wanted, side):
    assert tile_side(sizes, wanted) == side


def test_no_evidence_is_not_stretched(draw):
    face = draw.face()
    for nothing in (np.zeros((12, 12)), np.full((12, 12), 1e-10), np.full((12, 12), np.nan)):
        assert not has_evidence(nothing)
        tile = np.asarray(overlay_tile(face, nothing, 288, 1.0)).astype(int)
        assert (np.ptp(tile, axis=2) < 16).all(), "a colour says evidence"
    shown = np.asarray(overlay_tile(face, draw.blob(), 288, 1.0)).astype(int)
    assert np.ptp(shown, axis=2).max() > 100


def test_one_infinity_does_not_hide_the_rest(draw):
    heat = draw.blob()
    assert has_evidence(heat)
    assert not has_evidence(np.full((3, 3), np.inf))
    heat[0, 0] = np.inf
    shown = np.asarray(overlay_tile(draw.face(), heat, 288, 1.0)).astype(int)
    assert np.ptp(shown, axis=2).max() > 100


def test_no_number_is_not_no_evidence(draw):
    """A network that answers with NaN is broken; its map must not read as if it had seen nothing."""
    broken = overlay_tile(draw.face(), np.full((3, 3), np.nan), 288, 1.0)
    nothing = overlay_tile(draw.face(), np.zeros((3, 3)), 288, 1.0)
    assert broken.tobytes() != nothing.tobytes()


def test_strength_grows_with_evidence_and_the_face_stays():
    ground = np.full((1, 5, 3), 90, np.uint8)
    values = np.array([[0.0, 0.1, 0.5, 1.0, 7.0]], np.float32)
    got = blend(ground, values, 1.0)[0].astype(int)
    np.testing.assert_array_equal(got[0], [90, 90, 90])
    change = np.abs(got - 90).sum(axis=1)
    assert (np.diff(change[:4]) > 0).all()
    np.testing.assert_array_equal(got[3], got[4])
    # The strongest evidence leaves 1 - STRONGEST of the face: two grounds 100 apart stay 22 apart.
    other = blend(ground + np.uint8(100), values, 1.0)[0].astype(int)
    np.testing.assert_allclose(other[3] - got[3], 100 * (1 - STRONGEST), atol=1)


def test_negative_evidence_only_shows_where_signed():
    ground = np.full((1, 1, 3), 128, np.uint8)
    np.testing.assert_array_equal(blend(ground, np.array([[-1.0]]), 1.0), ground)
    assert blend(ground, np.array([[-1.0]]), 1.0, signed=True)[0, 0, 2] > 150


def test_evidence_stays_where_it_is():
    """A single cell of a 3x3 map, blown up to 48 pixels, has its middle at the cell's own middle: pixels 0..15 -> 7.5."""
    for cell in range(3):
        heat = np.zeros((3, 3), np.float32)
        heat[cell, 1] = 1
        big = resize_map(heat, 48, 48)
        middle = (big.sum(axis=1) * np.arange(48)).sum() / big.sum()
        expected = {0: None, 1: 23.5, 2: None}[cell]
        top = np.flatnonzero(np.isclose(big[:, 23], big[:, 23].max(), rtol=1e-3)).mean()
        if expected is not None:
            assert middle == pytest.approx(expected, abs=0.01)
        else:
            assert top == pytest.approx(
                3.5 if cell == 0 else 43.5, abs=0.6
            )  # clamped at the border: flat to the cell's middle


def test_resizing_equals_opencvs():
    import cv2

    heat = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    np.testing.assert_allclose(
        resize_map(heat, 50, 48), cv2.resize(heat, (50, 48), interpolation=cv2.INTER_LINEAR), atol=1e-4
    )


def test_map_positions_are_squares():
    values = np.arange(16, dtype=np.float32).reshape(4, 4)
    tile = np.asarray(map_tile(values, 96, 15.0))
    blocks = tile.reshape(4, 24, 4, 24, 3)
    np.testing.assert_array_equal(blocks, np.broadcast_to(blocks[:, :1, :, :1], blocks.shape))
    assert len(np.unique(tile.reshape(-1, 3), axis=0)) == 16


def test_a_map_larger_than_its_tile_is_averaged():
    values = np.indices((192, 192)).sum(axis=0) % 2
    tile = np.asarray(map_tile(values.astype(np.float32), 96, 1.0)).astype(int)
    assert tile.shape == (96, 96, 3)
    assert np.ptp(tile.reshape(-1, 3), axis=0).max() <= 2


def test_labels_stand_at_their_places_inside_the_tile() -> None:
    face = np.full((48, 48, 3), 90, np.uint8)
    heat = np.ones((48, 48), np.float32)
    plain = np.asarray(overlay_tile(face, heat, 192, 1.0))
    labels = [(0.5, 0.75, "mouth +2.7"), (1.4, -0.3, "chin +0.1")]  # a place outside of the face moves to its edge
    written = np.asarray(overlay_tile(face, heat, 192, 1.0, labels=labels))
    changed = (plain != written).any(-1)
    assert changed[144, 96]
    assert changed[2:14, 130:190].any()
    assert not changed[40:120].any()
    np.testing.assert_array_equal(overlay_tile(face, heat, 96, 1.0, labels=labels), overlay_tile(face, heat, 96, 1.0))
