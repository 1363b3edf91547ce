"""The correction of a taught map by a few answers of the network: known answers of the posterior mean."""

from __future__ import annotations

import numpy as np
import pytest

from ferviz.attribution.maps.resize import cell_shares
from ferviz.attribution.methods.adjusted_fastshap import posterior
from ferviz.faces.landmarks.points import TEMPLATE
from ferviz.faces.regions import REGIONS, region_masks

CELLS = 12


@pytest.fixture(scope="module")
def shares() -> np.ndarray:
    """(R, cells^2), where a typical face has its regions."""
    masks = region_masks(TEMPLATE[None], (48, 48))[0]
    return cell_shares(masks, CELLS).reshape(len(REGIONS), -1).astype(np.float64)


def answers(maps: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """What a network answers whose score is the sum of a map over what is seen."""
    sums = maps.reshape(len(maps), -1) @ shares.T
    whole = sums.sum(1, keepdims=True)
    return np.concatenate([sums - whole / 2, whole], axis=1)


def smooth_maps(count: int, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).normal(size=(count, 4, 4))
    return np.kron(coarse, np.ones((3, 3)))


def test_answers_that_were_expected_change_nothing(shares: np.ndarray) -> None:
    maps = smooth_maps(3)
    np.testing.assert_allclose(posterior(maps, shares, answers(maps, shares)), maps, atol=1e-9)


def test_the_gain_of_the_whole_face_is_kept(shares: np.ndarray) -> None:
    truth = smooth_maps(4, seed=1)
    corrected = posterior(np.zeros_like(truth), shares, answers(truth, shares))
    gains = truth.sum((1, 2))
    np.testing.assert_allclose(corrected.sum((1, 2)), gains, atol=0.01 * np.abs(gains).max())


def test_the_regions_come_nearer_to_the_truth_and_the_rest_stays_as_taught(shares: np.ndarray) -> None:
    """A prior that is wrong about the mouth alone is corrected there, and not at the brows."""
    truth = smooth_maps(1, seed=2)
    mouth, brows = REGIONS.index("mouth"), REGIONS.index("brows")
    wrong = truth + 2 * shares[mouth].reshape(1, CELLS, CELLS)
    corrected = posterior(wrong, shares, answers(truth, shares))
    before, after = ((maps - truth).reshape(-1) @ shares.T for maps in (wrong, corrected))
    assert abs(after[mouth]) < 0.5 * abs(before[mouth])
    assert abs(after[brows]) < 0.1 * abs(before[mouth])


def test_targets_do_not_mix(shares: np.ndarray) -> None:
    truth = smooth_maps(3, seed=3)
    asked = answers(truth, shares)
    together = posterior(np.zeros_like(truth), shares, asked)
    alone = posterior(np.zeros_like(truth[1:2]), shares, asked[1:2])
    np.testing.assert_allclose(together[1:2], alone, atol=1e-12)
