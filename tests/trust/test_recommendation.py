"""What `method="auto"` takes: the recommendation beside a network, for this very network, or that for the bundled one."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ferviz
from ferviz.attribution.attribution_job import PLACES, AttributionJob
from ferviz.attribution.explain import MAX_TESTED
from ferviz.attribution.maps.resize import resize_maps
from ferviz.attribution.methods.method import LAYER
from ferviz.attribution.methods.registry import METHODS
from ferviz.engines.base import LayerInfo
from ferviz.errors import ModelError, UnknownNameError
from ferviz.evaluation.panel.panel import usable_methods
from ferviz.evaluation.panel.panel_result import SLACK, TIE
from ferviz.models.compiled.cache import Origin
from ferviz.trust.recommendation import BUDGETS, _shipped, recommended, recommended_layer

BEST = {"method": "saliency", "layer": None, "better": 0.75}


@pytest.fixture
def network(pattern_network, tmp_path):
    """A network in a file, whose sidecar a test may write, and three faces."""
    model, pictures = pattern_network((slice(0, 4), slice(0, 4)))
    model.engine.layers = tuple(LayerInfo(name, "Conv2D", (16, 16, 1), True) for name in ("early", "late"))
    file = tmp_path / "my.h5"
    file.write_bytes(b"weights")
    return replace(model, sha256="ab" * 32, origin=Origin(file)), pictures[..., 0]


def keep(model, **changes):
    report = {"model_sha256": model.sha256, "assessable": 40, "layers": {}}
    report |= {"recommendation": {"1": None, "20": BEST, "500": BEST | {"method": "occlusion"}}} | changes
    path = model.origin.path.with_name("my.h5.ferviz.json")
    path.write_text(json.dumps({"schema_version": 1, "trust": {"report": report}}))


def test_auto_obeys_what_was_measured_for_the_network_at_the_price_that_it_may_pay(network):
    model, faces = network
    keep(model)
    one = ferviz.explain(model, faces, method="auto")
    assert one.method == one.to_dict()["method"] == "occlusion"
    assert one.to_dict()["chosen"] == one.settings["chosen"]
    assert "75 % of 40 faces, the best of this network at up to 500 passes" in one.settings["chosen"]
    many = ferviz.explain(model, np.resize(faces, (MAX_TESTED + 1, 16, 16)), method="auto")
    assert (many.method, "at up to 20 passes" in many.settings["chosen"]) == ("saliency", True)
    np.testing.assert_array_equal(one.raw, ferviz.explain(model, faces, method="occlusion").raw)


def test_without_a_measurement_auto_takes_what_is_best_for_the_bundled_network_and_says_so(network):
    model, faces = network
    answer = ferviz.explain(model, faces[:1], method="auto")
    assert answer.method == "rise"
    assert "of the bundled network" in answer.settings["chosen"]
    assert "for this one ferviz trust --write finds out" in answer.settings["chosen"]
    keep(model, model_sha256="cd" * 32)  # measured before the network was trained further
    assert recommended(model, 500) == recommended(replace(model, origin=None), 500)


def test_networks_with_coarse_maps_get_what_was_measured_on_such_networks(network):
    model, _ = network
    model.engine.layers = (LayerInfo("last", "Conv2D", (6, 6, 8), True, 72),)
    assert recommended(model, 500).method == "rise"
    assert "of two published networks with as coarse a map" in recommended(model, 500).reason
    assert recommended(model, 500).layer is None
    model.engine.layers = ()  # a network without maps
    assert "of the bundled network" in recommended(model, 500).reason


def test_what_is_recommended_for_coarse_maps_is_what_the_published_tables_say_by_the_panels_own_rule():
    """The two tables together: shares over all faces, and of methods within five points the one that ranks the regions best."""
    pooled = {}
    for name in DEFAULT_LAYERS:
        for title, *row in results_table(name):
            method, _, layer = title.partition(" at ")
            warned = method not in METHODS or METHODS[method].caution or METHODS[method].needs_regions
            if not warned and layer in ("", DEFAULT_LAYERS[name]):
                pooled.setdefault(method, []).append(row)
    (coarse,) = [report for report in _shipped() if report["cells"] < 12]
    for budget in BUDGETS:
        wins, faces, ranks = {}, {}, {}
        for method, rows in pooled.items():
            counts, passes, shares, own = map(np.array, zip(*rows, strict=True))
            if passes.max() <= max(2, budget * SLACK):
                wins[method], faces[method] = np.round(counts * shares).sum(), counts.sum()
                ranks[method] = np.average(own, weights=counts)
        share = {method: wins[method] / faces[method] for method in wins}
        method = max((each for each in share if share[each] >= max(share.values()) - TIE), key=ranks.get)
        best = coarse["recommendation"][str(budget)]
        assert (best["method"], best.get("assessable", coarse["assessable"])) == (method, faces[method])
        assert best["better"] == round(share[method], 2)


DEFAULT_LAYERS = {"mini_xception_48": "add_4", "big_xception_64": "add_2"}


def results_table(network):
    """Yield (title, faces, passes, share of faces on which it is better than the blob, rank correlation) of a table of the results."""
    text = (Path(__file__).parents[2] / "benchmarks" / "results.md").read_text(encoding="utf-8")
    for line in text.split(f"### {network} ")[1].split("\n### ")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 12 and cells[1].isdigit() and cells[2].isdigit():
            share, rank = (cells[place].split(" ")[0] for place in (9, 10))
            yield cells[0], int(cells[1]), int(cells[2]), int(share.removesuffix("%")) / 100, float(rank)


def test_where_no_method_passed_auto_says_that_too(network):
    model, _ = network
    keep(model)
    assert recommended(model, 1).method == "gradcam"
    assert "at one pass no method passes the test on this network more often than noise" in recommended(model, 1).reason


def test_a_recommendation_names_the_faces_that_its_own_method_was_asked_about():
    """The cheap methods were asked about more faces than the dear ones."""
    bundled = ferviz.load_model()
    faces = [int(re.search(r"% of (\d+) faces", recommended(bundled, passes).reason)[1]) for passes in (1, 500)]
    assert faces[0] > 2 * faces[1]


def test_only_a_taught_network_is_recommended_its_explainer(network):
    model, _ = network
    assert recommended(ferviz.load_model(), 1).method == "fastshap"
    assert recommended(ferviz.load_model(engine="keras"), 1).method == "fastshap"
    assert recommended(ferviz.load_model(), 20).method == "adjusted-fastshap"
    assert recommended(model, 1).method == recommended(model, 20).method == "gradcam"
    assert "the bundled network without its explainer" in recommended(model, 1).reason
    keep(model, recommendation={"1": BEST | {"method": "fastshap"}, "20": None, "500": None})
    assert recommended(model, 1).method == "gradcam"


def test_grad_cam_looks_at_the_layer_that_was_measured_to_be_the_better_one(network):
    model, _ = network
    assert AttributionJob.prepare(model, "gradcam").layers == ("late",)
    keep(model, layers={"gradcam": "early"})
    assert AttributionJob.prepare(model, "gradcam").layers == ("early",)
    assert AttributionJob.prepare(model, "layercam").layers == ("late",)
    assert AttributionJob.prepare(model, "gradcam", layer="late").layers == ("late",)
    assert AttributionJob.prepare(model, "saliency").layers == ("input",)


def test_maps_are_drawn_where_the_cells_were_kept_to_look(network):
    model, faces = network
    axis = [0.0, 3.0, 6.0, 9.0, 12.0, 15.0]  # the cells that were measured, and where they are drawn
    seen = [5.0, 6.0, None, 8.0, 9.0, 10.0]  # where they look; one was silent
    place = {"layer": "late", "nominal": [axis, axis], "measured": [seen, axis], "pitch": 1.0, "spread": None}
    keep(model, placement=[place])
    even, placed = (ferviz.explain(model, faces, "hirescam", target="class 1", layer="late", place=p) for p in PLACES)
    rows = np.interp(np.arange(16), [0, 3, 9, 12, 15], [5, 6, 8, 9, 10])
    expected = resize_maps(even.raw, 16, 16, (rows, np.arange(16.0)))
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(placed.heatmaps, expected, atol=0.02 * np.ptp(expected))
    assert not np.allclose(placed.heatmaps, even.heatmaps)
    measured = ferviz.explain(
        model, faces, "hirescam", target="class 1", layer="early", place="measured"
    )  # of which nothing was kept
    np.testing.assert_allclose(measured.heatmaps, even.heatmaps, atol=0.02 * np.ptp(expected))
    small = [0.0, 3.0, 7.0]  # of a network that takes 8 x 8 pixels: not this one as it is read now
    keep(model, placement=[place | {"nominal": [small, small], "measured": [small, small]}])
    other = ferviz.explain(model, faces, "hirescam", target="class 1", layer="late", place="measured")
    np.testing.assert_allclose(other.heatmaps, even.heatmaps, atol=0.02 * np.ptp(expected))


@pytest.mark.parametrize(
    "change",
    [
        {"measured": [[1.0]]},
        {"measured": None},
        {"nominal": [[], []]},
        {"pitch": "wide"},
        {"measured": [[1e300], [0.0]]},
    ],
)
def test_a_place_that_is_none_is_named(network, change):
    model, faces = network
    place = {"layer": "late", "nominal": [[7.5], [7.5]], "measured": [[7.5], [7.5]], "pitch": 16, "spread": 1}
    keep(model, placement=[place | change])
    with pytest.raises(
        ModelError, match=r"trust\.report\.placement of 'late' cannot be read .* run ferviz trust --write"
    ):
        ferviz.explain(model, faces, "hirescam", target="class 1", layer="late", place="measured")


def test_auto_with_a_layer_is_grad_cam_there(network):
    model, _ = network
    job = AttributionJob.prepare(model, "auto", layer="early")
    assert (job.name, job.layers, job.chosen) == ("gradcam", ("early",), "a layer was named")


@pytest.mark.parametrize("passes", BUDGETS)
def test_a_network_without_gradients_gets_a_method_that_needs_none(network, passes):
    model, _ = network
    model.engine.no_gradients = "there are no gradients in this file"
    best = recommended(model, passes)
    assert best.method == "rise"
    better = 100 * _shipped()[0]["recommendation"]["500"]["better"]
    assert best.reason.startswith(f"it has no gradients here; better than a centre blob on {better:.0f} %")
    assert not any(METHODS[each["recommendation"]["500"]["method"]].gradients for each in _shipped())
    keep(model, recommendation={"1": None, "20": None, "500": BEST | {"method": "occlusion"}})
    assert recommended(model, passes).method == "occlusion"
    keep(
        model, recommendation={"1": None, "20": BEST | {"method": "region-occlusion"}, "500": BEST | {"method": "rise"}}
    )
    assert recommended(model, passes).method == ("rise" if passes == 500 else "region-occlusion")
    job = AttributionJob.prepare(model, "auto", layer="early")
    assert (job.name, job.layers) == ("scorecam", ("early",))
    for method in ("gradcam", "saliency", "smoothgrad", "integrated-gradients", "guided-backprop"):
        with pytest.raises(ModelError, match="there are no gradients in this file"):
            AttributionJob.prepare(model, method)
    assert {"rise", "occlusion", "scorecam", "eigencam", "regions", "shapley"} <= set(usable_methods(model))
    assert not any(METHODS[name].gradients for name in usable_methods(model))


def test_a_network_without_maps_gets_a_method_of_the_picture(network):
    model, _ = network
    model.engine.layers = ()
    assert [recommended(model, passes).method for passes in BUDGETS] == ["rise"] * 3
    assert recommended(model, 1).reason.startswith("it has no layer with a map; ")
    assert not any(METHODS[name].at == LAYER for name in usable_methods(model))


def test_named_methods_are_not_chosen(network):
    model, faces = network
    assert ferviz.explain(model, faces, method="saliency").to_dict()["chosen"] is None


@pytest.mark.parametrize(
    "changes",
    [
        {"recommendation": {"500": "rise"}},
        {"recommendation": {"500": {"method": 3, "layer": None, "better": 1}}},
        {"recommendation": {"500": BEST | {"better": float("nan")}}},
        {"recommendation": None},
        {"layers": {"gradcam": ["early"]}},
        {"layers": None},
        {"assessable": "all"},
        {"placement": [{"layer": 3}]},
        {"placement": "everywhere"},
    ],
)
def test_a_record_that_is_none_is_named(network, changes):
    model, _ = network
    keep(model, **changes)
    with pytest.raises(
        ModelError, match=r"my\.h5\.ferviz\.json: trust\.report cannot be read .* run ferviz trust --write"
    ):
        recommended(model, 500)


def test_a_layer_or_a_method_that_is_not_there_is_named(network):
    model, faces = network
    keep(model, layers={"gradcam": "conv99"}, recommendation={"500": BEST | {"method": "rice"}})
    with pytest.raises(ModelError, match="recommends layer 'conv99', which the network does not have"):
        recommended_layer(model, "gradcam")
    with pytest.raises(UnknownNameError, match="rice"):
        ferviz.explain(model, faces, method="auto")


def test_the_bundled_network_has_a_recommendation_of_its_own():
    model = ferviz.load_model()
    for passes in BUDGETS:
        best = recommended(model, passes)
        assert best.method in METHODS
        assert "the best of this network" in best.reason
        assert "ferviz trust" not in best.reason
    assert recommended_layer(model, "gradcam") == model.default_layer()[0]
