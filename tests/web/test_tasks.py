"""What the process behind the page computes is what ferviz computes."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ferviz
from ferviz.data.dataset import Dataset
from ferviz.data.synthetic.cartoons import make
from ferviz.errors import DataError, UsageError
from ferviz.studies.alignment import align
from ferviz.web.labelled import CELL, COLUMNS, MAX_SHEET, Labelled
from ferviz.web.work import data_tasks, dream_task
from ferviz.web.work.workbench import Workbench, answer

POINTS = [[15.2, 19.1], [33.0, 17.4], [24.6, 28.0], [17.9, 36.2], [31.5, 35.1]]


def dataset(images: np.ndarray, labels: np.ndarray) -> Dataset:
    count = len(images)
    return Dataset(images, labels.astype(np.int64), np.full(count, ""), np.arange(count) + 100)


@pytest.fixture(scope="module")
def drawn() -> Dataset:
    faces = make(48, seed=2, task="emotions")
    order = [ferviz.load_model().labels.index(name) for name in faces.names]
    return dataset(faces.images, np.array(order)[faces.labels])


@pytest.fixture
def ask(drawn: Dataset) -> Callable[..., list[dict[str, Any]]]:
    bench = Workbench({"networks": [{"path": None}], "data": None})
    bench._labelled, bench._data = Labelled.of(drawn).matched(ferviz.load_model().labels), {}

    def call(task: str, **arguments: Any) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        answer(bench, {"task": task, **arguments}, lambda event: events.append(dict(event)))
        return events

    return call


def values(text: str, kind: Any = "<f4") -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


def packed(picture: np.ndarray) -> str:
    return base64.b64encode(picture.astype("<f4").tobytes()).decode()


def test_a_sheet_has_the_faces_in_order(drawn: Dataset) -> None:
    labelled, numbers = Labelled.of(drawn), [5, 3, 3, *range(15, 33)]
    sheet = np.asarray(Image.open(io.BytesIO(labelled.sheet(numbers))).convert("L"), np.float64)
    assert sheet.shape == (2 * CELL, COLUMNS * CELL)
    for place, number in enumerate(numbers):
        row, column = divmod(place, COLUMNS)
        cell = sheet[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL]
        errors = [np.abs(cell - image).mean() for image in drawn.images]
        assert int(np.argmin(errors)) == number
    np.testing.assert_array_equal(ferviz.read_image(labelled.face(7))[..., 0], drawn.images[7])


@pytest.mark.parametrize("faces", [[], [48], [-1], [1.0], ["1"], [True], list(range(MAX_SHEET + 1))])
def test_a_sheet_of_other_faces_is_refused(drawn: Dataset, faces: list[Any]) -> None:
    with pytest.raises(UsageError, match="48"):
        Labelled.of(drawn).sheet(faces)


def test_the_index_says_where_each_face_comes_from(drawn: Dataset) -> None:
    labels = ("happy", "nobody", *[n for n in ferviz.load_model().labels if n != "happy"])
    index = Labelled.of(drawn).matched(labels).index()
    assert index["classes"] == list(labels)
    assert index["rows"] == list(range(100, 148))
    assert [index["classes"][k] for k in index["true"]] == [drawn.names[k] for k in drawn.labels]


def test_labels_that_a_network_does_not_have_are_one_sentence(drawn: Dataset) -> None:
    with pytest.raises(DataError, match="share no name"):
        Labelled.of(drawn).matched(("a", "b"))


def test_every_face_is_answered(ask: Any, drawn: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_tasks, "PART", 20)
    first, *parts, last = ask("predict", network=0)
    assert (first["labels"], first["count"], last) == (list(ferviz.load_model().labels), 48, {"end": True})
    assert [part["start"] for part in parts] == [0, 20, 40]
    told = np.concatenate([values(part["probabilities"]) for part in parts]).reshape(48, 7)
    np.testing.assert_allclose(told, ferviz.load_model().probabilities(drawn.images), atol=1e-5)


@pytest.mark.parametrize("method", ["region-occlusion", "ablationcam", "occlusion"])
def test_a_slow_map_is_that_of_the_library(ask: Any, drawn: Dataset, method: str) -> None:
    image, model = drawn.images[3], ferviz.load_model()
    face = ferviz.Face(np.repeat(image[..., None], 3, axis=2), landmarks=np.array(POINTS), landmark_source="yunet")
    expected = ferviz.explain(model, face, method=method, target="happy-sad", test=False)
    weights = [float(name == "happy") - float(name == "sad") for name in model.labels]
    *progress, told, end = ask("explain", method=method, picture=packed(image), weights=weights, points=POINTS)
    assert end == {"end": True}
    assert progress[0] == {"passes": 0, "of": {"region-occlusion": 8, "ablationcam": 128, "occlusion": 121}[method]}
    heat = values(told["map"]).reshape(told["height"], told["width"])
    np.testing.assert_allclose(heat, expected.raw[0, 0], atol=1e-4)
    np.testing.assert_allclose(told["logits"], model.logits(image[None])[0], atol=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "nonsense"}, "nonsense"), ({"picture": "%%"}, "whole"), ({"picture": packed(np.zeros(5))}, "input"),
        ({"picture": packed(np.full((48, 48), np.nan))}, "input"), ({"layer": "conv99"}, "conv99"), ({"task": "format-disk"}, "task"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_one_sentence(ask: Any, drawn: Dataset, change: dict[str, Any], words: str) -> None:
    job = {"task": "explain", "method": "gradcam", "picture": packed(drawn.images[0]), "weights": [0, 0, 0, 1, 0, 0, 0]}
    (event,) = [event for event in ask(**(job | change)) if "passes" not in event]
    assert words in event["error"]


def test_the_mean_map_of_one_face_many_times_is_its_own(
    ask: Any, drawn: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ferviz.load_model()
    alike = dataset(np.repeat(drawn.images[3:4], 24, axis=0), np.repeat(drawn.labels[3:4], 24))
    bench = Workbench({"networks": [{"path": None}], "data": None})
    bench._labelled, bench._data = Labelled.of(alike).matched(model.labels), {}
    events: list[dict[str, Any]] = []
    job = {"task": "maps", "faces": [*range(24)], "weights": [0, 0, 0, 1, -1, 0, 0], "label": 3, "method": "gradcam"}
    answer(bench, job, lambda event: events.append(dict(event)))
    told = events[-2]
    heat = ferviz.explain(model, alike.images[:1], method="gradcam", target="happy-sad", test=False).heatmaps[0]
    located = data_tasks.locate(model, alike.take([0]))
    aligned, inside = align(heat / np.abs(heat).mean(), located.regions.points)
    mean = values(told["map"]).reshape(told["height"], told["width"])
    np.testing.assert_allclose(mean[inside[0]], aligned[0][inside[0]], atol=1e-4)
    assert told["faces"] == 24
    assert told["agreement"] == pytest.approx(1)
    assert {row["share"] for row in told["repair"]} <= {0.0, 1.0}
    few = ask("maps", faces=[1, 2, 3], weights=[0, 0, 0, 1, -1, 0, 0], label=3, method="gradcam")
    assert few == [{"faces": 3, "fewest": 20}, {"end": True}]


def test_a_channels_faces_are_those_that_excite_it(ask: Any, drawn: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ferviz.load_model()
    batch = model.input.preprocess(drawn.images)
    (maps,) = model.engine.activations(batch, ["relu8"])
    *progress, told, _ = ask("channel", layer="relu8", channel=5)
    assert progress[-1]["of"] == 48
    expected = maps[..., 5].mean((1, 2))
    np.testing.assert_allclose(told["most_values"], np.sort(expected)[::-1][:9], rtol=1e-4)
    np.testing.assert_allclose(expected[told["most"]], told["most_values"], rtol=1e-4)
    without = maps.copy()
    without[..., 5] = 0
    change = model.engine.logits_from(batch, "relu8", without) - model.engine.logits(batch)
    np.testing.assert_allclose(told["removed"], change.mean(0), atol=1e-4)
    assert len(ask("channel", layer="relu8", channel=6)) == 2, "a further channel needs no look at the faces"
    for layer, channel, words in (("nowhere", 0, "nowhere"), ("relu8", 4000, "4000"), ("softmax", 0, "softmax")):
        assert words in ask("channel", layer=layer, channel=channel)[-1]["error"]


@pytest.mark.slow
def test_a_dream_grows_step_by_step(monkeypatch: pytest.MonkeyPatch, networks: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(dream_task, "STEPS", 6)
    monkeypatch.setattr(dream_task, "FRAMES", 3)
    path = tmp_path / "small.keras"
    networks.seeded(networks.functional(size=32)).save(path)
    options = {"labels": ("a", "b", "c", "d"), "scaling": "0..1", "engine": "keras"}
    bench = Workbench({"networks": [{"path": str(path), **options}], "data": None})
    events: list[dict[str, Any]] = []
    answer(
        bench, {"task": "dream", "layer": "relu2", "channel": 1, "seed": 3}, lambda event: events.append(dict(event))
    )
    assert [event.get("step") for event in events] == [0, 0, 3, 6, 6, None]
    result = ferviz.dream(
        ferviz.load_model(path, **options), ferviz.objectives.channel("relu2", 1), steps=6, seed=3,
        config=ferviz.DreamConfig(frames=3),
    )  # fmt: skip
    np.testing.assert_array_equal(values(events[-2]["picture"], np.uint8), result.images[0].ravel())
    np.testing.assert_array_equal(values(events[2]["picture"], np.uint8), result.frames[1][0].ravel())
    answer(bench, {"task": "dream", "class": 9}, lambda event: events.append(dict(event)))
    assert "9" in events[-1]["error"]


def test_a_face_is_changed_towards_a_class_and_another_network_judges(
    monkeypatch: pytest.MonkeyPatch, networks: Any, tmp_path: Path
) -> None:
    monkeypatch.setattr(dream_task, "FACE_STEPS", 4)
    monkeypatch.setattr(dream_task, "FACE_FRAMES", 3)
    networks.seeded(networks.functional(size=32)).save(tmp_path / "small.keras")
    options = {"labels": ("a", "b", "c", "d"), "scaling": "0..1", "engine": "keras"}
    source = {"path": str(tmp_path / "small.keras"), **options}
    other = {**source, "labels": ("d", "c", "b", "a")}
    model = ferviz.load_model(source["path"], **options)
    shape = (*model.input.size, model.input.channels)
    face = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    bench, events = Workbench({"networks": [source, other], "data": None}), list[dict[str, Any]]()
    job = {"task": "dream", "class": 1, "picture": packed(face), "seed": 2, "judge": 1}
    answer(bench, job, lambda event: events.append(dict(event)))
    assert [event.get("step") for event in events] == [0, 0, 2, 4, 4, None]
    pixels = face if shape[2] == 3 else np.repeat(face, 3, axis=2)
    config = ferviz.DreamConfig(frames=3)
    result = ferviz.dream(model, "b", steps=4, seed=2, image=pixels, config=config)
    for event, picture in zip(events[1:4], result.frames[:, 0], strict=True):
        np.testing.assert_array_equal(values(event["picture"], np.uint8), picture.ravel())
        np.testing.assert_allclose(event["probabilities"], model.probabilities(picture[None])[0], atol=1e-5)
        assert event["judge"]["labels"] == ["d", "c", "b", "a"]
        np.testing.assert_allclose(event["judge"]["probabilities"], event["probabilities"], atol=1e-5)
    assert events[-2]["last"] > events[-2]["first"]


def test_the_check_says_how_the_network_is_fed(ask: Any) -> None:
    *phrases, told, end = ask("check", network=0)
    assert phrases
    assert all(set(event) == {"phrase"} for event in phrases)
    assert end == {"end": True}
    assert told["faces"] == 48
    assert 0 <= told["interval"][0] <= told["accuracy"] <= told["interval"][1] <= 1
