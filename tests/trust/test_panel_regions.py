"""What the panel says about regions, about many comparisons at once, and about networks and pictures that are no usual ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text

import ferviz
from ferviz.data.dataset import Dataset
from ferviz.errors import NoFaceError
from ferviz.evaluation.panel.panel_result import MethodRow, TrustReport
from ferviz.evaluation.panel.permutation import holm, sign_flip_p
from ferviz.evaluation.panel.region_agreement import RegionAgreement, RegionReference, region_agreement
from ferviz.evaluation.panel.stability import stability
from ferviz.faces.regions import REGIONS, region_masks

rng = np.random.default_rng(0)
TEMPLATE = np.array([[14.4, 17.9], [32.6, 17.9], [23.5, 28.1], [16.3, 35.9], [30.7, 35.9]])


def dataset(images):
    n = len(images)
    return Dataset(images, np.zeros(n, int), np.full(n, "PublicTest"), np.arange(n))


def reference(values, known=None):
    masks = region_masks(np.repeat(TEMPLATE[None], len(values), 0), (48, 48))
    return RegionReference(values, masks, np.ones(len(values), bool) if known is None else known)


def test_evidence_where_the_values_are_agrees_and_evidence_elsewhere_does_not():
    values = rng.permuted(np.tile(np.arange(1.0, 9), (20, 1)), axis=1)
    truth = reference(values)
    area = truth.masks.sum((2, 3))
    painted = np.einsum("nr,nrhw->nhw", values / area, truth.masks)  # soft borders mix neighbours a little
    agrees = region_agreement(truth, painted)
    assert agrees.rank.mean() > 0.9
    assert agrees.top.mean() > 0.8
    against = region_agreement(truth, painted.max() - painted)
    assert against.rank.mean() < 0.3
    everywhere = region_agreement(
        truth, np.ones((20, 48, 48))
    )  # agrees as far as large regions happen to be worth more
    np.testing.assert_allclose(everywhere.top, values.argmax(1) == REGIONS.index("background"))
    # A signed map's evidence against the target is no evidence in a region.
    signed = region_agreement(truth, painted - 2 * painted * (truth.masks[:, 0] > 0.5))
    assert (signed.rank <= 1).all()


def test_faces_without_landmarks_do_not_count():
    values = rng.normal(size=(3, 8))
    agrees = region_agreement(reference(values, np.array([True, False, True])), np.ones((3, 48, 48)))
    np.testing.assert_array_equal(np.isnan(agrees.rank), [False, True, False])
    np.testing.assert_array_equal(np.isnan(agrees.top), [False, True, False])


def test_p_values_of_nothing_are_uniform():
    p = np.array(
        [sign_flip_p(np.random.default_rng(i).normal(size=30), np.arange(30), draws=400, seed=i) for i in range(500)]
    )
    # Kolmogorov and Smirnov: for 500 draws the distance is below 1.95 / sqrt(500) in 999 of 1,000 cases.
    steps = np.arange(1, 501) / 500
    assert np.abs(np.sort(p) - steps).max() < 1.95 / np.sqrt(500)


def test_copies_of_a_face_do_not_make_a_difference_surer():
    values = rng.normal(0.3, 1, 12)
    alone = sign_flip_p(values, np.arange(12))
    copied = sign_flip_p(np.repeat(values, 4), np.repeat(np.arange(12), 4))
    assert copied == alone
    assert sign_flip_p(np.ones((12, 2)), np.arange(12)).shape == (2,)
    assert sign_flip_p(np.ones(12), np.arange(12)) < 0.002  # 1 of 4,096 choices of signs
    assert sign_flip_p(np.zeros((0, 3)), np.zeros(0)).tolist() == [1, 1, 1]


def test_holm_by_hand():
    np.testing.assert_allclose(holm(np.array([0.04, 0.01, 0.03, 0.5])), [0.09, 0.04, 0.09, 0.5])
    assert holm(np.array([])).tolist() == []


def report(*methods):
    """A report on 20 faces. methods: (name, passes, share of faces on which it is better, rank correlation)."""
    n, groups = 20, np.arange(20)
    yes = np.ones(n, bool)
    blob = MethodRow(
        "centre blob", "", np.zeros((n, 3)), yes, groups, regions=RegionAgreement(np.full(n, 0.1), np.zeros(n))
    )
    rows = [blob]
    for name, passes, share, rank in methods:
        srg = np.where(groups[:, None] < share * n, 0.3, 0.0) + np.zeros((n, 3))
        agreement = None if rank is None else RegionAgreement(rank + 0.01 * (groups - 9.5), np.zeros(n))
        rows.append(MethodRow(name, "", srg, yes, groups, (12, 12), passes, 0.001, None, None, agreement))
    return TrustReport("net", "ab", "data", n, 12, ("mean", "blur", "harmonic"), 0.05, True, 0, tuple(rows))


def test_what_was_assumed_about_the_network_stands_in_the_panel():
    guessed = replace(report(("rise", 500, 0.8, 0.4)), warnings=("the range is assumed",))
    assert guessed.to_dict()["warnings"] == ["the range is assumed"]
    assert "Note: the range is assumed" in [text.get_text() for text in guessed.plot().findobj(Text)]
    assert "assumed" not in guessed.text(), "the command has printed it"


def test_of_methods_that_pass_alike_the_one_that_knows_the_regions_is_recommended():
    answer = report(("rise", 500, 0.8, 0.4), ("shapley", 500, 0.75, 0.7), ("occlusion", 500, 0.7, 0.9))
    assert answer.recommendation(500).method == "shapley"  # within 5 points of the first; occlusion is not
    assert report(("rise", 500, 0.8, 0.4), ("shapley", 500, 0.8, 0.3)).recommendation(500).method == "rise"
    assert report(("rise", 500, 0.8, None), ("regions", 256, 0.8, None)).recommendation(500).method == "rise"


def test_methods_that_come_with_a_caution_are_not_recommended():
    answer = report(("guided-backprop", 1, 0.9, 0.9), ("gradcam", 1, 0.5, 0.2))
    assert answer.recommendation(1).method == "gradcam"
    assert report(("eigencam", 1, 0.9, 0.9)).recommendation(1) is None


def test_a_method_that_this_network_cannot_run_is_left_out_with_the_reason(pattern_network, monkeypatch):
    from ferviz.attribution.methods.method import PICTURE, Method
    from ferviz.attribution.methods.registry import METHODS
    from ferviz.errors import ModelError
    from ferviz.evaluation.panel import panel

    def refuse(request):
        raise ModelError("this network has no head for it")

    model, pictures = pattern_network((slice(0, 4), slice(0, 4)))
    METHODS.add("refusing", "refuses", Method(refuse, PICTURE))
    try:
        monkeypatch.setattr(panel, "usable_methods", lambda model: ["refusing", "saliency"])
        data = dataset(pictures[..., 0])
        answer = ferviz.trust_report(model, data, steps=4)
        assert [row.method for row in answer.rows if not row.control] == ["saliency"]
        assert "refusing was left out: this network has no head for it" in answer.text()
        with pytest.raises(ModelError, match="no head for it"):
            ferviz.trust_report(model, data, methods=("refusing",), steps=4)
    finally:
        METHODS._entries.pop("refusing", None)


def test_a_pass_of_guided_gradients_is_counted(engine):
    from ferviz.evaluation.panel.counting import counted
    from ferviz.models.input_spec import InputSpec
    from ferviz.models.model import Model

    model, counter = counted(Model("net", "", tuple("abcd"), InputSpec(18, 18, 1), engine("functional")))
    ferviz.explain(model, np.zeros((3, 18, 18), np.uint8), "guided-backprop", "b", test=False)
    assert counter.passes == 3


def test_who_does_not_know_the_regions_better_than_a_blob_is_told_so():
    answer = report(("gradcam", 1, 0.5, 0.05), ("rise", 500, 0.9, 0.6))
    gradcam, rise = answer.rows[1:]
    assert "Grad-CAM does not tell which part of a face counts" in answer.caveat(gradcam)
    assert "ask the method regions" in answer.text()
    assert answer.caveat(rise) == ""
    record = answer.to_dict()["methods"][2]
    assert record["regions"]["rank"] == pytest.approx([0.6, 0.575, 0.625], abs=0.01)
    assert record["regions"]["faces"] == 20
    assert record["p"] < 0.01
    assert answer.to_dict()["family"] == 2
    assert "with all 2 comparisons looked at together" in answer.text()


def test_pictures_without_faces_are_tested_but_not_by_region(pattern_network):
    model, pictures = pattern_network((slice(0, 4), slice(0, 4)))
    data = dataset(np.repeat(pictures[..., 0], 4, axis=0))
    answer = ferviz.trust_report(model, data, methods=("saliency",), faces=8, steps=4)
    assert answer.passed(answer.rows[-1]) == 1
    assert all(row.regions is None for row in answer.rows)
    assert "pictures show no face" in answer.text()
    with pytest.raises(NoFaceError, match="leave out regions, which needs the regions of a face"):
        ferviz.trust_report(model, data, methods=("saliency", "regions"), faces=8, steps=4)


@pytest.mark.parametrize("classes", [2, 1000])
def test_networks_of_two_and_of_a_thousand_classes(linear_model, classes):
    face = ferviz.find_faces(Path(__file__).parents[2] / "examples" / "astronaut.png")[0].pixels
    model = linear_model(rng.normal(0, 0.01, (16, 16, 1, classes)))
    small = np.asarray(model.input.resized([face]))[..., 0].astype(np.uint8)
    noisy = np.clip(small + rng.integers(-20, 20, (4, 16, 16)), 0, 255).astype(np.uint8)
    before = model.engine.pictures
    steady = stability(model, noisy, "saliency", None)
    assert model.engine.pictures - before <= 8 * len(noisy)
    assert 0 <= steady.class_sensitivity <= 2
    answer = ferviz.trust_report(model, dataset(noisy), methods=("saliency",), steps=4)
    assert answer.faces == 4
    assert answer.picture().width > 400


def test_a_network_of_colours_and_of_other_names_is_tested_on_grey_faces(pattern_network):
    model, pictures = pattern_network((slice(4, 8), slice(2, 6)), (16, 12, 3))
    data = dataset(np.repeat(pictures, 4, axis=0))  # labelled with emotions that the network does not know
    answer = ferviz.trust_report(model, data, methods=("saliency",), faces=8, steps=4)
    assert answer.passed(answer.rows[-1]) == 1
    grey = ferviz.trust_report(model, dataset(data.images[..., 0]), methods=("saliency",), faces=8, steps=4)
    assert grey.passed(grey.rows[-1]) == 1


def test_rows_of_a_method_at_two_layers_are_two_comparisons():
    answer = report(("gradcam", 1, 0.9, 0.5), ("gradcam", 1, 0.0, 0.5))
    early, late = (replace(row, layer=layer) for row, layer in zip(answer.rows[1:], ("conv2", "conv5"), strict=True))
    both = replace(answer, rows=(answer.rows[0], early, late))
    assert both.p_values["gradcam", "conv2"] < 0.01
    assert both.p_values["gradcam", "conv5"] == 1
