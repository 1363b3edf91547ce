"""The parameter randomisation test: who fails it is known, and what a stage leaves as it was learned is seen in the maps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

import ferviz
from ferviz.attribution.methods.method import PICTURE, Method
from ferviz.attribution.methods.registry import METHODS
from ferviz.attribution.request import MethodInput, MethodOutput
from ferviz.data.dataset import Dataset
from ferviz.errors import UsageError
from ferviz.evaluation.panel.method_maps import method_maps
from ferviz.evaluation.panel.randomisation import (
    FACES,
    MAX_PASSES,
    Cascade,
    Randomisation,
    _shared_out,
    face_edges,
    randomisation,
)
from ferviz.faces.crops import as_faces
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model
from ferviz.numerics import cascade_start

rng = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model(engine: Any) -> Model:
    """A network whose weights are noise already: others are as good, and a map that stays is no map of the weights."""
    return Model("net", "", ("one", "two", "three", "four"), InputSpec(18, 18, 1), engine("functional"))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (24, 18, 18)).astype(np.uint8)


@pytest.fixture
def edge_method() -> Iterator[str]:
    """A method that draws a face's edges and asks the network nothing but its answer."""

    def draw(request: MethodInput) -> MethodOutput:
        strength = [np.hypot(*(cv2.Sobel(each, -1, x, 1 - x) for x in (0, 1))) for each in request.batch[..., 0]]
        strength = np.stack(strength)[:, None].astype(np.float32)
        return MethodOutput(np.repeat(strength, request.weights.shape[1], 1), request.engine.logits(request.batch))

    METHODS.add("edges", "draws edges", Method(draw, PICTURE))
    yield "edges"
    METHODS._entries.pop("edges", None)


def asked(model: Model, images: np.ndarray, *methods: str, **options: Any) -> tuple[Cascade, dict[Any, Randomisation]]:
    faces, predicted = as_faces(images), model.logits(images).argmax(1)
    answers = {(name, None): method_maps(model, faces, name) for name in methods}
    return randomisation(model, images, faces, predicted, answers, **options)


def test_who_draws_edges_fails_and_grad_cam_does_not(model: Model, images: np.ndarray, edge_method: str) -> None:
    cascade, answers = asked(model, images, edge_method, "gradcam", "eigencam")
    edges, gradcam, eigencam = (answers[name, None] for name in (edge_method, "gradcam", "eigencam"))
    assert cascade.shares == gradcam.shares == (0, 0.5, 1)
    assert edges.correlation == pytest.approx((1, 1, 1))
    assert edges.fails
    assert not gradcam.fails
    assert gradcam.absolute == gradcam.correlation  # it has no negative values
    assert min(gradcam.draws) <= gradcam.correlation[-1] <= max(gradcam.draws)
    # Eigen-CAM looks at its layer alone, and what lies behind it may be anything.
    assert eigencam.correlation[0] == pytest.approx(1, abs=1e-6)
    assert eigencam.correlation[-1] < 0.9
    assert all(0 <= share <= 1 for share in cascade.same_class)
    # Noise has edges all over, and another face has others: what is alike is alike because it is the same face.
    assert edges.edges == pytest.approx(1, abs=1e-3)
    assert abs(edges.unrelated) < 0.2


def test_a_map_that_only_changes_its_signs_fails(model: Model, images: np.ndarray) -> None:
    """Its magnitudes are the face's own, whatever the weights are."""
    grain = np.random.default_rng(1)

    def draw(request: MethodInput) -> MethodOutput:
        signs = grain.choice((-1, 1), request.batch.shape[:3])
        maps = (signs * request.batch[..., 0])[:, None].astype(np.float32)
        return MethodOutput(np.repeat(maps, request.weights.shape[1], 1), request.engine.logits(request.batch))

    METHODS.add("signs", "draws signs", Method(draw, PICTURE))
    try:
        _, answers = asked(model, images, "signs", draws=1)
    finally:
        METHODS._entries.pop("signs", None)
    answer = answers["signs", None]
    assert abs(answer.correlation[-1]) < 0.2
    assert answer.absolute[-1] == pytest.approx(1, abs=1e-5)
    assert answer.fails


def test_the_class_of_the_network_itself_is_explained_in_all_networks(model: Model, images: np.ndarray) -> None:
    """A network with random weights usually has one class for all faces, which nobody asked about."""
    predicted = np.arange(len(images)) % 4
    asked_for = []

    def draw(request: MethodInput) -> MethodOutput:
        asked_for.append(request.weights[:, 0, :4].argmax(1))
        maps = np.repeat(request.batch[:, None, ..., 0], request.weights.shape[1], 1)
        return MethodOutput(maps, request.engine.logits(request.batch))

    METHODS.add("noted", "notes the class", Method(draw, PICTURE))
    try:
        answers = {("noted", None): method_maps(model, as_faces(images), "noted")}
        asked_for.clear()
        randomisation(model, images, as_faces(images), predicted, answers, draws=2, stages=2)
    finally:
        METHODS._entries.pop("noted", None)
    counts = np.bincount(np.concatenate(asked_for), minlength=4)
    np.testing.assert_array_equal(counts, [12, 12, 12, 12])  # 24 faces in two stages


def test_layer_by_layer(model: Model, images: np.ndarray) -> None:
    _, answers = asked(model, images, "saliency", draws=1, stages=4)  # the network has four layers with kernels
    saliency = answers["saliency", None]
    assert len(saliency.correlation) == 4
    assert saliency.correlation[0] > saliency.correlation[-1]
    assert list(saliency.to_dict()["correlation"]) == ["0", "0.333333", "0.666667", "1"]


def test_faces_are_shared_out_within_the_passes() -> None:
    rows = _shared_out(100, 2, 3, 3)
    assert [len(part) for part in rows] == [22, 22, 22]
    assert len(np.unique(np.concatenate(rows))) == 66 >= FACES
    dear = _shared_out(100, 513, 3, 3)
    assert [len(part) for part in dear] == [1, 1, 1]
    assert len(np.unique(np.concatenate(dear))) == 3
    between = _shared_out(100, 33, 3, 3)
    assert sum(map(len, between)) * 3 * 33 <= MAX_PASSES
    assert [part.tolist() for part in _shared_out(1, 2, 3, 3)] == [[0], [0], [0]]
    assert all(len(part) for part in _shared_out(2, 2, 3, 3))


def test_edges_are_where_a_face_has_them(model: Model) -> None:
    image = np.zeros((1, 18, 18), np.uint8)
    image[:, 9:] = 200
    strength = face_edges(model, image)[0]
    assert (strength[8:10] > 0).all()
    assert strength[[0, 3, 14, 17]].max() == 0


def test_where_the_drawing_begins() -> None:
    kernels = [1, 4, 5, 9]
    assert [cascade_start(kernels, share) for share in (0, 0.25, 0.26, 0.5, 0.75, 0.76, 1)] == [9, 9, 5, 5, 4, 1, 0]
    assert cascade_start([], 0.5) == 0


def test_a_report_says_how_the_similarity_falls(model: Model, images: np.ndarray, edge_method: str) -> None:
    data = Dataset(images, np.zeros(24, int), np.full(24, "PublicTest"), np.arange(24))
    report = ferviz.trust_report(model, data, methods=(edge_method, "saliency"), faces=6, steps=4, random_draws=2)
    record = report.to_dict()
    edges, saliency = record["methods"][-2:]
    assert (edges["method"], edges["fails"], saliency["fails"]) == (edge_method, True, False)
    assert edges["randomised"]["correlation"] == {"0": 1, "0.5": 1, "1": 1}
    assert record["randomisation"]["draws"] == 2
    assert list(record["randomisation"]["same_class"]) == ["0", "0.5", "1"]
    json.dumps(record, allow_nan=False)
    header, *rows = report.table()
    at = header.index("randomised_correlation_0.5")
    assert (rows[-2][at], rows[-1][at]) == (1, saliency["randomised"]["correlation"]["0.5"])
    text = report.text()
    assert f"{'last':>6}{'50%':>6}{'all':>6}" in text
    (line,) = [line for line in text.splitlines() if line.startswith("Edges")]
    assert line.endswith("+1.00 +1.00 +1.00  fails: the maps hardly depend on the weights")
    assert "mean of 2 draws" in text
    best = report.recommendation(1)
    assert best is None or best.method != edge_method
    none = ferviz.trust_report(model, data, methods=("saliency",), faces=4, steps=4, random_draws=0)
    assert none.cascade is None
    assert none.rows[-1].randomised is None
    with pytest.raises(UsageError, match="random_stages"):
        ferviz.trust_report(model, data, random_stages=1)


def test_a_taught_map_is_not_asked_of_networks_that_were_taught_nothing(model: Model, images: np.ndarray) -> None:
    answer: Any = SimpleNamespace(method="fastshap", layer="", passes=1.0, maps=np.zeros((24, 18, 18), np.float32))
    _, answers = randomisation(
        model, images, as_faces(images), np.zeros(24, int), {("fastshap", None): answer}, draws=1
    )
    assert answers == {}


def test_one_face_is_enough(model: Model, images: np.ndarray) -> None:
    _, answers = asked(model, images[:1], "gradcam", draws=2, stages=2)
    (answer,) = answers.values()
    assert answer.faces == 1
    assert answer.to_dict()["unrelated"] is None
