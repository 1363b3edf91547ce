"""What stands where a picture is hidden."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ferviz import fills
from ferviz.attribution.methods.registry import METHODS
from ferviz.errors import UsageError


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    rng = np.random.default_rng(0)
    rough = rng.uniform(0, 255, (4, 9, 11, 3)).astype(np.float32)
    return np.stack([cv2.resize(p, (50, 48), interpolation=cv2.INTER_CUBIC) for p in rough]).clip(0, 255)


def blobs(count: int, height: int, width: int, share: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rough = rng.random((count, 5, 5)).astype(np.float32)
    smooth = np.stack([cv2.resize(r, (width, height), interpolation=cv2.INTER_CUBIC) for r in rough])
    return smooth >= np.quantile(smooth, 1 - share, axis=(1, 2), keepdims=True)


@pytest.mark.parametrize("kind", [*fills.FILLS, 99.0])
def test_only_what_is_hidden_changes(pictures: np.ndarray, kind: str | float) -> None:
    hidden = blobs(4, 48, 50, 0.4)
    filled = fills.fill(pictures, hidden, kind)
    assert filled.shape == pictures.shape
    assert filled.dtype == np.float32
    np.testing.assert_array_equal(filled[~hidden], pictures[~hidden])
    assert np.abs(filled[hidden] - pictures[hidden]).mean() > 10


@pytest.mark.parametrize("kind", fills.FILLS)
def test_several_masks_a_picture_give_what_each_gives_alone(pictures: np.ndarray, kind: str) -> None:
    hidden = np.stack([blobs(4, 48, 50, share, 1) for share in (0.1, 0.6, 1.0)], axis=1).astype(np.float32) * 0.7
    together = fills.fill(pictures, hidden, kind, seed=3)
    for index in range(3):
        alone = fills.fill(pictures[2:3], hidden[2:3, index], kind, seed=3)
        np.testing.assert_allclose(together[2, index], alone[0], atol=1e-3)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.75])
def test_the_harmonic_fill_is_within_five_grey_levels_of_the_exact_one(pictures: np.ndarray, share: float) -> None:
    hidden = blobs(4, 48, 50, share)
    distance = (fills.harmonic(pictures, hidden, noise=0) - fills.harmonic_exact(pictures, hidden, noise=0))[hidden]
    assert np.sqrt((distance**2).mean()) < 5


def test_looking_only_around_what_is_hidden_changes_nothing(
    pictures: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = np.zeros((4, 48, 50), bool)
    for mask, (y, x) in zip(
        hidden, ((0, 0), (41, 43), (20, 11)), strict=False
    ):  # two corners, and nothing in the last picture
        mask[y : y + 7, x : x + 7] = True
    assert fills._windows(hidden) is not None
    around = fills.harmonic(pictures, hidden)
    monkeypatch.setattr(fills, "_windows", lambda unknown: None)
    np.testing.assert_allclose(around, fills.harmonic(pictures, hidden), atol=1e-3)


def test_the_exact_fill_solves_the_equations_of_road() -> None:
    rng = np.random.default_rng(5)
    picture = rng.uniform(0, 255, (1, 7, 6, 1)).astype(np.float32)
    hidden = rng.random((1, 7, 6)) < 0.5
    hidden[0, 0, 0] = hidden[0, 6, 5] = True  # corners have three neighbours
    filled = fills.harmonic_exact(picture, hidden, noise=0)[0, :, :, 0]
    for y, x in np.argwhere(hidden[0]):
        total = weights = 0.0
        for v in range(max(0, y - 1), min(7, y + 2)):
            for u in range(max(0, x - 1), min(6, x + 2)):
                if (v, u) != (y, x):
                    weight = 1 / 12 if v != y and u != x else 1 / 6
                    total, weights = total + weight * filled[v, u], weights + weight
        assert filled[y, x] == pytest.approx(total / weights, abs=1e-3)


def test_the_harmonic_fill_continues_a_slope() -> None:
    rows, columns = np.mgrid[:33, :47].astype(np.float32)
    slope = (2 * rows + 3 * columns)[None, :, :, None]
    hidden = np.zeros((1, 33, 47), bool)
    hidden[0, 9:21, 12:24] = True
    np.testing.assert_allclose(fills.harmonic_exact(slope, hidden, noise=0), slope, atol=1e-2)
    assert np.abs(fills.harmonic(slope, hidden, noise=0) - slope).max() < 4


def test_the_noise_is_that_of_the_seed_and_of_road(pictures: np.ndarray) -> None:
    hidden = np.ones((4, 48, 50), bool)
    first, again, other = (fills.fill(pictures, hidden, "harmonic", seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    mean = pictures.mean((1, 2), keepdims=True)
    assert 2.4 < (first - mean).std() < 2.6


def test_a_blur_hides_as_much_at_every_size(pictures: np.ndarray) -> None:
    large = np.stack([cv2.resize(p, (150, 144), interpolation=cv2.INTER_LINEAR) for p in pictures])
    small = fills.fill(pictures, np.ones((4, 48, 50), bool), "blur")
    reduced = [
        cv2.resize(p, (50, 48), interpolation=cv2.INTER_AREA) for p in fills.fill(large, np.ones((4, 144, 150)), "blur")
    ]
    assert np.abs(np.stack(reduced) - small)[:, 3:-3, 3:-3].mean() < 1


@pytest.mark.parametrize("kind", ["pink", True, -1, 256, None])
def test_unknown_fills_are_refused(pictures: np.ndarray, kind: object) -> None:
    with pytest.raises(UsageError, match="fill"):
        fills.fill(pictures, np.ones((4, 48, 50)), kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(48, 50), (3, 48, 50), (4, 50, 48), (4, 48, 50, 1)])
def test_masks_of_another_shape_are_refused(pictures: np.ndarray, shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="masks of shape"):
        fills.fill(pictures, np.ones(shape))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 3), (5, 64)])
def test_pictures_of_any_size_are_filled(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).uniform(0, 255, (1, *size, 1)).astype(np.float32)
    hidden = np.zeros((1, *size), bool)
    hidden[:, -1, -1] = True
    for kind in fills.FILLS:
        assert np.isfinite(fills.fill(picture, hidden, kind)).all()


def test_every_method_that_hides_something_is_told_what_stands_there_instead() -> None:
    hiding = {"occlusion", "region-occlusion", "rise", "shapley", "regions", "scorecam", "adjusted-fastshap"}
    assert {name for name in METHODS if "fill" in METHODS[name].resolve_settings({})} == hiding
    defaults = {name: METHODS[name].resolve_settings({})["fill"] for name in hiding}
    assert defaults.pop("scorecam") == "black"  # its paper multiplies the picture with the map
    assert set(defaults.values()) <= {"harmonic", "blur", "mean"}
