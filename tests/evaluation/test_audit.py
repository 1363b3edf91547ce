"""Audits of networks whose training, copies and leaks are known, because they were made here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ferviz.cli import run
from ferviz.data.dataset import Dataset
from ferviz.emotions import FER2013
from ferviz.errors import UnknownNameError, UsageError
from ferviz.evaluation.audit.audit import audit
from ferviz.evaluation.audit.run_record import read_run_record

from .conftest import coded_faces, reads_the_code

SURE = 6.0


def faces(right: dict[str, list[bool]], seed: int = 0) -> Dataset:
    """Faces of each split that the network gets right or wrong as asked."""
    rng = np.random.default_rng(seed)
    splits = np.concatenate([np.full(len(answers), name) for name, answers in right.items()])
    correct = np.concatenate([np.asarray(answers, bool) for answers in right.values()])
    true = rng.integers(0, 7, len(splits))
    return coded_faces(np.where(correct, true, (true + 1) % 7), true, splits)


def share(count: int, right: int) -> list[bool]:
    return [i < right for i in range(count)]


@pytest.fixture
def network(make_model):
    return make_model(reads_the_code(7, SURE), FER2013)


def test_copies_of_training_faces_are_taken_out(network) -> None:
    data = faces({"Training": share(100, 100), "PublicTest": share(80, 40)})
    images, labels = data.images.copy(), data.labels.copy()
    images[100:120], labels[100:120] = images[:20], labels[:20]  # 20 of the 40 that are right are training faces
    result = audit(network, replace(data, images=images, labels=labels))
    copies = result["copies"]
    assert (copies.status, copies.figures["copies"], copies.figures["mirrored"]) == ("doubtful", 20, 0)
    assert copies.figures["accuracy_without"] == pytest.approx(20 / 60)
    assert copies.figures["gain"] == pytest.approx(40 / 80 - 20 / 60)
    assert result.rates()["copies of training faces"][0] == 1.0
    clean = audit(network, data)["copies"]
    assert (clean.status, clean.figures["copies"]) == ("fine", 0)


def test_mirror_images_of_training_faces_are_counted(network) -> None:
    data = faces({"Training": share(50, 50), "PublicTest": share(50, 25)})
    images = data.images.copy()
    images[50:57] = images[:7, :, ::-1]
    copies = audit(network, replace(data, images=images))["copies"]
    assert (copies.status, copies.figures["copies"], copies.figures["mirrored"]) == ("doubtful", 0, 7)


def test_a_test_split_that_is_known_by_heart_looks_like_a_leak(network) -> None:
    leaked = audit(network, faces({"Training": share(200, 196), "PublicTest": share(200, 194)}))["memory"]
    assert leaked.status == "doubtful"
    assert leaked.figures["membership_auroc"] == pytest.approx(0.505, abs=1e-6)  # 196 + 4 against 194 + 6
    honest = audit(network, faces({"Training": share(200, 196), "PublicTest": share(200, 130)}))["memory"]
    assert honest.status == "fine"
    assert honest.figures["membership_auroc"] == pytest.approx(0.5 + (196 / 200 - 130 / 200) / 2)
    assert honest.figures["training_accuracy"] == pytest.approx(0.98)


def test_a_split_that_the_network_is_better_on_than_on_another(network) -> None:
    chosen = {"Training": share(50, 50), "PublicTest": share(800, 600), "PrivateTest": share(800, 480)}
    gap = audit(network, faces(chosen))["other-split"]
    assert (gap.status, gap.figures["split"]) == ("doubtful", "PrivateTest")
    assert gap.figures["gap"] == pytest.approx(0.15)
    alike = audit(network, faces(chosen | {"PublicTest": share(800, 484)}))["other-split"]
    assert alike.status == "fine"
    names = [question.name for question in audit(network, faces({"PublicTest": share(50, 25)})).questions]
    assert "other-split" not in names


@pytest.mark.parametrize(
    ("claim", "status", "words"),
    [
        (0.5, "fine", "one pass"),
        (0.97, "doubtful", "trained on"),
        (0.75, "doubtful", "on PrivateTest"),
        (0.03, "doubtful", "no: neither"),
    ],
)
def test_a_claim_is_traced_to_what_gives_it(network, claim: float, status: str, words: str) -> None:
    data = faces({"Training": share(300, 291), "PublicTest": share(400, 200), "PrivateTest": share(400, 300)})
    answer = audit(network, data, claim=claim)["claim"]
    assert answer.status == status
    assert words in answer.answer


def run_folder(folder: Path, validation: str = "PublicTest", **facts: object) -> SimpleNamespace:
    """-> what a Model knows of its file, in a folder that a run left."""
    config = {"validation": validation, "seed": 3, "teachers": ["a.keras"], "ferplus_weight": 0.3}
    manifest = {"kind": "training run", "config": config, "data": {"sha256": "1" * 64}} | facts
    (folder / "manifest.json").write_text(json.dumps(manifest))
    accuracies = [0.1, 0.5, 0.6, 0.58, 0.59]
    lines = [f"{epoch},{accuracy}" for epoch, accuracy in enumerate(accuracies, 1)]
    (folder / "history.csv").write_text("\n".join(["epoch,val_accuracy", *lines]))
    return SimpleNamespace(path=folder / "best.keras")


def test_a_network_that_was_chosen_on_the_split_is_noticed(network, tmp_path: Path) -> None:
    data = faces({"Training": share(50, 50), "PublicTest": share(60, 30), "PrivateTest": share(60, 30)})
    trained = replace(network, origin=run_folder(tmp_path))
    selection = audit(trained, data)["selection"]
    assert selection.status == "doubtful"
    assert selection.figures == {"validation": "PublicTest", "epochs": 5, "gain": pytest.approx(0.02), "seed": 3}
    assert audit(trained, data, split="PrivateTest")["selection"].status == "fine"
    assert "another network and the FERPlus votes" in audit(trained, data)["supervision"].answer
    assert audit(network, data)["selection"].status == "unknown"


@pytest.mark.parametrize("text", ["", "[]", "null", '{"kind": "training run"}', '{"kind": "other"}', "[" * 100_000])
def test_a_manifest_of_something_else_is_no_record(network, tmp_path: Path, text: str) -> None:
    trained = replace(network, origin=run_folder(tmp_path))
    assert read_run_record(trained).accuracies == (0.1, 0.5, 0.6, 0.58, 0.59)
    (tmp_path / "manifest.json").write_text(text)
    assert read_run_record(trained) is None


def test_other_labels_and_contradicting_twins(make_model) -> None:
    six = make_model(reads_the_code(6, SURE), [name for name in FER2013 if name != "disgust"])
    data = faces({"Training": share(50, 50), "PublicTest": share(60, 30)})
    images, labels = data.images.copy(), data.labels.copy()
    images[51], labels[50:52] = images[50], (0, 3)
    result = audit(six, replace(data, images=images, labels=labels))
    assert "disgust" in result["labels"].answer
    assert (result["labels"].status, result["label-noise"].figures) == ("doubtful", {"contradicting_groups": 1})


def test_data_without_training_faces_leaves_questions_open(network) -> None:
    result = audit(network, faces({"PublicTest": share(40, 20)}))
    assert {result[name].status for name in ("split", "copies", "memory", "selection")} == {"unknown"}
    assert result["interval"].status == "doubtful"  # 40 faces say little


def test_what_makes_no_sense_is_refused(network) -> None:
    data = faces({"Training": share(20, 10), "PublicTest": share(20, 10)})
    with pytest.raises(UsageError, match="claimed accuracy"):
        audit(network, data, claim=72.0)
    with pytest.raises(UnknownNameError, match="NoSplit"):
        audit(network, data, split="NoSplit")


def test_the_command(
    network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = faces({"Training": share(60, 60), "PublicTest": share(60, 30)})
    monkeypatch.setattr("ferviz.cli.commands.audit.open_model", lambda options, console: network)
    monkeypatch.setattr("ferviz.cli.commands.audit.open_data", lambda *args, **kwargs: data)
    out = tmp_path / "audit.csv"
    assert run(["audit", "data.csv", "--json", "--claim", "50", "--out", str(out)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["command"], document["accuracy"], document["claim"]) == ("audit", 0.5, 0.5)
    assert document["questions"]["claim"]["status"] == "fine"
    assert out.read_text().splitlines()[0] == "name,status,question,answer"
    assert run(["audit", "data.csv"]) == 0
    assert "[??] Was the network chosen on the faces" in capsys.readouterr().out
    assert run(["audit", "data.csv", "--claim", "101"]) == 2
    assert run(["audit", "data.csv", "--split", "all"]) == 2
    assert "about one split" in capsys.readouterr().err
