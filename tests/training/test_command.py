"""`ferviz train`: what it prints, its exit codes, and that a resumed run keeps its beginning's settings."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from ferviz.cli import run
from ferviz.cli.console import duration
from ferviz.cli.sections import NamedValue
from ferviz.data.dataset import Dataset
from ferviz.training.batches import Source
from ferviz.training.loop import Learner

SMALL = [
    "--set",
    "widths=4",
    "--set",
    "blocks=1",
    "--set",
    "stem=4",
    "--set",
    "height=24",
    "--set",
    "width=24",
    "--batch-size",
    "32",
]


@pytest.fixture(scope="module")
def table(stripes: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stripes in Kaggle's layout, blown up to 48 x 48."""
    path = tmp_path_factory.mktemp("data") / "fer2013.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["emotion", "pixels", "Usage"])
        for image, label, split in zip(stripes.images, stripes.labels, stripes.split, strict=True):
            rows.writerow([label, " ".join(map(str, image.repeat(2, 0).repeat(2, 1).ravel())), split])
    return path


@pytest.mark.slow
def test_train_then_resume(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    asked = [
        "train",
        str(table),
        "--out",
        str(out),
        "--epochs",
        "1",
        "--labels",
        "6-merged",
        "--label-smoothing",
        "0.2",
        "--flip",
        "0",
    ]
    assert run([*asked, *SMALL, "--json"]) == 0
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert (document["schema_version"], document["command"], document["epochs"]) == (1, "train", 1)
    assert "epoch 1/1" in printed.err
    config = json.loads((out / "config.json").read_text())
    assert config["options"] == {"widths": 4, "blocks": 1, "stem": 4, "height": 24, "width": 24}
    assert config["config"]["augmentation"]["flip"] == 0
    assert run(["train", str(table), "--out", str(out), "--resume", "--epochs", "2", "--quiet"]) == 0
    after = json.loads((out / "config.json").read_text())
    assert capsys.readouterr() == ("", "")
    assert after["config"]["epochs"] == 2
    after["config"]["epochs"] = 1
    assert after == config


@pytest.mark.slow
def test_a_share_of_the_training_faces(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training has 32 faces of each class: a quarter is 8; all of the validation faces choose."""
    seen: list[tuple[int, list[int]]] = []
    make = Source.__init__

    def note(self: Any, images: Any, labels: Any, *more: Any) -> None:
        seen.append((len(images), np.bincount(labels).tolist()))
        make(self, images, labels, *more)

    monkeypatch.setattr(Source, "__init__", note)
    out = tmp_path / "run"
    asked = ["train", str(table), "--out", str(out), "--epochs", "1", "--reader", "csv", "-q", *SMALL]
    assert run([*asked, "--fraction", "0.25"]) == 0
    assert run(["train", str(table), "--out", str(out), "--resume", "--epochs", "2", "-q"]) == 0
    assert seen == [(56, [8] * 7)] * 2, "a resumed run learns from the same share"
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["config"]["fraction"], manifest["data"]["rows"]) == (0.25, 280)


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["{table}", "--out", "{new}", "-a", "residul"], 2, "residual"),
        (["{table}", "--out", "{new}", "--set", "deep=3"], 2, "no option 'deep'"),
        (["{table}", "--out", "{new}", "--set", "deep"], 2, "NAME=VALUE"),
        (["{table}", "--out", "{new}", "--epochs", "0"], 2, "epochs"),
        (["{table}", "--out", "{new}", "--optimizer", "adam"], 2, "adamw"),
        (["{table}", "--out", "{new}", "--resume"], 2, "no run to resume"),
        (["{table}", "--out", "{new}", "--labels", "9"], 2, "6-merged"),
        (["{table}", "--out", "{new}", "--validation", "Exam"], 6, "Exam"),
        (["{table}", "--out", "{new}", "--ferplus-weight", "0.3"], 6, "--votes"),
        (["{new}.csv", "--out", "{new}"], 6, "new.csv"),
        (["{table}", "--out", "{new}", "--fraction", "0"], 2, "fraction"),
        (["{table}", "--out", "{new}", "--reader", "xml"], 2, "csv, arrow, folder"),
        (["{table}", "--out", "{new}", "--init-from", "{new}.keras"], 4, "new.keras"),
        (["{table}", "--out", "{new}", "--teacher", "{new}.keras"], 4, "new.keras"),
        (["{table}", "--out", "{new}", "--teacher", "{new}.keras?lables=7"], 2, "not lables"),
    ],
)
def test_one_sentence_and_its_exit_code(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, word: str
) -> None:
    filled = [a.format(table=table, new=tmp_path / "new") for a in arguments]
    assert run(["train", *filled]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert word in printed.err
    assert not (tmp_path / "new").exists(), "a mistake leaves no folder that looks like a run"
    assert "Traceback" not in printed.err
    assert len(printed.err.strip().splitlines()) == 1


@pytest.mark.slow
def test_interrupted(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def press_control_c(*_: Any) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr(Learner, "step", press_control_c)
    assert run(["train", str(table), "--out", str(tmp_path / "run"), *SMALL]) == 130
    assert "--resume" in capsys.readouterr().err
    monkeypatch.undo()
    assert run(["train", str(table), "--out", str(tmp_path / "run"), "--resume", "--epochs", "1", "-q"]) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("widths=32,64", ("widths", [32, 64])),
        ("dropout=0.3", ("dropout", 0.3)),
        ("stem-stride=2", ("stem_stride", 2)),
        ("backbone=ResNet50", ("backbone", "ResNet50")),
        ("weights=/a=b.h5", ("weights", "/a=b.h5")),
    ],
)
def test_options_of_the_architecture(text: str, expected: tuple[str, Any]) -> None:
    assert NamedValue(lists=True).convert(text, None, None) == expected


def test_an_option_without_value_is_refused() -> None:
    with pytest.raises(click.BadParameter, match="NAME=VALUE"):
        NamedValue(lists=True).convert("widths", None, None)


def test_durations() -> None:
    assert [duration(s) for s in (12, 89, 700, 3900)] == ["12 s", "89 s", "12 min", "1 h 05 min"]
