"""Methods on hand-built networks whose answers are worked out in NumPy, and equalities that have to hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ferviz.attribution.explain import explain
from ferviz.attribution.methods import gradients, perturbation
from ferviz.attribution.request import MethodInput
from ferviz.errors import ModelError
from ferviz.faces.landmarks.points import TEMPLATE
from ferviz.faces.regions import REGIONS, FaceRegions
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model

SIZE = 12
RNG = np.random.default_rng(7)
KERNEL = RNG.normal(size=(SIZE * SIZE, 3)).astype(np.float32)
LABELS = ("angry", "happy", "sad")


def asked(engine: Any, batch: np.ndarray, rows: list[list[float]], layer: str = "input", **more: Any) -> MethodInput:
    """A question about weighted sums of logits, the same for every picture; no predicted class."""
    weights = np.array([[*row, 0.0] for row in rows], np.float32)
    return MethodInput(engine, batch, layer, np.repeat(weights[None], len(batch), 0), **more)


@pytest.fixture(scope="module")
def linear() -> Any:
    """Logits = KERNEL^T picture + bias: every question about it has an answer on paper."""
    from ferviz.engines.backend import keras
    from ferviz.engines.keras import KerasEngine

    layers = keras().layers
    picture = layers.Input((SIZE, SIZE, 1))
    network = keras().Model(picture, layers.Dense(3, name="head")(layers.Flatten()(picture)))
    network.set_weights([KERNEL, np.array([1.0, -2.0, 0.5], np.float32)])
    return KerasEngine(network)


@pytest.fixture(scope="module")
def gap() -> Any:
    """conv (3 channels, ReLU) -> global mean -> dense: the network for which CAM was invented."""
    from ferviz.engines.backend import keras
    from ferviz.engines.keras import KerasEngine

    layers = keras().layers
    picture = layers.Input((SIZE, SIZE, 1))
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(picture)
    network = keras().Model(picture, layers.Dense(3, name="head")(layers.GlobalAveragePooling2D()(x)))
    rng = np.random.default_rng(3)
    network.set_weights([rng.normal(size=w.shape).astype(np.float32) for w in network.get_weights()])
    return KerasEngine(network)


def pictures(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, SIZE, SIZE, 1), np.float32)


# -- gradients at the picture -------------------------------------------------------------------------------------------


def test_saliency_of_a_linear_network_is_its_weights(linear: Any) -> None:
    question = asked(linear, pictures(2), [[0, 1, 0], [0, 1, -1]])
    picture, gradient, _ = question.gradients("input")
    maps = gradients.saliency(picture, gradient)
    for n in range(2):
        np.testing.assert_allclose(maps[n, 0].ravel(), np.abs(KERNEL[:, 1]), rtol=1e-5)
        np.testing.assert_allclose(maps[n, 1].ravel(), np.abs(KERNEL[:, 1] - KERNEL[:, 2]), rtol=1e-5)


def test_saliency_takes_the_strongest_colour_and_signed_adds_them() -> None:
    g = np.array([1, -3, 2], np.float32).reshape(1, 1, 1, 1, 3)
    assert gradients.saliency(np.zeros((1, 1, 1, 3)), g).item() == 3
    assert gradients.saliency(np.zeros((1, 1, 1, 3)), g, signed=True).item() == 0


def test_gradient_x_input_of_a_linear_network_adds_up_to_the_logit_less_its_bias(linear: Any) -> None:
    batch = pictures(2)
    picture, gradient, logits = asked(linear, batch, [[0, 1, 0]]).gradients("input")
    maps = gradients.gradient_x_input(picture, gradient)
    np.testing.assert_allclose(maps[:, 0], batch[..., 0] * KERNEL[:, 1].reshape(SIZE, SIZE), rtol=1e-5)
    np.testing.assert_allclose(maps.sum((1, 2, 3)), logits[:, 1] + 2.0, rtol=1e-4)


def test_smoothgrad_without_noise_is_saliency_and_averages_signed_gradients(gap: Any, linear: Any) -> None:
    batch = pictures(2)
    question = asked(gap, batch, [[1, 0, 0]])
    plain = gradients.saliency(*question.gradients("input")[:2])
    np.testing.assert_allclose(gradients.smoothgrad(question, noise=0.0, samples=3).raw, plain, atol=1e-6)
    # A V-shaped answer: on either side of 0 the gradient is +1 or -1, so the mean of signed gradients is small where that of
    # unsigned ones would be 1.
    from ferviz.engines.backend import keras
    from ferviz.engines.keras import KerasEngine

    layers = keras().layers
    picture = layers.Input((1, 2, 1))
    x = layers.Lambda(lambda v: abs(v))(picture)
    network = keras().Model(picture, layers.Dense(2, use_bias=False)(layers.Flatten()(x)))
    network.set_weights([np.array([[1.0, 0], [1.0, 0]], np.float32)])
    at = np.array([0.0, 2.0], np.float32).reshape(1, 1, 2, 1)
    weights = np.array([[[1.0, 0, 0]]], np.float32)
    made = gradients.smoothgrad(MethodInput(KerasEngine(network), at, "input", weights), samples=400, noise=0.15)
    assert made.raw.ravel()[0] < 0.15
    assert made.raw.ravel()[1] == pytest.approx(1)


def test_integrated_gradients_are_complete(linear: Any, gap: Any) -> None:
    batch = pictures(3)
    exact = gradients.integrated_gradients(asked(linear, batch, [[0, 1, 0]]), steps=1, baseline="zero")
    np.testing.assert_allclose(exact.raw[:, 0], batch[..., 0] * KERNEL[:, 1].reshape(SIZE, SIZE), atol=1e-5)
    np.testing.assert_allclose(exact.details["completeness_error"], 0, atol=1e-4)
    errors = [
        np.abs(
            gradients.integrated_gradients(asked(gap, batch, [[0, 1, -1]]), steps=s).details["completeness_error"]
        ).max()
        for s in (2, 512)
    ]
    assert errors[1] < 0.02 * errors[0]
    fine = gradients.integrated_gradients(asked(gap, batch, [[0, 1, -1]]), steps=512, baseline="mean")
    start = np.broadcast_to(batch.mean((1, 2), keepdims=True), batch.shape).astype(np.float32)
    difference = (gap.logits(batch) - gap.logits(start)) @ np.array([0, 1, -1])
    np.testing.assert_allclose(fine.raw.sum((1, 2, 3)), difference, atol=2e-2 * np.abs(difference).max())
    np.testing.assert_allclose(
        fine.raw.sum((2, 3)) - fine.details["completeness_error"], fine.details["difference"], atol=1e-4
    )


# -- maps of a layer ----------------------------------------------------------------------------------------------------


def test_gradcam_of_a_global_mean_head_is_cam(gap: Any) -> None:
    """Zhou et al. 2016: sum_k w_k A_k with the head's own weights; Grad-CAM divides by the positions."""
    batch = pictures(3)
    (activation,) = gap.activations(batch, ["conv"])
    head = gap.network.get_layer("head").get_weights()[0]
    cam_maps = np.einsum("nhwk,kt->nthw", activation, head) / 100
    model = Model("gap", "", LABELS, InputSpec(SIZE, SIZE, 1), gap)
    faces = (batch[..., 0] * 255).astype(np.uint8)
    (activation,) = gap.activations(model.preprocess(faces), ["conv"])
    cam_maps = np.einsum("nhwk,kt->nthw", activation, head) / 100
    for method in ("gradcam", "hirescam", "xgradcam"):
        made = explain(model, faces, method, "all", relu=False)
        np.testing.assert_allclose(made.raw, cam_maps, atol=1e-5, err_msg=method)


def test_ablation_of_a_linear_head_is_exact(gap: Any) -> None:
    """Without channel k a GAP head loses w_k mean(A_k), so the map is sum_k w_k mean(A_k) A_k."""
    batch = pictures(2)
    (activation,) = gap.activations(batch, ["conv"])
    head = gap.network.get_layer("head").get_weights()[0]
    score_drops = activation.mean((1, 2))[:, None] * head.T[None]
    made = perturbation.ablationcam(asked(gap, batch, np.eye(3).tolist(), "conv"), relu=False)
    np.testing.assert_allclose(made.details["score_drops"], score_drops, atol=1e-4)
    np.testing.assert_allclose(made.raw, np.einsum("nhwk,ntk->nthw", activation, score_drops), atol=1e-3)


def test_scorecam_is_the_papers_formula(gap: Any) -> None:
    import cv2

    batch = pictures(2)
    (activation,) = gap.activations(batch, ["conv"])
    wanted = np.zeros((2, 1, 10, 10))
    for n in range(2):
        scores = []
        for k in range(4):
            mask = cv2.resize(activation[n, :, :, k], (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
            if mask.max() == mask.min():  # a channel that is dead for this picture
                scores.append(-np.inf)
                continue
            mask = (mask - mask.min()) / (mask.max() - mask.min())
            base = gap.logits(np.zeros_like(batch[:1]))[0]
            scores.append((gap.logits(batch[n : n + 1] * mask[None, :, :, None])[0] - base)[1])
        shares = np.exp(scores) / np.exp(scores).sum()
        wanted[n, 0] = np.maximum((activation[n] * shares).sum(-1), 0)
    made = perturbation.scorecam(asked(gap, batch, [[0, 1, 0]], "conv", batch_size=3), fill="black")
    np.testing.assert_allclose(made.raw, wanted, rtol=1e-3, atol=1e-4)


def test_scorecam_leaves_out_a_channel_that_does_nothing(gap: Any) -> None:
    """The same network with a fifth channel that is always 0.7 and that the head ignores has the same map."""
    from ferviz.engines.backend import keras
    from ferviz.engines.keras import KerasEngine

    layers = keras().layers
    picture = layers.Input((SIZE, SIZE, 1))
    x = layers.Conv2D(5, 3, activation="relu", name="conv")(picture)
    wider = keras().Model(picture, layers.Dense(3, name="head")(layers.GlobalAveragePooling2D()(x)))
    kernel, bias, head, offset = gap.network.get_weights()
    wider.set_weights(
        [
            np.concatenate([kernel, 0 * kernel[..., :1]], -1),
            np.append(bias, 0.7),
            np.concatenate([head, 0 * head[:1]]),
            offset,
        ]
    )
    batch = pictures(2)
    ours, theirs = (
        perturbation.scorecam(asked(e, batch, [[0, 1, 0], [1, 0, -1]], "conv")) for e in (KerasEngine(wider), gap)
    )
    np.testing.assert_allclose(ours.raw, theirs.raw, atol=1e-5)
    assert not ours.details["increase"][..., 4].any()


# -- changing the picture -----------------------------------------------------------------------------------------------


def test_occlusion_of_a_linear_network_is_what_the_patch_held(linear: Any) -> None:
    batch = pictures(2)
    made = perturbation.occlusion(asked(linear, batch, [[1, 0, 0]], batch_size=3), patch=4, stride=4, fill="black")
    held = (batch[..., 0] * KERNEL[:, 0].reshape(SIZE, SIZE)).reshape(2, 3, 4, 3, 4).sum((2, 4))
    np.testing.assert_allclose(made.raw[:, 0], held.repeat(4, 1).repeat(4, 2), atol=1e-4)


def test_overlapping_patches_are_averaged_and_the_last_one_reaches_the_edge(linear: Any) -> None:
    batch = pictures(1)
    held = batch[0, ..., 0] * KERNEL[:, 0].reshape(SIZE, SIZE)
    total, count = np.zeros((SIZE, SIZE)), np.zeros((SIZE, SIZE))
    for y in (0, 3, 6, 7):
        for x in (0, 3, 6, 7):
            total[y : y + 5, x : x + 5] += held[y : y + 5, x : x + 5].sum()
            count[y : y + 5, x : x + 5] += 1
    made = perturbation.occlusion(asked(linear, batch, [[1, 0, 0]]), patch=5, stride=3, fill="black")
    np.testing.assert_allclose(made.raw[0, 0], total / count, atol=1e-4)


def test_region_occlusion_finds_the_region_that_a_network_reads(linear: Any) -> None:
    from ferviz.engines.backend import keras
    from ferviz.engines.keras import KerasEngine

    layers = keras().layers
    picture = layers.Input((48, 48, 1))
    network = keras().Model(picture, layers.Dense(2, use_bias=False)(layers.Flatten()(picture)))
    regions = FaceRegions(np.stack([TEMPLATE, TEMPLATE + 3]), (48, 48))
    mouth = REGIONS.index("mouth")
    read = (regions.masks[:, mouth] > 0.999).all(0).astype(np.float32)  # inside the mouth of both
    assert read.sum() > 20
    network.set_weights([np.stack([read.ravel(), 0 * read.ravel()], 1)])
    batch = np.random.default_rng(0).random((2, 48, 48, 1), np.float32)
    made = perturbation.region_occlusion(asked(KerasEngine(network), batch, [[1, 0]], regions=regions), fill="black")
    assert list(made.details) == list(REGIONS)
    np.testing.assert_allclose(made.details["mouth"][:, 0], (batch[..., 0] * read).sum((1, 2)), rtol=1e-2)
    for other in set(REGIONS) - {"mouth"}:
        np.testing.assert_allclose(made.details[other], 0, atol=0.05)
    np.testing.assert_allclose(
        made.raw[:, 0], made.details["mouth"][:, 0, None, None] * regions.masks[:, mouth], atol=0.05
    )


def test_a_method_that_asks_for_regions_without_saying_so(linear: Any) -> None:
    with pytest.raises(ModelError, match="needs_regions"):
        perturbation.region_occlusion(asked(linear, pictures(1), [[1, 0, 0]]))


def test_rise_points_at_the_pixels_that_a_network_reads() -> None:
    from ferviz.engines.backend import keras
    from ferviz.engines.keras import KerasEngine

    layers = keras().layers
    picture = layers.Input((24, 24, 1))
    network = keras().Model(picture, layers.Dense(2, use_bias=False)(layers.Flatten()(picture)))
    read = np.zeros((24, 24), np.float32)
    read[15:19, 4:8] = 1
    network.set_weights([np.stack([read.ravel(), -read.ravel()], 1)])
    batch = np.ones((1, 24, 24, 1), np.float32)
    made = perturbation.rise(asked(KerasEngine(network), batch, [[1, 0], [0, 1]]), masks=600, fill="black")
    peak = np.unravel_index(made.raw[0, 0].argmax(), (24, 24))
    assert 14 <= peak[0] <= 19
    assert 3 <= peak[1] <= 8
    np.testing.assert_allclose(made.raw[0, 0], -made.raw[0, 1], atol=1e-4)
    # E[S M] - E[S] E[M], as the share it is of E[M]: far from what is read, masks and score have nothing to do with each other.
    assert np.abs(made.raw[0, 0][:8, 14:]).max() < 0.25 * made.raw[0, 0].max()


def test_rise_takes_no_notice_of_a_pedestal(linear: Any) -> None:
    """A target whose value is 1000 under every mask says nothing about any pixel."""
    batch = pictures(1)
    plain = perturbation.rise(asked(linear, batch, [[1, 0, 0]]), masks=40).raw
    head = linear.network.get_layer("head")
    kernel, bias = head.get_weights()
    head.set_weights([kernel, bias + 1000])
    try:
        raised = perturbation.rise(asked(linear, batch, [[1, 0, 0]]), masks=40).raw
    finally:
        head.set_weights([kernel, bias])
    np.testing.assert_allclose(raised, plain, atol=2e-3)


@pytest.mark.parametrize(
    ("kind", "wanted"), [("black", -1.0), ("zero", 0.0), (0.25, 0.25), ("mean", None), ("blur", None)]
)
def test_baselines(linear: Any, kind: str | float, wanted: float | None) -> None:
    batch = pictures(2)
    spec = InputSpec(SIZE, SIZE, scaling="-1..1")
    found = asked(linear, batch, [[1, 0, 0]], pictures=127.5 * (batch + 1), spec=spec).baseline(kind)
    assert found.shape == batch.shape
    if wanted is not None:
        assert (found == wanted).all()
    if kind == "mean":
        np.testing.assert_allclose(found[1], batch[1].mean(), rtol=1e-4)
    if kind == "blur":
        assert 0 < found.std() < 0.4 * batch.std()
        np.testing.assert_allclose(found.mean((1, 2, 3)), batch.mean((1, 2, 3)), atol=0.05)


def test_black_is_what_a_black_face_is_to_the_network(linear: Any) -> None:
    """Fed -1..1, a network's black is -1: hiding with 0 would paint grey."""
    model = Model("linear", "", LABELS, InputSpec(SIZE, SIZE, 1, scaling="-1..1"), linear)
    face = np.full((1, SIZE, SIZE), 255, np.uint8)
    made = explain(model, face, "integrated-gradients", "happy", steps=2)
    np.testing.assert_allclose(made.raw[0, 0], 2 * KERNEL[:, 1].reshape(SIZE, SIZE), rtol=1e-4, atol=1e-5)
    assert made.settings["details"]["difference"][0][0] == pytest.approx(2 * KERNEL[:, 1].sum(), rel=1e-4)
