"""Each study finds what was planted, says how sure it is, and copes with data that lacks faces, classes and good names."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Text

from ferviz.cli import run
from ferviz.data.dataset import Dataset
from ferviz.emotions import LabelScheme, label_scheme
from ferviz.errors import DataError, NoFaceError, UnknownNameError, UsageError
from ferviz.faces.landmarks.ladder import TEMPLATE_SOURCE
from ferviz.faces.landmarks.points import TEMPLATE
from ferviz.faces.regions import REGIONS, FaceRegions
from ferviz.models.model import Model
from ferviz.studies import region_scores
from ferviz.studies.alignment import align, unit_mean
from ferviz.studies.confusion_study import faces_of_cells
from ferviz.studies.region_expectation import EXPECTED, rank_agreement
from ferviz.studies.region_study import _measure
from ferviz.studies.registry import STUDIES, study
from ferviz.studies.study import Study
from ferviz.trust.controls import centre_blob

from .conftest import LABELS, MASKS, SIZE, WORTH, PooledChannels, pictures, region_network

EXACT = (
    "gradient-x-input"  # what each pixel adds to a sum, in one pass; test_kept_answers.py has a study with occlusion
)
FAST = {
    "regions": {"method": EXACT, "variants": 0, "fill": "mean"}, "mean-maps": {"method": EXACT},
    "compare": {"method": EXACT, "fill": "mean"}, "confusions": {"fill": "mean"},
    "channels": {"layer": "conv", "dreams": 1, "steps": 1},
}  # fmt: skip


def ask(name: str, model: Model, data: Dataset, **options: object) -> Study:
    options = {"faces": 36, **FAST.get(name, {}), **options}
    if name == "channels":  # which needs a layer
        engine: Any = PooledChannels()
        model = replace(model, engine=engine)
    if name == "compare":
        options.setdefault("second", region_network(name="twin"))
    return study(name, model, data, **options)  # type: ignore[arg-type]


def cell(answer: Study, label: str, region: str) -> dict[str, object]:
    return next(r for r in answer.records() if r["class"] == label and r["region"] == region)


def test_regions_finds_the_planted_region(model: Model, data: Dataset) -> None:
    answer = ask("regions", model, data, variants=3)
    mouth, brows = cell(answer, "happy", "mouth"), cell(answer, "happy", "brows")
    assert mouth["low"] > 0.3
    assert mouth["robust"] is True
    assert mouth["p_holm"] < 0.05
    assert mouth["enrichment"] > 1
    assert mouth["flips"] == 1
    assert abs(brows["shapley"]) < 0.2 * mouth["shapley"]
    assert cell(answer, "sad", "eyes")["shapley"] > cell(answer, "sad", "mouth")["shapley"]
    assert "happy on the mouth" in answer.finding
    assert "sad on the eyes" in answer.finding
    assert (mouth["spec_low"], mouth["spec_high"]) == pytest.approx((mouth["shapley"], mouth["shapley"]), rel=0.9)
    agreement = {(r["class"], r["profile"]): r for r in answer.records("agreement")}
    assert (
        agreement["happy", "regions (Shapley)"]["rank_correlation"] > agreement["happy", "uniform"]["rank_correlation"]
    )


@pytest.mark.slow
def test_values_add_up_and_copies_count_once(model: Model, data: Dataset) -> None:
    answer = ask("regions", model, data)
    values = answer.arrays["shapley"]
    black = data.take(np.array([0, 1, 2]))
    twice = replace(
        data,
        images=np.concatenate([data.images] * 2),
        labels=np.tile(data.labels, 2),
        split=np.tile(data.split, 2),
        rows=np.arange(180),
    )
    again = ask("regions", model, twice, faces=72)
    assert (again.faces, again.groups) == (72, len(np.unique(again.arrays["groups"])))
    assert again.groups < 72
    assert values.shape == (36, len(REGIONS) + 1)
    np.testing.assert_allclose(values[:, -1], values[:, [REGIONS.index("brows"), REGIONS.index("eyes")]].sum(1))
    assert ask("regions", model, black).faces == 3


def test_labels_ranks_what_was_mislabelled(model: Model, data: Dataset) -> None:
    labels = data.labels.copy()
    wrong = [0, 31, 62]
    labels[wrong] = [1, 2, 0]
    images = data.images.copy()
    images[33] = images[0]  # the same picture, rightly labelled elsewhere
    votes = np.zeros((90, 10), np.int64)
    votes[np.arange(90), np.array([1, 3, 0])[data.labels]] = 9
    answer = ask("labels", model, replace(data, labels=labels, images=images, votes=votes))
    top = answer.records()[:3]
    assert sorted(r["row"] for r in top) == [500 + i for i in wrong]
    assert {r["predicted"] for r in top} == {"happy", "sad", "neutral"}
    first = next(r for r in top if r["row"] == 500)
    assert (first["same_picture_other_label"], first["votes_for_label"], first["votes_majority"]) == (
        "happy",
        0,
        "happy",
    )
    assert "differ from that majority" in answer.finding
    assumed = "the file does not name its 3 outputs: happy, sad, neutral is assumed"
    training = ask("labels", replace(model, notes=(assumed,)), replace(data, split=np.full(90, "Training")))
    assert any("by heart" in note for note in training.notes)
    assert training.notes[0] == f"{assumed.capitalize()}."
    assert "is assumed" in training.text()
    assert "is assumed" not in training.text(known=[assumed])


def test_confusions_finds_the_region_that_misleads(model: Model, data: Dataset) -> None:
    """Faces of sad people with bright mouths: the mouth pushes them to happy, and hiding it gives the label back."""
    images, kind = pictures(60, seed=9)
    labels = np.where(kind == 0, 1, kind)
    both = kind == 0
    images[both] = np.clip(images[both] + 40 * MASKS[REGIONS.index("eyes")], 0, 255).astype(np.uint8)
    mixed = Dataset(
        np.concatenate([data.images, images]),
        np.concatenate([data.labels, labels]),
        np.full(150, ""),
        np.arange(150),
        data.scheme,
    )
    answer = ask("confusions", model, mixed, faces=100, cells=2)
    rows = {r["region"]: r for r in answer.records() if (r["true"], r["predicted"]) == ("sad", "happy")}
    assert rows["mouth"]["difference"] == max(r["difference"] for r in rows.values())
    assert rows["mouth"]["q"] < 0.05
    assert rows["mouth"]["repair"] > 0.9
    assert rows["mouth"]["harm"] < 0.1
    assert rows["chin"]["repair"] < 0.3
    assert "pushed most by the mouth" in answer.finding
    roles = [r["role"] for r in answer.records("faces")]
    assert roles[0] == "sad as happy: typical"
    assert len(answer.arrays["images"]) == len(roles)


def test_the_heaviest_mistakes_have_faces_enough() -> None:
    """Twenty faces of a mistake and twenty of its reference, or four that are shown."""
    assert faces_of_cells(300, 6) == [25] * 6
    assert faces_of_cells(100, 6) == [21, 21, 4, 4, 4, 4]
    assert faces_of_cells(48, 2) == [22, 4]
    assert faces_of_cells(1, 2) == [4, 4]
    assert faces_of_cells(300, 0) == []
    for faces in range(60, 400, 7):
        counts = faces_of_cells(faces, 6)
        assert counts[0] >= 20
        assert sum(count * (2 if count > 4 else 1) for count in counts) <= faces


def test_no_mistake_is_said(model: Model, data: Dataset) -> None:
    right = data.take(model.logits(data.images).argmax(1) == data.labels)
    assert "no mistake" in ask("confusions", model, right).finding


def test_mean_maps_lie_on_the_planted_regions(model: Model, data: Dataset) -> None:
    answer = ask("mean-maps", model, data)
    happy, sad = answer.arrays["right"][:2]
    mouth, eyes = (
        align(MASKS[[REGIONS.index(name)]].astype(np.float32), np.asarray(TEMPLATE)[None])[0][0] > 0.5
        for name in ("mouth", "eyes")
    )
    assert np.nanmean(happy[mouth]) > 3 * np.nanmean(happy[eyes])
    assert np.nanmean(sad[eyes]) > 3 * np.nanmean(sad[mouth])
    assert "too few" in answer.finding


def test_alignment_puts_every_face_in_one_place() -> None:
    spot = np.zeros((1, *SIZE), np.float32)
    spot[0, 18, 14] = 1
    moved = np.roll(spot, (5, 3), (1, 2))
    points = np.asarray(TEMPLATE)[None]
    first, second = align(spot, points)[0], align(moved, points + np.array([3, 5]))[0]
    np.testing.assert_allclose(first, second, atol=1e-4)
    row, column = np.unravel_index(first[0].argmax(), first[0].shape)
    assert abs((row + 0.5) / 2 - 0.5 - 18) <= 0.5
    assert abs((column + 0.5) / 2 - 0.5 - 14) <= 0.5
    normal, usable = unit_mean(np.stack([spot[0], spot[0] * 0]))
    assert usable.tolist() == [True, False]
    assert normal[0].mean() == pytest.approx(1)


@pytest.mark.slow
def test_a_network_does_not_differ_from_its_twin(model: Model, data: Dataset) -> None:
    other = region_network(
        labels=("neutral", "happy", "sad"), name="twin"
    )  # the same network, its outputs in another order
    answer = ask("compare", model, data, second=other)
    assert all(abs(r["difference"]) < 1e-4 for r in answer.records())
    np.testing.assert_allclose(answer.arrays["difference"][np.isfinite(answer.arrays["difference"])], 0, atol=1e-5)
    assert "no region" in answer.finding


@pytest.mark.slow
def test_compare_finds_where_two_networks_differ(model: Model, data: Dataset) -> None:
    chin = {**WORTH, "happy": {"chin": 0.06}}
    answer = ask("compare", model, data, second=region_network(chin, name="chin"))
    assert cell(answer, "happy", "mouth")["low"] > 0.3
    assert cell(answer, "happy", "mouth")["p_holm"] < 0.05
    assert abs(cell(answer, "sad", "nose")["difference"]) < 0.2
    right = answer.records("right")[0]
    assert right["only_first"] > right["only_second"]
    assert {r["role"] for r in answer.records("faces")} >= {"only the first is right"}
    strangers = Model("s", "", ("a", "b"), model.input, model.engine)
    with pytest.raises(DataError, match="share fewer"):
        ask("compare", model, data, second=strangers)


@pytest.mark.parametrize("name", list(STUDIES))
def test_every_study_saves_itself_and_loads(name: str, model: Model, data: Dataset, tmp_path: Path) -> None:
    few = data.take(np.flatnonzero(data.labels != 2)[:24])  # a class without faces
    answer = ask(name, model, few)
    assert set(Study.suffixes()) >= {".png", ".pdf", ".svg", ".csv", ".json", ".npz", ".parquet"}
    for suffix in (".png", ".csv", ".json", ".npz"):
        answer.save(tmp_path / f"a{suffix}")
    again = Study.load(tmp_path / "a.npz")
    assert json.loads(json.dumps(again.to_dict())) == json.loads(json.dumps(answer.to_dict()))
    assert set(again.arrays) == set(answer.arrays)
    rows = list(csv.reader(io.StringIO((tmp_path / "a.csv").read_text(encoding="utf-8"))))
    assert rows[0] == list(answer.table()[0])
    assert answer.to_frame().shape == (len(rows) - 1, len(rows[0]))
    record = json.loads((tmp_path / "a.json").read_text())
    assert (record["study"], record["faces"]) == (name, answer.faces)
    assert answer.text().startswith(f"{name} of votes")


@pytest.mark.parametrize("name", list(STUDIES))
def test_one_face_is_enough(name: str, model: Model, data: Dataset) -> None:
    answer = ask(name, model, data.take([0]))
    assert answer.finding.endswith(".")
    assert {word.get_fontfamily()[0] for word in answer.plot().findobj(Text)} == {"Aileron"}


@pytest.mark.parametrize("name", list(STUDIES))
def test_names_of_strangers_are_text(name: str, data: Dataset, tmp_path: Path) -> None:
    names = ("=cmd|'/c'!A1", "</script><b>$x$", "{{ 7*7 }}")
    odd = replace(data.take(range(12)), scheme=LabelScheme("odd", names, (-1,) * 7), source="<img src=x>.csv")
    strange = Model("$\\frac{1}$</title>", "", names, region_network().input, region_network().engine)
    answer = ask(name, strange, odd, **({"second": strange} if name == "compare" else {}))
    answer.save(tmp_path / "a.png")
    answer.save(tmp_path / "a.csv")
    assert not any(line.startswith("=") for line in (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("name", ["regions", "mean-maps", "confusions", "compare"])
def test_faces_without_landmarks_have_a_typical_face_s(
    name: str, model: Model, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    located = region_scores.locate_landmarks
    monkeypatch.setattr(
        region_scores, "locate_landmarks",
        lambda faces: [replace(face, landmark_source=TEMPLATE_SOURCE) for face in located(faces)],
    )  # fmt: skip
    wrong = replace(data, labels=np.where(np.arange(90) < 45, data.labels, (data.labels + 1) % 3))
    answer = ask(name, model, wrong)
    notes = " ".join(answer.notes)
    count = 36 if name != "confusions" else answer.faces
    assert re.search(rf"without landmarks[^.]*: {count}\.|\b{count} faces (show no|without) landmarks", notes)
    assert answer.faces == (0 if name == "mean-maps" else count)
    answer.plot()


def test_what_cannot_be_studied_is_one_sentence(model: Model, data: Dataset) -> None:
    with pytest.raises(UnknownNameError, match="regoins"):
        study("regoins", model, data)
    with pytest.raises(UnknownNameError, match="cells"):
        study("regions", model, data, cells=3)
    with pytest.raises(UsageError, match="predicted"):
        study("regions", model, data, by="nobody")
    with pytest.raises(UsageError, match="faces"):
        study("labels", model, data, faces=0)
    with pytest.raises(NoFaceError):
        study("labels", model, data, where="row>9999")
    with pytest.raises(DataError, match="no faces"):
        study("labels", model, data.take([]))
    coarse = replace(data, labels=data.labels % 2, scheme=label_scheme("positive-negative"))
    seven = Model("m", "", ("happy", "sad", "angry"), model.input, model.engine)
    with pytest.raises(DataError, match="coarser"):
        study("labels", seven, coarse)
    with pytest.raises(DataError, match="share no name"):
        study("labels", Model("m", "", ("a", "b", "c"), model.input, model.engine), data)


def test_a_file_that_is_no_study(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", manifest=np.array('{"arrays": ["b"]}'))
    np.savez(tmp_path / "b.npz", manifest=np.array('{"arrays": [], "tables": {}}'))
    for name in ("a", "b"):
        with pytest.raises(DataError, match="not a study"):
            Study.load(tmp_path / f"{name}.npz")


def test_evidence_that_lies_everywhere_is_no_region_s() -> None:
    masks = FaceRegions(np.repeat(TEMPLATE[None], 3, axis=0), (48, 48))
    faces = region_scores.LocatedFaces(np.zeros((3, 48, 48, 1), np.float32), masks)
    logits = np.zeros((3, 2 ** len(REGIONS), 2), np.float32)
    even = 1 + 0.01 * (np.indices((48, 48)).sum(0) % 2)  # nearly: a map that is the same everywhere names no place
    maps = np.stack([even, np.ones((48, 48)), even - 2]).astype(np.float32)
    measured = _measure(logits, np.zeros(3, int), faces, maps)
    assert measured.usable.tolist() == [True, False, False]
    np.testing.assert_allclose(measured.mass[0], measured.area[0], atol=1e-4)
    blobs = _measure(logits, np.zeros(3, int), faces, np.repeat(centre_blob(48, 48)[None], 3, axis=0))
    np.testing.assert_allclose(blobs.mass, blobs.blob, atol=1e-6)


def test_the_codebook_adds_up() -> None:
    for weights in EXPECTED.values():
        assert sum(weights) == pytest.approx(1, abs=0.02)
    assert rank_agreement(np.array([1.0, 2, 3]), np.array([10.0, 20, 30])) == pytest.approx(1)
    assert rank_agreement(np.array([1.0, 2, 2]), np.array([3.0, 1, 1])) == pytest.approx(-1)
    assert np.isnan(rank_agreement(np.ones(3), np.arange(3.0)))


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ("study colours x.csv", "colours"),
        ("study regions x.csv --cells 3", "--cells is not used"),
        ("study labels x.csv --method rise", "--method is not used"),
        ("study compare x.csv", "--against"),
        ("study labels x.csv --where true", "condition"),
        ("study labels x.csv --out a.txt", ".txt"),
        ("study labels x.csv", "x.csv"),
    ],
)
def test_the_command_refuses_before_any_work(
    words: str, match: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(words.split()) in (2, 6)
    error = capsys.readouterr().err
    assert match in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_classes_of_the_network_and_of_the_data_are_matched_by_name(model: Model) -> None:
    images, kind = pictures(30)
    names = ("surprise", "neutral", "happy", "sad")
    labels = np.array([2, 3, 1])[kind]
    labels[:3] = 0
    answer = ask("labels", model, Dataset(images, labels, np.full(30, ""), np.arange(30), label_scheme(names)))
    assert answer.faces == 27
    assert any("3 surprise" in note for note in answer.notes)
    assert {r["class"] for r in answer.records("classes")} == set(LABELS)
