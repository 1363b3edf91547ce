"""Shapley values on a grid: known answers, the axioms, agreement with all coalitions, and whether the standard errors are right."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from ferviz.attribution.explain import explain
from ferviz.attribution.explanation import Explanation
from ferviz.attribution.maps.resize import resize_maps
from ferviz.attribution.methods.grid_shapley import grid_shapley, reliability
from ferviz.attribution.methods.kernel_shap import all_pairs, draw_coalitions, kernel_values
from ferviz.attribution.request import MethodInput
from ferviz.errors import DataError, UsageError
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model

SIDE = 12
RNG = np.random.default_rng(3)
PICTURES = RNG.uniform(0, 255, (2, SIDE, SIDE, 1)).astype(np.float32)
KERNEL = RNG.normal(0, 0.001, (SIDE * SIDE, 3)).astype(np.float32)


class Network:
    """An engine whose logits are a function of the pictures' products with KERNEL."""

    name, classes, head, layers = "test", 3, "softmax", ()

    def __init__(self, function: Any, kernel: np.ndarray = KERNEL) -> None:
        self.function, self.kernel, self.passes = function, kernel, 0

    def logits(self, batch: np.ndarray) -> np.ndarray:
        self.passes += len(batch)
        flat = batch.reshape(len(batch), -1).astype(np.float64)
        return np.asarray(self.function(np.einsum("mp,pk->mk", flat, self.kernel)), np.float32)


def curved(x: np.ndarray) -> np.ndarray:
    return np.stack([np.tanh(x[:, 0]) * x[:, 1], np.sin(x[:, 1]) * x[:, 2], np.abs(x[:, 2])], 1)


def request(
    function: Any, rows: Any, *, pictures: np.ndarray = PICTURES, kernel: np.ndarray = KERNEL, **more: Any
) -> MethodInput:
    weights = np.repeat(np.array([[*row, 0.0] for row in rows], np.float32)[None], len(pictures), 0)
    engine: Any = Network(function, kernel)
    return MethodInput(engine, pictures, "input", weights, **{"batch_size": 50, **more})


def cell_sums(maps: np.ndarray, cells: int) -> np.ndarray:
    """Sums of (..., h, w) over the soft cells: each is the enlarged map of a single 1."""
    players = np.eye(cells * cells).reshape(-1, cells, cells)
    sums = np.einsum("...hw,rhw->...r", maps, resize_maps(players, *maps.shape[-2:]))
    return sums.reshape(*maps.shape[:-2], cells, cells)


def brute_force(game: Any, players: int) -> np.ndarray:
    """The mean over all orders of what each player adds."""
    values = np.zeros(players)
    orders = list(permutations(range(players)))
    for order in orders:
        seen, before = frozenset(), game(frozenset())
        for player in order:
            seen |= {player}
            after = game(seen)
            values[player] += after - before
            before = after
    return values / len(orders)


@pytest.mark.parametrize(("cells", "samples"), [(2, 16), (3, 60), (6, 120), (6, 512), (12, 512)])
def test_a_linear_network_has_its_products(cells: int, samples: int) -> None:
    """phi = w . (x - fill) in each cell, however few coalitions were asked."""
    output = grid_shapley(request(lambda x: x, [[1, -1, 0]]), cells=cells, samples=samples, fill="mean")
    around = PICTURES[..., 0] - PICTURES[..., 0].mean((1, 2), keepdims=True)
    held = around * (KERNEL[:, 0] - KERNEL[:, 1]).reshape(SIDE, SIDE)
    np.testing.assert_allclose(output.details["values"][:, 0], cell_sums(held, cells), atol=2e-3)
    np.testing.assert_allclose(output.details["standard_error"], 0, atol=2e-3)
    np.testing.assert_allclose(output.details["reliability"], 1, atol=1e-3)


@pytest.mark.parametrize("samples", [40, 512])
def test_the_values_add_up_to_what_the_picture_gains(samples: int) -> None:
    output = grid_shapley(request(curved, [[1, 0, 0], [0, 1, -1]]), cells=3, samples=samples, fill="blur")
    gain = output.details["seen"] - output.details["hidden"]
    np.testing.assert_allclose(output.details["values"].astype(float).sum((2, 3)), gain, atol=1e-5)
    assert np.abs(gain).max() > 0.1


def test_with_all_coalitions_the_values_are_exact() -> None:
    """Cells of 2 x 2 against the mean over all 24 orders; 3 x 3 against the sum over all coalitions, on a curved network."""
    asked = request(curved, [[0, 1, -1]])
    two = grid_shapley(asked, cells=2, samples=16, fill=100)

    def game(seen: frozenset[int]) -> float:
        shown = resize_maps(np.array([cell in seen for cell in range(4)]).reshape(2, 2), SIDE, SIDE)
        logits = asked.engine.logits((PICTURES[0, ..., 0] * shown + 100 * (1 - shown))[None, ..., None])[0]
        return float(logits[1] - logits[2])

    np.testing.assert_allclose(two.details["values"][0, 0].ravel(), brute_force(game, 4), atol=1e-4)
    assert not two.details["standard_error"].any()


@pytest.mark.parametrize("players", [2, 3, 4, 7])
def test_the_regression_on_all_coalitions_is_the_mean_over_all_orders(players: int) -> None:
    game = {
        frozenset(np.flatnonzero(row)): value
        for row, value in zip(
            np.indices((2,) * players).reshape(players, -1).T,
            np.random.default_rng(players).normal(size=2**players),
            strict=True,
        )
    }
    coalitions = draw_coalitions(players, all_pairs(players))
    everyone = frozenset(range(players))
    assert {frozenset(np.flatnonzero(row)) for row in coalitions.members} | {
        frozenset(np.flatnonzero(~row)) for row in coalitions.members
    } == set(game) - {frozenset(), everyone}
    sets = [frozenset(np.flatnonzero(row)) for row in coalitions.members]
    differences = np.array([[(game[s] - game[everyone - s]) / 2] for s in sets])
    values, errors = kernel_values(coalitions, differences, np.array([game[everyone] - game[frozenset()]]))
    np.testing.assert_allclose(values[0], brute_force(game.__getitem__, players), atol=1e-9)
    assert not errors.any()


def test_a_cell_that_does_nothing_has_nothing_and_alike_cells_have_the_same() -> None:
    """Dummy and symmetry, with all coalitions: a network blind to the left of a picture whose lower half mirrors the upper one."""
    picture, kernel = PICTURES[:1].copy(), KERNEL.reshape(SIDE, SIDE, 3).copy()
    for array in (picture[0], kernel):
        array[SIDE // 2 :] = array[: SIDE // 2][::-1]
    kernel[:, : SIDE // 2] = 0  # the left column of cells ends at the centre of the middle one
    asked = request(curved, [[0, 1, 0]], pictures=picture, kernel=kernel.reshape(-1, 3))
    values = grid_shapley(asked, cells=3, fill="black").details["values"][0, 0]
    np.testing.assert_allclose(values[:, 0], 0, atol=1e-6)
    np.testing.assert_allclose(values[0], values[2], atol=1e-6)
    assert np.abs(values[:, 1:]).min() > 1e-4
    assert abs(values[0, 1] - values[1, 1]) > 1e-4


def test_the_standard_error_says_how_far_the_values_are_off() -> None:
    """Over draws, 95 % intervals hold the exact value about 95 times of 100, and the errors are as large as the values scatter."""
    exact = grid_shapley(request(curved, [[0, 1, 0]]), samples=512, cells=3).details["values"]
    drawn = [grid_shapley(request(curved, [[0, 1, 0]], seed=seed), samples=60, cells=3) for seed in range(60)]
    values = np.stack([output.details["values"] for output in drawn])
    errors = np.stack([output.details["standard_error"] for output in drawn])
    covered = (np.abs(values - exact) <= 1.96 * errors).mean()
    assert 0.9 <= covered <= 0.995
    scatter = np.sqrt(((values - exact) ** 2).mean(0))
    assert 0.8 <= np.sqrt((errors**2).mean()) / np.sqrt((scatter**2).mean()) <= 1.5
    bias = np.abs(values.mean(0) - exact)
    assert bias.max() < 3.5 * scatter.max() / np.sqrt(len(values))


def test_more_samples_come_nearer() -> None:
    exact = grid_shapley(request(curved, [[0, 1, 0]]), samples=512, cells=3).details["values"]

    def error(samples: int) -> float:
        values = [
            grid_shapley(request(curved, [[0, 1, 0]], seed=s), samples=samples, cells=3).details["values"]
            for s in range(12)
        ]
        return float(np.sqrt(np.mean((np.stack(values) - exact) ** 2)))

    assert error(240) < 0.7 * error(60)


def test_reliability_is_the_correlation_with_the_exact_values() -> None:
    rng = np.random.default_rng(0)
    exact, sigma = rng.normal(size=(4000, 9)), 0.6
    estimates = exact + sigma * rng.normal(size=exact.shape)
    expected = np.corrcoef(exact.ravel(), estimates.ravel())[0, 1]
    assert reliability(estimates.reshape(1, -1), np.full((1, exact.size), sigma))[0] == pytest.approx(
        expected, abs=0.01
    )
    assert reliability(np.ones((2, 3)), np.ones((2, 3))).tolist() == [0, 0]


def test_players_occur_equally_often_and_sizes_by_the_kernel() -> None:
    coalitions = draw_coalitions(36, 255, seed=4)
    assert len(coalitions) == 255
    assert coalitions.weights.sum() == pytest.approx(1)
    sizes = coalitions.members.sum(1)
    assert (sizes == 1).sum() == 36
    assert not coalitions.sampled[:36].any()
    assert coalitions.sampled[36:].all()
    kernel = 1 / (np.arange(1, 36) * (36 - np.arange(1, 36)))
    expected = 2 * kernel[1:6] / (kernel.sum() - 2 * kernel[0]) * 219
    np.testing.assert_allclose([(sizes == k).sum() for k in range(2, 7)], expected, atol=1)
    twos = coalitions.members[sizes == 2].sum(0)
    assert twos.max() - twos.min() <= 1


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_batch_size_and_neighbours_change_nothing(batch_size: int) -> None:
    together = grid_shapley(request(curved, [[1, 0, 0], [0, 1, 0]]), samples=60, cells=3)
    rows = [[1, 0, 0], [0, 1, 0]]
    alone = grid_shapley(request(curved, rows, pictures=PICTURES[1:], batch_size=batch_size), samples=60, cells=3)
    np.testing.assert_allclose(alone.details["values"], together.details["values"][1:], atol=1e-5)
    np.testing.assert_allclose(alone.details["standard_error"], together.details["standard_error"][1:], atol=1e-5)


@pytest.mark.parametrize(("cells", "samples", "passes"), [(6, 512, 512), (6, 201, 200), (3, 5000, 512), (2, 16, 16)])
def test_all_targets_come_from_the_same_passes(cells: int, samples: int, passes: int) -> None:
    asked = request(curved, [[1, 0, 0], [0, 1, 0], [0, 0, 1]], pictures=PICTURES[:1])
    grid_shapley(asked, cells=cells, samples=samples)
    assert asked.engine.passes == passes  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"cells": 1}, "cells"),
        ({"cells": 13}, "13 x 13"),
        ({"samples": 107}, "samples"),
        ({"cells": 12, "samples": 256}, "samples"),
        ({"fill": "pink"}, "pink"),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], error: str) -> None:
    with pytest.raises(UsageError, match=error):
        grid_shapley(request(curved, [[1, 0, 0]]), **settings)


def explained(batch_size: int = 64, **settings: Any) -> Explanation:
    engine: Any = Network(curved)
    model = Model("test", "", ("angry", "happy", "sad"), InputSpec(SIDE, SIDE, 1), engine)
    return explain(
        model,
        PICTURES[..., 0].astype(np.uint8),
        "shapley",
        "happy,sad",
        batch_size=batch_size,
        cells=3,
        samples=60,
        **settings,
    )


def test_values_and_errors_are_saved_and_come_back(tmp_path: Any) -> None:
    before = explained(1)
    assert set(before.grids) == {"values", "standard_error"}
    before.save(tmp_path / "a.npz")
    after = Explanation.load(tmp_path / "a.npz")
    for name, grid in before.grids.items():
        assert grid.shape == (2, 2, 3, 3)
        np.testing.assert_array_equal(after.grids[name], grid)
        np.testing.assert_array_equal(after[1].grids[name], grid[1:])
        with np.load(tmp_path / "a.npz") as archive:
            np.testing.assert_array_equal(archive[f"grids/{name}"], grid)
    np.testing.assert_allclose(before.raw, resize_maps(before.grids["values"], SIDE, SIDE))
    assert after.settings["details"]["reliability"] == before.settings["details"]["reliability"]


def test_the_errors_are_drawn_on_request() -> None:
    values, errors = explained(), explained(error=True)
    np.testing.assert_array_equal(errors.grids["standard_error"], values.grids["standard_error"])
    np.testing.assert_allclose(errors.heatmaps, resize_maps(values.grids["standard_error"], SIDE, SIDE), rtol=1e-5)


def test_grids_that_do_not_fit_the_maps_are_refused(tmp_path: Any) -> None:
    explanation = explained()
    with pytest.raises(UsageError, match="values"):
        replace(explanation, grids={"values": np.ones((2, 3, 3))})
    explanation.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as archive:
        arrays = dict(archive)
    for wrong in (arrays["grids/values"][:1], np.ones(3), None):
        spoilt = {**arrays, "grids/values": wrong} if wrong is not None else {**arrays}
        if wrong is None:
            del spoilt["grids/values"]
        np.savez(tmp_path / "b.npz", **spoilt)
        with pytest.raises(DataError, match="values"):
            Explanation.load(tmp_path / "b.npz")
