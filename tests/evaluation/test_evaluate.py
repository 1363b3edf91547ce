"""Evaluations of networks whose answers are known beforehand."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from ferviz.data.dataset import Dataset
from ferviz.data.read import relabel
from ferviz.emotions import FER2013, SCHEMES, label_scheme
from ferviz.errors import DataError, OutputExistsError, UnknownNameError, UsageError
from ferviz.evaluation.comparison import compare_models
from ferviz.evaluation.evaluate import evaluate
from ferviz.evaluation.report import check_report
from ferviz.evaluation.tta import hide_regions, ten_crop
from ferviz.faces.crops import as_faces
from ferviz.faces.landmarks.ladder import locate_landmarks
from ferviz.faces.landmarks.points import TEMPLATE
from ferviz.faces.regions import REGIONS, FaceRegions, region_masks
from ferviz.models.input_spec import InputSpec
from ferviz.results import read_npz

from .conftest import coded_faces, reads_the_code


@pytest.fixture
def faces() -> tuple[np.ndarray, np.ndarray]:
    """What the network says and what is true, for two hundred faces."""
    rng = np.random.default_rng(3)
    true = rng.integers(0, 7, 200)
    said = np.where(rng.random(200) < 0.6, true, rng.integers(0, 7, 200))
    return said, true


def test_figures_of_known_answers(make_model, faces) -> None:
    said, true = faces
    result = evaluate(make_model(reads_the_code(7), FER2013), coded_faces(said, true))
    assert result.accuracy == pytest.approx((said == true).mean())
    expected = np.zeros((7, 7), int)
    for t, s in zip(true, said, strict=True):
        expected[t, s] += 1
    assert np.array_equal(result.confusion, expected)
    document = json.loads(json.dumps(result.to_dict()))
    assert document["confusion"] == expected.tolist()
    assert document["n"] == 200
    assert document["interval"][0] < document["accuracy"] < document["interval"][1]
    sure = np.exp(4) / (np.exp(4) + 6)
    assert document["ece"] == pytest.approx(abs(sure - result.accuracy))
    assert set(document["per_class"]) == set(FER2013)


def test_labels_in_another_order_give_the_same_figures(make_model, faces) -> None:
    said, true = faces
    alphabetical = sorted(FER2013)
    place = np.array([alphabetical.index(n) for n in FER2013])

    def answer(batch: np.ndarray) -> np.ndarray:
        out = np.empty((len(batch), 7))
        out[:, place] = reads_the_code(7)(batch)
        return out

    a = evaluate(make_model(reads_the_code(7), FER2013), coded_faces(said, true)).to_dict()
    b = evaluate(make_model(answer, alphabetical), coded_faces(said, true)).to_dict()
    assert a["accuracy"] == b["accuracy"]
    assert a["per_class"] == b["per_class"]
    wrong = evaluate(make_model(answer, FER2013), coded_faces(said, true))
    assert wrong.accuracy < a["accuracy"] - 0.15


def test_synonyms_and_case(make_model, faces) -> None:
    names = ["Anger", "disgusted", "FEAR", "Happiness", "sadness", "surprised", "Neutral"]
    assert evaluate(make_model(reads_the_code(7), names), coded_faces(*faces)).accuracy == pytest.approx(
        (faces[0] == faces[1]).mean()
    )


def test_a_class_the_network_does_not_have_is_left_out_and_said(make_model, faces) -> None:
    said, true = faces
    six = [n for n in FER2013 if n != "disgust"]
    position = {FER2013.index(n): i for i, n in enumerate(six)}
    code = np.array([position.get(s, 0) for s in said])
    result = evaluate(make_model(reads_the_code(6), six), coded_faces(code, true))
    keep = true != 1
    assert len(result) == keep.sum()
    assert result.accuracy == pytest.approx((code[keep] == [position[t] for t in true[keep]]).mean())
    assert any(f"{(~keep).sum()} disgust" in note for note in result.notes)


def test_an_output_without_faces_is_only_ever_wrong(make_model) -> None:
    names = [*FER2013, "contempt"]
    result = evaluate(make_model(reads_the_code(8), names), coded_faces(np.array([3, 7, 3, 7]), np.array([3, 3, 3, 4])))
    assert result.accuracy == 0.5
    assert result.to_dict()["per_class"]["contempt"]["recall"] is None
    assert any("contempt" in note for note in result.notes)


def test_merged_and_coarse_schemes_add_the_outputs_up(make_model) -> None:
    def answer(batch: np.ndarray) -> np.ndarray:
        # 0.3 angry, 0.3 disgust, 0.4 happy: anger wins only where disgust is counted with it
        return np.log(np.tile([0.3, 0.3, 1e-9, 0.4, 1e-9, 1e-9, 1e-9], (len(batch), 1)))

    data = coded_faces(np.zeros(4), np.array([0, 1, 3, 6]))
    model = make_model(answer, FER2013)
    assert evaluate(model, data).accuracy == 0.25
    merged = evaluate(model, relabel(data, SCHEMES["6-merged"]))
    assert merged.labels == SCHEMES["6-merged"].labels
    assert merged.accuracy == 0.5
    assert "angry = angry + disgust" in merged.notes[0]
    coarse = evaluate(model, relabel(data, SCHEMES["positive-negative"]))
    assert (len(coarse), coarse.labels) == (3, ("negative", "positive"))
    assert coarse.predicted.tolist() == [0, 0, 0]
    assert coarse.probabilities[0].tolist() == pytest.approx([0.6, 0.4], abs=1e-6)


def test_nothing_in_common(make_model, faces) -> None:
    with pytest.raises(DataError, match="share no name"):
        evaluate(make_model(reads_the_code(2), ["cat", "dog"]), coded_faces(*faces))


def test_splits(make_model, faces) -> None:
    said, true = faces
    split = np.where(np.arange(200) < 150, "Training", "PublicTest")
    model = make_model(reads_the_code(7), FER2013)
    data = coded_faces(said, true, split)
    assert len(evaluate(model, data)) == 50
    assert len(evaluate(model, data, split="train")) == 150
    assert (len(evaluate(model, data, split=None)), evaluate(model, data, split=None).split) == (200, "all")
    with pytest.raises(UnknownNameError, match="PrivateTest"):
        evaluate(model, data, split="PrivateTest")
    unsplit = Dataset(data.images, data.labels, np.full(200, ""), data.rows)
    assert len(evaluate(model, unsplit)) == 200


def test_duplicates_of_training_faces_are_counted_apart(make_model) -> None:
    data = coded_faces(np.array([0, 1, 2, 3, 4, 5]), np.array([0, 1, 2, 3, 0, 0]))
    images = np.concatenate([data.images[:2], data.images])
    split = np.array(["Training"] * 2 + ["PublicTest"] * 6)
    both = Dataset(images, np.concatenate([data.labels[:2], data.labels]), split, np.arange(8))
    found = evaluate(make_model(reads_the_code(7), FER2013), both).to_dict()
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert (found["duplicates"]["in_training"]["n"], found["duplicates"]["in_training"]["accuracy"]) == (2, 1)
    assert (found["duplicates"]["without"]["n"], found["duplicates"]["without"]["accuracy"]) == (4, 0.5)
    alone = evaluate(make_model(reads_the_code(7), FER2013), both.part("PublicTest"))
    assert "duplicates" not in alone.to_dict(), "without training faces nothing can be said"


def test_flip_averages_the_two_probabilities(make_model) -> None:
    # The left upper pixel names one class, the right upper one another: a mirrored face says the other one, more weakly.
    data = coded_faces(np.array([2, 2]), np.array([2, 2]))
    data.images[:, 0, -1] = 5 * 20

    def answer(batch: np.ndarray) -> np.ndarray:
        said = np.rint(batch[:, 0, 0, 0] / 20).astype(int)
        return np.eye(7)[said] * np.where(said == 5, 1.0, 3.0)[:, None]

    model = make_model(answer, FER2013)
    result = evaluate(model, data, tta="flip")
    plain, mirrored = result.probabilities[0], np.exp(np.eye(7)[5]) / np.exp(np.eye(7)[5]).sum()
    assert result.tta["flip"][0] == pytest.approx((plain + mirrored) / 2, abs=1e-6)
    assert result.to_dict()["tta"]["flip"]["accuracy"] == 1
    assert model.engine.asked == 4, "the face itself is asked once"
    with pytest.raises(UnknownNameError, match="ten-crop"):
        evaluate(model, data, tta="tencrop")


def test_ten_crop_looks_at_corners_and_centre() -> None:
    images = np.arange(48 * 48, dtype=np.int64).reshape(1, 48, 48)
    crops = ten_crop(images)
    assert len(crops) == 10
    assert {c.shape for c in crops} == {(1, 44, 44)}
    assert [int(c[0, 0, 0]) for c in crops[::2]] == [0, 4, 4 * 48, 4 * 48 + 4, 2 * 48 + 2]
    assert all(np.array_equal(a[:, :, ::-1], b) for a, b in zip(crops[::2], crops[1::2], strict=True))


@pytest.mark.parametrize("colour", [False, True])
def test_hidden_regions_take_each_picture_s_own_mean(colour: bool) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3) if colour else (3, 48, 48), dtype=np.uint8)
    faces = locate_landmarks(as_faces(images))
    masks = FaceRegions.of(faces, (48, 48)).masks
    hidden = hide_regions(faces)
    assert list(hidden) == list(REGIONS)
    for region, pictures in enumerate(hidden.values()):
        for face, picture, mask in zip(faces, pictures, masks[:, region], strict=True):
            expected = face.pixels * (1 - mask[..., None]) + face.pixels.mean((0, 1)) * mask[..., None]
            assert np.abs(picture - expected).max() <= 0.51


def test_occlusion_finds_the_part_that_decides(make_model) -> None:
    # A network that looks at the mouth only: hiding anything else changes nothing. Noise is no face, so its regions are the template's.
    mask = region_masks(TEMPLATE[None], (48, 48))[0, REGIONS.index("mouth")] > 0.999
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 48, 48), dtype=np.uint8)
    labels = np.arange(60) % 2
    left = mask & (np.arange(48) < 24)
    right = mask & (np.arange(48) >= 24)  # both halves are as large: the class changes no picture's mean
    images[:, left] = np.where(labels[:, None], 220, 40)
    images[:, right] = np.where(labels[:, None], 40, 220)
    data = Dataset(images, np.where(labels, 3, 4), np.full(60, "PublicTest"), np.arange(60))

    def answer(batch: np.ndarray) -> np.ndarray:
        bright = batch[:, left, 0].mean(axis=1) - batch[:, right, 0].mean(axis=1)
        return np.stack([bright, -bright], axis=1) / 10

    found = evaluate(
        make_model(answer, ["happy", "sad"], InputSpec(48, 48, scaling="0..255")), data, occlude="regions"
    ).to_dict()
    shown = found["occlusion"]
    assert list(shown) == ["none", *REGIONS]
    for name in set(shown) - {"mouth"}:
        assert shown[name]["accuracy"] == 1
    assert any("60 of 60 faces show no landmarks" in note for note in found["notes"])
    assert shown["mouth"]["accuracy"] < 0.7
    assert set(shown["mouth"]["recall"]) == {"happy", "sad"}
    with pytest.raises(UsageError, match="regions"):
        evaluate(make_model(answer, ["happy", "sad"]), data, occlude="mouth")


def test_surest_mistakes_first(make_model) -> None:
    data = coded_faces(np.array([1, 2, 3, 4, 5]), np.array([1, 0, 0, 0, 0]))
    strength = np.array([0, 9.0, 1.0, 3.0, 2.0, 5.0, 0])

    def answer(batch: np.ndarray) -> np.ndarray:
        said = np.rint(batch[:, 0, 0, 0] / 20).astype(int)
        return np.eye(7)[said] * strength[said][:, None]

    result = evaluate(make_model(answer, FER2013), data)
    assert result.mistakes().tolist() == [4, 2, 3, 1]
    assert result.to_dict()["mistakes"][0]["predicted"] == "surprise"


def test_compare_two_networks_on_the_faces_that_both_saw(make_model, faces) -> None:
    said, true = faces
    data = coded_faces(said, true)
    first = evaluate(make_model(reads_the_code(7), FER2013), data)
    constant = evaluate(
        make_model(lambda b: np.tile(np.eye(7)[3], (len(b), 1)), FER2013), data.take(np.arange(40, 200))
    )
    both = compare_models(first, constant)
    right, happy = (said == true)[40:], (true == 3)[40:]
    assert both.test.n == 160
    assert both.test.only_first == (right & ~happy).sum()
    assert both.test.only_second == (~right & happy).sum()
    document = both.to_dict()
    assert document["accuracy"] == [pytest.approx(right.mean()), pytest.approx(happy.mean())]
    assert document["disagreement"] == pytest.approx((said[40:] != 3).mean())
    assert document["mcnemar_p"] < 0.001
    assert both.plot().axes


def test_the_faces_that_two_networks_disagree_on(make_model, faces) -> None:
    said, true = faces
    data = coded_faces(said, true)
    first = evaluate(make_model(reads_the_code(7), FER2013), data)
    sure = np.linspace(0.2, 0.95, len(said))
    answers = iter(sure)

    def happy_more_and_more(batch):
        p = np.array([next(answers) for _ in batch])[:, None]
        return np.log(np.where(np.arange(7) == 3, p, (1 - p) / 6))

    second = evaluate(make_model(happy_more_and_more, FER2013), data)
    both = compare_models(first, second)
    assert (first.predicted == said).all()
    apart = np.flatnonzero(said != 3)
    lesser = np.minimum(first.probabilities[apart].max(1), second.probabilities[apart].max(1))
    assert sorted(both.disagreements) == apart.tolist()
    assert (np.diff(np.minimum(first.probabilities.max(1), second.probabilities.max(1))[both.disagreements]) <= 0).all()
    document = both.to_dict()
    assert document["disagreement_rows"] == first.rows[both.disagreements].tolist()
    assert len(document["disagreements"]) == 16
    surest = document["disagreements"][0]
    assert min(surest["confidence"]) == pytest.approx(lesser.max())
    at = list(first.rows).index(surest["row"])
    assert (surest["true"], surest["predicted"]) == (FER2013[true[at]], [FER2013[said[at]], "happy"])
    lines = both.table()
    assert len(lines) == 1 + len(apart)
    assert lines[1][:3] == [surest["row"], surest["true"], surest["predicted"][0]]
    # The sheet: each shown face, both answers and the label; the answer that is as labelled has a dot.
    (sheet,) = both.plot(view="disagreements", most=10, width_mm=292).axes
    assert len(sheet.images) == 10
    words = [text.get_text() for text in sheet.texts]
    for k, i in enumerate(both.disagreements[:10]):
        np.testing.assert_array_equal(sheet.images[k].get_array(), first.images[i])
        above, below, label = words[3 * k : 3 * k + 3]
        assert above.removeprefix("• ").startswith(FER2013[said[i]])
        assert below.removeprefix("• ") == f"happy {second.probabilities[i].max():.2f}"
        assert label == FER2013[true[i]]
        assert [text[0] == "•" for text in (above, below)] == [said[i] == true[i], true[i] == 3]


def test_a_network_agrees_with_itself_and_is_told_apart(make_model, faces) -> None:
    first = evaluate(make_model(reads_the_code(7), FER2013), coded_faces(*faces))
    both = compare_models(first, first)
    assert both.disagreement == 0
    assert both.to_dict()["disagreement_rows"] == []
    assert len(both.table()) == 1
    assert "They agree on every face." in [text.get_text() for text in both.plot("disagreements").findobj(Text)]
    assert (both.first.model, both.second.model) == ("pixels (first)", "pixels (second)")


@pytest.mark.slow
def test_reports(make_model, faces, tmp_path: Path) -> None:
    said, true = (values[:20] for values in faces)  # hiding regions of all of them would take seconds
    data = coded_faces(said, true)
    result = evaluate(make_model(reads_the_code(7), FER2013), data, tta=["flip"], occlude="regions")
    page = result.save(tmp_path / "page.png")
    with Image.open(page) as picture:
        assert json.loads(picture.text["ferviz"])["split"] == "PublicTest"
        assert np.asarray(picture.convert("L")).std() > 10
    figures = result.save(tmp_path / "f.json")
    assert json.loads(figures.read_text())["confusion"] == result.confusion.tolist()
    files = result.save_report(tmp_path / "report")
    assert sorted(f.name for f in files) == ["mistakes.png", "predictions.csv", "report.json", "report.png"]
    lines = (tmp_path / "report" / "predictions.csv").read_text().splitlines()
    assert len(lines) == 21
    assert lines[1].split(",")[1] == FER2013[true[0]]
    with pytest.raises(OutputExistsError):
        result.save_report(tmp_path / "report")
    with pytest.raises(OutputExistsError):
        result.save(page)
    result.save_report(tmp_path / "report", force=True)
    with pytest.raises(UsageError, match=r"\.docx"):
        result.save(tmp_path / "x.docx")


def test_sigmoid_networks_keep_their_probabilities(make_model) -> None:
    data = coded_faces(np.array([3]), np.array([3]))
    result = evaluate(make_model(reads_the_code(7), FER2013, head="sigmoid"), data)
    assert result.probabilities[0, 3] == pytest.approx(1 / (1 + np.exp(-4)))
    assert result.probabilities[0, 0] == pytest.approx(0.5)


def test_colour_faces_and_batches(make_model) -> None:
    data = coded_faces(np.arange(7), np.arange(7))
    colour = Dataset(np.repeat(data.images[..., None], 3, axis=3), data.labels, data.split, data.rows)
    assert evaluate(make_model(reads_the_code(7), FER2013), colour, batch_size=2).accuracy == 1


def test_tables_are_csv_whatever_the_classes_are_called(make_model, tmp_path: Path) -> None:
    labels = ("a;b", "=1+1", 'say "c"')
    data = coded_faces(np.array([0, 1, 2, 1]), np.array([0, 1, 1, 2]), scheme=label_scheme(labels))
    first = evaluate(make_model(reads_the_code(3), labels), data)
    other = evaluate(make_model(lambda b: np.tile(np.eye(3)[0], (len(b), 1)), labels), data)
    shown = ["a;b", "'=1+1", 'say "c"']
    head, *rows = csv.reader(first.save(tmp_path / "first.csv").read_text().splitlines())
    assert head == ["row", "true", "predicted", "confidence", "rank", *shown]
    assert [row[:3] for row in rows] == [
        ["0", shown[0], shown[0]], ["1", shown[1], shown[1]], ["2", shown[1], shown[2]], ["3", shown[2], shown[1]],
    ]  # fmt: skip
    assert all(len(row) == len(head) for row in rows)
    both = compare_models(first, other)
    head, *rows = csv.reader(both.save(tmp_path / "both.csv").read_text().splitlines())
    assert sorted(row[:3] + row[4:5] for row in rows) == [
        ["1", shown[1], shown[1], shown[0]], ["2", shown[1], shown[2], shown[0]], ["3", shown[2], shown[1], shown[0]],
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".png", ".pdf", ".csv", ".npz", ".json"])
def test_a_report_with_a_comparison_beside_it(make_model, faces, tmp_path: Path, suffix: str) -> None:
    first = evaluate(make_model(reads_the_code(7), FER2013), coded_faces(*faces))
    both = compare_models(first, first)
    expected = {
        ".png": ["r.png", "r_compare.png", "r_disagreements.png"], ".pdf": ["r.pdf", "r_compare.pdf", "r_disagreements.pdf"],
        ".csv": ["r.csv", "r_disagreements.csv"], ".npz": ["r.npz", "r_compare.npz"], ".json": ["r.json"],
    }[suffix]  # fmt: skip
    files = first.save_report(tmp_path / f"r{suffix}", both)
    assert [f.name for f in files] == expected
    assert sorted(f.name for f in tmp_path.iterdir()) == expected
    with pytest.raises(OutputExistsError):
        check_report(tmp_path / f"r{suffix}", compared=True)


def test_the_numbers_of_an_evaluation_as_arrays(make_model, faces, tmp_path: Path) -> None:
    result = evaluate(make_model(reads_the_code(7), FER2013), coded_faces(*faces), tta="flip")
    arrays, made = read_npz(result.save(tmp_path / "e.npz"), ("true", "probabilities", "tta/flip"), "an evaluation")
    np.testing.assert_array_equal(arrays["true"], faces[1])
    np.testing.assert_array_equal(arrays["probabilities"], result.probabilities)
    np.testing.assert_array_equal(arrays["tta/flip"], result.tta["flip"])
    assert (made["command"], made["n"]) == ("evaluate", 200)
