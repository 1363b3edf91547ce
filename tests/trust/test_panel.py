"""The panel on a network whose evidence is known, and its parts against closed forms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import ferviz
from ferviz.data.dataset import Dataset
from ferviz.errors import DataError, ModelError, UsageError
from ferviz.evaluation.panel.bootstrap import cluster_interval
from ferviz.evaluation.panel.counting import counted
from ferviz.evaluation.panel.stability import correlation

rng = np.random.default_rng(0)


def dataset(images):
    n = len(images)
    return Dataset(images, np.zeros(n, int), np.full(n, "PublicTest"), np.arange(n))


@pytest.fixture
def corner(pattern_network):
    """A network that looks at the upper left corner, and 24 different faces with something there."""
    model, pictures = pattern_network((slice(0, 4), slice(0, 4)))
    faces = np.repeat(pictures[..., 0], 8, axis=0)
    faces[:, 6:] = rng.integers(100, 130, faces[:, 6:].shape)
    return model, dataset(faces)


@pytest.mark.slow
def test_the_method_that_finds_the_evidence_is_recommended(corner):
    model, data = corner
    report = ferviz.trust_report(model, data, methods=("saliency", "occlusion"), faces=20, steps=6)
    blob, template, noise, pixels, other, saliency, occlusion = report.rows
    assert (blob.method, noise.method, pixels.method) == ("centre blob", "random map", "random pixels")
    assert (template.method, other.method) == ("eyes, nose and mouth", "another face's map")
    assert report.passed(blob) == 0
    assert report.passed(saliency) == 1
    assert report.recommendation(1) is saliency
    assert all(low > 0 for _, low, _ in report.margins(saliency).values())
    # Random maps: the interval of their own area contains zero.
    for fill in range(3):
        low, high = cluster_interval(pixels.srg[:, fill], pixels.groups, level=0.999)
        assert low < 0 < high
    assert (saliency.passes, saliency.cells) == (2, (16, 16))  # the class, and its gradient
    assert occlusion.passes > 20
    assert report.recommendation(20) is saliency
    # A linear network has the same gradient for every face, and another one for every class.
    assert saliency.stability.flip < 0.5
    assert saliency.stability.noise == pytest.approx(1)


def test_a_report_goes_into_every_file(corner, tmp_path):
    model, data = corner
    report = ferviz.trust_report(model, data, methods=("saliency",), faces=12, steps=4)
    document = json.loads(report.save(tmp_path / "trust.json").read_text(encoding="utf-8"))
    assert document["recommendation"]["1"]["method"] == "saliency"
    assert document["methods"][-1]["better"] == 1
    header, *rows = report.table()
    assert len(rows) == len(report.rows)
    assert {"method", "srg_mean", "margin_blur_low", "better", "passes"} <= set(header)
    assert report.save(tmp_path / "trust.csv").is_file()
    assert report.picture().width > 400
    assert "up to 1 passes a face: Saliency (100%)" in report.text()


def test_a_network_that_answers_the_same_whatever_it_sees_is_reported_and_not_divided_by(linear_model):
    model = linear_model(np.zeros((16, 16, 1, 2)))
    report = ferviz.trust_report(
        model, dataset(rng.integers(0, 256, (4, 16, 16)).astype(np.uint8)), methods=("saliency",), steps=4
    )
    assert report.assessable == 0
    assert report.to_dict()["methods"][-1]["better"] is None
    assert report.recommendation(500) is None
    assert "up to 500 passes a face: no method passes more often than noise" in report.text()
    json.dumps(report.to_dict(), allow_nan=False)
    assert report.picture().width > 400


def test_a_report_needs_faces(corner):
    model, data = corner
    with pytest.raises(DataError, match="no faces"):
        ferviz.trust_report(model, data.take([]))


def test_duplicates_move_together_in_the_bootstrap():
    values = rng.normal(size=40)
    alone = cluster_interval(values, np.arange(40))
    copied = cluster_interval(np.repeat(values, 5), np.repeat(np.arange(40), 5))
    np.testing.assert_allclose(alone, copied, atol=1e-12)  # five copies of a face are no more evidence than one
    as_if_independent = cluster_interval(np.repeat(values, 5), np.arange(200))
    assert np.ptp(as_if_independent) < 0.6 * np.ptp(alone)
    assert np.isnan(cluster_interval(np.repeat(values[:9], 5), np.repeat(np.arange(9), 5))).all()


def test_the_bootstrap_covers_the_mean_as_often_as_it_says():
    hits = [
        low < 0 < high
        for seed in range(200)
        for low, high in [
            cluster_interval(np.random.default_rng(seed).normal(size=60), np.arange(60), seed=seed, draws=400)
        ]
    ]
    assert 0.88 < np.mean(hits) < 0.99


def test_passes_are_counted(corner):
    model, data = corner
    watched, counter = counted(model)
    ferviz.explain(watched, data.images[:5], method="rise", masks=30, test=False)
    assert counter.passes == 5 * 31


def test_the_correlation_of_maps():
    a = rng.normal(size=(2, 5, 5))
    np.testing.assert_allclose(correlation(a, 3 * a + 1), 1)
    np.testing.assert_allclose(correlation(a, -a), -1)
    assert np.isnan(correlation(a, np.ones_like(a))).all()


@pytest.mark.slow
def test_cells_are_found_where_they_look(engine):
    from ferviz.attribution.maps.receptive_fields import Placement, placement
    from ferviz.models.input_spec import InputSpec
    from ferviz.models.model import Model

    model = Model("functional", "", tuple("abcd"), InputSpec(18, 18, 1), engine("functional"))
    faces = rng.integers(0, 256, (4, 18, 18)).astype(np.uint8)
    picture = placement(model, faces, "conv1")  # 3 x 3, stride 1: a cell looks at the pixels around its own
    inner = slice(1, -1)  # at the border the padding cuts a part off
    for seen, drawn in zip(picture.measured, picture.nominal, strict=True):
        np.testing.assert_allclose(seen[inner], drawn[inner], atol=0.35)
    assert picture.pitch == 1
    assert 0.5 < picture.spread < 1  # the standard deviation of three pixels is .82
    assert picture.ratio == pytest.approx(1, abs=0.1)
    assert picture.size == (18, 18)
    again = Placement.from_dict(json.loads(json.dumps(picture.to_dict())))
    np.testing.assert_allclose(again.measured, picture.measured, atol=1e-4)


@pytest.mark.parametrize("name", ["functional", "sequential"])
def test_a_network_is_randomised_to_its_last_kernel(engine, name):
    from ferviz.models.input_spec import InputSpec
    from ferviz.models.model import Model
    from ferviz.models.randomise import randomised

    model = Model(name, "", tuple("abcd"), InputSpec(18, 18, 1), engine(name))
    before = [weight.numpy().copy() for weight in model.engine.network.trainable_weights]
    first, again = randomised(model, 1), randomised(model, 1)
    for old, new, same in zip(
        before, first.engine.network.trainable_weights, again.engine.network.trainable_weights, strict=True
    ):
        if new.numpy().ndim > 1:  # shuffling the first axis would leave a 1 x 1 kernel as it was
            assert not np.isclose(np.sort(old.ravel()), np.sort(new.numpy().ravel())).all()
        np.testing.assert_array_equal(new.numpy(), same.numpy())
    for old, weight in zip(before, model.engine.network.trainable_weights, strict=True):
        np.testing.assert_array_equal(old, weight.numpy())


def test_weights_are_drawn_as_their_layers_begin_and_statistics_are_learned_again():
    from ferviz.engines.backend import keras
    from ferviz.engines.keras import KerasEngine
    from ferviz.models.input_spec import InputSpec
    from ferviz.models.model import Model
    from ferviz.models.randomise import randomised

    layers, draw = keras().layers, keras().initializers
    picture = layers.Input((12, 12, 1))
    x = layers.Conv2D(40, 3, kernel_initializer=draw.RandomNormal(stddev=5), bias_initializer="ones")(picture)
    x = layers.BatchNormalization()(x)
    x = layers.SeparableConv2D(8, 3, depthwise_initializer=draw.RandomUniform(2, 3))(layers.Dropout(0.5)(x))
    x = layers.Dense(2, kernel_initializer="zeros")(layers.GlobalAveragePooling2D()(x))
    model = Model("net", "", ("a", "b"), InputSpec(12, 12, 1), KerasEngine(keras().Model(picture, x)))
    faces = rng.integers(0, 256, (50, 12, 12)).astype(np.uint8)
    network = randomised(model, 3, faces).engine.network
    convolution, normalisation, separable = (network.layers[i] for i in (1, 2, 4))
    assert np.std(convolution.kernel.numpy()) == pytest.approx(5, rel=0.2)
    assert (convolution.bias.numpy() == 1).all()
    assert 2 <= separable.depthwise_kernel.numpy().min() <= separable.depthwise_kernel.numpy().max() <= 3
    assert np.ptp(network.layers[-1].kernel.numpy()) > 0  # a kernel of zeros would leave nothing to explain
    before = np.asarray(convolution(model.preprocess(faces)))
    np.testing.assert_allclose(normalisation.moving_mean.numpy(), before.mean((0, 1, 2)), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(normalisation.moving_variance.numpy(), before.var((0, 1, 2)), rtol=1e-2)
    untouched = randomised(model, 3).engine.network.layers[2]
    assert (untouched.moving_mean.numpy() == 0).all()


def test_a_network_whose_weights_cannot_be_reached_is_not_randomised(corner):
    from ferviz.models.randomise import randomised

    with pytest.raises(ModelError, match="parameter randomisation needs weights that can be drawn anew"):
        randomised(corner[0])


def test_write_needs_the_file_of_a_network(capsys):
    from ferviz.cli import run

    assert run(["trust", "missing.csv", "--write"]) == UsageError.exit_code
    assert "name one with --model" in capsys.readouterr().err


def test_the_prior_of_eyes_nose_and_mouth_is_where_each_face_has_them():
    from ferviz.evaluation.panel.method_maps import landmark_priors
    from ferviz.faces.crops import as_faces

    face = ferviz.find_faces(Path(__file__).parents[2] / "examples" / "astronaut.png")[0].pixels
    face = np.asarray(ferviz.load_model().input.resized([face]))[0, ..., 0]
    shifted = np.roll(face, 4, axis=1)
    here, there, nobody = landmark_priors(as_faces(np.stack([face, shifted, np.full_like(face, 128)])), 48, 48)
    centre = [float((prior.sum(0) * np.arange(48)).sum() / prior.sum()) for prior in (here, there)]
    assert 2 < centre[1] - centre[0] < 6
    np.testing.assert_allclose(
        nobody, nobody[:, ::-1][:, np.arange(48)], atol=0.5
    )  # a typical face's: nearly symmetrical
