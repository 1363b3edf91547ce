"""The CAM family against the papers' formulas, written out with loops, and against numbers worked out on paper."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ferviz.attribution.methods import cam

RNG = np.random.default_rng(0)
A = RNG.normal(size=(2, 3, 4, 5)).astype(np.float32)  # (N, h, w, C)
G = RNG.normal(size=(2, 3, 3, 4, 5)).astype(np.float32)  # (N, T, h, w, C)


def looped(weight: Callable[[np.ndarray, np.ndarray], np.ndarray | float]) -> np.ndarray:
    """sum_k w_k A_k with w_k = weight(A_k, G_k), a number or a map, one channel at a time in float64."""
    maps = np.zeros((2, 3, 3, 4))
    for n in range(2):
        for t in range(3):
            for k in range(5):
                a, g = A[n, :, :, k].astype(float), G[n, t, :, :, k].astype(float)
                maps[n, t] += weight(a, g) * a
    return maps


def papers_gradcampp(a: np.ndarray, g: np.ndarray) -> float:
    """Eq. 19 of the paper with Y = exp(S), S = 0: dY = g, d2Y = g^2, d3Y = g^3."""
    total = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            alpha = g[i, j] ** 2 / (2 * g[i, j] ** 2 + a.sum() * g[i, j] ** 3)
            total += alpha * max(g[i, j], 0)
    return total


FORMULAS = {
    cam.gradcam: lambda a, g: g.mean(),
    cam.gradcampp: papers_gradcampp,
    cam.hirescam: lambda a, g: g,
    cam.layercam: lambda a, g: np.maximum(g, 0),
    cam.xgradcam: lambda a, g: (a * g).sum() / a.sum(),
}


@pytest.mark.parametrize("method", FORMULAS, ids=lambda m: m.__name__)
def test_each_method_is_its_papers_formula(method: Callable[..., np.ndarray]) -> None:
    wanted = looped(FORMULAS[method])
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(method(A, G, relu=False), wanted, atol=1e-5 * scale)
    np.testing.assert_allclose(method(A, G), np.maximum(wanted, 0), atol=1e-5 * scale)


def test_numbers_worked_out_on_paper() -> None:
    """Two channels on a 1 x 2 map: A_1 = (1, 3), A_2 = (2, 0); G_1 = (1, 0), G_2 = (-2, 1)."""
    a = np.array([[[[1, 2], [3, 0]]]], np.float32)
    g = np.array([[[[[1, -2], [0, 1]]]]], np.float32)
    # mean gradients 1/2 and -1/2: (1 * .5 - 2 * .5, 3 * .5)
    assert cam.gradcam(a, g, relu=False).ravel().tolist() == [-0.5, 1.5]
    assert cam.gradcam(a, g).ravel().tolist() == [0, 1.5]
    assert cam.hirescam(a, g, relu=False).ravel().tolist() == [1 - 4, 0]
    assert cam.layercam(a, g).ravel().tolist() == [1, 0]
    # channel 1: (1*1 + 3*0) / 4 = 1/4; channel 2: (2*-2 + 0) / 2 = -2
    assert cam.xgradcam(a, g, relu=False).ravel().tolist() == [0.25 - 4, 0.75]
    # alpha_1 = (1 / (2 + 4), 0), w_1 = 1/6; alpha_2 = (4 / (8 + 2 * -8), 1 / (2 + 2)), relu(g) = (0, 1): w_2 = 1/4
    np.testing.assert_allclose(cam.gradcampp(a, g).ravel(), [1 / 6 + 2 / 4, 3 / 6], rtol=1e-6)


def test_gradcampp_stands_any_logit() -> None:
    """The factor exp(S) is left out: neither S = 1000 nor S = -1000 has any part in the arithmetic; zero gradients give zero."""
    assert cam.gradcampp(A, np.zeros_like(G)).max() == 0
    assert np.isfinite(cam.gradcampp(A, G * 1e-12)).all()
    assert cam.gradcampp(np.zeros_like(A), G).max() == 0


def test_layercam_is_hirescam_where_gradients_are_positive() -> None:
    np.testing.assert_array_equal(cam.layercam(A, np.abs(G)), cam.hirescam(A, np.abs(G)))


def test_gradcam_hirescam_and_xgradcam_agree_where_each_channels_gradient_is_constant() -> None:
    flat = np.broadcast_to(G[:, :, :1, :1], G.shape)
    np.testing.assert_allclose(cam.gradcam(A, flat), cam.hirescam(A, flat), atol=1e-5)
    np.testing.assert_allclose(cam.xgradcam(A, flat), cam.hirescam(A, flat), atol=1e-4)


def test_xgradcam_and_hirescam_add_up_to_the_same_score() -> None:
    wanted = np.einsum("nhwc,nthwc->nt", A, G)
    np.testing.assert_allclose(cam.xgradcam(A, G, relu=False).sum((2, 3)), wanted, rtol=1e-3)
    np.testing.assert_allclose(cam.hirescam(A, G, relu=False).sum((2, 3)), wanted, rtol=1e-3)


def test_xgradcam_leaves_out_a_channel_that_adds_up_to_nothing() -> None:
    a = np.array([[[[1.0], [-1.0]]]], np.float32)
    assert cam.xgradcam(a, np.ones((1, 1, 1, 2, 1), np.float32)).tolist() == [[[[0, 0]]]]


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 2, 2, 30)])  # more positions than channels, and fewer
def test_eigencam_is_the_first_component_of_the_singular_value_decomposition(shape: tuple[int, ...]) -> None:
    a = np.random.default_rng(1).normal(size=shape).astype(np.float32) + 0.3
    maps = cam.first_component(a)
    for n in range(2):
        u, s, _ = np.linalg.svd(a[n].reshape(-1, shape[-1]).astype(float), full_matrices=False)
        wanted = (u[:, 0] * s[0]).reshape(shape[1:3])
        wanted *= np.sign(wanted.sum())
        np.testing.assert_allclose(maps[n], wanted, atol=1e-4)


def test_fusion_takes_the_strongest_of_the_scaled_maps_and_keeps_emptiness() -> None:
    a = np.array([[[[1.0, -4.0]]], [[[0.0, 0.0]]]], np.float32)
    b = np.array([[[[10.0, 5.0]]], [[[0.0, 0.0]]]], np.float32)
    assert cam.fuse([a, b]).tolist() == [[[[1.0, -1.0]]], [[[0.0, 0.0]]]]
