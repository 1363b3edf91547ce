"""The regions of a face, at any size and in any pose."""

from __future__ import annotations

import numpy as np
import pytest

from ferviz.errors import UsageError
from ferviz.faces.face import Face
from ferviz.faces.landmarks.points import TEMPLATE, mirrored, rescaled
from ferviz.faces.regions import REGIONS, FaceRegions, half_masks, hard_masks, merge, region_masks


def posed(seed: int, size: tuple[int, int] = (48, 48)) -> np.ndarray:
    """Landmarks of a face that is turned, scaled, shifted, and not quite typical."""
    rng = np.random.default_rng(seed)
    angle, scale = rng.uniform(-0.3, 0.3), rng.uniform(0.8, 1.2)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (TEMPLATE - 23.5) @ turn.T + 23.5 + rng.uniform(-3, 3, 2) + rng.normal(0, 0.7, (5, 2))
    return rescaled(points, (48, 48), size)[None]


@pytest.mark.parametrize("size", [(48, 48), (24, 24), (64, 48), (7, 7), (130, 128), (1, 1)])
def test_soft_masks_sum_to_one_at_every_size(size: tuple[int, int]) -> None:
    masks = region_masks(posed(0, size), size)
    assert masks.shape == (1, len(REGIONS), *size)
    assert masks.min() >= 0
    np.testing.assert_allclose(masks.sum(1), 1, atol=1e-6)
    assert (hard_masks(masks).sum(1) == 1).all()


def test_regions_of_the_template_lie_where_they_were_drawn() -> None:
    masks = region_masks(TEMPLATE[None], (48, 48))[0]
    at = {"background": (24, 1), "forehead": (5, 23), "brows": (12, 14), "eyes": (18, 33), "nose": (27, 23)}
    at |= {"cheeks": (29, 12), "mouth": (36, 24), "chin": (44, 23)}
    for name, (y, x) in at.items():
        assert masks[REGIONS.index(name), y, x] > 0.99, name
    # on the border between brows and eyes each has half
    border = masks[[REGIONS.index("brows"), REGIONS.index("eyes")], 15, 14]
    np.testing.assert_allclose(border, 0.5, atol=0.02)


def test_area_shares_are_those_measured() -> None:
    shares = region_masks(np.stack([posed(seed)[0] for seed in range(40)]), (48, 48)).mean((0, 2, 3))
    measured = {
        "forehead": 0.066,
        "brows": 0.074,
        "eyes": 0.079,
        "nose": 0.053,
        "cheeks": 0.172,
        "mouth": 0.078,
        "chin": 0.051,
    }
    for name, share in measured.items():
        assert shares[REGIONS.index(name)] == pytest.approx(share, rel=0.35), name


@pytest.mark.parametrize("size", [(48, 48), (64, 48), (97, 97)])
def test_a_mirrored_face_has_mirrored_regions_and_halves(size: tuple[int, int]) -> None:
    points = posed(3, size)
    other = mirrored(points, size[1])
    pairs = (
        (region_masks(other, size), region_masks(points, size)[..., ::-1]),
        (half_masks(other, size), half_masks(points, size)[:, ::-1, :, ::-1]),
    )
    for masks, expected in pairs:
        np.testing.assert_allclose(masks, expected, atol=0.06)  # one of sixteen samples may fall on the other side
        assert np.abs(masks - expected).mean() < 2e-4


@pytest.mark.parametrize("size", [(96, 96), (192, 192), (24, 24)])
def test_regions_scale_with_the_face(size: tuple[int, int]) -> None:
    import cv2

    small, large = region_masks(posed(1), (48, 48))[0], region_masks(posed(1, size), size)[0]
    resized = np.stack([cv2.resize(mask, (48, 48), interpolation=cv2.INTER_AREA) for mask in large])
    if size[0] > 48:
        assert np.abs(resized - small).max() < 0.2
    assert np.abs(large.mean((1, 2)) - small.mean((1, 2))).max() < 0.01


def test_a_lower_border_gives_pixels_of_one_region_to_the_next() -> None:
    shares = np.stack([region_masks(TEMPLATE[None], (48, 48), border)[0].mean((1, 2)) for border in (-1, 0, 1)])
    forehead, chin = shares[:, REGIONS.index("forehead")], shares[:, REGIONS.index("chin")]
    assert (np.diff(forehead) > 0.003).all()
    assert (np.diff(chin) < -0.003).all()
    np.testing.assert_allclose(
        shares[:, REGIONS.index("background")], shares[0, REGIONS.index("background")], atol=1e-5
    )


def test_brows_and_eyes_together_are_the_upper_face() -> None:
    masks = region_masks(posed(2), (48, 48))
    upper = merge(masks)["upper face"]
    np.testing.assert_array_equal(upper, masks[:, REGIONS.index("brows")] + masks[:, REGIONS.index("eyes")])
    assert merge(np.arange(8.0), axis=0)["upper face"] == REGIONS.index("brows") + REGIONS.index("eyes")


def test_regions_follow_a_face_into_its_crop() -> None:
    picture = np.zeros((60, 60, 3), np.uint8)
    points = (posed(4)[0] + [100, 50]).astype(np.float32)
    face = Face(picture, box=(100, 50, 148, 98), landmarks=points, landmark_source="network")
    regions = FaceRegions.of([face], (48, 48))
    np.testing.assert_allclose(regions.points, posed(4), atol=1e-4)
    assert np.abs(regions.masks - region_masks(posed(4), (48, 48))).mean() < 1e-4
    assert not regions.uncertain.any()


def test_a_face_without_landmarks_has_no_regions() -> None:
    with pytest.raises(UsageError, match="locate_landmarks"):
        FaceRegions.of([Face(np.zeros((48, 48, 3), np.uint8))], (48, 48))
