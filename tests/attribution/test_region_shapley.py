"""Region Shapley values: known answers, the axioms, and what becomes of them in records."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, permutations
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Text

from ferviz.attribution.methods import perturbation, region_shapley
from ferviz.attribution.request import MethodInput
from ferviz.errors import ModelError, NoFaceError, UsageError
from ferviz.faces.landmarks.points import TEMPLATE
from ferviz.faces.regions import REGIONS, FaceRegions

SIZE = (24, 24)
RNG = np.random.default_rng(0)
BATCH = RNG.uniform(0, 255, (2, *SIZE, 1)).astype(np.float32)
KERNEL = RNG.normal(0, 0.01, (24 * 24, 3)).astype(np.float32)
PLACES = FaceRegions(np.stack([TEMPLATE / 2, TEMPLATE / 2 + 1]), SIZE)


class Network:
    """An engine whose logits are a function of the flattened pictures."""

    name, classes, head = "test", 3, "softmax"

    def __init__(self, function: Any) -> None:
        self.function, self.sizes = function, []

    def logits(self, batch: np.ndarray) -> np.ndarray:
        self.sizes.append(len(batch))
        return self.function(batch.reshape(len(batch), -1) @ KERNEL).astype(np.float32)


def asked(function: Any, rows: list[list[float]], places: FaceRegions | None = PLACES) -> MethodInput:
    weights = np.repeat(np.array([[*row, 0.0] for row in rows], np.float32)[None], len(BATCH), 0)
    return MethodInput(Network(function), BATCH, "input", weights, 50, regions=places)  # type: ignore[arg-type]


def linear(x: np.ndarray) -> np.ndarray:
    return x


def curved(x: np.ndarray) -> np.ndarray:
    return np.stack([np.tanh(x[:, 0]) * x[:, 1], x[:, 1] ** 2, np.abs(x[:, 2])], 1)


def values_of(output: Any) -> np.ndarray:
    return np.stack([output.details[name] for name in REGIONS], -1)


def test_on_a_linear_network_the_values_are_what_the_regions_hold() -> None:
    output = region_shapley.region_shapley(asked(linear, [[1, -1, 0]]), fill="black")
    held = np.einsum("nhw,nrhw->nr", BATCH[..., 0] * (KERNEL[:, 0] - KERNEL[:, 1]).reshape(SIZE), PLACES.masks)
    np.testing.assert_allclose(values_of(output)[:, 0], held, atol=1e-4)
    for kind in ("hide_one", "show_one"):
        alone = np.stack([output.details[f"{kind}/{name}"] for name in REGIONS], -1)
        np.testing.assert_allclose(alone[:, 0], held, atol=1e-4)
    np.testing.assert_allclose(output.details["pairs"], 0, atol=1e-4)


@pytest.mark.parametrize("fill", ["harmonic", "blur", "mean"])
@pytest.mark.parametrize("count", [0, 4])
def test_the_values_add_up_to_what_the_face_gains(fill: str, count: int) -> None:
    output = region_shapley.region_shapley(asked(curved, [[1, 0, 0], [0, 1, -1]]), fill=fill, permutations=count)
    gain = output.details["seen"] - output.details["hidden"]
    np.testing.assert_allclose(values_of(output).sum(-1), gain, atol=1e-6)
    np.testing.assert_allclose(output.raw, np.einsum("ntr,nrhw->nthw", values_of(output), PLACES.masks), atol=1e-4)


def test_exact_values_are_the_mean_over_all_orders() -> None:
    scores = np.random.default_rng(1).normal(size=256)
    expected = np.zeros(8)
    orders = list(permutations(range(8)))
    sets = np.zeros((len(orders), 9), int)
    for step in range(8):
        sets[:, step + 1] = sets[:, step] | 1 << np.array([order[step] for order in orders])
    gains = scores[sets[:, 1:]] - scores[sets[:, :-1]]
    np.add.at(expected, np.array(orders), gains / len(orders))
    np.testing.assert_allclose(
        region_shapley.shapley_values(scores[None, None], region_shapley.exact_operator())[0, 0], expected, atol=1e-12
    )


def test_a_region_that_matters_only_with_another_shares_with_it() -> None:
    members = region_shapley._members()
    game = (members[:, 3] & members[:, 6]).astype(float)[None, None]
    values = region_shapley.shapley_values(game, region_shapley.exact_operator())[0, 0]
    np.testing.assert_allclose(values, np.where(np.isin(np.arange(8), [3, 6]), 0.5, 0), atol=1e-12)
    pairs = region_shapley.pair_interactions(game)[0, 0]
    assert pairs[3, 6] == pairs[6, 3] == 1
    assert pairs.sum() == 2


def test_a_class_has_log_odds_and_a_contrast_its_logits() -> None:
    logits = np.array([[[1.0, 2.0, 4.0]]])
    weights = np.array([[[0, 1.0, 0], [0, 1, -1]]])
    others = np.log(np.exp(1) + np.exp(4))
    np.testing.assert_allclose(region_shapley.log_odds(logits, weights)[0, :, 0], [2 - others, -2])
    assert np.isfinite(region_shapley.log_odds(logits * 1000, weights)).all()


def test_sampled_orders_come_near_with_fewer_passes() -> None:
    exact, request = region_shapley.region_shapley(asked(curved, [[1, 0, 0]]), fill="mean"), asked(curved, [[1, 0, 0]])
    sampled = region_shapley.region_shapley(request, fill="mean", permutations=16)
    assert sum(request.engine.sizes) <= 2 * (114 + 16) + 2  # type: ignore[attr-defined]
    deviation = values_of(exact).std()
    assert np.sqrt(((values_of(sampled) - values_of(exact)) ** 2).mean()) < 0.5 * deviation
    again = region_shapley.region_shapley(asked(curved, [[1, 0, 0]]), fill="mean", permutations=16)
    np.testing.assert_array_equal(values_of(again), values_of(sampled))


def test_a_face_s_values_do_not_depend_on_the_faces_beside_it() -> None:
    together = values_of(region_shapley.region_shapley(asked(curved, [[1, 0, 0]])))
    alone = asked(curved, [[1, 0, 0]], FaceRegions(PLACES.points[1:], SIZE))
    alone = MethodInput(alone.engine, BATCH[1:], "input", alone.weights[1:], 7, regions=alone.regions)
    # The values go into the hundreds, and products of matrices of other sizes round otherwise.
    near = 1e-5 * np.abs(together).max()
    np.testing.assert_allclose(values_of(region_shapley.region_shapley(alone)), together[1:], atol=near)


def test_spread_holds_the_value_between_low_and_high() -> None:
    output = region_shapley.region_shapley(asked(curved, [[1, 0, 0]]), spread=True)
    for name in REGIONS:
        assert (output.details[f"low/{name}"] <= output.details[name] + 1e-9).all()
        assert (output.details[f"high/{name}"] >= output.details[name] - 1e-9).all()


@pytest.mark.parametrize(
    ("settings", "error"),
    [({"permutations": 3}, "pairs"), ({"permutations": -2}, "permutations"), ({"fill": "pink"}, "pink")],
)
def test_settings_out_of_range(settings: dict[str, Any], error: str) -> None:
    with pytest.raises(UsageError, match=error):
        region_shapley.region_shapley(asked(linear, [[1, 0, 0]]), **settings)


def test_without_landmarks_there_are_no_regions() -> None:
    with pytest.raises(ModelError, match="needs_regions"):
        region_shapley.region_shapley(asked(linear, [[1, 0, 0]], None))


@pytest.mark.parametrize("method", [region_shapley.region_shapley, perturbation.region_occlusion])
def test_a_picture_that_shows_no_face_is_refused_unless_it_is_wanted(method: Any) -> None:
    places = replace(PLACES, faceless=("wall.png",))
    with pytest.raises(NoFaceError, match=r"^wall\.png shows no face, .*-O template=true"):
        method(asked(linear, [[1, 0, 0]], places))
    wanted, plain = (
        method(asked(linear, [[1, 0, 0]], p), **s) for p, s in ((places, {"template": True}), (PLACES, {}))
    )
    np.testing.assert_array_equal(wanted.raw, plain.raw)


def test_the_table_of_an_explanation_has_the_regions_values() -> None:
    explanation = an_explanation()
    columns, first, second = explanation.table()
    row = dict(zip(columns, second, strict=True))
    assert (row["landmark_source"], row["region_mouth"]) == ("network", 2)
    assert first[columns.index("region_mouth")] == 1
    plain = replace(explanation, settings={"labels": ["happy", "sad"]}).table()
    assert plain[1][columns.index("region_mouth")] == ""


def test_the_record_of_a_face_has_its_regions() -> None:
    from ferviz.attribution.maps.region_values import region_line, region_records

    details = {name: [[float(i), -1.0]] for i, name in enumerate(REGIONS)} | {"seen": [[30.0, 0]], "hidden": [[2.0, 0]]}
    records = region_records({"details": details}, 0, ["happy", "sad"])
    assert set(records) == {"regions"}
    assert records["regions"]["happy"]["mouth"] == REGIONS.index("mouth")
    assert records["regions"]["sad"]["mouth"] == -1
    line = region_line({"details": details}, 0, 0, "happy")
    assert "chin +7.00" in line
    assert "sum +28.00" in line
    assert region_line({}, 0, 0, "happy") == ""
    assert region_records({}, 0, ["happy"]) == {}


def an_explanation() -> Any:
    """Two faces, the first with a 1 and the second with a 2 in every region."""
    from ferviz.attribution.explanation import Explanation
    from ferviz.faces.face import Face
    from ferviz.models.prediction import Prediction

    points = ((TEMPLATE + 0.5) / 6 - 0.5).astype(np.float32)
    faces = tuple(Face(np.zeros((8, 8, 3), np.uint8), "", None, points, landmark_source="network") for _ in range(2))
    predictions = tuple(Prediction("happy", {"happy": 0.9, "sad": 0.1}, face) for face in faces)
    settings = {"details": {name: [[1.0], [2.0]] for name in REGIONS}, "labels": ["happy", "sad"]}
    maps = np.ones((2, 1, 8, 8), np.float32)
    return Explanation(maps, maps, faces, ("happy",), "regions", "input", predictions, settings)


def test_a_slice_of_an_explanation_keeps_each_face_s_own_values() -> None:
    explanation = an_explanation()
    assert explanation.record(1)["regions"] == explanation[1].record(0)["regions"]
    assert explanation[1].record(0)["regions"]["happy"]["mouth"] == 2


def test_lines_of_a_figure_do_not_stand_on_each_other() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = an_explanation()[0].plot()
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = [text for text in figure.findobj(Text) if text.get_text().strip()]
    boxes = [text.get_window_extent(renderer) for text in texts]
    assert {"forehead", "+1.00,"} <= {text.get_text() for text in texts}
    for (text, box), (other, second) in combinations(zip(texts, boxes, strict=True), 2):
        if text.get_position()[1] != other.get_position()[1]:  # words of one line stand side by side
            across = min(box.x1, second.x1) - max(box.x0, second.x0)
            down = min(box.y1, second.y1) - max(box.y0, second.y0)
            assert across <= 0 or down <= 0, (text, other)
    assert max(box.x1 for box in boxes) <= figure.bbox.x1
