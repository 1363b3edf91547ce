"""Comparing methods, layers and networks, and the numbers that comparisons are made of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferviz.attribution.comparison import ExplanationComparison, agreement, compare_explanations
from ferviz.attribution.explain import explain
from ferviz.attribution.maps.metrics import mass_inside, pointing_game, rank_correlation
from ferviz.attribution.maps.resize import resize_maps
from ferviz.errors import OutputExistsError, UnknownNameError, UsageError
from ferviz.images import read_manifest
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model
from ferviz.rendering.marks import Word, marks_of

LABELS = ("angry", "happy", "sad", "fear")


def faces(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 18, 18)).astype(np.uint8)


@pytest.fixture
def model(engine: Any) -> Model:
    return Model("net", "", LABELS, InputSpec(18, 18, 1), engine("functional"))


def test_rank_correlation_is_spearmans() -> None:
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    for a, b in (
        (rng.normal(size=(6, 6)), rng.normal(size=(6, 6))),
        (rng.integers(0, 4, (9, 9)).astype(float), rng.integers(0, 4, (9, 9)).astype(float)),  # many ties
    ):
        assert rank_correlation(a, b) == pytest.approx(spearmanr(a.ravel(), b.ravel()).statistic)
        assert rank_correlation(a, np.exp(a)) == pytest.approx(1)
        assert rank_correlation(a, -a) == pytest.approx(-1)
    assert rank_correlation(np.zeros((3, 3)), rng.normal(size=(3, 3))) == 0


def test_pointing_and_mass() -> None:
    maps = np.array([[[0, 1], [3, -9]], [[1, 1], [1, 1]], [[0, 0], [0, 0]]], np.float32)
    masks = np.array([[[False, False], [True, True]]] * 3)
    assert pointing_game(maps, masks).tolist() == [True, False, False]  # a flat map points nowhere
    assert mass_inside(maps, masks).tolist() == [0.75, 0.5, 0.0]


def test_a_sentence_about_every_map_is_said_once(model: Model) -> None:
    pair = compare_explanations(model, faces(1), ["gradcam", "hirescam"])
    first, second = (replace(e, warnings=w) for e, w in zip(pair.explanations, (("a", "b"), ("b", "c")), strict=True))
    assert replace(pair, explanations=(first, second)).warnings == ("gradcam: a", "b", "hirescam: c")


def test_a_method_agrees_with_itself_and_each_face_keeps_its_class(model: Model) -> None:
    made = compare_explanations(model, faces(6), ["gradcam", "hirescam", "occlusion"])
    assert made.names == ("gradcam", "hirescam", "occlusion")
    assert np.diag(made.correlation).tolist() == [1, 1, 1]
    np.testing.assert_array_equal(made.correlation, made.correlation.T)
    assert made.correlation[0, 1] == pytest.approx(1)  # the head is a global mean
    assert abs(made.correlation[0, 2]) < 0.999
    alone = explain(model, faces(6), "occlusion", "predicted")
    np.testing.assert_allclose(made.explanations[2].raw, alone.raw, atol=1e-4 * np.abs(alone.raw).max())


def test_the_picture_says_scale_size_place_answers_and_deletion(model: Model, engine: Any) -> None:
    other = Model("other", "", LABELS, model.input, engine("functional"))
    made = compare_explanations([model, other], faces(2), ["gradcam", "gradient-x-input"])
    marks = marks_of(made.picture())
    text = " ".join(mark.text for mark in marks if isinstance(mark, Word))
    assert text.count("against for") == 2  # the gradients', of each network
    height, width = made.explanations[0].raw.shape[2:]
    assert f"{height}x{width}, {made.explanations[0].layer}" in text
    assert "18x18, picture" in text
    for prediction in made.explanations[3].predictions:
        said = f"{prediction.label} {prediction.probabilities[prediction.label]:.2f}"
        assert text.count(said) >= 2  # below its maps, beside that below the face
    for gain, explanation in zip(made.gains, made.explanations, strict=True):
        assert explanation.trust is not None
        first = [next(iter(row[0].srg.values())) for row in explanation.trust.verdicts if row[0].srg]
        assert gain == (pytest.approx(np.mean(first)) if first else None)
        assert gain is None or f"{gain:+.2f}" in text
    figure = made.plot(width_mm=84, font_size=6)
    assert figure.get_size_inches()[0] == pytest.approx(84 / 25.4)


def test_every_map_of_a_comparison_is_tested_as_it_is_alone(model: Model, tmp_path: Path) -> None:
    made = compare_explanations(model, faces(5), ["gradcam", "occlusion"])
    for explanation, method in zip(made.explanations, ("gradcam", "occlusion"), strict=True):
        alone = explain(model, faces(5), method, test=True)
        assert explanation.trust is not None
        assert alone.trust is not None
        assert [[v.outcome for v in row] for row in explanation.trust.verdicts] == [
            [v.outcome for v in row] for row in alone.trust.verdicts
        ]
    record = json.loads(made.save(tmp_path / "out.json").read_text())
    told = [[verdict["outcome"] for verdict in row] for row in record["verdicts"]]
    assert told == [[row[0].outcome for row in e.trust.verdicts] for e in made.explanations if e.trust]
    untested = compare_explanations(model, faces(5), ["gradcam", "occlusion"], test=False)
    assert untested.explanations[0].trust is None
    many = compare_explanations(model, faces(25), ["gradcam", "saliency"])
    assert many.explanations[0].trust is None  # 50 maps are more than one picture shows


def test_details_of_faces_stay_with_their_faces(model: Model) -> None:
    made = compare_explanations(model, faces(4), ["shapley", "gradcam"], test=False)
    alone = explain(model, faces(4), "shapley", test=False)
    np.testing.assert_allclose(made.explanations[0].grids["values"], alone.grids["values"], atol=1e-4)
    assert np.shape(made.explanations[0].settings["details"]["reliability"]) == (4, 1)


def test_layers_and_networks(model: Model, engine: Any) -> None:
    made = compare_explanations(model, faces(2), layers=["relu1", "relu2"], target="happy")
    assert made.names == ("relu1", "relu2")
    other = Model("other", "", LABELS, InputSpec(18, 18, 1), engine("linear"))
    made = compare_explanations([model, other], faces(2), ["gradcam", "saliency"], target="happy-sad")
    assert made.names == ("gradcam, net", "saliency, net", "gradcam, other", "saliency, other")
    assert made.correlation[0, 2] == pytest.approx(1)  # the same seeded weights, another end


def test_maps_of_two_sizes_are_compared_at_the_larger() -> None:
    small = np.random.default_rng(0).random((2, 6, 6)).astype(np.float32)
    table = agreement([small, resize_maps(small, 48, 48)])
    np.testing.assert_allclose(table, 1)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, UsageError),
        ({"methods": ["gradcam", "nothing"]}, UnknownNameError),
        ({"methods": ["gradcam", "layercam"], "target": "happy,sad"}, UsageError),
    ],
)
def test_bad_comparisons(model: Model, arguments: dict, error: type) -> None:
    with pytest.raises(error):
        compare_explanations(model, faces(1), **arguments)


def test_a_comparison_saves_itself(model: Model, tmp_path: Path) -> None:
    made = compare_explanations(model, faces(2), ["gradcam", "saliency"])
    assert made.target == "predicted"
    for suffix in (".png", ".json", ".npz"):
        assert made.save(tmp_path / f"out{suffix}").is_file()
    assert read_manifest(tmp_path / "out.png")["command"] == "compare"
    assert json.loads((tmp_path / "out.json").read_text())["names"] == ["gradcam", "saliency"]
    with np.load(tmp_path / "out.npz") as file:
        np.testing.assert_array_equal(file["correlation"], made.correlation)
        np.testing.assert_array_equal(file["raw/saliency"], made.explanations[1].raw)
    with pytest.raises(OutputExistsError):
        made.save(tmp_path / "out.png")
    with pytest.raises(UsageError, match=r"\.csv"):
        ExplanationComparison.check_path(tmp_path / "out.csv")


def test_the_command_draws_and_tells(networks: Any, tmp_path: Path, capsys: Any) -> None:
    from PIL import Image

    from ferviz.cli import run

    networks.build("functional").save(tmp_path / "net.keras")
    Image.fromarray(faces(1)[0]).resize((48, 48)).save(tmp_path / "face.png")
    arguments = ["compare", str(tmp_path / "face.png"), "--model", str(tmp_path / "net.keras"), "--detector", "none"]
    arguments += ["--labels", "angry,happy,sad,fear", "--engine", "keras", "--out", str(tmp_path / "out.png"), "--json"]
    assert run([*arguments, "--method", "gradcam", "--method", "saliency"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["names"] == ["gradcam", "saliency"]
    assert told["schema_version"] == 1
    assert np.shape(told["correlation"]) == (2, 2)
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.width > 400
    assert run([*arguments, "--method", "gradcam", "--method", "saliency"]) == 7  # the output is there already
    assert run([*arguments, "--force", "--method", "gradcam", "--method", "gradcamm"]) == 2
