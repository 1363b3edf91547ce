"""The verdict on its way: from `explain` into pictures, records, tables and files, and back."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

import ferviz
from ferviz.attribution.explain import MAX_TESTED
from ferviz.errors import DataError, UsageError
from ferviz.trust.calibration import Calibration

PLACE = (slice(0, 4), slice(0, 4))


@pytest.fixture
def corner(pattern_network):
    """A network that looks at the upper left corner, and five faces of which only three have anything there."""
    model, pictures = pattern_network(PLACE)
    plain = np.full((2, 16, 16, 1), 115, np.uint8)
    return model, np.concatenate([pictures, plain])[..., 0]


def outcomes(explanation):
    return [[verdict.outcome for verdict in row] for row in explanation.trust.verdicts]


def test_every_map_has_a_verdict(corner):
    model, faces = corner
    explanation = ferviz.explain(model, faces, method="saliency", target=("class 1", "class 0", "class 1-class 0"))
    # Nothing speaks for class 0, and the pattern leaves it no probability that hiding could take away.
    assert outcomes(explanation) == [["better", "not-assessable", "better"]] * 3 + [["not-assessable"] * 3] * 2
    assert [len(explanation[1:3].trust.verdicts), outcomes(explanation[2])] == [2, outcomes(explanation)[2:3]]


def test_chunks_change_no_verdict(corner):
    model, faces = corner
    together = ferviz.explain(model, faces, method="saliency")
    parts = ferviz.explain(model, faces, method="saliency", batch_size=2)
    assert parts.to_dict()["pictures"] == together.to_dict()["pictures"]


def test_more_maps_than_a_picture_shows_are_tested_on_request_alone(corner):
    model, faces = corner
    many = np.resize(faces, (MAX_TESTED + 1, 16, 16))
    assert ferviz.explain(model, many[:-1], method="saliency").trust is not None
    assert ferviz.explain(model, many, method="saliency").trust is None
    assert ferviz.explain(model, many[:25], method="saliency", target="all").trust is None
    assert len(ferviz.explain(model, many, method="saliency", test=True).trust.verdicts) == MAX_TESTED + 1
    assert ferviz.explain(model, faces, method="saliency", test=False).trust is None


@pytest.mark.slow
def test_of_large_pictures_fewer_maps_are_tested(pattern_network):
    model, pictures = pattern_network(PLACE, shape=(256, 256, 1))
    faces = pictures[..., 0]
    assert ferviz.explain(model, faces, method="saliency").trust is not None  # three of 256 x 256
    assert ferviz.explain(model, faces[[0, 1, 2, 0]], method="saliency").trust is None
    assert ferviz.explain(model, faces[0], method="saliency", target="predicted").trust is not None


def test_the_verdict_survives_an_archive(corner, tmp_path):
    model, faces = corner
    explanation = ferviz.explain(model, faces, method="saliency", target=("predicted", "class 0"))
    back = ferviz.Explanation.load(explanation.save(tmp_path / "maps.npz"))
    assert outcomes(back) == outcomes(explanation)
    assert back.to_dict() == explanation.to_dict()
    untested = ferviz.explain(model, faces, method="saliency", test=False)
    assert ferviz.Explanation.load(untested.save(tmp_path / "untested.npz")).trust is None


def test_an_archive_with_another_verdict_is_refused(corner, tmp_path):
    model, faces = corner
    path = ferviz.explain(model, faces[:1], method="saliency").save(tmp_path / "maps.npz")
    with np.load(path) as file:
        arrays = dict(file)
    arrays["manifest"] = np.array(str(arrays["manifest"]).replace('"better"', '"splendid"'))
    np.savez(path, **arrays)
    with pytest.raises(DataError, match="splendid"):
        ferviz.Explanation.load(path)


def test_records_and_tables_hold_the_verdict(corner, tmp_path):
    model, faces = corner
    explanation = ferviz.explain(model, faces[2:4], method="saliency")
    document = json.loads(explanation.save(tmp_path / "maps.json").read_text(encoding="utf-8"))
    assert document["test"] == {"steps": 6, "fills": ["mean", "blur", "harmonic"], "delta": 0.05, "calibrated": False}
    better, unknown = (face["verdict"] for face in document["pictures"][0]["faces"])
    assert better["class 1"]["outcome"] == "better"
    assert min(better["class 1"]["margin"].values()) > 0.05
    assert unknown["class 0"]["reason"] == "the map is empty"
    with explanation.save(tmp_path / "maps.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["face"], row["target"], row["verdict"]) for row in rows] == [
        ("1", "class 1", "better"), ("2", "class 0", "not-assessable"),
    ]  # fmt: skip
    assert float(rows[0]["margin_blur"]) == better["class 1"]["margin"]["blur"]
    assert rows[1]["margin_blur"] == ""


def test_a_table_of_maps_that_were_not_tested_has_empty_cells(corner, tmp_path):
    model, faces = corner
    rows = ferviz.explain(model, faces[:1], method="saliency", test=False).table()
    assert dict(zip(*rows, strict=True))["verdict"] == ""


def test_a_picture_carries_the_verdict_and_what_to_ask_instead(corner, monkeypatch):
    model, faces = corner
    sheet = ferviz.explain(model, faces[:1], method="saliency").sheet()
    assert [(r.text, r.warns) for r in sheet.cells[0].remarks] == [("Tested: better than a centre blob", False)]
    assert not any("Ask" in note for note in sheet.notes)
    # A margin that no map can reach makes every map one that asks for another.
    monkeypatch.setattr("ferviz.trust.verdict.calibration_of", lambda model: Calibration({6: 1.0}, True))
    poor = ferviz.explain(model, faces[:1], method="saliency", target="class 1")
    (remark,) = poor.sheet().cells[0].remarks
    assert (remark.text, remark.warns) == ("Tested: not distinguishable from a centre blob", True)
    assert "Ask RISE: ferviz explain PICTURE --method rise --target 'class 1'" in poor.alternative()
    assert poor.alternative() in poor.sheet().notes
    # The one who typed a command can type the next one from the same folder; a picture tells no folders.
    named = replace(poor, faces=tuple(replace(face, source="photos/my face.png") for face in poor.faces))
    assert "'photos/my face.png' --method rise" in named.alternative()
    assert named.alternative(["--model", "nets/a.h5"]).endswith("--target 'class 1' --model nets/a.h5")
    typed = {"model_file": "nets/a.h5", "model_labels": "7-alphabetical", "model_architecture": "here/net.py:Net"}
    conventions = replace(poor, settings={**poor.settings, **typed})
    assert conventions.alternative().endswith("--model a.h5 --labels 7-alphabetical --architecture net.py:Net")
    (note,) = (note for note in named.sheet().notes if "Ask RISE" in note)
    assert "explain 'my face.png' --method rise" in note
    assert "photos" not in note
    assert poor.picture().height > ferviz.explain(model, faces[:1], method="saliency", test=False).picture().height


def test_a_picture_of_maps_that_were_not_tested_says_so(corner):
    model, faces = corner
    explanation = ferviz.explain(model, faces[:1], method="saliency", test=False)
    assert "Not tested whether these maps point at what the network needs." in explanation.sheet().notes
    assert (explanation.alternative(), explanation.remarks()) == ("", ())


def test_an_explanation_has_a_verdict_on_every_map_or_none(corner):
    model, faces = corner
    explanation = ferviz.explain(model, faces, method="saliency")
    with pytest.raises(UsageError, match="a verdict on each"):
        replace(explanation, trust=replace(explanation.trust, verdicts=explanation.trust.verdicts[:2]))
