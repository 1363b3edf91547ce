"""`ferviz evaluate` and `ferviz check` from the command line, on networks that need no framework."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferviz.cli import run
from ferviz.data.read import read_data
from ferviz.emotions import FER2013
from ferviz.faces.regions import REGIONS
from ferviz.models.input_spec import InputSpec

from .conftest import SIDE, coded_faces, reads_the_code


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A hundred and twenty coded faces as fer2013.csv, the last hundred of them PublicTest; the network gets about 70 % right."""
    rng = np.random.default_rng(2)
    true = rng.integers(0, 7, 120)
    said = np.where(rng.random(120) < 0.7, true, rng.integers(0, 7, 120))
    data = coded_faces(said, true, np.where(np.arange(120) < 20, "Training", "PublicTest"))
    rows = [
        f"{k},{' '.join(map(str, p.ravel()))},{s}" for k, p, s in zip(data.labels, data.images, data.split, strict=True)
    ]
    path = tmp_path / "fer2013.csv"
    path.write_text("emotion,pixels,Usage\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture
def networks(make_model, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict]:
    """load_model gives a network that reads the code under the name "good", and one that always says happy under "bad"."""
    asked: dict[str, dict] = {}

    def load(path=None, **options):
        asked[str(path)] = options
        answer = reads_the_code(7) if str(path).startswith("good") else lambda b: np.tile(np.eye(7)[3], (len(b), 1))
        return make_model(answer, FER2013, InputSpec(SIDE, SIDE, scaling="0..255"))

    monkeypatch.setattr("ferviz.models.load.load_model", load)
    return asked


@pytest.mark.slow
def test_evaluate(table: Path, networks, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["evaluate", str(table), "--model", "good.h5"]
    # The regions of a face are looked for, which takes its time: of a quarter of the faces.
    assert run([*asked, "--tta", "flip", "--occlude", "regions", "--fraction", "0.25", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    whole = np.bincount([int(line[0]) for line in table.read_text().splitlines()[21:]], minlength=7)
    assert (document["schema_version"], document["command"]) == (1, "evaluate")
    assert document["n"] == np.round(whole / 4).sum()
    for key in ("accuracy", "interval", "top2", "macro_recall", "macro_f1", "ece", "labels", "confusion", "per_class"):
        assert key in document
    assert set(document["per_class"]["happy"]) >= {"precision", "recall", "f1", "support"}
    assert set(document["occlusion"]) == {"none", *REGIONS}
    assert set(document["tta"]) == {"flip"}
    assert document["out"] == ["pixels_evaluate.png"]
    with Image.open(tmp_path / "pixels_evaluate.png") as page:
        assert page.size[0] > 1000
    assert run([*asked, "--out", "pixels_evaluate.png"]) == 7
    assert run(asked) == 0
    assert (tmp_path / "pixels_evaluate_2.png").is_file()


@pytest.mark.slow
def test_evaluate_compares(table: Path, networks, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "report"
    arguments = [
        "evaluate",
        str(table),
        "-m",
        "good.h5",
        "--compare",
        "bad.h5?scaling=0..1",
        "--out",
        str(out),
    ]
    assert run(arguments) == 0
    text = capsys.readouterr().out
    assert "McNemar p" in text
    assert networks["bad.h5"]["scaling"] == "0..1"
    assert sorted(p.name for p in out.iterdir()) == [
        "compare.png",
        "disagreements.csv",
        "disagreements.png",
        "mistakes.png",
        "predictions.csv",
        "report.json",
        "report.png",
    ]
    figures = tmp_path / "f.json"
    assert run([*arguments[:-1], str(figures), "--quiet"]) == 0
    compared = json.loads(figures.read_text())["compare"]
    assert compared["only_second_right"] >= 0
    rows = [int(line.split(",")[0]) for line in (out / "disagreements.csv").read_text().splitlines()[1:]]
    assert rows == compared["disagreement_rows"]
    assert f"disagree on {len(rows):,} faces" in text
    # What lies beside the page is found before anything is measured.
    (tmp_path / "page_disagreements.png").write_bytes(b"mine")
    assert run([*arguments[:-1], str(tmp_path / "page.png")]) == 7
    assert not (tmp_path / "page.png").exists()
    assert (tmp_path / "page_disagreements.png").read_bytes() == b"mine"


@pytest.mark.slow
def test_evaluate_a_share_and_a_random_split(table: Path, networks, capsys, monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["evaluate", str(table), "--model", "good.h5", "--json", "--force"]
    assert run([*asked, "--fraction", "0.5", "--reader", "csv"]) == 0
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    whole = np.bincount([int(line[0]) for line in table.read_text().splitlines()[21:]], minlength=7)
    assert [c["support"] for c in document["per_class"].values()] == np.round(whole / 2).tolist()
    assert document["settings"]["fraction"] == 0.5
    assert "measured on 0.5 of the faces, drawn with seed 0" in printed.err
    assert run([*asked, "--split", "random", "--seed", "5"]) == 0
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert document["split"] == "a random tenth"
    with pytest.warns(UserWarning, match="random split"):
        held = read_data(table, split="random", seed=5).part("PublicTest")
    assert 0 < document["n"] == len(held) < 60
    notes = [line for line in printed.err.splitlines() if "random split" in line]
    assert notes == ["note: " + notes[0].removeprefix("note: ")], "said once, as a note and not as Python says it"


@pytest.mark.parametrize(
    ("extra", "code", "words"),
    [
        (["--split", "PrivateTest"], 2, "split 'PrivateTest' is not in"),
        (["--tta", "flop"], 2, "did you mean 'flip'"),
        (["--scheme", "9"], 2, "label scheme '9'"),
        (["--out", "x.docx"], 2, ".docx"),
        (["--fraction", "1.5"], 2, "fraction"),
        (["--reader", "xml"], 2, "data reader 'xml'"),
        (["--scheme", "cat,dog"], 6, "has no face for the labels"),
    ],
)
def test_evaluate_says_what_is_wrong_before_the_work(
    table: Path, networks, extra, code, words, capsys, monkeypatch, tmp_path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["evaluate", str(table), "--model", "good.h5", *extra]) == code
    assert words in capsys.readouterr().err
    assert not networks, "the network was not even loaded"


def test_check_prints_and_writes(
    table: Path, networks, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.h5").write_bytes(b"")
    assert run(["check", "good.h5", str(table), "--write"]) == 0
    out = capsys.readouterr().out
    assert "labels are right: 0..255" in out
    said = json.loads(Path("good.h5.ferviz.json").read_text())
    assert (said["labels"], said["input"]["scaling"]) == (list(FER2013), "0..255")
    assert run(["check", "good.h5", str(table), "--write"]) == 7
    assert run(["check", "good.h5", str(table), "--write", "--force", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"current", "best", "candidates", "warnings"} <= set(document)
    assert {"scaling", "labels", "resize", "accuracy", "interval"} <= set(document["best"])
    assert {"scaling", "labels", "accuracy"} <= set(document["current"])
    assert document["out"] == "good.h5.ferviz.json"


def test_check_writes_nothing_for_a_network_that_knows_nothing(
    table: Path, networks, tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.h5").write_bytes(b"")
    assert run(["check", "bad.h5", str(table)]) == 0
    assert "collapsed to one class" in capsys.readouterr().out
    assert run(["check", "bad.h5", str(table), "--write"]) == 6
    assert not Path("bad.h5.ferviz.json").exists()
