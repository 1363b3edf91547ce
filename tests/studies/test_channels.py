"""The study "channels" on a network whose channels, weights and losses are known on paper."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ferviz.data.dataset import Dataset
from ferviz.errors import ModelError, UnknownNameError, UsageError
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model
from ferviz.studies import channel_study as module
from ferviz.studies.channel_study import log_odds, strongest
from ferviz.studies.registry import study
from ferviz.studies.study import Study

from .conftest import CELLS, EYES, LABELS, MOUTH, NOISE, SILENT, WEIGHTS, PooledChannels, region_network


@pytest.fixture
def network() -> Model:
    engine: Any = PooledChannels()
    return Model("pooled", "ab" * 32, LABELS, InputSpec(48, 48, 1, scaling="0..255"), engine)


@pytest.fixture
def answer(network: Model, data: Dataset) -> Study:
    return study("channels", network, data, layer="conv", faces=45, dreams=2, steps=2)


def test_weights_costs_and_regions_are_those_of_the_network(answer: Study, network: Model, data: Dataset) -> None:
    records = {r["channel"]: r for r in answer.records()}
    weights = {r["channel"]: r for r in answer.records("weights")}
    for channel, row in enumerate(WEIGHTS):
        assert [weights[channel][name] for name in LABELS] == pytest.approx(row.tolist(), abs=1e-4)
    assert (records[MOUTH]["region"], records[EYES]["region"], records[SILENT]["region"]) == ("mouth", "eyes", None)
    assert records[MOUTH]["enrichment"] > 2
    assert {r["channel"]: r["background"] for r in answer.records("regions")}[NOISE] == pytest.approx(0, abs=0.2)
    assert (records[SILENT]["active"], records[NOISE]["active"]) == (0, 1)
    assert (records[SILENT]["cost"], records[NOISE]["cost"]) == (0, 0)
    assert answer.records()[0]["channel"] in (MOUTH, EYES)
    assert records[MOUTH]["cost"] > 0
    assert records[MOUTH]["hurts_most"] == "happy"  # whose faces have the bright mouths
    assert records[MOUTH]["most_for"] == "happy"
    assert records[EYES]["most_for"] == "sad"
    assert "channel" in answer.finding


def test_a_cost_is_the_loss_of_a_channel_held_at_its_mean(network: Model, data: Dataset) -> None:
    answer = study("channels", network, data, layer="conv", faces=len(data), dreams=0)
    engine: Any = network.engine
    conv = engine._conv(network.preprocess(data.images))
    held = conv.copy()
    held[..., MOUTH] = conv[..., MOUTH].mean()
    loss = log_odds(engine.logits_from(conv, "conv", conv), data.labels) - log_odds(
        engine.logits_from(conv, "conv", held), data.labels
    )
    expected = np.mean([loss[data.labels == k].mean() for k in range(3)])
    record = next(r for r in answer.records() if r["channel"] == MOUTH)
    assert record["cost"] == pytest.approx(expected, abs=2e-4)
    assert record["low"] < expected < record["high"]
    costs = next(r for r in answer.records("costs") if r["channel"] == MOUTH)
    assert costs["happy"] == pytest.approx(loss[data.labels == 0].mean(), abs=2e-4)
    assert answer.arrays["images"].shape[0] == 0


def test_the_faces_and_the_places_are_the_most_excited(answer: Study, network: Model, data: Dataset) -> None:
    shown = [r["channel"] for r in answer.records()][:2]
    listed = [r for r in answer.records("faces") if r["role"] == f"excites channel {shown[0]}"]
    row = int(np.flatnonzero(data.rows == listed[0]["row"])[0])
    engine: Any = network.engine
    maps = engine._conv(network.preprocess(data.images))[..., shown[0]]
    drawn = [int(np.flatnonzero(data.rows == r["row"])[0]) for r in listed]
    assert len({*drawn}) == 3
    assert maps[drawn[0]].max() >= maps[drawn[1]].max() >= maps[drawn[2]].max()
    assert (answer.arrays["images"][0, 0] == data.images[row]).all()
    place = np.unravel_index(maps[row].argmax(), maps[row].shape)
    assert tuple(answer.arrays["cells"][0, 0]) == place
    left, top, right, bottom = answer.arrays["boxes"][0, 0]
    assert left < (place[1] + 0.5) / CELLS < right
    assert top < (place[0] + 0.5) / CELLS < bottom
    assert answer.arrays["dreams"].shape == (2, 48, 48)
    assert 0 < answer.arrays["patches"].shape[1] < 48


def test_copies_of_a_face_are_shown_once() -> None:
    maps = np.zeros((5, 2, 2), np.float32)
    maps[:, 0, 1] = [5, 5, 4, 3, 2]
    assert strongest(maps, np.array([0, 0, 1, 1, 2])).tolist() == [0, 2, 4]


def test_it_is_drawn_and_comes_back(answer: Study, tmp_path: Any) -> None:
    again = Study.load(answer.save(tmp_path / "a.npz"))
    assert again.records("regions") == answer.records("regions")
    assert again.plot().axes
    assert answer.text().startswith("channels of pooled on 45 faces")


def test_one_face_bears_no_interval(network: Model, data: Dataset) -> None:
    answer = study("channels", network, data.take(np.array([1])), layer="conv", dreams=1, steps=1)
    assert (answer.faces, answer.groups) == (1, 1)
    assert {record["low"] for record in answer.records()} == {None}
    assert "none costs anything for sure" in answer.finding
    assert answer.records("costs")[0]["happy"] is None  # a class without faces
    assert answer.plot().axes


def test_what_cannot_be_asked(network: Model, data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match="conv9"):
        study("channels", network, data, layer="conv9")
    with pytest.raises(UsageError, match="not a map"):
        study("channels", network, data, layer="pool")
    with pytest.raises(UsageError, match="dreams"):
        study("channels", network, data, layer="conv", dreams=-1)
    monkeypatch.setattr(module, "MAX_VALUES", 1000)
    with pytest.raises(UsageError, match="fewer faces"):
        study("channels", network, data, layer="conv")
    with pytest.raises(ModelError):
        study("channels", region_network(), data)
