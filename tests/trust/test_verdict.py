"""The verdict on maps whose worth is known: of networks that look at a corner, at the centre, or nowhere."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ferviz.trust.calibration import Calibration
from ferviz.trust.controls import centre_blob
from ferviz.trust.deletion import FILLS, deletion_curves, pixel_ranks
from ferviz.trust.scores import network_scores, target_scores
from ferviz.trust.verdict import OUTCOMES, Verdict, judge, outcome

SIDE = 16
rng = np.random.default_rng(0)


@pytest.fixture
def corner(pattern_network):
    """A network that looks at the upper left corner, and faces."""
    return pattern_network((slice(0, 4), slice(0, 4)))


def one_hot(n, target, classes=2):
    return np.repeat(np.eye(classes, dtype=np.float32)[None, target : target + 1], n, axis=0)


def there(rows, columns):
    heat = np.zeros((SIDE, SIDE), np.float32)
    heat[rows, columns] = 1
    return heat


def outcomes(model, pictures, heat, **settings):
    maps = np.broadcast_to(heat, (len(pictures), 1, SIDE, SIDE))
    trust = judge(model, pictures, maps, one_hot(len(pictures), 1), **settings)
    return [row[0].outcome for row in trust.verdicts]


def test_the_true_place_is_better_another_one_worse_and_the_blob_itself_no_different(corner):
    model, pictures = corner
    assert outcomes(model, pictures, there(slice(0, 4), slice(0, 4))) == ["better"] * 3
    assert outcomes(model, pictures, -there(slice(0, 4), slice(0, 4))) == ["worse"] * 3
    blob = centre_blob(SIDE, SIDE)
    assert outcomes(model, pictures, blob) == ["indistinguishable"] * 3
    trust = judge(model, pictures, np.broadcast_to(blob, (3, 1, SIDE, SIDE)), one_hot(3, 1))
    assert all(value == 0 for row in trust.verdicts for value in row[0].margin.values())


def test_the_network_that_looks_at_the_centre_is_explained_no_better_by_the_centre(pattern_network):
    model, pictures = pattern_network((slice(6, 10), slice(6, 10)))
    assert outcomes(model, pictures, there(slice(6, 10), slice(6, 10))) == ["indistinguishable"] * 3


@pytest.mark.parametrize(
    ("heat", "reason"),
    [
        (np.zeros((SIDE, SIDE)), "the map is empty"),
        (np.full((SIDE, SIDE), 0.7), "the map is empty"),
        (np.where(np.eye(SIDE), np.nan, 1), "the map has values that are not numbers"),
    ],
)
def test_a_map_that_names_no_place_is_not_assessable(corner, heat, reason):
    model, pictures = corner
    trust = judge(model, pictures[:1], heat[None, None].astype(np.float32), one_hot(1, 1))
    verdict = trust.verdicts[0][0]
    assert (verdict.outcome, verdict.reason, verdict.margin) == ("not-assessable", reason, {})
    assert verdict.sentence == f"Not assessable: {reason}"


def test_an_answer_that_hiding_the_face_does_not_change_is_not_assessable(linear_model):
    model = linear_model(np.full((SIDE, SIDE, 1, 2), 1e-6))
    pictures = rng.integers(0, 256, (1, SIDE, SIDE, 1)).astype(np.uint8)
    verdict = judge(model, pictures, rng.random((1, 1, SIDE, SIDE)), one_hot(1, 0)).verdicts[0][0]
    assert verdict.outcome == "not-assessable"
    assert "hiding the whole face hardly changes the answer" in verdict.sentence


def test_each_target_has_a_verdict_of_its_own(corner):
    model, pictures = corner
    heat = there(slice(0, 4), slice(0, 4))
    maps = np.broadcast_to(np.stack([heat, -heat]), (3, 2, SIDE, SIDE))
    weights = np.repeat(
        np.array([[[0, 1], [-1, 1]]], np.float32), 3, axis=0
    )  # class 1, and class 1 rather than class 0
    trust = judge(model, pictures, maps, weights)
    assert [[v.outcome for v in row] for row in trust.verdicts] == [["better", "worse"]] * 3


def test_a_verdict_does_not_depend_on_the_other_faces(corner):
    model, pictures = corner
    maps = rng.random((3, 1, SIDE, SIDE)).astype(np.float32)
    together = judge(model, pictures, maps, one_hot(3, 1))
    alone = [judge(model, pictures[i : i + 1], maps[i : i + 1], one_hot(1, 1)).verdicts[0] for i in range(3)]
    assert [v[0].to_dict() for v in together.verdicts] == [v[0].to_dict() for v in alone]


def test_what_is_decided_by_one_fill_is_what_all_of_them_say(corner):
    model, pictures = corner
    maps = rng.random((3, 40, SIDE, SIDE)).astype(np.float32)
    maps[:, ::2] = centre_blob(SIDE, SIDE) + 0.3 * maps[:, ::2]
    maps[:, ::5, :4, :4] += 1
    weights = np.repeat(one_hot(3, 1), 40, axis=1)
    ranks = pixel_ranks(np.concatenate([maps, np.repeat(centre_blob(SIDE, SIDE)[None, None], 3, 0)], 1))
    srg = deletion_curves(network_scores(model, weights[:, :1]), pictures, ranks, steps=6).srg[:, :, 0]
    everything = outcome(srg[:, :-1] - srg[:, -1:], 0.05)
    trust = judge(model, pictures, maps, weights)
    assert [[v.outcome for v in row] for row in trust.verdicts] == np.array(OUTCOMES)[everything].tolist()
    assert set(everything.ravel()) == {0, 1, 2}
    for face, row in enumerate(trust.verdicts):
        for number, verdict in enumerate(row):
            full = dict(zip(FILLS, srg[face, number] - srg[face, -1], strict=True))
            assert verdict.margin == pytest.approx({fill: full[fill] for fill in verdict.margin}, abs=1e-5)


def test_a_fill_is_asked_only_while_it_can_change_the_answer(corner):
    model, pictures = corner

    def passes(heat):
        model.engine.pictures = 0
        margin = judge(model, pictures[:1], heat[None, None], one_hot(1, 1)).verdicts[0][0].margin
        return model.engine.pictures, len(margin)

    assert passes(there(slice(0, 4), slice(0, 4))) == (4 + 3 * 20, 3)  # the ends; two maps, two curves, five steps
    assert passes(centre_blob(SIDE, SIDE)) == (4 + 20, 1)
    assert passes(np.zeros((SIDE, SIDE), np.float32)) == (4, 0)


def test_the_network_is_given_no_more_pictures_than_a_batch_at_once(corner):
    model, pictures = corner
    judge(model, pictures, rng.random((3, 1, SIDE, SIDE)), one_hot(3, 1), batch_size=10)
    assert model.engine.largest_batch <= 10


@pytest.mark.parametrize("classes", [2, 1000])
@pytest.mark.parametrize("shape", [(SIDE, SIDE, 3), (20, 11, 1)])
def test_networks_of_any_number_of_classes_and_colours_and_of_pictures_that_are_no_square(
    pattern_network, classes, shape
):
    model, pictures = pattern_network((slice(0, 4), slice(0, 4)), shape, classes)
    heat = np.zeros((1, 1, *shape[:2]), np.float32)
    heat[..., :4, :4] = 1
    verdict = judge(model, pictures[:1], heat, one_hot(1, 1, classes)).verdicts[0][0]
    assert verdict.outcome == "better"


@pytest.mark.parametrize(
    ("margins", "answer"),
    [
        ([0.06, 0.2, 0.9], "better"),
        ([0.05, 0.2, 0.9], "indistinguishable"),
        ([-0.9, 0.2, 0.9], "indistinguishable"),
        ([-0.06, -0.2, -0.9], "worse"),
        ([-0.05, -0.2, -0.9], "indistinguishable"),
    ],
)
def test_the_margin_has_to_hold_under_every_fill(margins, answer):
    assert OUTCOMES[int(outcome(np.array(margins), 0.05))] == answer


def test_the_margin_is_that_of_the_calibration(corner):
    model, pictures = corner
    heat = there(slice(0, 4), slice(0, 4))
    strict = Calibration({6: 0.99}, True)
    maps = np.broadcast_to(heat, (3, 1, SIDE, SIDE))
    trust = judge(model, pictures, maps, one_hot(3, 1), calibration=strict)
    assert [row[0].outcome for row in trust.verdicts] == ["indistinguishable"] * 3
    assert trust.calibrated
    assert trust.verdicts[0][0].calibrated
    assert not judge(model, pictures, maps, one_hot(3, 1)).calibrated


def test_a_verdict_survives_json():
    verdict = Verdict("better", {"mean": 0.12345}, {"mean": 0.5}, True)
    back = Verdict.from_dict(json.loads(json.dumps(verdict.to_dict())))
    assert back == Verdict("better", {"mean": 0.1235}, {"mean": 0.5}, True)
    with pytest.raises(ValueError, match="'splendid' is no verdict"):
        Verdict.from_dict(verdict.to_dict() | {"outcome": "splendid"})


def test_scores_of_classes_and_contrasts(linear_model):
    model = linear_model(np.zeros((4, 4, 1, 3)))
    logits = np.array([[1.0, 2.0, 4.0]])
    p = np.exp(logits[0]) / np.exp(logits[0]).sum()
    weights = np.array([[0, 1, 0], [1, 3, 0], [0, 0, -1], [0, -1, 1], [-1, -1, 0]], np.float32)
    expected = [p[1], (p[0] + 3 * p[1]) / 4, 1 - p[2], 1 / (1 + np.exp(-2)), 1 - (p[0] + p[1]) / 2]
    np.testing.assert_allclose(target_scores(model, logits, weights)[0], expected, atol=1e-6)
    # The contrast of two classes is what the probability would be if there were only these two.
    np.testing.assert_allclose(expected[3], p[2] / (p[1] + p[2]))
