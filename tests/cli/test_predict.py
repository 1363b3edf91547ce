"""`ferviz predict` with a network that says what a picture's colour is: its answers are known beforehand."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from ferviz.cli import run
from ferviz.cli.commands import predict
from ferviz.images import read_image, read_manifest, write_image
from ferviz.models.prediction import Prediction
from ferviz.tables.csv_table import csv_text

LABELS = ("angry", "happy", "sad")


class Colours:
    """Says how red, green and blue a crop is, as angry, happy and sad."""

    name, sha256, labels, cautions = "colours", "0" * 64, LABELS, ("the file does not name its classes",)
    calls: list[int]

    def __init__(self) -> None:
        self.calls = []

    def predict(self, faces):
        self.calls.append(len(faces))
        means = [f.pixels.reshape(-1, 3).mean(0) + 1e-3 for f in faces]
        return [
            Prediction(LABELS[int(m.argmax())], dict(zip(LABELS, map(float, m / m.sum()), strict=True)), f)
            for f, m in zip(faces, means, strict=True)
        ]


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Colours:
    fake = Colours()
    monkeypatch.setattr(predict, "open_model", lambda options, console: fake)
    return fake


@pytest.fixture
def shots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three coloured 48 x 48 crops, a text that calls itself a picture, and a picture without a face."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "shots"
    folder.mkdir()
    for name, colour in (("1.png", (200, 20, 20)), ("2.png", (20, 200, 90)), ("10.png", (20, 20, 200))):
        write_image(folder / name, np.full((48, 48, 3), colour, np.uint8))
    (folder / "3.png").write_text("words")
    write_image(folder / "4.png", np.zeros((60, 200, 3), np.uint8))
    return folder


def test_one_picture_as_json(model: Colours, shots: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "shots/2.png", "--json"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert out["schema_version"] == 1
    assert out["command"] == "predict"
    (picture,) = out["pictures"]
    assert picture["source"] == "shots/2.png"
    assert picture["error"] is None
    (face,) = picture["faces"]
    assert face["box"] is None
    assert face["label"] == "happy"
    assert face["second"] == "sad"
    assert list(face["probabilities"]) == list(LABELS)
    assert face["probabilities"]["happy"] == pytest.approx(200 / 310, abs=1e-4)


def test_one_bad_file_and_the_rest_goes_on(model: Colours, shots: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "shots", "--json"]) == 3
    out, err = capsys.readouterr()
    pictures = json.loads(out)["pictures"]
    assert [Path(p["source"]).name for p in pictures] == ["1.png", "2.png", "3.png", "4.png", "10.png"]
    assert [p["faces"][0]["label"] if p["faces"] else None for p in pictures] == ["angry", "happy", None, None, "sad"]
    assert "not a PNG" in pictures[2]["error"]
    assert "no face" in pictures[3]["error"]
    assert err.count("ferviz: ") == 2
    assert "Traceback" not in err
    assert model.calls == [3]


def test_json_lines_and_plain_lines(model: Colours, shots: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "shots/1.png", "shots/10.png", "--jsonl"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["faces"][0]["label"] for line in lines] == ["angry", "sad"]
    assert [line["warnings"] for line in lines] == [["the file does not name its classes"]] * 2
    assert run(["predict", "shots/1.png"]) == 0
    assert capsys.readouterr().out == "shots/1.png: angry 0.83, happy 0.08\n"


def test_csv_has_a_line_a_face_and_a_line_an_error(
    model: Colours, shots: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["predict", "shots/3.png", "shots/1.png", "--csv"]) == 3
    bad, good = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert bad["source"] == "shots/3.png"
    assert "not a PNG" in bad["error"]
    assert good["label"] == "angry"
    assert float(good["p_angry"]) == pytest.approx(200 / 240, abs=1e-4)
    assert good["error"] == ""


def test_the_table_goes_to_a_file_by_suffix(model: Colours, shots: Path) -> None:
    for name in ("out.csv", "out.json", "out.jsonl"):
        assert run(["predict", "shots/1.png", "shots/2.png", "--out", name, "--quiet"]) == 0
        text = Path(name).read_text()
        if name.endswith(".csv"):
            labels = [row["label"] for row in csv.DictReader(io.StringIO(text))]
        elif name.endswith(".json"):
            labels = [p["faces"][0]["label"] for p in json.loads(text)["pictures"]]
            assert json.loads(text)["manifest"]["warnings"] == ["the file does not name its classes"]
        else:
            labels = [json.loads(line)["faces"][0]["label"] for line in text.splitlines()]
        assert labels == ["angry", "happy"]
        assert run(["predict", "shots/1.png", "--out", name]) == 7
        assert Path(name).read_text() == text
        assert run(["predict", "shots/1.png", "--out", name, "--force"]) == 0


def test_file_names_that_are_formulas_are_defused(
    model: Colours, shots: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["=1+1.png", "+a.png", "@b.png", "-c.png", "plain.png"]
    for name in names:
        (shots.parent / name).write_bytes((shots / "1.png").read_bytes())
    assert run(["predict", "--csv", "--", *names]) == 0
    sources = [row["source"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))]
    assert sources == ["'=1+1.png", "'+a.png", "'@b.png", "'-c.png", "plain.png"]
    assert csv_text([["\tx"]]) == "'\tx\n"


def test_annotated_pictures(model: Colours, shots: Path) -> None:
    assert run(["predict", "shots/1.png", "--out", "one.png"]) == 0
    assert read_image("one.png").shape[0] >= 48
    assert read_manifest("one.png")["model"] == "colours"
    assert run(["predict", "shots", "--out", "marked", "--quiet"]) == 3
    assert sorted(p.name for p in Path("marked").iterdir()) == ["10_predict.png", "1_predict.png", "2_predict.png"]
    assert run(["predict", "shots", "--out", "marked"]) == 7
    assert run(["predict", "shots", "--out", "two.png"]) == 2


def test_exit_codes_without_faces(model: Colours, shots: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "shots/4.png"]) == 5
    assert run(["predict", "shots/4.png", "shots/4.png"]) == 5
    assert run(["predict", "shots/4.png", "shots/1.png"]) == 5
    assert run(["predict", "shots/1.png", "missing.png", "shots/4.png"]) == 3
    assert run(["predict", "missing.png"]) == 3
    assert "missing.png" in capsys.readouterr().err
    assert run(["predict", "missing.png", "--json", "--csv"]) == 2
    assert run(["predict", "shots/1.png", "--out", "x.xyz"]) == 2
    capsys.readouterr()
    assert run(["predict", "shots", "--detector", "harr"]) == 2
    assert capsys.readouterr().err.count("did you mean 'haar'") == 1


def test_thousands_of_pictures_go_through_in_groups(model: Colours, shots: Path) -> None:
    data = (shots / "1.png").read_bytes()
    many = shots.parent / "many"
    many.mkdir()
    for i in range(150):
        (many / f"{i}.png").write_bytes(data)
    assert run(["predict", "many", "--quiet"]) == 0
    assert model.calls == [64, 64, 22]


def test_crops_are_the_faces_as_the_network_gets_them(
    model: Colours, shots: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two faces of one picture, one of them tilted: each is saved exactly as it is handed to the network."""
    from ferviz.faces.detectors.detector import Detection
    from ferviz.faces.find import crop_face

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (120, 200, 3), dtype=np.uint8)
    write_image("group.png", pixels)
    cut = [
        crop_face(pixels, Detection((20, 30, 60, 70), 0.9), "group.png"),
        crop_face(pixels, Detection((110, 20, 190, 100), 0.8, angle=30.0), "group.png"),
    ]
    monkeypatch.setattr("ferviz.faces.find.find_faces", lambda path, **chosen: cut)
    assert run(["predict", "group.png", "--crops", "faces", "--json"]) == 0
    (picture,) = json.loads(capsys.readouterr().out)["pictures"]
    assert [face["crop"] for face in picture["faces"]] == ["faces/group_01.png", "faces/group_02.png"]
    for face, crop in zip(picture["faces"], cut, strict=True):
        np.testing.assert_array_equal(read_image(face["crop"]), crop.pixels)
        about = read_manifest(face["crop"])
        assert (about["source"], about["box"], about["angle"]) == ("group.png", list(crop.box), crop.angle)
        assert (about["label"], about["model"]) == (face["label"], "colours")
    assert read_image("faces/group_02.png").shape == (80, 80, 3)


def test_crops_in_the_tables(model: Colours, shots: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "shots/3.png", "shots/1.png", "--crops", "faces", "--csv", "--out", "t.csv"]) == 3
    printed = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert printed == list(csv.DictReader(io.StringIO(Path("t.csv").read_text())))
    assert [(row["crop"], bool(row["error"])) for row in printed] == [("", True), ("faces/1_01.png", False)]
    assert run(["predict", "shots/1.png", "--csv"]) == 0
    assert "crop" not in capsys.readouterr().out


def test_crops_have_safe_names_and_no_two_the_same(
    model: Colours, shots: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = shots / "other"
    other.mkdir()
    data = (shots / "1.png").read_bytes()
    long = "é" * 120
    for name in ("1.png", "1.PNG", "=a b;\n.png", ".-hidden.png"):
        (other / name).write_bytes(data)
    (other / f"{long}.png").write_bytes(data)
    files = ["shots/1.png", "shots/1.png", "shots/2.png", *(str(f) for f in sorted(other.iterdir()))]
    assert run(["predict", "--crops", "faces", "--json", "--detector", "none", "--", *files]) == 0
    named = [face["crop"] for p in json.loads(capsys.readouterr().out)["pictures"] for face in p["faces"]]
    assert len({name.casefold() for name in named}) == len(named) == len(files) - 1
    saved = sorted(p.name for p in Path("faces").iterdir())
    assert sorted(Path(name).name for name in named) == saved
    assert {"1_01.png", "2_01.png", "1-2_01.png", "1-3_01.png", "_a_b__01.png", "hidden_01.png"} < set(saved)
    assert all(len(name.encode()) < 255 and name.isprintable() for name in saved)


def test_crops_are_not_overwritten_unasked(model: Colours, shots: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("faces").mkdir()
    Path("faces/2_7.png").write_bytes(b"mine")
    Path("file").write_text("words")
    assert run(["predict", "shots", "--crops", "faces"]) == 7
    assert "faces/2_7.png" in capsys.readouterr().err
    assert run(["predict", "shots", "--crops", "file"]) == 1
    assert model.calls == []
    assert sorted(p.name for p in Path("faces").iterdir()) == ["2_7.png"]
    assert run(["predict", "shots/1.png", "--crops", "faces"]) == 0
    assert run(["predict", "shots", "--crops", "faces", "--force", "--quiet"]) == 3
    assert Path("faces/2_7.png").read_bytes() == b"mine"
    assert sorted(p.name for p in Path("faces").iterdir()) == ["10_01.png", "1_01.png", "2_01.png", "2_7.png"]


def test_a_crop_that_cannot_be_written_leaves_nothing(
    model: Colours, shots: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert run(["predict", "shots/1.png", "--crops", "faces"]) == 1
    assert "No space left" in capsys.readouterr().err
    assert list(Path("faces").iterdir()) == []
