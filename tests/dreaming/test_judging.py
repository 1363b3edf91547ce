"""What is said about dreams: judges, distances, facets, captions and files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ferviz
from ferviz import objectives
from ferviz.data.dataset import Dataset
from ferviz.dreaming.dream import DreamConfig
from ferviz.dreaming.face_features import features, penultimate
from ferviz.dreaming.facets import facets, kmeans
from ferviz.dreaming.judging import judge
from ferviz.dreaming.sheets.dream_sheet import DreamSheet
from ferviz.emotions import label_scheme
from ferviz.errors import DataError, OutputExistsError, UsageError
from ferviz.rendering.printing import PrintSize, print_size

Get = Callable[..., Any]
FEW: dict[str, Any] = {"steps": 4, "config": DreamConfig(samples=1)}
LABELS = "angry,happy,sad,surprise"


@pytest.fixture(scope="module")
def course(model: Get) -> ferviz.Dream:
    """Two classes with four pictures of the way."""
    return ferviz.dream(model(), ["happy", "sad"], seed=7, steps=12, config=DreamConfig(samples=1, frames=4))


def real_faces(count: int = 40) -> Dataset:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, 18, 18), np.uint8)
    labels = np.arange(count) % 4
    return Dataset(images, labels, np.full(count, "Training"), 100 + np.arange(count), label_scheme(LABELS))


def test_judges_are_asked_for_their_own_order_of_classes(model: Get) -> None:
    images = real_faces().images[:3]
    network = model()
    turned = replace(network, labels=("surprise", "sad", "happy", "anger"), name="turned")
    verdict = judge(images, ("happy", "sad", "angry"), [network, turned])
    p = network.probabilities(images)
    assert verdict.probability[0] == pytest.approx(p[[0, 1, 2], [1, 2, 0]])
    assert verdict.probability[1] == pytest.approx(p[[0, 1, 2], [2, 1, 3]])
    names = [("angry", "happy", "sad", "surprise")[k] for k in p.argmax(1)]
    assert verdict.predicted[0] == tuple(names)
    assert verdict.recognised[0].tolist() == [n == t for n, t in zip(names, ("happy", "sad", "angry"), strict=True)]
    assert verdict.mean_probability == pytest.approx(verdict.probability.mean(1))
    assert verdict.recognised_by.tolist() == verdict.recognised.sum(0).tolist()


def test_a_judge_that_does_not_know_a_class_does_not_count_for_it(model: Get) -> None:
    stranger = replace(model(), labels=("angry", "happy", "disgust", "fear"))
    verdict = judge(real_faces().images[:2], ("happy", "sad"), stranger)
    assert np.isnan(verdict.probability[0, 1])
    assert verdict.mean_probability[0] == pytest.approx(verdict.probability[0, 0])
    assert verdict.to_dict()["judges"]["functional"]["known"] == 1


def test_distances_to_real_faces_are_cosines_in_the_judges_features(model: Get) -> None:
    network, faces = model(), real_faces()
    assert penultimate(network) == "drop"
    dreams = faces.images[[5, 10]]  # a real face of "happy" (5 % 4 == 1) and one of "sad"
    verdict = judge(dreams, ("happy", "sad"), network, faces, nearest=2)
    points = network.engine.activations(network.preprocess(faces.images), ["drop"])[0]
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    distance = 1 - points[[5, 10]] @ points.T
    for k, label in enumerate((1, 2)):
        assert verdict.own_class is not None
        assert verdict.other_classes is not None
        assert verdict.nearest is not None
        assert verdict.own_class[0, k] == pytest.approx(distance[k, faces.labels == label].mean(), abs=1e-5)
        assert verdict.other_classes[0, k] == pytest.approx(distance[k, faces.labels != label].mean(), abs=1e-5)
    assert verdict.nearest[0, :, 0].tolist() == [105, 110], "rows of the source, nearest first"


def test_features_of_a_map_are_its_mean(model: Get) -> None:
    network = model("softmax_layer")
    images = real_faces().images
    assert penultimate(network) == network.default_layer()[0] == "conv1"
    maps = network.engine.activations(network.preprocess(images), ["conv1"])[0]
    assert features(network, images, batch_size=7) == pytest.approx(maps.mean((1, 2)), abs=1e-5)


@pytest.mark.parametrize(
    ("images", "targets", "judges"), [(1, ("happy",), []), (1, ("",), None), (2, ("happy",), None)]
)
def test_there_must_be_something_to_judge(model: Get, images: int, targets: tuple[str, ...], judges: Any) -> None:
    with pytest.raises(UsageError):
        judge(real_faces().images[:images], targets, [model()] if judges is None else judges)


def test_kmeans_finds_groups_that_are_there() -> None:
    random = np.random.default_rng(1)
    truth = np.repeat([0, 1, 2], [30, 20, 10])
    points = np.array([[0, 0], [8, 0], [0, 8.0]])[truth] + random.normal(size=(60, 2))
    group = kmeans(points, 3, np.random.default_rng(0))
    assert [len(set(group[truth == k])) for k in range(3)] == [1, 1, 1]
    assert len(set(group)) == 3
    assert set(kmeans(np.zeros((5, 2)), 3, np.random.default_rng(0))) == {0, 1, 2}, (
        "even of equal points no group is empty"
    )


def test_facets_are_groups_of_real_faces_and_lead_to_different_dreams(model: Get) -> None:
    network, faces = model(), real_faces(80)
    bright = faces.labels == 1
    bright[np.flatnonzero(bright)[::2]] = False
    images = faces.images.copy()
    images[bright] = images[bright] // 4 + 190  # every second happy face is pale
    faces = replace(faces, images=images)
    groups = facets(network, "happy", faces, 2, seed=0)
    assert sorted(f.count for f in groups) == [10, 10]
    assert [f.objective.name for f in groups] == ["happy 1", "happy 2"]
    made = ferviz.dream(network, ["happy", "sad"], steps=4, config=DreamConfig(samples=1, facets=2, faces=faces))
    assert made.objective == ("happy 1", "happy 2", "sad 1", "sad 2")
    assert made.targets == ("happy", "happy", "sad", "sad")
    assert np.abs(made.images[0].astype(int) - made.images[1]).mean() > 1
    with pytest.raises(UsageError, match="30 facets of happy need"):
        facets(network, "happy", faces, 30, seed=0)


def test_most_active_channels_come_first(model: Get) -> None:
    network, faces = model(), real_faces()
    order = objectives.most_active(network, "relu1", 3, faces)
    strength = network.engine.activations(network.preprocess(faces.images), ["relu1"])[0].mean((0, 1, 2))
    assert order == np.argsort(-strength)[:3].tolist()
    assert len(objectives.most_active(network, "relu1", 99)) == 5


def test_captions_tell_what_the_network_says_of_the_saved_picture(model: Get, every: Any) -> None:
    made = every
    p = model().probabilities(made.images)
    assert made.probability == pytest.approx(np.diag(p))
    for k, lines in enumerate(made.captions()):
        assert lines[0].startswith(f"this network: {made.targets[k]} {p[k, k]:.2f}")
        assert ("predicts" in lines[0]) == (p[k].argmax() != k)
    judged = made.judged({"a stranger": model(seed=1)})
    assert judged.captions()[0][1].startswith("a stranger: ")
    assert judged.to_dict()["dreams"][3]["judges"]["a stranger"] == pytest.approx(
        model(seed=1).probabilities(made.images)[3, 3]
    )
    assert "a stranger: " in str(judged.judgement)
    channel = ferviz.dream(model(), objectives.channel("relu1", 1), **FEW)
    assert np.isnan(channel.probability[0])
    assert channel.to_dict()["dreams"][0]["probability"] is None
    assert channel.targets == ("",)


def test_files_hold_the_exact_pixels_and_how_they_were_made(course: ferviz.Dream, tmp_path: Path) -> None:
    made = course
    made.save(tmp_path / "a.npz")
    again = ferviz.Dream.load(tmp_path / "a.npz")
    assert (again.images == made.images).all()
    assert (again.frames == made.frames).all()
    assert again.to_dict() == made.to_dict()
    assert again.settings["seed"] == 7
    with np.load(tmp_path / "a.npz") as file:
        written = json.loads(str(file["manifest"]))
    assert written["settings"] | {"prior": "faces", "strength": 1.0, "steps": 12} == written["settings"]
    assert written["dreams"][0]["objective"] == "happy"
    for suffix in ("png", "jpg", "webp", "svg", "pdf", "json"):
        made.save(tmp_path / f"a.{suffix}")
    assert "model_sha256" in (tmp_path / "a.svg").read_text(encoding="utf-8"), "figures carry the manifest too"
    assert b"model_sha256" in (tmp_path / "a.pdf").read_bytes().replace(b"\x00", b"")
    with Image.open(tmp_path / "a.png") as sheet:
        assert json.loads(sheet.info["ferviz"])["targets"] == ["happy", "sad"]
        assert sheet.width > 2 * 192
    assert "ferviz" in json.loads((tmp_path / "a.json").read_text())["versions"]
    with pytest.raises(OutputExistsError):
        made.save(tmp_path / "a.npz")
    with pytest.raises(UsageError, match=r"\.xyz"):
        made.save(tmp_path / "a.xyz")
    (tmp_path / "other.npz").write_bytes(b"PK no")
    with pytest.raises(DataError, match="dream"):
        ferviz.Dream.load(tmp_path / "other.npz")


def test_the_sheet_shows_the_dream_itself_enlarged(every: ferviz.Dream) -> None:
    from ferviz.dreaming.sheets.dream_sheet import enlarged

    made = every[1]
    sheet = np.asarray(made.picture(side=180).convert("L"), int)
    tile = np.asarray(enlarged(made.images[0], 180).convert("L"), int)
    places = [
        (y, x)
        for y in range(sheet.shape[0] - 180)
        for x in (24,)
        if np.abs(sheet[y : y + 180 : 20, x : x + 180 : 20] - tile[::20, ::20]).max() == 0
    ]
    assert places
    assert np.asarray(enlarged(made.images[0], 18)).shape == (18, 18, 3)


@pytest.mark.parametrize("printing", [None, print_size(84)], ids=["screen", "paper"])
def test_pictures_stand_level_whatever_their_names(printing: PrintSize | None) -> None:
    """A name that takes two lines pushes down the pictures beside it as well, and all names are of one weight."""
    short, long = "sad", "0.5 * odds(happy) - 0.25 * odds(surprise) + 2 * channel(relu8, 7)"
    blue = np.zeros((2, 48, 48, 3), np.uint8)
    blue[..., 2] = 255  # no letter is of this colour
    sheets = [
        np.asarray(
            DreamSheet(blue, names, ((), ()), np.zeros((2, 4)), blue[:0], "", side=180, printing=printing).draw(0, 2)
        )
        for names in ((short, short), (short, long))
    ]
    tops = [np.argmax((sheet == (0, 0, 255)).all(-1), axis=0) for sheet in sheets]
    level, pushed = (set(top[top > 0]) for top in tops)
    assert len(level) == len(pushed) == 1
    assert min(pushed) > min(level)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_animations_have_every_frame_and_end_with_the_dream(
    course: ferviz.Dream, every: ferviz.Dream, tmp_path: Path, suffix: str
) -> None:
    made = course
    made.animate(tmp_path / f"a{suffix}", side=90)
    with Image.open(tmp_path / f"a{suffix}") as moving:
        assert moving.n_frames == 4
        moving.seek(3)
        last = np.asarray(moving.convert("L"), int)[-90:, :90]
    from ferviz.dreaming.sheets.dream_sheet import enlarged

    assert np.abs(last - np.asarray(enlarged(made.images[0], 90).convert("L"), int)).mean() < 4
    with pytest.raises(UsageError, match=r"\.gif"):
        made.animate(tmp_path / "a.mp4")
    with pytest.raises(UsageError, match="frames"):
        replace(every, frames=every.frames[:0]).animate(tmp_path / "b.gif")


def test_a_slice_is_a_dream_of_its_own(every: ferviz.Dream) -> None:
    made = every
    assert made[2].objective == ("sad",)
    assert (made[1:3].images == made.images[1:3]).all()
    assert made[1:3].frames.shape == (3, 2, 18, 18)
    assert [d.objective[0] for d in made] == ["angry", "happy", "sad", "surprise"]
