"""Gradients by hand: every term, parameterization, view, scaling and cost in NumPy against its TensorFlow graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ferviz import objectives
from ferviz.dreaming.ascent.engine_network import scaled_vjp
from ferviz.dreaming.objectives import Objective, bind
from ferviz.dreaming.parameterizations.parameterization import Parameterization, Sum
from ferviz.dreaming.parameterizations.spatial import Components, Pixels, Pyramid
from ferviz.dreaming.parameterizations.spectra import Fourier, Phase
from ferviz.dreaming.regularizers import Regularizers
from ferviz.dreaming.terms.class_terms import LogOdds
from ferviz.dreaming.terms.term import Term
from ferviz.dreaming.transforms import NONE, Transforms, blur_band, blurred, blurred_by, warp_matrix
from ferviz.engines.base import LOGITS, LayerInfo
from ferviz.errors import ModelError
from ferviz.models.input_spec import InputSpec

LABELS = ("angry", "happy", "sad", "surprise")
LAYERS = {"conv": LayerInfo("conv", "Conv2D", (5, 6, 3), True), "dense": LayerInfo("dense", "Dense", (7,), False)}
RANDOM = np.random.default_rng(5)
TENSORS = {  # three pictures, two samples each
    LOGITS: 3 * RANDOM.normal(size=(3, 2, 4)).astype(np.float32),
    "conv": RANDOM.normal(size=(3, 2, 5, 6, 3)).astype(np.float32),
    "dense": RANDOM.normal(size=(3, 2, 7)).astype(np.float32),
}
OBJECTIVES = {
    "logit": objectives.logit("happy"),
    "probability": objectives.probability("sad"),
    "odds": objectives.odds("sad"),
    "contrast": objectives.contrast("happy", "sad"),
    "layer": objectives.layer("conv"),
    "channel of a map": objectives.channel("conv", 2),
    "channel of a vector": objectives.channel("dense", -1),
    "neuron in the middle": objectives.neuron("conv", 1),
    "neuron at a place": objectives.neuron("conv", 1, (0, 5)),
    "direction": objectives.direction("conv", [1.0, -2.0, 2.0]),
    "diversity": objectives.diversity("conv"),
    "sum": 2 * objectives.odds("happy") - 0.3 * objectives.layer("conv") + objectives.diversity("conv") / 4,
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_have_the_values_and_gradients_of_their_graphs(name: str) -> None:
    import tensorflow as tf

    objective = OBJECTIVES[name]
    bound = bind(objective, LAYERS, LABELS)
    given = {layer: tf.constant(TENSORS[layer]) for layer in objective.layers}
    with tf.GradientTape() as tape:
        tape.watch(given)
        expected = objective.value(given, [tf.constant(p) for p in bound])
    slopes = tape.gradient(expected, given)
    values, gradients = objective.value_and_gradients(TENSORS, bound)
    assert values == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-5)
    assert set(gradients) == set(objective.layers)
    for layer, gradient in gradients.items():
        assert gradient == pytest.approx(slopes[layer].numpy(), rel=1e-3, abs=1e-5)


def test_odds_are_finite_where_a_class_is_certain() -> None:
    sure = np.array([[[800.0, -800.0, 0.0, 0.0]]], np.float32)
    for target in ("angry", "happy"):
        values, gradients = objectives.odds(target).value_and_gradients(
            {LOGITS: sure}, bind(objectives.odds(target), LAYERS, LABELS)
        )
        assert np.isfinite(values).all()
        assert np.isfinite(gradients[LOGITS]).all()


def test_a_term_of_ones_own_without_a_gradient_is_named() -> None:
    class Darkness(Term):
        """Half a term: only its graph."""

    with pytest.raises(ModelError, match=r"Darkness\.value_and_gradient"):
        Objective(((1.0, Darkness("conv")),)).value_and_gradients(TENSORS, [np.zeros(0, np.float32)])
    assert LogOdds(target="happy").key == LogOdds(target="sad").key


SIZE = (12, 10, 3)
COMPONENTS = RANDOM.normal(size=(4, 12, 10)).astype(np.float32)
MAGNITUDE = np.abs(np.fft.rfft2(RANDOM.normal(size=(12, 10))))
PARAMETERIZATIONS: dict[str, Parameterization] = {
    "pixels": Pixels(),
    "fourier": Fourier(1.5, energy=3.0),
    "phase": Phase(MAGNITUDE),
    "components": Components(COMPONENTS, strength=2.0),
    "pyramid": Pyramid(),
    "sum": Sum((Components(COMPONENTS), Fourier(2.0, energy=1.0), Pixels())),
}


@pytest.mark.parametrize("size", [SIZE, (9, 13, 1)])
@pytest.mark.parametrize("name", PARAMETERIZATIONS)
def test_parameterizations_have_the_offsets_and_gradients_of_their_graphs(name: str, size: tuple[int, ...]) -> None:
    import tensorflow as tf

    parameterization = PARAMETERIZATIONS[name]
    if size != SIZE:
        if name in ("components", "sum"):
            pytest.skip("components have a size of their own")
        if name == "phase":
            parameterization = Phase(np.abs(np.fft.rfft2(RANDOM.normal(size=size[:2]))))
    start = [parameterization.start(size, np.random.default_rng(seed)) for seed in (1, 2)]
    variables = np.stack(start) + RANDOM.normal(size=(2, len(start[0]))).astype(np.float32)
    upstream = RANDOM.normal(size=(2, *size)).astype(np.float32)
    tensor = tf.constant(variables)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(tensor)
        expected = parameterization.offset(tensor, size)
        pulled = tf.reduce_sum(expected * upstream)
        penalty = tf.reduce_sum(parameterization.penalty(tensor, size))
    offset, vjp = parameterization.offset_vjp(variables, size)
    assert offset == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-4)
    assert vjp(upstream) == pytest.approx(tape.gradient(pulled, tensor).numpy(), rel=1e-3, abs=1e-3)
    slope = tape.gradient(penalty, tensor)
    gradient = parameterization.penalty_gradient(variables, size)
    assert gradient == pytest.approx(0.0 if slope is None else slope.numpy(), rel=1e-3, abs=1e-4)


def test_a_parameterization_of_ones_own_without_a_gradient_is_named() -> None:
    class Odd(Parameterization):
        """Half a parameterization."""

    with pytest.raises(ModelError, match="Odd has no offset_vjp"):
        Odd().offset_vjp(np.zeros((1, 3), np.float32), SIZE)


@pytest.mark.parametrize(
    "regularizers",
    [
        Regularizers(),
        Regularizers(tv=3.0),
        Regularizers(l2=2.0, pull=5.0),
        Regularizers(tv=1.0, l2=1.0, pull=1.0, relative=True),
    ],
)
def test_regularizers_have_the_gradients_of_their_graphs(regularizers: Regularizers) -> None:
    import tensorflow as tf

    pictures, starts = (RANDOM.random((2, *SIZE)).astype(np.float32) for _ in range(2))
    values = np.array([-2.0, 3.0], np.float32)
    tensor = tf.constant(pictures)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        cost = tf.reduce_sum(
            regularizers.cost(tensor, tf.constant(starts), tf.constant(values)) + 0.0 * tensor[:, 0, 0, 0]
        )
    expected = tape.gradient(cost, tensor).numpy()
    assert regularizers.cost_gradient(pictures, starts, values) == pytest.approx(expected, rel=1e-3, abs=1e-6)


SPECS = {
    "0..1": InputSpec(12, 10, 3, "0..1"),
    "-1..1 in blue first": InputSpec(12, 10, 3, "-1..1", order="bgr"),
    "0..255": InputSpec(12, 10, 3, "0..255"),
    "by numbers": InputSpec(12, 10, 3, "standardize", mean=[0.4, 0.5, 0.6], std=[0.2, 0.3, 0.4], unit=255),
    "by a map": InputSpec(12, 10, 3, "standardize", mean=RANDOM.random((12, 10)), std=1 + RANDOM.random((12, 10))),
    "by itself": InputSpec(12, 10, 3, "standardize"),
}


@pytest.mark.parametrize("name", SPECS)
def test_scaling_has_the_values_and_gradients_of_its_graph(name: str) -> None:
    import tensorflow as tf

    from ferviz.dreaming.ascent.differentiable import scaled

    pixels = RANDOM.integers(0, 256, (2, *SIZE), np.uint8)
    pictures, upstream = pixels / np.float32(255), RANDOM.normal(size=(2, *SIZE)).astype(np.float32)
    batch, vjp = scaled_vjp(SPECS[name], pictures)
    assert batch == pytest.approx(SPECS[name].preprocess(pixels), rel=1e-3, abs=1e-3)
    tensor = tf.constant(pictures)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        pulled = tf.reduce_sum(scaled(SPECS[name], tensor) * upstream)
    assert vjp(upstream) == pytest.approx(tape.gradient(pulled, tensor).numpy(), rel=1e-3, abs=1e-3)


EVERY = Transforms(blur=2.0, flip=True)
VIEWS = {"all": EVERY, "shifts": Transforms(shift=4.0, rotate=0, scale=0, contrast=0, brightness=0, noise=0)}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("size", [(24, 30, 1), (16, 16, 3)])
def test_the_gradient_of_views_is_their_adjoint(name: str, size: tuple[int, ...]) -> None:
    pictures, change = (RANDOM.random((2, *size)).astype(np.float32) for _ in range(2))
    upstream = RANDOM.normal(size=(6, *size)).astype(np.float32)
    views, vjp = VIEWS[name].apply_vjp(pictures, 3, np.random.default_rng(1))
    moved, _ = VIEWS[name].apply_vjp(pictures + change, 3, np.random.default_rng(1))
    forward = np.sum((moved - views).astype(np.float64) * upstream)
    assert np.sum(vjp(upstream).astype(np.float64) * change) == pytest.approx(forward, rel=1e-4, abs=1e-3)


def test_views_in_numpy_serve_every_picture_alike_and_repeat_themselves() -> None:
    picture = RANDOM.random((1, 18, 18, 1)).astype(np.float32)
    two, _ = EVERY.apply_vjp(np.repeat(picture, 2, 0), 4, np.random.default_rng(3))
    assert (two[:4] == two[4:]).all()
    assert len({view.tobytes() for view in two[:4]}) == 4
    assert (two[:4] == EVERY.apply_vjp(picture, 4, np.random.default_rng(3))[0]).all()
    assert (NONE.apply_vjp(picture, 2, np.random.default_rng(0))[0] == picture).all()


@pytest.mark.parametrize(("height", "width"), [(24, 30), (48, 48), (7, 9)])
def test_warps_and_blurs_are_those_of_the_graph(height: int, width: int) -> None:
    import tensorflow as tf

    from ferviz.dreaming.transforms import _matrices, _warp

    pictures = RANDOM.random((1, height, width, 2)).astype(np.float32)
    for angle, zoom, down, across in ((0.0, 1.0, 0.0, 0.0), (0.2, 0.9, 1.7, -2.4), (-0.1, 1.2, -3.0, 3.0)):
        given = [tf.constant([number], tf.float32) for number in (angle, zoom, down, across)]
        expected = _warp(tf, tf.constant(pictures), _matrices(tf, *given, height, width), height, width)
        matrix = warp_matrix(angle, zoom, down, across, height, width)
        flat = matrix @ pictures.reshape(-1, 2)
        assert flat.reshape(height, width, 2) == pytest.approx(expected.numpy()[0], abs=2e-3)
    for deviation in (0.0, 0.4, 3.0):
        got: Any = blurred_by(pictures, blur_band(height, deviation), blur_band(width, deviation))
        assert got == pytest.approx(blurred(tf.constant(pictures), tf.constant([deviation])).numpy(), abs=1e-5)
